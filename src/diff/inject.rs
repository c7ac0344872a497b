//! An injected divergence: a known change that a check has to catch, to prove that it would catch a real one.

use super::align::Replayed;
use super::lockstep::decode_command;
use super::stop::{Side, Undecodable};
use crate::journal::command::{Command, FieldValue, fields};
use crate::journal::{CommandKind, Ending, Entries, EntryBuffer, Step, Trace};
use crate::protocol::encode;

/// A name that no handler uses.
const NAME: &str = "rehearse: injected";

/// The candidate's steps with one command renamed, replaced or inserted before the frontier. `salt` alone decides which
/// change is made, and where. `None` where the journal has only an Input.
pub fn inject(recorded: Entries<'_>, replayed: Replayed<'_>, salt: u64) -> Result<Option<Trace>, Undecodable> {
    let mut trace = match replayed {
        Replayed::Trace(trace) => trace.clone(),
        Replayed::Entries(_) => {
            let (commands, ending) = replayed.commands();
            (0..commands.len()).try_for_each(|at| commands.decode(at, Side::Replayed))?;
            let steps = (0..commands.len()).map(|at| Step::Command(commands[at].clone().into_owned()));
            Trace { steps: steps.collect(), ending }
        }
    };
    let mut places: Vec<usize> = Vec::new();
    for (at, step) in trace.steps.iter().enumerate() {
        if matches!(step, Step::Command(command) if command.kind != CommandKind::Input) {
            places.push(at);
        }
    }
    places.truncate(recorded.command_count().saturating_sub(1));
    if places.is_empty() {
        return Ok(None);
    }
    let at = places[(salt / 3) as usize % places.len()];
    match (salt % 3, &mut trace.steps[at]) {
        (0, Step::Command(command)) => rename(command),
        (1, step) => *step = Step::Command(run()),
        _ => trace.steps.insert(at, Step::Command(run())),
    }
    trace.ending = Ending::Unknown;
    Ok(Some(trace))
}

/// The recorded entries with one command renamed, so that a candidate that replays them correctly stops there. `None`
/// where the journal has only an Input.
pub fn inject_into(recorded: Entries<'_>, salt: u64) -> Result<Option<EntryBuffer>, Undecodable> {
    let places: Vec<usize> = recorded.commands().skip(1).collect();
    if places.is_empty() {
        return Ok(None);
    }
    let place = places[(salt / 3) as usize % places.len()];
    let mut entries = EntryBuffer::default();
    for at in 0..recorded.len() {
        let kind = recorded.kind(at);
        if at == place {
            let mut command = decode_command(recorded, at, Side::Recorded)?;
            rename(&mut command);
            entries.push(kind, &encode(&command));
        } else {
            entries.push(kind, recorded.raw(at));
        }
    }
    Ok(Some(entries))
}

fn rename(command: &mut Command<'_>) {
    command.fields.retain(|(field, _)| field.name != "name");
    let name = fields(command.kind).iter().find(|field| field.name == "name").expect("every command has a name");
    command.fields.push((name, FieldValue::Text(NAME.into())));
    command.fields.sort_by_key(|(field, _)| field.tag);
}

fn run() -> Command<'static> {
    let mut command = Command { kind: CommandKind::Run, fields: Vec::new(), complete: true };
    rename(&mut command);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_name_to_change() {
        for kind in CommandKind::ALL {
            assert!(fields(*kind).iter().any(|field| field.name == "name"), "{kind:?}");
        }
    }
}
