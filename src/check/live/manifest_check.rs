//! The manifest check: finds what is wrong with a candidate without a replay, such as a missing handler.
//!
//! After a failed replay, it also says whether the handler's schema rejects the recorded input.

use super::subject::Subject;
use crate::journal::command::FieldValue;
use crate::journal::{CommandKind, Entries, EntryKind};
use crate::protocol::decode;
use crate::rules::{self, Finding, Findings};
use crate::transport::Manifest;

/// The first finding that the manifest alone shows: the candidate does not have what the journal needs.
pub(super) fn missing_in_manifest(
    manifest: &Manifest,
    subject: &Subject<'_>,
    entries: Entries<'_>,
    findings: &Findings,
) -> Option<Finding> {
    let finding = |rule: &str, path: &str, recorded: String, replayed: Option<String>| {
        rules::find(rule).map(|rule| findings.of_deployment(rule, path, &recorded, replayed.as_deref()))
    };
    let Some(service) = manifest.service(&subject.service) else {
        return finding("service-missing", "service", subject.service.clone(), None);
    };
    if let Some(recorded) = subject.journal.info.service_type.as_deref()
        && !recorded.eq_ignore_ascii_case(&service.ty)
    {
        return finding("service-type-changed", "service_type", recorded.to_owned(), Some(service.ty.clone()));
    }
    let Some(handler) = service.handler(&subject.handler) else {
        return finding("handler-missing", "handler", subject.handler.clone(), None);
    };
    let writes = |at: &usize| {
        let kind = entries.command_kind(*at);
        matches!(kind, Some(CommandKind::SetState | CommandKind::ClearState | CommandKind::ClearAllState))
    };
    if handler.ty.as_deref() == Some("SHARED") && entries.commands().any(|at| writes(&at)) {
        return finding(
            "handler-type-changed",
            "handler_type",
            "it writes state, as exclusive handlers do".to_owned(),
            handler.ty.clone(),
        );
    }
    if !manifest.speaks(subject.version) {
        let (min, max) = (manifest.min_protocol_version, manifest.max_protocol_version);
        let spoken = Some(format!("{min} to {max}"));
        return finding("protocol-unsupported", "protocol_version", subject.version.to_string(), spoken);
    }
    None
}

/// The finding for a recorded input that does not fit the handler's schema. It is used only where the candidate failed.
pub(super) fn rejected_input(
    manifest: &Manifest,
    subject: &Subject<'_>,
    recorded: Entries<'_>,
    findings: &Findings,
) -> Option<Finding> {
    let handler = manifest.service(&subject.service)?.handler(&subject.handler)?;
    let schema = handler.input.as_ref()?.json_schema.as_ref()?;
    let EntryKind::Command(CommandKind::Input) = recorded.kind(0) else { return None };
    let input = decode(CommandKind::Input, recorded.raw(0)).ok()?;
    let FieldValue::Bytes(payload) = input.get("value")? else { return None };
    let reason = validation_error(schema, payload)?;
    let rule = rules::find("input-rejected")?;
    Some(findings.of_deployment(rule, "input", &String::from_utf8_lossy(payload), Some(&reason)))
}

/// Why a payload does not fit a JSON schema; `None` where it fits, and where the schema itself is invalid.
#[cfg(feature = "json-schema")]
fn validation_error(schema: &serde_json::Value, payload: &[u8]) -> Option<String> {
    let validator = jsonschema::validator_for(schema).ok()?;
    match serde_json::from_slice::<serde_json::Value>(payload) {
        Ok(value) => validator.iter_errors(&value).next().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// A build without the feature cannot validate, so it finds nothing.
#[cfg(not(feature = "json-schema"))]
fn validation_error(_schema: &serde_json::Value, _payload: &[u8]) -> Option<String> {
    None
}
