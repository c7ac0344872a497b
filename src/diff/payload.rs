//! Where two payloads differ: by path for JSON, by place for anything else.

use serde_json::Value;

/// One differing place in a payload. A side that lacks the place has `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct PayloadChange {
    /// `qty`, `items[2].name`; empty for the payload as a whole.
    pub path: String,
    pub recorded: Option<Value>,
    pub replayed: Option<Value>,
}

/// Larger payloads are told apart by bytes: parsing takes several times their size in memory.
const PARSED_BELOW: usize = 4 << 20;

/// How many places are worth listing; a longer list is cut off.
pub const MOST_CHANGES: usize = 50;

/// The differing places, if both payloads are JSON and differ in more than notation.
pub fn json_changes(recorded: &[u8], replayed: &[u8]) -> Option<Vec<PayloadChange>> {
    let (recorded, replayed) = (parse(recorded)?, parse(replayed)?);
    let mut changes = Vec::new();
    collect(&mut String::new(), &recorded, &replayed, &mut changes);
    (!changes.is_empty()).then_some(changes)
}

/// Whether both are the same JSON, written differently (key order, spaces).
pub fn same_json(recorded: &[u8], replayed: &[u8]) -> bool {
    matches!((parse(recorded), parse(replayed)), (Some(a), Some(b)) if a == b)
}

fn parse(payload: &[u8]) -> Option<Value> {
    if payload.len() > PARSED_BELOW {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

fn collect(path: &mut String, recorded: &Value, replayed: &Value, changes: &mut Vec<PayloadChange>) {
    if changes.len() >= MOST_CHANGES {
        return;
    }
    match (recorded, replayed) {
        (Value::Object(mine), Value::Object(theirs)) => {
            for (key, value) in mine {
                within(path, &member(path, key), |path| match theirs.get(key) {
                    Some(other) => collect(path, value, other, changes),
                    None => push(path, Some(value), None, changes),
                });
            }
            for (key, value) in theirs.iter().filter(|(key, _)| !mine.contains_key(*key)) {
                within(path, &member(path, key), |path| push(path, None, Some(value), changes));
            }
        }
        (Value::Array(mine), Value::Array(theirs)) => {
            for at in 0..mine.len().max(theirs.len()) {
                within(path, &format!("[{at}]"), |path| match (mine.get(at), theirs.get(at)) {
                    (Some(value), Some(other)) => collect(path, value, other, changes),
                    (value, other) => push(path, value, other, changes),
                });
            }
        }
        (mine, theirs) if mine != theirs => push(path, Some(mine), Some(theirs), changes),
        _ => {}
    }
}

fn within(path: &mut String, segment: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(segment);
    then(path);
    path.truncate(length);
}

/// `.key`, or `["odd key"]` for a key that would not read as one.
fn member(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-' || c == '$');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!(".{key}"),
        (false, _) => format!("[{}]", Value::from(key)),
    }
}

fn push(path: &str, recorded: Option<&Value>, replayed: Option<&Value>, changes: &mut Vec<PayloadChange>) {
    if changes.len() < MOST_CHANGES {
        changes.push(PayloadChange { path: path.to_owned(), recorded: recorded.cloned(), replayed: replayed.cloned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(recorded: &str, replayed: &str) -> Vec<String> {
        json_changes(recorded.as_bytes(), replayed.as_bytes())
            .unwrap_or_default()
            .into_iter()
            .map(|change| change.path)
            .collect()
    }

    #[test]
    fn names_the_differing_places() {
        assert_eq!(paths(r#"{"qty":2,"sku":"a"}"#, r#"{"qty":3,"sku":"a"}"#), ["qty"]);
        assert_eq!(
            paths(r#"{"items":[{"n":1},{"n":2}]}"#, r#"{"items":[{"n":1},{"n":3},4]}"#),
            ["items[1].n", "items[2]"]
        );
        assert_eq!(paths(r#"{"odd key":1}"#, r#"{"odd key":2}"#), [r#"["odd key"]"#]);
        assert_eq!(paths("1", "2"), [""]);
    }

    #[test]
    fn notation_is_no_difference() {
        assert_eq!(json_changes(br#"{"a":1,"b":2}"#, br#"{ "b":2, "a":1 }"#), None);
        assert!(same_json(br#"{"a":1,"b":2}"#, br#"{ "b":2, "a":1 }"#));
        assert!(!same_json(b"not json", b"not json"));
    }
}
