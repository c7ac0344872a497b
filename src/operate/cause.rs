//! A stuck cause: the one reason that a group of invocations is stuck for.
//!
//! A thousand stuck invocations with three causes read as three groups.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::message_template::{template_words, templates};
use super::stuck::{FailingStep, Stuck};

/// A group of invocations that are stuck for the same reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StuckCause {
    /// A hash of the cause: the same cause has the same id in every audit.
    pub id: String,
    pub service: String,
    pub handler: String,
    /// `RT0016`, `RT0007`, …; `None` for an invocation that was paused without a failure.
    pub code: Option<String>,
    pub step: Option<FailingStep>,
    /// The template of the messages.
    pub shape: Option<String>,
    /// The message of the oldest one, as it came.
    pub message: Option<String>,
    pub count: u64,
    pub statuses: BTreeMap<String, u64>,
    pub deployments: BTreeMap<String, u64>,
    pub sdks: BTreeSet<String>,
    pub oldest: Option<OldestStuck>,
    /// Its invocations, as places in the grouped list.
    #[serde(skip)]
    pub members: Vec<usize>,
}

/// The invocation that has been stuck the longest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OldestStuck {
    pub invocation: String,
    pub target: Option<String>,
    pub since: Option<String>,
}

/// What identifies a cause, apart from the message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct CauseKey {
    service: String,
    handler: String,
    code: Option<String>,
    step: Option<FailingStep>,
}

impl CauseKey {
    fn of(stuck: &Stuck) -> Self {
        let (service, handler) = stuck.info.service_and_handler().unwrap_or_default();
        let cause = &stuck.cause;
        let step = cause.step.clone().map(|step| FailingStep {
            // A step in a loop has another index each time. For a mismatch, the index is what matters.
            command_index: step.command_index.filter(|_| cause.is_mismatch()),
            name: step.name.map(|name| template_words(&name).join(" ")),
            command_type: step.command_type,
        });
        Self { service, handler, code: cause.code.clone(), step }
    }

    /// Whether the message does not matter: the messages of a mismatch differ by SDK and contain payloads, so its place
    /// is enough.
    fn ignores_message(&self) -> bool {
        self.code.as_deref() == Some("RT0016") && self.step.as_ref().is_some_and(|step| step.command_index.is_some())
    }
}

/// Groups stuck invocations by cause; the largest group comes first.
pub fn group(all: &[Stuck]) -> Vec<StuckCause> {
    let mut by_key: BTreeMap<CauseKey, Vec<usize>> = BTreeMap::new();
    for (at, stuck) in all.iter().enumerate() {
        by_key.entry(CauseKey::of(stuck)).or_default().push(at);
    }
    let mut causes = Vec::new();
    for (key, members) in by_key {
        if key.ignores_message() {
            causes.push(cause(&key, None, members, all));
            continue;
        }
        let words: Vec<_> =
            members.iter().map(|at| template_words(all[*at].cause.message.as_deref().unwrap_or_default())).collect();
        let mut by_template: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (template, at) in templates(&words).into_iter().zip(members) {
            by_template.entry(template).or_default().push(at);
        }
        causes.extend(by_template.into_iter().map(|(template, members)| cause(&key, Some(template), members, all)));
    }
    causes.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.id.cmp(&other.id)));
    causes
}

fn cause(key: &CauseKey, shape: Option<String>, members: Vec<usize>, all: &[Stuck]) -> StuckCause {
    let shape = shape.filter(|shape| !shape.is_empty());
    let mut hasher = SipHasher13::new();
    (key, &shape).hash(&mut hasher);
    let count = |name: &dyn Fn(&Stuck) -> Option<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for name in members.iter().filter_map(|at| name(&all[*at])) {
            *counts.entry(name).or_default() += 1;
        }
        counts
    };
    let oldest =
        members.iter().map(|at| &all[*at]).min_by(|one, other| (&one.since, &one.id).cmp(&(&other.since, &other.id)));
    StuckCause {
        id: format!("{:012x}", hasher.finish() >> 16),
        service: key.service.clone(),
        handler: key.handler.clone(),
        code: key.code.clone(),
        step: key.step.clone(),
        shape,
        message: oldest.and_then(|stuck| stuck.cause.message.clone()),
        count: members.len() as u64,
        statuses: count(&|stuck| Some(stuck.status.name().to_owned())),
        deployments: count(&|stuck| stuck.deployment().map(str::to_owned)),
        sdks: count(&|stuck| stuck.sdk.clone()).into_keys().collect(),
        oldest: oldest.map(|stuck| OldestStuck {
            invocation: stuck.id.clone(),
            target: stuck.info.target(),
            since: stuck.since.clone(),
        }),
        members,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::InvocationInfo;
    use crate::operate::stuck::{FailureCause, StuckStatus};

    fn stuck(number: usize, code: &str, message: &str, step: FailingStep) -> Stuck {
        Stuck {
            id: format!("inv_{number:04}"),
            info: InvocationInfo {
                service: Some("Order".into()),
                handler: Some("process".into()),
                deployment: Some(format!("dp_{}", number % 2)),
                ..InvocationInfo::default()
            },
            status: StuckStatus::BackingOff,
            cause: FailureCause { code: Some(code.into()), message: Some(message.into()), step: Some(step) },
            since: Some(format!("2026-11-24T00:{:02}:00.000Z", 59 - number % 60)),
            journal_size: 1,
            commands: 1,
            modified_at: None,
            invoked_by: None,
            invoked_by_target: None,
            sdk: None,
            journal_stays: true,
        }
    }

    #[test]
    fn a_thousand_with_three_causes_are_three_groups() {
        let run = |name: &str, index| FailingStep {
            command_index: Some(index),
            command_type: Some("Run".into()),
            name: Some(name.into()),
        };
        let all: Vec<Stuck> = (0..1000)
            .map(|number| match number % 5 {
                0 | 1 => stuck(number, "RT0016", &format!("parameter: '{{\"qty\":{number}}}' differs"), run("", 5)),
                2 | 3 => {
                    let name = format!("charge-{number}");
                    stuck(number, "RT0007", &format!("order {number} declined"), run(&name, number as u64))
                }
                _ => stuck(number, "RT0007", "ledger is down", run("book", 2)),
            })
            .collect();
        let causes = group(&all);
        assert_eq!(causes.iter().map(|cause| cause.count).collect::<Vec<_>>(), [400, 400, 200]);
        assert_eq!(causes[2].shape.as_deref(), Some("ledger is down"));
        assert_eq!(causes[0].deployments.values().sum::<u64>(), 400);
        assert_eq!(causes[0].deployments.len(), 2);
        let mut reversed = all.clone();
        reversed.reverse();
        let ids = |causes: &[StuckCause]| causes.iter().map(|cause| cause.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&group(&reversed)), ids(&causes), "a cause's id does not depend on the order");
        let oldest = causes[2].oldest.as_ref().unwrap();
        assert_eq!(oldest.since.as_deref(), Some("2026-11-24T00:00:00.000Z"));
    }
}
