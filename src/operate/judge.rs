//! Judging fetched journals: each invocation of a cluster on live candidates.

use futures_util::{StreamExt, stream};

use super::matrix::RestartPoint;
use super::prefix::largest_prefix;
use crate::check::live::Live;
use crate::journal::{InvocationInfo, Journal};
use crate::record::FetchedJournal;
use crate::report::{Judgement, Verdict};

/// A judgement of one invocation on one candidate.
#[derive(Debug)]
pub struct JudgedInvocation {
    pub id: String,
    pub info: InvocationInfo,
    pub candidate: usize,
    pub judgement: Judgement,
    pub restart: Option<RestartPoint>,
    /// How many entries were judged.
    pub entries: u64,
}

/// Whether to look for a restart point where a candidate does not replay the whole journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartSearch {
    Wanted,
    Unwanted,
}

/// Judges journals on every candidate, several at once on each. `sink` hears of each judgement, in the order of the
/// candidates, then of the journals.
pub async fn judge_on(
    lives: &[Live],
    journals: &[FetchedJournal],
    search: impl Fn(&str) -> RestartSearch,
    mut sink: impl FnMut(JudgedInvocation),
) {
    for (candidate, live) in lives.iter().enumerate() {
        let search = &search;
        let judged = stream::iter(journals)
            .map(|fetched| async move {
                let id = fetched.id.as_str().to_owned();
                let (judgement, restart, entries) = match &fetched.journal {
                    Err(reason) => (Judgement::inconclusive(0, reason.clone()), None, 0),
                    Ok(journal) => {
                        let judgement = live.judge(journal).await;
                        let restart = match search(&id) {
                            RestartSearch::Wanted => restart_point(live, journal, &judgement).await,
                            RestartSearch::Unwanted => None,
                        };
                        (judgement, restart, journal.entries.len() as u64)
                    }
                };
                JudgedInvocation { id, info: fetched.info.clone(), candidate, judgement, restart, entries }
            })
            .buffered(live.concurrency());
        let mut judged = std::pin::pin!(judged);
        while let Some(one) = judged.next().await {
            sink(one);
        }
    }
}

/// How many prefixes to try with a candidate that diverges earlier in a prefix than in the whole journal.
const TRIES: usize = 8;

/// The largest part of the journal that another invocation can start from on this candidate: a prefix that the candidate
/// replays under a new id. (The ids of awakeables that were written down belong to the old id.)
async fn restart_point(live: &Live, journal: &Journal, judgement: &Judgement) -> Option<RestartPoint> {
    let mut commands = match judgement.verdict {
        Verdict::Compatible => judgement.commands,
        Verdict::Mismatch => judgement.findings.iter().find(|finding| finding.stops_replay())?.command_index,
        Verdict::Failed | Verdict::Inconclusive => return None,
    };
    for _ in 0..TRIES {
        let prefix = largest_prefix(journal.entries.view(), commands).ok()??;
        let part = Journal { id: journal.id.clone(), info: journal.info.clone(), entries: prefix.entries };
        let judged = live.judge_as_new(&part).await;
        match judged.verdict {
            Verdict::Compatible => return Some(RestartPoint { from: prefix.from, commands: prefix.commands }),
            Verdict::Mismatch => {
                let at = judged.findings.iter().find(|finding| finding.stops_replay())?.command_index;
                // Each round is shorter than the one before.
                commands = at.min(prefix.commands.checked_sub(1)?);
            }
            Verdict::Failed | Verdict::Inconclusive => return None,
        }
    }
    None
}
