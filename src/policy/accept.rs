//! Accepted findings: who let what pass, why, and until when.

use std::fmt::Write;

use toml_edit::{DocumentMut, Item, Table, value};

use super::{Date, PolicyError};

/// One `[[accept]]` of `rehearse.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    pub fingerprint: String,
    /// For those who read the file; the fingerprint alone counts.
    pub rule: Option<String>,
    pub target: Option<String>,
    pub reason: String,
    pub author: String,
    /// The last day on which it counts.
    pub expires: Option<Date>,
}

/// What became of an acceptance in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptanceState {
    /// It let this many findings pass.
    Used { by: u64 },
    /// Nothing has its fingerprint: it can be deleted.
    Unused,
    /// It counts no more, on this many findings.
    Expired { on: u64 },
}

impl Acceptance {
    pub(super) fn expired(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table["fingerprint"] = value(&self.fingerprint);
        for (key, text) in [("rule", &self.rule), ("target", &self.target)] {
            if let Some(text) = text {
                table[key] = value(text);
            }
        }
        table["reason"] = value(&self.reason);
        table["author"] = value(&self.author);
        if let Some(expires) = self.expires {
            table["expires"] = value(expires.to_string());
        }
        table
    }
}

/// The acceptances as TOML, to be pasted into `rehearse.toml`.
pub fn write_acceptances(acceptances: &[Acceptance]) -> String {
    let mut text = String::new();
    for acceptance in acceptances {
        let separator = if text.is_empty() { "" } else { "\n" };
        let written = write!(text, "{separator}[[accept]]\n{}", acceptance.table());
        written.expect("a String takes everything");
    }
    text
}

/// The text of `rehearse.toml` with these acceptances at its end: one of the same fingerprint goes, everything else stays
/// as it was, comments included.
pub fn append_acceptances(text: &str, acceptances: &[Acceptance]) -> Result<String, PolicyError> {
    let mut document: DocumentMut = text.parse().map_err(PolicyError::edit)?;
    if let Some(list) = document.get_mut("accept") {
        let Some(list) = list.as_array_of_tables_mut() else {
            return Err(PolicyError::new("accept is not a list of tables; write [[accept]]"));
        };
        let replaced =
            |table: &Table| table.get("fingerprint").and_then(Item::as_str).is_some_and(|old| is_of(acceptances, old));
        list.retain(|table| !replaced(table));
    }
    // As text, since a document's last comments would otherwise end up behind what is added.
    let kept = document.to_string();
    let separator = if kept.trim().is_empty() { "" } else { "\n\n" };
    Ok(format!("{}{separator}{}", kept.trim_end(), write_acceptances(acceptances)))
}

fn is_of(acceptances: &[Acceptance], fingerprint: &str) -> bool {
    acceptances.iter().any(|acceptance| acceptance.fingerprint == fingerprint)
}
