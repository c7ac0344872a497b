//! A description: one command in a few words, such as `run "price"` or `call Stock/reserve`.

use super::{Command, CommandKind, FieldValue};

/// Says what a command does and on what, without its payload.
pub fn describe(command: &Command) -> String {
    let verb = command.kind.verb();
    let text = |name: &str| command.text(name).unwrap_or_default();
    let quoted = |name: &str| format!("{verb} {:?}", text(name));
    let named = |base: String| match command.text("name") {
        Some(name) if !name.is_empty() && command.kind != CommandKind::Run => format!("{base} (named {name:?})"),
        _ => base,
    };
    named(match command.kind {
        CommandKind::Run => quoted("name"),
        CommandKind::GetLazyState | CommandKind::GetEagerState | CommandKind::SetState | CommandKind::ClearState => {
            quoted("key")
        }
        CommandKind::GetPromise | CommandKind::PeekPromise | CommandKind::CompletePromise => quoted("key"),
        CommandKind::Call | CommandKind::OneWayCall => {
            let mut target = format!("{verb} {}/", text("service_name"));
            if !text("key").is_empty() {
                target.push_str(text("key"));
                target.push('/');
            }
            target.push_str(text("handler_name"));
            target
        }
        CommandKind::SendSignal => match (command.number("idx"), command.text("signal_name")) {
            (Some(1), _) => format!("cancel {}", text("target_invocation_id")),
            (Some(idx), _) => format!("{verb} {idx} to {}", text("target_invocation_id")),
            (None, name) => format!("{verb} {:?} to {}", name.unwrap_or_default(), text("target_invocation_id")),
        },
        CommandKind::CompleteAwakeable => format!("{verb} {}", text("awakeable_id")),
        CommandKind::AttachInvocation | CommandKind::GetInvocationOutput => {
            let target = match (command.get("idempotent_request_target"), command.get("workflow_target")) {
                (Some(FieldValue::IdempotentRequest(target)), _) => {
                    format!(
                        "{}/{} (idempotency key {:?})",
                        target.service_name, target.handler_name, target.idempotency_key
                    )
                }
                (_, Some(FieldValue::Workflow(target))) => format!("{}/{}", target.workflow_name, target.workflow_key),
                _ => text("invocation_id").to_owned(),
            };
            format!("{verb} {target}")
        }
        CommandKind::Output if command.get("failure").is_some() => "fail".to_owned(),
        CommandKind::Output => "return".to_owned(),
        CommandKind::Input
        | CommandKind::ClearAllState
        | CommandKind::GetLazyStateKeys
        | CommandKind::GetEagerStateKeys
        | CommandKind::Sleep => verb.to_owned(),
    })
}
