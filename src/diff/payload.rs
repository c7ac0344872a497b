//! A payload difference: the places at which two payloads differ, found by path if both are JSON.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use memchr::memchr2_iter;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::journal::first_difference;

/// One place within a command that differs. A side that lacks the place has `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `parameter.qty`, `parameter.items[2].name`, or `parameter` for the payload as a whole.
    pub path: String,
    pub recorded: Option<Value>,
    pub replayed: Option<Value>,
    /// For text of several lines, a line diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<String>,
}

/// Larger payloads are compared as bytes, because parsing takes several times their size in memory.
const MAX_PARSED: usize = 4 << 20;

/// At most this many places are listed.
pub const MAX_CHANGES: usize = 50;

/// How two payloads compare as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// At least one of the two is not JSON, or is too large to be parsed.
    NotJson,
    /// Both are the same JSON in different notation (key order, spaces).
    Notation,
    /// They differ at places that were added to the list.
    Places,
}

/// Compares two payloads with different bytes as JSON. Adds the places that differ to `changes`; each path starts with
/// `name`.
pub fn json_difference(name: &str, recorded: &[u8], replayed: &[u8], changes: &mut Vec<Change>) -> Difference {
    if recorded.len().max(replayed.len()) > MAX_PARSED {
        return Difference::NotJson;
    }
    let before = changes.len();
    let mut path = String::with_capacity(RESERVED_PATH);
    path.push_str(name);
    match walk(&mut path, recorded, replayed, 0, changes) {
        Err(_) => {
            changes.truncate(before);
            Difference::NotJson
        }
        Ok(()) if changes.len() == before => Difference::Notation,
        Ok(()) => Difference::Places,
    }
}

/// Few paths are longer than this.
const RESERVED_PATH: usize = 32;

/// Objects up to this depth are compared as text, member by member; deeper values are parsed as a whole.
const MAX_WALKED_DEPTH: usize = 8;

/// Objects with more members than this are parsed as a whole, because the walk searches members one by one.
const MAX_WALKED_MEMBERS: usize = 16;

/// Compares two JSON texts, and parses only the parts that are not the same text. In most pairs of payloads just one
/// number differs, so this saves almost all of the parsing.
fn walk(
    path: &mut String,
    recorded: &[u8],
    replayed: &[u8],
    depth: usize,
    changes: &mut Vec<Change>,
) -> Result<(), serde_json::Error> {
    let is_object = |text: &[u8]| text.trim_ascii_start().starts_with(b"{");
    if depth < MAX_WALKED_DEPTH && is_object(recorded) && is_object(replayed) {
        if let Some((key, text, other)) = only_difference(recorded, replayed) {
            let known = changes.len();
            let walked = within(path, PathStep::Member(key), |path| walk(path, text, other, depth + 1, changes));
            if walked.is_ok() {
                return Ok(());
            }
            changes.truncate(known);
        }
        let (mine, end) = members_to(usize::MAX, recorded);
        end?;
        let (theirs, end) = members_to(usize::MAX, replayed);
        end?;
        if mine.len().max(theirs.len()) <= MAX_WALKED_MEMBERS {
            return walk_members(path, &last_of_each(mine), &last_of_each(theirs), depth, changes);
        }
    }
    let (recorded, replayed): (Value, Value) = (serde_json::from_slice(recorded)?, serde_json::from_slice(replayed)?);
    collect(path, recorded, replayed, changes);
    Ok(())
}

fn walk_members(
    path: &mut String,
    mine: &[Member<'_>],
    theirs: &[Member<'_>],
    depth: usize,
    changes: &mut Vec<Change>,
) -> Result<(), serde_json::Error> {
    for (key, text) in mine {
        match text_of(theirs, key) {
            Some(other) if *other == **text => {}
            Some(other) => within(path, PathStep::Member(key), |path| {
                walk(path, text.as_bytes(), other.as_bytes(), depth + 1, changes)
            })?,
            None => {
                let value = serde_json::from_str(text)?;
                within(path, PathStep::Member(key), |path| push(path, Some(value), None, changes));
            }
        }
    }
    for (key, text) in theirs.iter().filter(|(key, _)| text_of(mine, key).is_none()) {
        let value = serde_json::from_str(text)?;
        within(path, PathStep::Member(key), |path| push(path, None, Some(value), changes));
    }
    Ok(())
}

fn text_of<'a>(members: &[Member<'a>], key: &str) -> Option<&'a str> {
    members.iter().find(|(own, _)| own == key).map(|(_, text)| *text)
}

