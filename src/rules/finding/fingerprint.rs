//! A fingerprint: a hash that is equal for findings with the same cause, across invocations. It covers the rule, the
//! handler, the command on both sides, and the paths that differ.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::Change;
use crate::journal::Command;
use crate::rules::{DivergenceView, Rule};

pub(super) struct Fingerprint(HashInput);

/// Collects the bytes to hash, so that they are hashed in one call.
#[derive(Default)]
struct HashInput(Vec<u8>);

impl Hasher for HashInput {
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
        let mut hashed = HashInput(Vec::with_capacity(128));
        (rule.id, service, handler).hash(&mut hashed);
        Self(hashed)
    }

    pub fn steps(&mut self, view: &DivergenceView<'_>) {
        for command in [view.recorded, view.replayed] {
            command.map(|command| command.kind.modulo_eager().name()).hash(&mut self.0);
            if let Some(command) = command {
                push_step_name(command, &mut self.0.0);
                self.end_of_text();
            }
        }
    }

    pub fn paths(&mut self, changes: &[Change]) {
        for change in changes {
            push_without_indexes(&change.path, &mut self.0.0);
            self.end_of_text();
        }
    }

    /// Appends the terminator of a hashed text, as `str`'s own `Hash` does.
    fn end_of_text(&mut self) {
        self.0.write_u8(0xff);
    }

    pub fn text(&self) -> String {
        let hash = self.0.finish();
        hex_simd::encode_to_string(&hash.to_be_bytes()[2..], hex_simd::AsciiCase::Lower)
    }
}

/// Appends the names of a command: its name, key and target, without the parts that identify an instance.
fn push_step_name(command: &Command<'_>, normalized: &mut Vec<u8>) {
    let mut before = false;
    for name in ["name", "key", "service_name", "handler_name", "signal_name"] {
        if let Some(text) = command.text(name) {
            if std::mem::replace(&mut before, true) {
                normalized.push(0);
            }
            push_without_instance(text, normalized);
        }
    }
}

/// Appends the text with instance ids replaced by `#`: numbers, and longer words that contain a digit.
fn push_without_instance(text: &str, normalized: &mut Vec<u8>) {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return normalized.extend_from_slice(text.as_bytes());
    }
    for word in text.as_bytes().split_inclusive(|byte| !byte.is_ascii_alphanumeric()) {
        let (word, end) = match word.split_last() {
            Some((last, word)) if !last.is_ascii_alphanumeric() => (word, Some(*last)),
            _ => (word, None),
        };
        let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
        let volatile = !word.is_empty() && (digits == word.len() || (digits > 0 && word.len() >= 8));
        normalized.extend_from_slice(if volatile { b"#" } else { word });
        normalized.extend(end);
    }
}

/// `items[3].n` and `items[4].n` are the same place.
fn push_without_indexes(path: &str, normalized: &mut Vec<u8>) {
    let mut inside = false;
    for byte in path.bytes() {
        match byte {
            b'[' => inside = true,
            b']' => inside = false,
            digit if inside && digit.is_ascii_digit() => continue,
            _ => {}
        }
        normalized.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_ignore_instances() {
        let normalize = |push: fn(&str, &mut Vec<u8>), text: &str| {
            let mut normalized = Vec::new();
            push(text, &mut normalized);
            String::from_utf8(normalized).unwrap()
        };
        assert_eq!(normalize(push_without_instance, "cart-12345"), "cart-#");
        assert_eq!(normalize(push_without_instance, "item 7 of 9f86d081884c"), "item # of #");
        assert_eq!(normalize(push_without_instance, "price"), "price");
        assert_eq!(normalize(push_without_indexes, "items[12].n"), "items[].n");
    }
}
