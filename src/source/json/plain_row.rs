//! Plain row: a JSON row in exactly the form in which servers and their CLI write it, parsed at the speed of memory.

use std::borrow::Cow;

use super::row::{Hex, JsonRow, JsonText, Number};

/// The first row and its length, if it has the plain form: on one line, with known names, each of them once, and texts
/// without escapes. All other rows are left to serde.
pub(super) fn plain_row(rest: &[u8]) -> Result<(JsonRow<'_>, usize), NotPlain> {
    let mut row = JsonRow::default();
    let mut at = 0;
    pass(rest, &mut at, b'{')?;
    loop {
        let name = plain_text(rest, &mut at)?;
        pass(rest, &mut at, b':')?;
        match name {
            b"raw" => set(&mut row.raw, Hex(Cow::Borrowed(plain_text(rest, &mut at)?)))?,
            b"index" => set(&mut row.index, plain_number(rest, &mut at)?)?,
            b"version" => set(&mut row.version, plain_number(rest, &mut at)?)?,
            b"pinned_service_protocol_version" => {
                set(&mut row.pinned_service_protocol_version, plain_number(rest, &mut at)?)?;
            }
            name => {
                let slot = match name {
                    b"id" => &mut row.id,
                    b"entry_type" => &mut row.entry_type,
                    b"target" => &mut row.target,
                    b"target_service_name" => &mut row.target_service_name,
                    b"target_service_key" => &mut row.target_service_key,
                    b"target_handler_name" => &mut row.target_handler_name,
                    b"target_service_ty" => &mut row.target_service_ty,
                    b"pinned_deployment_id" => &mut row.pinned_deployment_id,
                    b"status" => &mut row.status,
                    b"created_at" => &mut row.created_at,
                    _ => return Err(NotPlain::Other),
                };
                let text = std::str::from_utf8(plain_text(rest, &mut at)?).map_err(|_| NotPlain::Other)?;
                // Without an early exit, the compiler makes vector code of this.
                if text.bytes().fold(false, |control, byte| control | (byte < b' ')) {
                    return Err(NotPlain::Other);
                }
                set(slot, JsonText(Cow::Borrowed(text)))?;
            }
        }
        if rest.get(at) == Some(&b'}') {
            return Ok((row, at + 1));
        }
        pass(rest, &mut at, b',')?;
    }
}

/// Why a row was not parsed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPlain {
    /// It is plain so far, but its end has not been read yet.
    Unfinished,
    Other,
}

fn pass(rest: &[u8], at: &mut usize, expected: u8) -> Result<(), NotPlain> {
    match rest.get(*at) {
        Some(byte) if *byte == expected => {
            *at += 1;
            Ok(())
        }
        Some(_) => Err(NotPlain::Other),
        None => Err(NotPlain::Unfinished),
    }
}

/// A name that comes twice is left to serde, which refuses it.
fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), NotPlain> {
    if slot.replace(value).is_some() { Err(NotPlain::Other) } else { Ok(()) }
}

/// A text without escapes, from its opening quote.
fn plain_text<'a>(rest: &'a [u8], at: &mut usize) -> Result<&'a [u8], NotPlain> {
    pass(rest, at, b'"')?;
    let text = &rest[*at..];
    let end = memchr::memchr2(b'"', b'\\', text).ok_or(NotPlain::Unfinished)?;
    if text[end] == b'\\' {
        return Err(NotPlain::Other);
    }
    *at += end + 1;
    Ok(&text[..end])
}

fn plain_number(rest: &[u8], at: &mut usize) -> Result<Number, NotPlain> {
    const MOST_DIGITS: usize = 18;
    let digits = rest[*at..].iter().take(MOST_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if *at + digits == rest.len() {
        return Err(NotPlain::Unfinished);
    }
    // JSON has no leading zeros.
    if digits == 0 || digits > MOST_DIGITS || (digits > 1 && rest[*at] == b'0') {
        return Err(NotPlain::Other);
    }
    let number = rest[*at..*at + digits].iter().fold(0, |number, byte| number * 10 + u64::from(byte - b'0'));
    *at += digits;
    Ok(Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both parsers read the same.
    #[test]
    fn plain_rows_are_what_serde_says_they_are() {
        let plain = r#"{"id":"inv_1é","index":3,"entry_type":"Command: Run","raw":"0aff","version":2,"status":"","created_at":"now"}"#;
        for (text, taken) in [
            (plain, true),
            (r#"{"version":0,"raw":"zz","id":"a","index":123456789012345678}"#, true),
            (r#"{"pinned_service_protocol_version":7,"target":"A/b"}"#, true),
            // Escapes, spaces, other names, names twice, other types, numbers of another form, no end.
            (r#"{"id":"a\"b"}"#, false),
            (r#"{"raw":"0a\n"}"#, false),
            (r#"{"id": "a"}"#, false),
            (r#"{"id":"a","other":1}"#, false),
            (r#"{"id":"a","id":"b"}"#, false),
            (r#"{"id":5}"#, false),
            (r#"{"index":"5"}"#, false),
            (r#"{"index":05}"#, false),
            (r#"{"index":5.5}"#, false),
            (r#"{"index":-5}"#, false),
            (r#"{"index":1234567890123456789}"#, false),
            (r#"{"id":null}"#, false),
            ("{\"id\":\"a\tb\"}", false),
            (r#"{"id":"a"#, false),
            (r#"{"id":"a","#, false),
            (r#"{"id""#, false),
            ("{}", false),
            ("", false),
        ] {
            let found = plain_row(text.as_bytes());
            assert_eq!(found.is_ok(), taken, "{text}");
            if let Ok((row, length)) = found {
                let theirs: JsonRow<'_> = serde_json::from_str(text).unwrap();
                assert_eq!(format!("{row:?}"), format!("{theirs:?}"));
                assert_eq!(length, text.len());
            }
        }
        for end in 1..plain.len() {
            let unfinished = plain_row(&plain.as_bytes()[..end]);
            assert_eq!(unfinished.err(), Some(NotPlain::Unfinished), "{end}");
        }
    }
}
