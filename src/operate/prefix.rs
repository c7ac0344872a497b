//! A journal prefix: the first commands of a journal, all of them completed, that another invocation can start from.

use std::collections::BTreeSet;

use crate::journal::{CommandKind, Entries, EntryBuffer, EntryKind};
use crate::protocol::{DecodeError, NotificationId, decode, decode_notification};

/// A prefix with the entries that the server would copy.
#[derive(Clone, Debug)]
pub struct JournalPrefix {
    /// The index of the last entry that is kept.
    pub from: u64,
    pub commands: usize,
    /// The entries up to there, and the later completions of commands among them.
    pub entries: EntryBuffer,
}

/// The largest prefix of at most `commands` commands. The server refuses a prefix with a command that is not completed.
pub fn largest_prefix(entries: Entries<'_>, commands: usize) -> Result<Option<JournalPrefix>, DecodeError> {
    let mut completions = BTreeSet::new();
    for at in 0..entries.len() {
        if let Some(id) = completion(entries, at)? {
            completions.insert(id);
        }
    }
    let (mut kept, mut awaited, mut end) = (0, BTreeSet::new(), entries.len());
    for at in entries.commands() {
        let Some(kind) = entries.command_kind(at) else { continue };
        let ids = completion_ids(kind, entries.raw(at))?;
        if kept == commands || kind == CommandKind::Output || !ids.iter().all(|id| completions.contains(id)) {
            end = at;
            break;
        }
        kept += 1;
        awaited.extend(ids);
    }
    if kept == 0 {
        return Ok(None);
    }
    let mut prefix = EntryBuffer::default();
    prefix.extend(entries.range(0..end));
    for at in end..entries.len() {
        if completion(entries, at)?.is_some_and(|id| awaited.contains(&id)) {
            prefix.push(entries.kind(at), entries.raw(at));
        }
    }
    Ok(Some(JournalPrefix { from: end as u64 - 1, commands: kept, entries: prefix }))
}

fn completion(entries: Entries<'_>, at: usize) -> Result<Option<u32>, DecodeError> {
    let EntryKind::Notification(kind) = entries.kind(at) else { return Ok(None) };
    Ok(match decode_notification(kind, entries.raw(at))?.id {
        NotificationId::Completion(id) => Some(id),
        NotificationId::Signal(_) | NotificationId::NamedSignal(_) => None,
    })
}

/// The ids of the completions that a command waits for.
fn completion_ids(kind: CommandKind, raw: &[u8]) -> Result<Vec<u32>, DecodeError> {
    if kind.completion_ids() == 0 || kind.modulo_eager() != kind {
        return Ok(Vec::new());
    }
    let command = decode(kind, raw)?;
    let ids = ["result_completion_id", "invocation_id_notification_idx"];
    Ok(ids.iter().filter_map(|name| command.number(name)).filter_map(|id| u32::try_from(id).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Command, FieldValue, NotificationKind, command::fields};
    use crate::protocol::{CompletionResult, Notification, encode, encode_notification};

    fn command(kind: CommandKind, id: Option<u64>) -> (EntryKind, Vec<u8>) {
        let field = fields(kind).iter().find(|field| field.name == "result_completion_id");
        let fields = field.zip(id).map(|(field, id)| (field, FieldValue::Number(id))).into_iter().collect();
        (EntryKind::Command(kind), encode(&Command { kind, fields, complete: true }))
    }

    fn completed(kind: NotificationKind, id: u32) -> (EntryKind, Vec<u8>) {
        let notification = Notification { id: NotificationId::Completion(id), outcome: Some(CompletionResult::Void) };
        (EntryKind::Notification(kind), encode_notification(&notification))
    }

    fn journal(entries: &[(EntryKind, Vec<u8>)]) -> EntryBuffer {
        let mut buffer = EntryBuffer::default();
        entries.iter().for_each(|(kind, raw)| buffer.push(*kind, raw));
        buffer
    }

    #[test]
    fn a_prefix_ends_before_what_is_not_completed() {
        let whole = journal(&[
            command(CommandKind::Input, None),
            command(CommandKind::SetState, None),
            command(CommandKind::Run, Some(1)),
            command(CommandKind::Sleep, Some(2)),
            completed(NotificationKind::Run, 1),
            command(CommandKind::SetState, None),
        ]);
        let found = largest_prefix(whole.view(), 9).unwrap().unwrap();
        // The run's completion came later, and the server takes it along.
        assert_eq!((found.from, found.commands, found.entries.len()), (2, 3, 4));
        let found = largest_prefix(whole.view(), 2).unwrap().unwrap();
        assert_eq!((found.from, found.commands, found.entries.len()), (1, 2, 2));
        assert!(largest_prefix(whole.view(), 0).unwrap().is_none());
    }

    #[test]
    fn an_output_is_no_part_of_it() {
        let done = journal(&[command(CommandKind::Input, None), command(CommandKind::Output, None)]);
        let found = largest_prefix(done.view(), 9).unwrap().unwrap();
        assert_eq!((found.from, found.commands), (0, 1));
    }
}
