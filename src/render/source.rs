//! The source files of handlers, for formats whose findings need a file.

use std::collections::BTreeMap;

use crate::journal::InvocationInfo;

/// Source files by `Service/handler` or `Service`.
#[derive(Clone, Debug, Default)]
pub struct SourceFiles {
    files: BTreeMap<String, String>,
}

/// The file of findings whose handler has no source file: the file in which one could be named.
const FALLBACK: &str = "rehearse.toml";

impl SourceFiles {
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Self { files }
    }

    /// The source file of an invocation's handler, if one is named.
    pub fn of(&self, info: &InvocationInfo) -> Option<&str> {
        let (service, handler) = info.service_and_handler()?;
        let file = self.files.get(&format!("{service}/{handler}")).or_else(|| self.files.get(&service));
        file.map(String::as_str)
    }

    /// The source file of an invocation's handler, or the policy file.
    pub fn or_fallback(&self, info: &InvocationInfo) -> &str {
        self.of(info).unwrap_or(FALLBACK)
    }
}
