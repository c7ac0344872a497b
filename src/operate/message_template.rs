//! Messages with their volatile parts folded, so that one cause reads as one, whatever ids and amounts it names.

use std::collections::{BTreeMap, BTreeSet};

/// What stands for something that differs from invocation to invocation.
const ANYTHING: &str = "<…>";

/// More of a message tells no more about its cause.
const LONGEST: usize = 2000;

/// A word that takes more values than this among messages of one shape is no part of the cause.
const FEW: usize = 4;

/// A message's words, with ids, numbers, times and quoted data replaced.
pub fn fold(message: &str) -> Vec<String> {
    let end = message.char_indices().nth(LONGEST).map_or(message.len(), |(at, _)| at);
    let mut words = Vec::new();
    for word in quotes_folded(&message[..end]).split_whitespace() {
        let word = fold_word(word);
        // A list of volatile things is one volatile thing, however long it is.
        if word != ANYTHING || words.last().is_none_or(|last| last != ANYTHING) {
            words.push(word);
        }
    }
    words
}

/// Quoted text is data, unless it looks like a name in code.
fn quotes_folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, quote)) = rest.char_indices().find(|(_, c)| matches!(c, '"' | '\'' | '`')) {
        let inner = &rest[at + 1..];
        // An apostrophe is not a quote: `can't`.
        let after_letter = rest[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let close = if after_letter { None } else { closing(inner, quote) };
        let Some(close) = close else {
            folded.push_str(&rest[..=at]);
            rest = inner;
            continue;
        };
        folded.push_str(&rest[..at]);
        let quoted = &inner[..close];
        let is_name = !quoted.is_empty()
            && quoted.len() <= 40
            && quoted.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-' | '.'));
        if is_name {
            folded.push_str(&rest[at..at + close + 2]);
        } else {
            folded.push_str(ANYTHING);
        }
        rest = &inner[close + 1..];
    }
    folded.push_str(rest);
    folded
}

/// The quote that ends it: the last one before what can not be within, for JSON holds quotes of its own.
fn closing(inner: &str, quote: char) -> Option<usize> {
    let ends = |at: usize| inner[at + 1..].chars().next().is_none_or(|c| !c.is_alphanumeric());
    inner.match_indices(quote).map(|(at, _)| at).find(|at| ends(*at))
}

fn fold_word(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '<' && c != '>');
    if core.is_empty() || core.contains(ANYTHING) {
        return if core.is_empty() { word.to_owned() } else { ANYTHING.to_owned() };
    }
    let has_digit = core.chars().any(|c| c.is_ascii_digit());
    let volatile = has_digit || (core.len() > 32 && core.chars().all(|c| c.is_alphanumeric() || c == '_'));
    if volatile && !is_code(core) { ANYTHING.to_owned() } else { word.to_owned() }
}

/// Error codes keep their digits: `RT0016`, `E404`, `HTTP/2`; ids are longer, or begin with digits.
fn is_code(word: &str) -> bool {
    let letters = word.chars().take_while(|c| c.is_ascii_uppercase()).count();
    (1..=6).contains(&letters) && word.len() - letters <= 5 && word[letters..].chars().all(|c| c.is_ascii_digit())
}

/// One shape for messages that begin alike and are as long: what takes many values among them is folded as well.
pub fn shapes(messages: &[Vec<String>]) -> Vec<String> {
    let family = |words: &Vec<String>| (words.len(), words.first().cloned().unwrap_or_default());
    let mut values: BTreeMap<_, Vec<BTreeSet<&str>>> = BTreeMap::new();
    for words in messages {
        let seen = values.entry(family(words)).or_insert_with(|| vec![BTreeSet::new(); words.len()]);
        for (seen, word) in seen.iter_mut().zip(words) {
            if seen.len() <= FEW {
                seen.insert(word);
            }
        }
    }
    let shape = |words: &Vec<String>| {
        let shown = |(word, seen): (&String, &BTreeSet<&str>)| {
            if seen.len() > FEW { ANYTHING.to_owned() } else { word.clone() }
        };
        words.iter().zip(&values[&family(words)]).map(shown).collect::<Vec<_>>().join(" ")
    };
    messages.iter().map(shape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(message: &str) -> String {
        fold(message).join(" ")
    }

    #[test]
    fn what_differs_from_one_to_the_next_is_folded() {
        for (one, other) in [
            ("order 17 is gone", "order 18 is gone"),
            ("no row for inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT", "no row for inv_1a3CsqYiuLf90NGaBFe4vD2Fyt4qRF6n19"),
            ("at 2026-11-24T21:21:56.236Z: late", "at 2026-11-25T01:00:00.001Z: late"),
            ("id 0e028d1a-1f26-47c5-a09f-547dec86447b unknown", "id 87fd5f9e-e1d3-49d8-9b2a-0d1f6c3bb111 unknown"),
            ("parameter: '{\"qty\":2}' != '{\"qty\":3}'", "parameter: '{\"item\":\"a b\"}' != '{}'"),
            ("timeout after 30.5s", "timeout after 2s"),
            ("could not find \"alice 7\"", "could not find \"bob's 8\""),
        ] {
            assert_eq!(folded(one), folded(other));
            assert!(folded(one).contains(ANYTHING), "{}", folded(one));
        }
    }

    #[test]
    fn what_makes_the_cause_is_kept() {
        for message in ["can't reach the ledger", "column 'vat' is unknown", "RT0016 in E404", "connection refused"] {
            assert_eq!(folded(message), message);
        }
        assert_ne!(folded("no field 'qty'"), folded("no field 'item'"));
        assert_eq!(folded(""), "");
    }

    #[test]
    fn a_word_of_many_values_is_folded_among_messages_of_one_shape() {
        let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
        let messages: Vec<_> = names.iter().map(|name| fold(&format!("customer {name} is locked"))).collect();
        assert!(shapes(&messages).iter().all(|shape| shape == "customer <…> is locked"));
        let few: Vec<_> = ["USD", "EUR"].iter().map(|name| fold(&format!("no rate for {name}"))).collect();
        assert_eq!(shapes(&few), ["no rate for USD", "no rate for EUR"]);
    }

    #[test]
    fn hostile_messages_are_no_trouble() {
        for message in ["'", "\"\"\"", "'''a'", "\u{1b}[31m'x", "é'é'é", &"'".repeat(5000), &"a ".repeat(9000)] {
            fold(message);
        }
    }
}
