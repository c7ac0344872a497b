//! Where in the repository the code of a handler is, for formats whose findings have to be somewhere.

use std::collections::BTreeMap;

use crate::journal::InvocationInfo;

/// By `Service/handler` or `Service`.
#[derive(Clone, Debug, Default)]
pub struct SourceFiles {
    files: BTreeMap<String, String>,
}

/// Findings of handlers whose source nobody named are where that could be done.
const NOWHERE: &str = "rehearse.toml";

impl SourceFiles {
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Self { files }
    }

    pub fn of(&self, info: &InvocationInfo) -> Option<&str> {
        let (service, handler) = info.service_and_handler()?;
        let file = self.files.get(&format!("{service}/{handler}")).or_else(|| self.files.get(&service));
        file.map(String::as_str)
    }

    pub fn or_nowhere(&self, info: &InvocationInfo) -> &str {
        self.of(info).unwrap_or(NOWHERE)
    }
}
