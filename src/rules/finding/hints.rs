//! Hints: where the differing values of a finding probably come from, and the usual remedy.
//!
//! A hint that says "is" is proved (a draw of `ctx.rand`, an awakeable's number, equal content); one that says "looks
//! like" is not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::changes::Changes;
use crate::protocol::Draws;

/// The hints for a finding's changes; `seeds` are the random seeds that the invocation may have.
pub(super) fn hints(changes: &Changes, seeds: &[u64]) -> Vec<String> {
    let mut hints: Vec<String> = changes
        .in_notation
        .iter()
        .map(|field| {
            format!("{field} is the same JSON in another notation (key order, spaces, escapes): pin the serialiser")
        })
        .collect();
    hints.extend(changes.encodings.iter().cloned());
    for change in &changes.changes {
        let path = change.path.as_str();
        let hint = match (&change.recorded, &change.replayed) {
            (Some(recorded), Some(replayed)) => of_pair(path, recorded, replayed, seeds),
            (None, Some(only)) if is_default(only) && path.contains(['.', '[']) => Some(format!(
                "{path} is new, with a default value: leave defaults out when serialising for what is in flight"
            )),
            (Some(only), None) if is_default(only) && path.contains(['.', '[']) => {
                Some(format!("{path} was recorded with a default value, and is left out now: write defaults as before"))
            }
            _ => None,
        };
        hints.extend(hint);
    }
    hints.dedup();
    hints
}

fn of_pair(path: &str, recorded: &Value, replayed: &Value, seeds: &[u64]) -> Option<String> {
    if let Some(hint) = of_draws(path, recorded, replayed, seeds) {
        return Some(hint);
    }
    if let (Some(recorded), Some(replayed)) = (awakeable(recorded), awakeable(replayed))
        && recorded != replayed
    {
        let change = if replayed > recorded { "another awakeable is created" } else { "an awakeable is missing" };
        return Some(format!("{path} is awakeable {recorded}, now {replayed}: {change} before it"));
    }
    let both = |looks: fn(&Value) -> bool| looks(recorded) && looks(replayed);
    let time_of_sdk = matches!(path, "wake_up_time" | "invoke_time");
    Some(if both(|value| uuid_in(value).is_some()) {
        format!("{path} looks like a uuid that ctx.rand did not draw: take it from ctx.rand, or inside ctx.run")
    } else if !time_of_sdk && (both(is_timestamp) || holds_timestamps(recorded, replayed)) {
        format!("{path} looks like a timestamp, from a clock: take it from ctx.date, or inside ctx.run")
    } else if both(is_fraction) {
        format!("{path} looks like a random number: take it from ctx.rand, or inside ctx.run")
    } else if both(is_stack_trace) {
        format!("{path} looks like a stack trace, which changes with the code: keep it out of what is recorded")
    } else if same_number(recorded, replayed) {
        format!("{path} is the same number in another notation: pin how numbers are written")
    } else if same_elements(recorded, replayed) {
        format!("{path} holds the same elements in another order: a set or a map? sort them, or keep their order")
    } else {
        return None;
    })
}

/// Values that are proved to be draws of `ctx.rand`.
fn of_draws(path: &str, recorded: &Value, replayed: &Value, seeds: &[u64]) -> Option<String> {
    let draw = |draws: &Draws, value: &Value| match (uuid_in(value), value.as_f64()) {
        (Some(uuid), _) => draws.of_uuid(uuid),
        (None, Some(number)) if is_fraction(value) => draws.of_number(number),
        _ => None,
    };
    let may_be_drawn = |value: &Value| uuid_in(value).is_some() || is_fraction(value);
    if !may_be_drawn(recorded) && !may_be_drawn(replayed) {
        return None;
    }
    let what = if recorded.is_string() { "uuid" } else { "number" };
    let draws = seeds.iter().map(|seed| Draws::of(*seed));
    draws.into_iter().find_map(|draws| match (draw(&draws, recorded), draw(&draws, replayed)) {
        (Some(before), Some(now)) if now > before => Some(format!(
            "{path}: the recorded {what} is draw {before} of ctx.rand, the replayed one is draw {now}: a draw was added \
             before it"
        )),
        (Some(before), Some(now)) => Some(format!(
            "{path}: the recorded {what} is draw {before} of ctx.rand, the replayed one is draw {now}: a draw was removed \
             before it"
        )),
        (Some(before), None) => Some(format!(
            "{path}: the recorded {what} is draw {before} of ctx.rand, the replayed one is not from ctx.rand"
        )),
        (None, Some(now)) => Some(format!(
            "{path}: the replayed {what} is draw {now} of ctx.rand, the recorded one is not from ctx.rand"
        )),
        (None, None) => None,
    })
}

/// The first uuid in a text.
fn uuid_in(value: &Value) -> Option<u128> {
    let text = value.as_str()?.as_bytes();
    text.windows(36).take(4096).find_map(|window| {
        let mut uuid = 0;
        for (at, byte) in window.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            uuid = uuid << 4 | u128::from(char::from(*byte).to_digit(16)?);
        }
        Some(uuid)
    })
}

