//! Command lines: what a person would type to carry out a planned action by hand.

use super::plan::{ActionKind, PlanCandidate};
use super::stuck::{Stuck, StuckStatus};

/// The command lines that carry an action out by hand.
pub fn command_lines(stuck: &Stuck, kind: &ActionKind, admin_url: &str, candidates: &[PlanCandidate]) -> Vec<String> {
    let id = shell_word(&stuck.id);
    let deployment = |candidate: usize| {
        let known = candidates[candidate].deployment.clone();
        known.map_or_else(|| "\"$DEPLOYMENT\"".to_owned(), |id| shell_word(&id))
    };
    let mut lines = Vec::new();
    if let Some(candidate) = kind.candidate()
        && candidates[candidate].deployment.is_none()
    {
        lines.push(format!(
            "restate --yes deployments register {}   # its id is $DEPLOYMENT",
            shell_word(&candidates[candidate].url)
        ));
    }
    match kind {
        ActionKind::Leave => {}
        ActionKind::Resume { candidate } => {
            if stuck.status != StuckStatus::Paused {
                lines.push(format!("restate --yes invocations pause {id}"));
            }
            lines.push(format!("restate --yes invocations resume --deployment {} {id}", deployment(*candidate)));
        }
        ActionKind::Restart { candidate, from, kill_first, commands: _ } => {
            if *kill_first {
                lines.push(format!("restate --yes invocations kill {id}"));
            }
            // Restate's own command line can restart an invocation only from the beginning.
            let address = format!(
                "{}/invocations/{}/restart-as-new?from={from}&deployment=",
                admin_url.trim_end_matches('/'),
                stuck.id
            );
            lines.push(format!("curl -X PATCH {}{}", shell_word(&address), deployment(*candidate)));
        }
    }
    lines
}

/// A word for a POSIX shell, quoted where that is needed.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '%' | '+' | ',');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
