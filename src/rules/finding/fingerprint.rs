//! The same for the same cause, whatever the invocation: the rule, the step on both sides, the paths.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::Change;
use crate::journal::Command;
use crate::rules::{Place, Rule};

pub(super) struct Fingerprint {
    hashed: Gathered,
    text: String,
}

/// What is hashed, to be hashed in one go.
#[derive(Default)]
struct Gathered(Vec<u8>);

impl Hasher for Gathered {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        SipHasher13::new().hash(&self.0)
    }
}

impl Fingerprint {
    pub fn of(rule: &Rule, service: &str, handler: &str) -> Self {
        let mut hashed = Gathered(Vec::with_capacity(128));
        (rule.id, service, handler).hash(&mut hashed);
        Self { hashed, text: String::with_capacity(64) }
    }

    pub fn steps(&mut self, place: &Place<'_>) {
        for command in [place.recorded, place.replayed] {
            self.text.clear();
            if let Some(command) = command {
                fold_step_name(command, &mut self.text);
            }
            command.map(|command| (command.kind.modulo_eager().name(), self.text.as_str())).hash(&mut self.hashed);
        }
    }

    pub fn paths(&mut self, changes: &[Change]) {
        for change in changes {
            self.text.clear();
            fold_indexes(&change.path, &mut self.text);
            self.text.hash(&mut self.hashed);
        }
    }

    pub fn text(&self) -> String {
        let hash = self.hashed.finish();
        let mut text = String::with_capacity(12);
        for at in (0..12).rev() {
            text.push(char::from(b"0123456789abcdef"[(hash >> (4 * at) & 15) as usize]));
        }
        text
    }
}

/// What a step goes by, all of it, without what tells an instance.
fn fold_step_name(command: &Command, folded: &mut String) {
    let mut before = false;
    for name in ["name", "key", "service_name", "handler_name", "signal_name"] {
        if let Some(text) = command.text(name) {
            if std::mem::replace(&mut before, true) {
                folded.push('\0');
            }
            fold_volatile(text, folded);
        }
    }
}

/// Runs of digits, and of hexadecimal that holds one, tell an instance, not a kind: they become `#`.
fn fold_volatile(text: &str, folded: &mut String) {
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, c)) if !c.is_ascii_alphanumeric() => word.split_at(at),
            _ => (word, ""),
        };
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let volatile = !word.is_empty() && (digits == word.len() || (digits > 0 && word.len() >= 8));
        folded.push_str(if volatile { "#" } else { word });
        folded.push_str(end);
    }
}

/// `items[3].n` and `items[4].n` are the same place.
fn fold_indexes(path: &str, folded: &mut String) {
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            digit if inside && digit.is_ascii_digit() => continue,
            _ => {}
        }
        folded.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_fold_into_kinds() {
        let fold = |fold: fn(&str, &mut String), text: &str| {
            let mut folded = String::new();
            fold(text, &mut folded);
            folded
        };
        assert_eq!(fold(fold_volatile, "cart-12345"), "cart-#");
        assert_eq!(fold(fold_volatile, "item 7 of 9f86d081884c"), "item # of #");
        assert_eq!(fold(fold_volatile, "price"), "price");
        assert_eq!(fold(fold_indexes, "items[12].n"), "items[].n");
    }
}
