//! Recorded fixtures, each with what the real server said when the invocation was resumed on a variant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rehearsal::journal::InvocationId;
use serde::Deserialize;
use serde_json::Value;

use crate::support::folders::root;

#[derive(Debug, Deserialize)]
pub struct Truth {
    pub variant: String,
    pub outcome: String,
    pub command_index: Option<u64>,
    pub first_rule: Option<String>,
    #[serde(default)]
    pub rules: Vec<String>,
    #[serde(default)]
    pub sdk: String,
    /// Set where the invocation suspended among the recorded commands: its outcome after its awakeable was resolved.
    pub woken: Option<String>,
}

#[derive(Debug)]
pub struct Fixture {
    pub name: String,
    pub id: String,
    pub recorded: PathBuf,
    pub truth: Truth,
}

/// Everything that an SDK recorded. TypeScript is the SDK of `fixtures/rules`, `clean` and `failed`.
pub fn of_sdk(sdk: &str) -> Vec<Fixture> {
    let fixtures = root().join("fixtures");
    let of_sdk = fixtures.join("sdks").join(sdk);
    let mut found = Vec::new();
    match sdk {
        "typescript" => {
            for group in ["rules", "clean", "failed"] {
                collect(&fixtures, &fixtures.join(group), &mut found);
            }
        }
        _ => collect(&of_sdk, &of_sdk, &mut found),
    }
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Fixture>) {
    let recorded = folder.join("recorded.jsonl");
    if recorded.exists() {
        let truth: Truth = serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
        // Fixtures written by hand were never deployed.
        if truth.sdk.is_empty() {
            return;
        }
        let text = std::fs::read_to_string(&recorded).unwrap();
        let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let name = folder.strip_prefix(root).unwrap().display().to_string();
        found.push(Fixture { name, id: first["id"].as_str().unwrap().to_owned(), recorded, truth });
        return;
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders.into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        let hidden = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && !folder.ends_with("node_modules") && !folder.ends_with("target") {
            collect(root, &folder, found);
        }
    }
}

pub fn by_variant(fixtures: &[Fixture]) -> BTreeMap<String, Vec<&Fixture>> {
    let mut variants: BTreeMap<String, Vec<&Fixture>> = BTreeMap::new();
    for fixture in fixtures {
        variants.entry(fixture.truth.variant.clone()).or_default().push(fixture);
    }
    variants
}

impl Fixture {
    /// Id, service, handler, key and input of the recorded invocation.
    pub fn invocation(&self) -> (InvocationId, String, String, String, Vec<u8>) {
        let text = std::fs::read_to_string(&self.recorded).unwrap();
        let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let column = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let input = hex_simd::decode_to_vec(column("raw")).unwrap();
        let key = column("target_service_key");
        (InvocationId::new(&*self.id), column("target_service_name"), column("target_handler_name"), key, input)
    }

    /// The verdict that agrees with what the server said.
    pub fn expected(&self) -> &str {
        // The server sees no mismatch in a handler that skips replay, but whether it is compatible cannot be decided.
        if self.name.starts_with("explicit-recovery") {
            return "inconclusive";
        }
        // A machine that suspends on an added await reports no error to the server. fixtures/sdks/java/README.md says why
        // that is a mismatch nevertheless.
        if self.truth.woken.is_some() {
            return "mismatch";
        }
        match self.truth.outcome.as_str() {
            // Completed journals cannot be resumed, so only the rules are known.
            "unknown" if self.truth.rules.is_empty() => "compatible",
            "unknown" => "mismatch",
            outcome => outcome,
        }
    }

    /// What the server said, for the table of results.
    pub fn said(&self) -> String {
        match &self.truth.woken {
            Some(woken) => format!("suspended; once its awakeable is resolved: {woken}"),
            None if self.truth.outcome == "unknown" => "nothing of a completed one".to_owned(),
            None => self.truth.outcome.clone(),
        }
    }

    /// How an invocation of a report differs from the truth.
    pub fn complaint(&self, found: &Value) -> Option<String> {
        let verdict = found["verdict"].as_str().unwrap_or_default();
        let errors: Vec<&Value> =
            found["findings"].as_array().into_iter().flatten().filter(|finding| finding["level"] == "error").collect();
        let first = errors.first();
        let rule = first.and_then(|finding| finding["rule"].as_str());
        let index = first.and_then(|finding| finding["command_index"].as_u64());
        if verdict != self.expected() {
            return Some(format!("verdict {verdict} ({}), truth {}", found["reason"], self.expected()));
        }
        if self.expected() == "inconclusive" {
            return None;
        }
        if rule != self.truth.first_rule.as_deref() {
            return Some(format!("first rule {rule:?}, truth {:?}", self.truth.first_rule));
        }
        if self.truth.command_index.is_some() && index != self.truth.command_index {
            return Some(format!("index {index:?}, truth {:?}", self.truth.command_index));
        }
        None
    }
}