/// The one member in which two texts differ, with its value in both; `None` if they differ in more than that.
///
/// The text after the member is the same on both sides, so it is not read, not even to find out whether it is JSON.
fn only_difference<'a>(text: &'a [u8], other: &'a [u8]) -> Option<(&'a str, &'a [u8], &'a [u8])> {
    let shorter = text.len().min(other.len());
    let differs = first_difference(&text[..shorter], &other[..shorter]).unwrap_or(shorter);
    // The error is ignored: reading stops in the middle of the payload, which is an error to serde.
    let (mut members, _) = members_to(differs, text);
    let (Cow::Borrowed(key), value) = members.pop()? else { return None };
    let from = place_in(text, value);
    let (value, after) = text[from..].split_at(value.len());
    let inside = other.get(from..other.len().checked_sub(after.len())?)?;
    let quoted = &text[place_in(text, key) - 1..=place_in(text, key) + key.len()];
    ((from..=from + value.len()).contains(&differs) && other.ends_with(after) && !may_contain(after, quoted))
        .then_some((key, value, inside))
}

/// Whether a text may contain the key again, in which case the last occurrence counts. Any backslash may be part of an
/// escaped spelling of the key.
fn may_contain(text: &[u8], quoted: &[u8]) -> bool {
    memchr2_iter(b'"', b'\\', text).any(|at| text[at] == b'\\' || text[at..].starts_with(quoted))
}

/// The index at which `part`, a slice of `text`, starts.
fn place_in(text: &[u8], part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// A key, and the text of its value.
type Member<'a> = (Cow<'a, str>, &'a str);

/// The members of an object, up to the one whose value contains byte `to` of the text or ends there.
struct Members<'a> {
    text: &'a [u8],
    to: usize,
    found: Vec<Member<'a>>,
}

/// Reads members up to byte `to`, and returns them with the error, if any, that stopped reading.
fn members_to(to: usize, text: &[u8]) -> (Vec<Member<'_>>, Result<(), serde_json::Error>) {
    let mut members = Members { text, to, found: Vec::with_capacity(4) };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let end = members.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    (members.found, end)
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for &mut Members<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for &mut Members<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            self.found.push((key, value.get()));
            if place_in(self.text, value.get()) + value.get().len() >= self.to {
                break;
            }
        }
        Ok(())
    }
}

