//! A message template: a failure message with its ids, numbers and quoted data replaced by a placeholder, so that messages
//! with the same cause become equal.

use std::collections::{BTreeMap, BTreeSet};

/// The placeholder for a part that differs from invocation to invocation.
const PLACEHOLDER: &str = "<…>";

/// The rest of a longer message adds nothing about its cause.
const LONGEST: usize = 2000;

/// A word that has more values than this among messages of one family is not part of the cause.
const FEW: usize = 4;

/// A message's words, with ids, numbers, times and quoted data replaced.
pub fn template_words(message: &str) -> Vec<String> {
    let end = message.char_indices().nth(LONGEST).map_or(message.len(), |(at, _)| at);
    let mut words = Vec::new();
    for word in without_quoted_data(&message[..end]).split_whitespace() {
        let word = word_or_placeholder(word);
        // A list of volatile words becomes one placeholder, however long the list is.
        if word != PLACEHOLDER || words.last().is_none_or(|last| last != PLACEHOLDER) {
            words.push(word);
        }
    }
    words
}

/// Replaces quoted text, which is data unless it looks like a name in code.
fn without_quoted_data(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, quote)) = rest.char_indices().find(|(_, c)| matches!(c, '"' | '\'' | '`')) {
        let inner = &rest[at + 1..];
        // An apostrophe is not a quote: `can't`.
        let after_letter = rest[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let close = if after_letter { None } else { closing(inner, quote) };
        let Some(close) = close else {
            replaced.push_str(&rest[..=at]);
            rest = inner;
            continue;
        };
        replaced.push_str(&rest[..at]);
        let quoted = &inner[..close];
        let is_name = !quoted.is_empty()
            && quoted.len() <= 40
            && quoted.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-' | '.'));
        if is_name {
            replaced.push_str(&rest[at..at + close + 2]);
        } else {
            replaced.push_str(PLACEHOLDER);
        }
        rest = &inner[close + 1..];
    }
    replaced.push_str(rest);
    replaced
}

/// The place of the closing quote: the first one that no letter or digit follows, since JSON has quotes of its own.
fn closing(inner: &str, quote: char) -> Option<usize> {
    let ends = |at: usize| inner[at + 1..].chars().next().is_none_or(|c| !c.is_alphanumeric());
    inner.match_indices(quote).map(|(at, _)| at).find(|at| ends(*at))
}

fn word_or_placeholder(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '<' && c != '>');
    if core.is_empty() || core.contains(PLACEHOLDER) {
        return if core.is_empty() { word.to_owned() } else { PLACEHOLDER.to_owned() };
    }
    let has_digit = core.chars().any(|c| c.is_ascii_digit());
    let volatile = has_digit || (core.len() > 32 && core.chars().all(|c| c.is_alphanumeric() || c == '_'));
    if volatile && !is_code(core) { PLACEHOLDER.to_owned() } else { word.to_owned() }
}

/// Whether a word is an error code, which keeps its digits: `RT0016`, `E404`, `HTTP/2`. Ids are longer, or begin with
/// digits.
fn is_code(word: &str) -> bool {
    let letters = word.chars().take_while(char::is_ascii_uppercase).count();
    (1..=6).contains(&letters) && word.len() - letters <= 5 && word[letters..].chars().all(|c| c.is_ascii_digit())
}

/// The template of each message. In messages with the same first word and the same number of words (a family), words that
/// have many values are replaced as well.
pub fn templates(messages: &[Vec<String>]) -> Vec<String> {
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
    let template = |words: &Vec<String>| {
        let word_or_placeholder = |(word, seen): (&String, &BTreeSet<&str>)| {
            if seen.len() > FEW { PLACEHOLDER.to_owned() } else { word.clone() }
        };
        words.iter().zip(&values[&family(words)]).map(word_or_placeholder).collect::<Vec<_>>().join(" ")
    };
    messages.iter().map(template).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(message: &str) -> String {
        template_words(message).join(" ")
    }

    #[test]
    fn what_differs_from_one_to_the_next_is_replaced() {
        for (one, other) in [
            ("order 17 is gone", "order 18 is gone"),
            ("no row for inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT", "no row for inv_1a3CsqYiuLf90NGaBFe4vD2Fyt4qRF6n19"),
            ("at 2026-11-24T21:21:56.236Z: late", "at 2026-11-25T01:00:00.001Z: late"),
            ("id 0e028d1a-1f26-47c5-a09f-547dec86447b unknown", "id 87fd5f9e-e1d3-49d8-9b2a-0d1f6c3bb111 unknown"),
            ("parameter: '{\"qty\":2}' != '{\"qty\":3}'", "parameter: '{\"item\":\"a b\"}' != '{}'"),
            ("timeout after 30.5s", "timeout after 2s"),
            ("could not find \"alice 7\"", "could not find \"bob's 8\""),
        ] {
            assert_eq!(template(one), template(other));
            assert!(template(one).contains(PLACEHOLDER), "{}", template(one));
        }
    }

    #[test]
    fn what_makes_the_cause_is_kept() {
        for message in ["can't reach the ledger", "column 'vat' is unknown", "RT0016 in E404", "connection refused"] {
            assert_eq!(template(message), message);
        }
        assert_ne!(template("no field 'qty'"), template("no field 'item'"));
        assert_eq!(template(""), "");
    }

    #[test]
    fn a_word_of_many_values_is_replaced_among_messages_of_one_family() {
        let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
        let messages: Vec<_> = names.iter().map(|name| template_words(&format!("customer {name} is locked"))).collect();
        assert!(templates(&messages).iter().all(|template| template == "customer <…> is locked"));
        let few: Vec<_> = ["USD", "EUR"].iter().map(|name| template_words(&format!("no rate for {name}"))).collect();
        assert_eq!(templates(&few), ["no rate for USD", "no rate for EUR"]);
    }

    #[test]
    fn hostile_messages_are_no_trouble() {
        for message in ["'", "\"\"\"", "'''a'", "\u{1b}[31m'x", "é'é'é", &"'".repeat(5000), &"a ".repeat(9000)] {
            template_words(message);
        }
    }
}
