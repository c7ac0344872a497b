//! Invocations of a cluster, checked on live candidates.

use futures_util::{StreamExt, stream};

use super::matrix::Prefix;
use super::prefix::largest_whole;
use crate::check::live::Live;
use crate::journal::Journal;
use crate::report::{Judgement, Verdict};
use crate::source::{Corpus, Ids, Journals};

/// Journals that are fetched and held at once.
pub const CHUNK: usize = 256;

/// A judgement of one invocation on one candidate, as it becomes known.
#[derive(Debug)]
pub struct JudgedOn {
    pub id: String,
    pub candidate: usize,
    pub judgement: Judgement,
    pub prefix: Option<Prefix>,
    /// How many entries were judged.
    pub entries: u64,
    pub handler: (String, String),
    pub deployment: String,
}

/// Whether a place to start anew from is looked for where a candidate does not replay everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefixes {
    Wanted,
    Unwanted,
}

/// Judges these journals on every candidate; several at once on each.
pub async fn judge_on(
    lives: &[Live],
    (corpus, ids): (&Corpus, &Ids),
    prefixes: impl Fn(&str) -> Prefixes,
    mut sink: impl FnMut(JudgedOn),
) {
    for (candidate, live) in lives.iter().enumerate() {
        let prefixes = &prefixes;
        let judged = stream::iter(Journals::new(corpus, ids))
            .map(|(order, info, journal)| async move {
                let id = ids.id(order).as_str().to_owned();
                let deployment = info.deployment.clone().unwrap_or_default();
                let handler = info.service_and_handler().unwrap_or_default();
                let (judgement, prefix, entries) = match journal {
                    Err(reason) => (Judgement::inconclusive(0, reason), None, 0),
                    Ok(journal) => {
                        let judgement = live.judge(&journal).await;
                        let prefix = match prefixes(&id) {
                            Prefixes::Wanted => prefix_for(live, &journal, &judgement).await,
                            Prefixes::Unwanted => None,
                        };
                        (judgement, prefix, journal.entries.len() as u64)
                    }
                };
                JudgedOn { id, candidate, judgement, prefix, entries, handler, deployment }
            })
            .buffered(live.concurrency());
        let mut judged = std::pin::pin!(judged);
        while let Some(one) = judged.next().await {
            sink(one);
        }
    }
}

/// A candidate that goes astray earlier in a part than in the whole is asked this often.
const TRIES: usize = 8;

/// The largest part of the journal that another invocation can start from on this candidate: whole, and replayed there
/// under a new id (ids of awakeables that were written down belong to the old one).
async fn prefix_for(live: &Live, journal: &Journal, judgement: &Judgement) -> Option<Prefix> {
    let mut commands = match judgement.verdict {
        Verdict::Compatible => judgement.commands,
        Verdict::Mismatch => judgement.findings.iter().find(|finding| finding.stops_replay())?.command_index,
        Verdict::Failed | Verdict::Inconclusive => return None,
    };
    for _ in 0..TRIES {
        let whole = largest_whole(journal.entries.view(), commands).ok()??;
        let part = Journal { id: journal.id.clone(), info: journal.info.clone(), entries: whole.entries };
        let judged = live.judge_as_new(&part).await;
        match judged.verdict {
            Verdict::Compatible => return Some(Prefix { from: whole.from, commands: whole.commands }),
            Verdict::Mismatch => {
                let at = judged.findings.iter().find(|finding| finding.stops_replay())?.command_index;
                // Each round is shorter than the one before.
                commands = at.min(whole.commands.checked_sub(1)?);
            }
            Verdict::Failed | Verdict::Inconclusive => return None,
        }
    }
    None
}
