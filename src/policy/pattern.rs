//! `*` stands for any text, `?` for any one character.

use wildmatch::WildMatch;

/// Of the name of a service, a handler, a step, a header.
#[derive(Clone, Debug)]
pub struct Pattern(WildMatch);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Self(WildMatch::new(text))
    }

    /// Upper and lower case are the same in a header's name.
    pub fn header(text: &str) -> Self {
        Self(WildMatch::new_case_insensitive(text))
    }

    pub fn fits(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

/// Of a JSON path, and of everything below it: `parameter.items[*].at`, `value.meta`.
#[derive(Clone, Debug)]
pub struct PathPattern {
    itself: WildMatch,
    member: WildMatch,
    element: WildMatch,
}

impl PathPattern {
    pub fn new(text: &str) -> Self {
        Self {
            itself: WildMatch::new(text),
            member: WildMatch::new(&format!("{text}.*")),
            element: WildMatch::new(&format!("{text}[*")),
        }
    }

    pub fn fits(&self, path: &str) -> bool {
        self.itself.matches(path) || self.member.matches(path) || self.element.matches(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_for_what_is_below_it() {
        let pattern = PathPattern::new("parameter.meta");
        assert!(
            pattern.fits("parameter.meta") && pattern.fits("parameter.meta.at") && pattern.fits("parameter.meta[0]")
        );
        assert!(!pattern.fits("parameter.metadata") && !pattern.fits("parameter") && !pattern.fits("value.meta"));
        assert!(PathPattern::new("*.requestId").fits("parameter.order.requestId"));
        assert!(PathPattern::new("parameter.items[*].at").fits("parameter.items[12].at"));
        assert!(!PathPattern::new("parameter.items[*].at").fits("parameter.items[12].qty"));
    }

    #[test]
    fn headers_have_no_case() {
        assert!(Pattern::header("X-Datadog-*").fits("x-datadog-trace-id"));
        assert!(!Pattern::new("Order*").fits("order") && Pattern::new("Order*").fits("OrderV2"));
    }
}
