//! Which SDK answers, and what is known of it.

/// By the name in its `x-restate-server` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    TypeScript,
    Python,
    Rust,
    Go,
    Java,
    Ruby,
    Unknown,
}

impl Sdk {
    /// Reads `restate-sdk-typescript/1.17.2`.
    pub fn of(header: &str) -> Self {
        let name = header.split('/').next().unwrap_or_default();
        match name.strip_prefix("restate-sdk-").unwrap_or(name) {
            "typescript" => Self::TypeScript,
            "python" => Self::Python,
            "rust" => Self::Rust,
            "go" => Self::Go,
            "java" | "kotlin" => Self::Java,
            "ruby" => Self::Ruby,
            _ => Self::Unknown,
        }
    }

    /// Whether a handler may skip replay on its own account, so that every id it could ask for needs a fence.
    pub(super) fn may_skip_replay(self) -> bool {
        matches!(self, Self::Python | Self::Unknown)
    }

    /// Whether tracing the SDK of this header is known to run nothing: what a fence is for it was tried with versions of
    /// this major number, and what the next one makes of a fence is anybody's guess.
    pub fn can_be_traced(header: &str) -> bool {
        // Go's has a v before the number.
        let version = header.split_once('/').map(|(_, version)| version.strip_prefix('v').unwrap_or(version));
        let Some(Ok(major)) = version.and_then(|version| version.split('.').next()).map(str::parse::<u32>) else {
            return false;
        };
        match Self::of(header) {
            Self::TypeScript => major == 1,
            Self::Python | Self::Go => major <= 1,
            Self::Rust => major == 0,
            Self::Java => major == 2,
            Self::Ruby | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_tried_is_traced() {
        let tried =
            ["typescript/1.17.2", "typescript/1.10.4", "python/0.10.2", "go/v1.2.0", "rust/0.13.0", "java/2.4.1"];
        for header in tried {
            assert!(Sdk::can_be_traced(&format!("restate-sdk-{header}")), "{header}");
        }
        for header in
            ["typescript/2.0.0", "typescript", "typescript/", "go/unknown", "ruby/1.0.0", "php/1.0.0", "java/x", ""]
        {
            assert!(!Sdk::can_be_traced(&format!("restate-sdk-{header}")), "{header}");
        }
    }
}
