//! Patterns for names and JSON paths: `*` matches any text, `?` any one character.

use wildmatch::WildMatch;

/// A pattern for the name of a service, a handler, a step or a header.
#[derive(Clone, Debug)]
pub struct Pattern(WildMatch);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Self(WildMatch::new(text))
    }

    /// A pattern for a header's name, which ignores case.
    pub fn header(text: &str) -> Self {
        Self(WildMatch::new_case_insensitive(text))
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

/// A pattern for a JSON path and everything below it: `parameter.items[*].at`, `value.meta`.
#[derive(Clone, Debug)]
pub struct PathPattern {
    path: WildMatch,
    member: WildMatch,
    element: WildMatch,
}

impl PathPattern {
    pub fn new(text: &str) -> Self {
        Self {
            path: WildMatch::new(text),
            member: WildMatch::new(&format!("{text}.*")),
            element: WildMatch::new(&format!("{text}[*")),
        }
    }

    pub fn matches(&self, path: &str) -> bool {
        self.path.matches(path) || self.member.matches(path) || self.element.matches(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_pattern_matches_everything_below_the_path() {
        let pattern = PathPattern::new("parameter.meta");
        assert!(
            pattern.matches("parameter.meta")
                && pattern.matches("parameter.meta.at")
                && pattern.matches("parameter.meta[0]")
        );
        assert!(
            !pattern.matches("parameter.metadata") && !pattern.matches("parameter") && !pattern.matches("value.meta")
        );
        assert!(PathPattern::new("*.requestId").matches("parameter.order.requestId"));
        assert!(PathPattern::new("parameter.items[*].at").matches("parameter.items[12].at"));
        assert!(!PathPattern::new("parameter.items[*].at").matches("parameter.items[12].qty"));
    }

    #[test]
    fn header_patterns_ignore_case() {
        assert!(Pattern::header("X-Datadog-*").matches("x-datadog-trace-id"));
        assert!(!Pattern::new("Order*").matches("order") && Pattern::new("Order*").matches("OrderV2"));
    }
}
