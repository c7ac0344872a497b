//! An acceptance: a record in `rehearse.toml` that lets a finding pass, with who accepted it, why, and until when.

use std::fmt::Write;

use jiff::ToSpan;
use toml_edit::{DocumentMut, Item, Table, value};

use super::Date;
use super::error::PolicyError;

/// One `[[accept]]` table of `rehearse.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    pub fingerprint: String,
    /// For people who read the file; only the fingerprint is matched.
    pub rule: Option<String>,
    pub target: Option<String>,
    pub reason: String,
    pub author: String,
    /// The last day on which it is valid; `None` means for ever.
    pub expires: Option<Date>,
}

/// Days for which an acceptance is valid where nobody says otherwise.
const DEFAULT_DAYS: i64 = 30;

/// The last day of an acceptance for which nobody named one.
pub fn default_expiry(today: Date) -> Option<Date> {
    today.checked_add(DEFAULT_DAYS.days()).ok()
}

/// Whether and how one run used an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptanceState {
    /// It let this many findings pass.
    Used { by: u64 },
    /// No finding has its fingerprint, so it can be deleted.
    Unused,
    /// It is no longer valid; this many findings have its fingerprint.
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

/// The acceptances as TOML, for pasting into `rehearse.toml`.
pub fn write_acceptances(acceptances: &[Acceptance]) -> String {
    let mut text = String::new();
    for acceptance in acceptances {
        let separator = if text.is_empty() { "" } else { "\n" };
        let written = write!(text, "{separator}[[accept]]\n{}", acceptance.table());
        written.expect("a String takes everything");
    }
    text
}

/// The text of `rehearse.toml` with these acceptances added at its end. They replace earlier acceptances of the same
/// fingerprints; everything else stays as it was, comments included.
pub fn append_acceptances(text: &str, acceptances: &[Acceptance]) -> Result<String, PolicyError> {
    let mut document: DocumentMut = text.parse().map_err(PolicyError::edit)?;
    if let Some(list) = document.get_mut("accept") {
        let Some(list) = list.as_array_of_tables_mut() else {
            return Err(PolicyError::new("accept is not a list of tables; write [[accept]]"));
        };
        let replaced =
            |table: &Table| table.get("fingerprint").and_then(Item::as_str).is_some_and(|old| have(acceptances, old));
        list.retain(|table| !replaced(table));
    }
    // Appended as text: toml_edit would move the file's last comments behind the new tables.
    let kept = document.to_string();
    let separator = if kept.trim().is_empty() { "" } else { "\n\n" };
    Ok(format!("{}{separator}{}", kept.trim_end(), write_acceptances(acceptances)))
}

fn have(acceptances: &[Acceptance], fingerprint: &str) -> bool {
    acceptances.iter().any(|acceptance| acceptance.fingerprint == fingerprint)
}
