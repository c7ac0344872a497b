//! A policy error: a mistake in `rehearse.toml`, with its line.

/// A mistake in a policy file, with its line.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    message: String,
}

impl PolicyError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    pub(super) fn edit(error: toml_edit::TomlError) -> Self {
        Self::new(error.to_string())
    }

    pub(super) fn at(text: &str, span: std::ops::Range<usize>, message: impl std::fmt::Display) -> Self {
        let line = text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1;
        let shown = text.lines().nth(line - 1).unwrap_or_default().trim();
        Self::new(format!("line {line} ({shown}): {message}"))
    }
}
