//! The same for the same cause, whatever the invocation: the rule, the step on both sides, the paths.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::Change;
use crate::journal::Command;
use crate::rules::{Place, Rule};

pub(super) struct Fingerprint(Gathered);

/// What is hashed, to be hashed in one go.
#[derive(Default)]
struct Gathered(Vec<u8>);

impl Hasher for Gathered {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn finish(&self) -> u64 {
        SipHasher13::new().hash(&self.0)
    }
}

impl Fingerprint {
    pub fn of(rule: &Rule, service: &str, handler: &str) -> Self {
        let mut hashed = Gathered(Vec::with_capacity(128));
        (rule.id, service, handler).hash(&mut hashed);
        Self(hashed)
    }

    pub fn steps(&mut self, place: &Place<'_>) {
        for command in [place.recorded, place.replayed] {
            command.map(|command| command.kind.modulo_eager().name()).hash(&mut self.0);
            if let Some(command) = command {
                fold_step_name(command, &mut self.0.0);
                self.end_of_text();
            }
        }
    }

    pub fn paths(&mut self, changes: &[Change]) {
        for change in changes {
            fold_indexes(&change.path, &mut self.0.0);
            self.end_of_text();
        }
    }

    /// What a text ends with when it is hashed.
    fn end_of_text(&mut self) {
        self.0.write_u8(0xff);
    }

    pub fn text(&self) -> String {
        let hash = self.0.finish();
        hex_simd::encode_to_string(&hash.to_be_bytes()[2..], hex_simd::AsciiCase::Lower)
    }
}

/// What a step goes by, all of it, without what tells an instance.
fn fold_step_name(command: &Command<'_>, folded: &mut Vec<u8>) {
    let mut before = false;
    for name in ["name", "key", "service_name", "handler_name", "signal_name"] {
        if let Some(text) = command.text(name) {
            if std::mem::replace(&mut before, true) {
                folded.push(0);
            }
            fold_volatile(text, folded);
        }
    }
}

/// Runs of digits, and of hexadecimal that holds one, tell an instance, not a kind: they become `#`.
fn fold_volatile(text: &str, folded: &mut Vec<u8>) {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return folded.extend_from_slice(text.as_bytes());
    }
    for word in text.as_bytes().split_inclusive(|byte| !byte.is_ascii_alphanumeric()) {
        let (word, end) = match word.split_last() {
            Some((last, word)) if !last.is_ascii_alphanumeric() => (word, Some(*last)),
            _ => (word, None),
        };
        let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
        let volatile = !word.is_empty() && (digits == word.len() || (digits > 0 && word.len() >= 8));
        folded.extend_from_slice(if volatile { b"#" } else { word });
        folded.extend(end);
    }
}

/// `items[3].n` and `items[4].n` are the same place.
fn fold_indexes(path: &str, folded: &mut Vec<u8>) {
    let mut inside = false;
    for byte in path.bytes() {
        match byte {
            b'[' => inside = true,
            b']' => inside = false,
            digit if inside && digit.is_ascii_digit() => continue,
            _ => {}
        }
        folded.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_fold_into_kinds() {
        let fold = |fold: fn(&str, &mut Vec<u8>), text: &str| {
            let mut folded = Vec::new();
            fold(text, &mut folded);
            String::from_utf8(folded).unwrap()
        };
        assert_eq!(fold(fold_volatile, "cart-12345"), "cart-#");
        assert_eq!(fold(fold_volatile, "item 7 of 9f86d081884c"), "item # of #");
        assert_eq!(fold(fold_volatile, "price"), "price");
        assert_eq!(fold(fold_indexes, "items[12].n"), "items[].n");
    }
}
