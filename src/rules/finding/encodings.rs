//! Encodings of payloads that are not text: what two of them have in common.

/// What two payloads of one encoding have in common, where the encoding is known.
pub(super) fn encoding_hint(field: &str, recorded: &[u8], replayed: &[u8]) -> Option<String> {
    const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
    // Magic, method and flags; then the time, four bytes; then what was compressed.
    if recorded.starts_with(&GZIP) && replayed.starts_with(&GZIP) && recorded.len() > 10 && replayed.len() > 10 {
        return Some(if recorded[3] == replayed[3] && recorded[8..] == replayed[8..] {
            format!("{field}: both are gzip of equal content: the header's time differs; compress with a fixed time")
        } else {
            format!("{field} is gzip on both sides: compare what is in it, and compress it inside ctx.run")
        });
    }
    let binary = |bytes: &[u8]| std::str::from_utf8(bytes).is_err();
    if !binary(recorded) && !binary(replayed) {
        return None;
    }
    let at = recorded.iter().zip(replayed).position(|(one, other)| one != other);
    let at = at.unwrap_or(recorded.len().min(replayed.len()));
    let around = |bytes: &[u8]| {
        let shown = &bytes[at.saturating_sub(2).min(bytes.len())..(at + 6).min(bytes.len())];
        shown.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    };
    Some(format!(
        "{field} is binary: the first difference is at byte {at} ({} recorded, {} replayed around it)",
        around(recorded),
        around(replayed)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_in_another_encoding_is_told() {
        let gzip = |time: u8| [&[0x1f, 0x8b, 8, 0, time, 0, 0, 0, 2, 255][..], b"content"].concat();
        let found = encoding_hint("parameter", &gzip(1), &gzip(2)).unwrap();
        assert!(found.contains("both are gzip of equal content: the header's time differs"), "{found}");
        let found = encoding_hint("parameter", &[0xff, 1, 2], &[0xff, 1, 3]).unwrap();
        assert!(found.contains("at byte 2 (ff 01 02 recorded, ff 01 03 replayed"), "{found}");
        assert_eq!(encoding_hint("parameter", b"a", b"b"), None);
    }
}