/// The number of an awakeable, from its id.
fn awakeable(value: &Value) -> Option<u32> {
    let encoded = value.as_str()?.strip_prefix("sign_1")?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok().filter(|bytes| bytes.len() == 28)?;
    Some(u32::from_be_bytes(bytes[24..].try_into().ok()?))
}

/// Whether the value is a time in this century, in seconds or milliseconds since 1970, or an ISO 8601 date and time.
fn is_timestamp(value: &Value) -> bool {
    if let Some(number) = value.as_f64() {
        return is_time(number);
    }
    let Some(text) = value.as_str() else { return false };
    let bytes = text.as_bytes();
    bytes.len() >= 19
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7]) == (b'-', b'-')
        && matches!(bytes[10], b'T' | b' ')
        && bytes[13] == b':'
}

fn is_time(number: f64) -> bool {
    (1.0e9..4.2e9).contains(&number) || (1.0e12..4.2e12).contains(&number)
}

/// Whether two texts differ only in a number that is a time on both sides.
fn holds_timestamps(recorded: &Value, replayed: &Value) -> bool {
    let (Some(recorded), Some(replayed)) = (recorded.as_str(), replayed.as_str()) else { return false };
    let split = |text: &str| -> (Vec<String>, Vec<f64>) {
        let is_digit = |c: char| c.is_ascii_digit();
        let words = text.split(is_digit).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let numbers = text.split(|c| !is_digit(c)).filter_map(|number| number.parse().ok()).collect();
        (words, numbers)
    };
    let ((words, numbers), (their_words, their_numbers)) = (split(recorded), split(replayed));
    let differing: Vec<_> = numbers.iter().zip(&their_numbers).filter(|(one, other)| one != other).collect();
    words == their_words
        && numbers.len() == their_numbers.len()
        && !differing.is_empty()
        && differing.iter().all(|(one, other)| is_time(**one) && is_time(**other))
}

/// Whether the value is a number between 0 and 1 with more digits than people write.
fn is_fraction(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number > 0.0 && number < 1.0 && value.to_string().len() > 12)
}

fn is_stack_trace(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.contains("\n    at ") || text.contains("Traceback (most recent call last)") || text.contains("\n\tat ")
    })
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    }
}

fn same_number(recorded: &Value, replayed: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    recorded != replayed && number(recorded).is_some_and(|one| number(replayed) == Some(one))
}

fn same_elements(recorded: &Value, replayed: &Value) -> bool {
    let (Some(recorded), Some(replayed)) = (recorded.as_array(), replayed.as_array()) else { return false };
    let sorted = |elements: &[Value]| -> Vec<String> {
        let mut texts: Vec<String> = elements.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts
    };
    recorded.len() > 1 && recorded != replayed && sorted(recorded) == sorted(replayed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::payload::Change;

    fn hint(recorded: Value, replayed: Value) -> Option<String> {
        let change = Change { path: "p.x".to_owned(), recorded: Some(recorded), replayed: Some(replayed), lines: None };
        let changes = Changes { changes: vec![change], ..Changes::default() };
        let hints = hints(&changes, &[]);
        assert!(hints.len() <= 1, "{hints:?}");
        hints.into_iter().next()
    }

    #[test]
    fn values_are_recognised() {
        for (recorded, replayed, said) in [
            (json!("2d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3c"), json!("1d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3c"), "a uuid"),
            (
                json!("k-2d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3c"),
                json!("k-1d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3c"),
                "a uuid",
            ),
            (json!(1_763_812_345_678_u64), json!(1_763_812_345_999_u64), "a clock"),
            (json!("2026-11-22T12:00:00Z"), json!("2026-11-22T12:00:01Z"), "a clock"),
            (json!("job-1795813984"), json!("job-1795814044"), "a clock"),
            (json!(0.734_198_273_645_1), json!(0.123_198_273_645_1), "a random number"),
            (json!("Error: x\n    at f (/a.js:1:2)"), json!("Error: x\n    at g (/a.js:1:2)"), "a stack trace"),
            (json!(1), json!(1.0), "the same number"),
            (json!(["a", "b"]), json!(["b", "a"]), "another order"),
        ] {
            let found = hint(recorded.clone(), replayed).unwrap_or_default();
            assert!(found.contains(said), "{recorded}: {found}");
        }
        assert_eq!(hint(json!(42), json!(43)), None);
        assert_eq!(hint(json!("job-17"), json!("job-18")), None);
        assert_eq!(hint(json!(["a", "b"]), json!(["a", "c"])), None);
    }

    #[test]
    fn an_awakeable_is_told_by_its_number() {
        let id = |number: u32| {
            let bytes = [vec![7; 24], number.to_be_bytes().to_vec()].concat();
            json!(format!("sign_1{}", URL_SAFE_NO_PAD.encode(bytes)))
        };
        let found = hint(id(17), id(18)).unwrap();
        assert_eq!(found, "p.x is awakeable 17, now 18: another awakeable is created before it");
    }
}