/// Removes duplicate keys: the last value counts, in the place of the first.
fn last_of_each(found: Vec<Member<'_>>) -> Vec<Member<'_>> {
    let comes_again = |at: usize| found[..at].iter().any(|(key, _)| *key == found[at].0);
    if !(1..found.len()).any(comes_again) {
        return found;
    }
    let mut members: Vec<Member<'_>> = Vec::with_capacity(found.len());
    for (key, text) in found {
        match members.iter_mut().find(|(own, _)| *own == key) {
            Some((_, before)) => *before = text,
            None => members.push((key, text)),
        }
    }
    members
}

/// An object's key. serde borrows a `Cow` only inside a struct.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Adds the places at which two parsed values differ.
fn collect(path: &mut String, recorded: Value, replayed: Value, changes: &mut Vec<Change>) {
    if changes.len() >= MAX_CHANGES {
        return;
    }
    match (recorded, replayed) {
        (Value::Object(mut mine), Value::Object(mut theirs)) => {
            for (key, value) in &mut mine {
                let other = theirs.get_mut(key).map(Value::take);
                within(path, PathStep::Member(key), |path| match other {
                    Some(other) => collect(path, value.take(), other, changes),
                    None => push(path, Some(value.take()), None, changes),
                });
            }
            for (key, value) in theirs.into_iter().filter(|(key, _)| !mine.contains_key(key)) {
                within(path, PathStep::Member(&key), |path| push(path, None, Some(value), changes));
            }
        }
        (Value::Array(mine), Value::Array(theirs)) => {
            let (mut mine, mut theirs) = (mine.into_iter(), theirs.into_iter());
            for at in 0..mine.len().max(theirs.len()) {
                within(path, PathStep::Element(at), |path| match (mine.next(), theirs.next()) {
                    (Some(value), Some(other)) => collect(path, value, other, changes),
                    (value, other) => push(path, value, other, changes),
                });
            }
        }
        (mine, theirs) if mine != theirs => push(path, Some(mine), Some(theirs), changes),
        _ => {}
    }
}

/// One step of a path into a value.
enum PathStep<'a> {
    Member(&'a str),
    Element(usize),
}

impl PathStep<'_> {
    /// Appends `.key`, or `["odd key"]` for a key with characters that would be misread in a path.
    fn append_to(&self, path: &mut String) {
        match self {
            Self::Element(at) => write!(path, "[{at}]").expect("a String takes everything"),
            Self::Member(key) if is_plain(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Self::Member(key) => write!(path, "[{}]", Value::from(*key)).expect("a String takes everything"),
        }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-' || c == '$')
}

/// Runs `then` with the path extended by one step.
fn within<T>(path: &mut String, at: PathStep<'_>, then: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    at.append_to(path);
    let result = then(path);
    path.truncate(length);
    result
}

fn push(path: &str, recorded: Option<Value>, replayed: Option<Value>, changes: &mut Vec<Change>) {
    if changes.len() < MAX_CHANGES {
        changes.push(Change { path: path.to_owned(), recorded, replayed, lines: None });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(recorded: &str, replayed: &str) -> Vec<String> {
        let mut changes = Vec::new();
        json_difference("", recorded.as_bytes(), replayed.as_bytes(), &mut changes);
        changes.into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn names_the_differing_places() {
        assert_eq!(paths(r#"{"qty":2,"sku":"a"}"#, r#"{"qty":3,"sku":"a"}"#), ["qty"]);
        assert_eq!(
            paths(r#"{"items":[{"n":1},{"n":2}]}"#, r#"{"items":[{"n":1},{"n":3},4]}"#),
            ["items[1].n", "items[2]"]
        );
        assert_eq!(paths(r#"{"odd key":1}"#, r#"{"odd key":2}"#), [r#"["odd key"]"#]);
        assert_eq!(paths(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"c":2,"d":1}}"#), ["a.b", "a.d"]);
        assert_eq!(paths("1", "2"), [""]);
        assert_eq!(paths(r#"{"":1,"b":0}"#, r#"{"":2,"b":0}"#), [r#"[""]"#]);
        // If a key occurs twice, the last counts, in whatever spelling.
        assert_eq!(paths(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#), ["a"]);
        assert_eq!(paths(r#"{"a":1,"a":2}"#, r#"{"a":3,"a":2}"#), [""; 0]);
        assert_eq!(paths(r#"{"a":1,"\u0061":2}"#, r#"{"a":3,"\u0061":2}"#), [""; 0]);
        assert_eq!(paths(r#"{"\u0061":1,"a":2}"#, r#"{"\u0061":3,"a":2}"#), [""; 0]);
        assert_eq!(paths(r#"{"a":1,"b":"\u0061"}"#, r#"{"a":3,"b":"\u0061"}"#), ["a"]);
        assert_eq!(paths(r#"{"a":{"b":1},"c":{"a":0}}"#, r#"{"a":{"b":12},"c":{"a":0}}"#), ["a.b"]);
        // The equal text after the difference need not be JSON.
        assert_eq!(paths(r#"{"a":1,"b":tru"#, r#"{"a":2,"b":tru"#), ["a"]);
    }

    #[test]
    fn notation_is_not_a_difference() {
        let difference = |a: &str, b: &str| json_difference("", a.as_bytes(), b.as_bytes(), &mut Vec::new());
        assert_eq!(difference(r#"{"a":1,"b":2}"#, r#"{ "b":2, "a":1 }"#), Difference::Notation);
        assert_eq!(difference(r#"{"a":"\u0041"}"#, r#"{"\u0061":"A"}"#), Difference::Notation);
        for (a, b) in
            [("not json", "other"), (r#"{"a":1}"#, r#"{"a":1"#), (r#"{"a":1} x"#, r#"{"a":2}"#), ("{\"a\":1}", "")]
        {
            assert_eq!(difference(a, b), Difference::NotJson, "{a} {b}");
        }
    }

    /// Walking the texts gives the same places as parsing them as a whole.
    #[test]
    fn texts_differ_where_values_do() {
        let values = [
            json!(null),
            json!({}),
            json!({"a": 1, "b": {"c": [1, 2, {"d": "x"}]}}),
            json!({"b": {"c": [1, 2, {"d": "y"}, 5], "e": null}, "a": 1.0}),
            json!([{"a": 1}]),
            (0..20).map(|at| (format!("k{at}"), at.into())).collect::<serde_json::Map<_, _>>().into(),
            (0..20).map(|at| (format!("k{at}"), (at / 2).into())).collect::<serde_json::Map<_, _>>().into(),
            (0..12).fold(json!(1), |inner, _| json!({"in": inner, "at": 1})),
            (0..12).fold(json!(2), |inner, _| json!({"in": inner})),
        ];
        for recorded in &values {
            for replayed in values.iter().filter(|replayed| *replayed != recorded) {
                let mut whole = Vec::new();
                collect(&mut String::new(), recorded.clone(), replayed.clone(), &mut whole);
                let mut texts = Vec::new();
                json_difference("", recorded.to_string().as_bytes(), replayed.to_string().as_bytes(), &mut texts);
                assert_eq!(texts, whole, "{recorded} {replayed}");
            }
        }
    }
}
