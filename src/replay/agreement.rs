//! Two judgements of one journal, by the SDK itself and by its trace, and whether they agree.

use super::tripwire::Issued;
use crate::diff::{Side, Stop, Undecodable};
use crate::journal::command::{Command, FieldValue, fields};
use crate::journal::{Ending, Entries, EntryKind, Step, Trace};
use crate::protocol::decode;

/// The recorded command that is not replayed; `None` where replay does not stop at one.
pub(crate) fn place_of(stop: &Stop) -> Option<usize> {
    match stop {
        Stop::Divergence(at) | Stop::Returned(at) => Some(*at),
        Stop::Await(added) => Some(added.before),
        Stop::Frontier | Stop::Failed(_) | Stop::TraceEnds(_) => None,
    }
}

/// How a trace contradicts the SDK, which stopped replay at `told`. It may end before the place; it may not differ
/// elsewhere, nor go past it. (It may go past an added await: some SDKs do not wait for what a fence answers.)
pub(crate) fn contradiction(told: &Stop, traced: &Stop) -> Option<String> {
    let waits = matches!(told, Stop::Await(_));
    let place = place_of(told);
    let by_trace = match traced {
        Stop::Divergence(at) | Stop::Returned(at) if Some(*at) != place => format!("at command {at}"),
        Stop::Await(added) if Some(added.before) != place => format!("before command {}", added.before),
        Stop::Frontier if !waits && place.is_some() => "nowhere".to_owned(),
        Stop::Failed(ends) | Stop::TraceEnds(ends) if !waits && place.is_some_and(|place| *ends > place) => {
            format!("not before command {ends}")
        }
        _ => return None,
    };
    let by_sdk = place.map_or_else(|| "nowhere".to_owned(), |place| format!("at command {place}"));
    Some(format!("the two judgements disagree: by the candidate's SDK replay stops {by_sdk}, by its trace {by_trace}"))
}

/// Without a trace: as recorded up to the place, then what the SDK says it issues there.
pub(crate) fn as_told(recorded: Entries<'_>, stop: &Stop, issued: Option<Issued>) -> Result<Trace, Undecodable> {
    let upto = place_of(stop).unwrap_or(0);
    let mut steps = Vec::new();
    for at in recorded.commands().take(upto) {
        let EntryKind::Command(kind) = recorded.kind(at) else { continue };
        let command = decode(kind, recorded.raw(at)).map_err(|source| Undecodable {
            side: Side::Recorded,
            entry_index: at,
            source,
        })?;
        steps.push(Step::Command(command.into_owned()));
    }
    if let Some(Issued { kind, name }) = issued {
        let field = fields(kind).iter().find(|field| field.name == "name");
        let fields = field.zip(name).map(|(field, name)| (field, FieldValue::Text(name.into()))).into_iter().collect();
        steps.push(Step::Command(Command { kind, fields, complete: false }));
    }
    Ok(Trace { steps, ending: Ending::Unknown })
}

/// A trace that went past an await on which the SDK stops, with that await in it.
pub(crate) fn with_await(mut trace: Trace, stop: &Stop, traced: &Stop) -> Trace {
    if let Stop::Await(added) = stop
        && !matches!(traced, Stop::Await(_))
        && trace.commands().count() >= added.before
    {
        let mut commands = 0;
        trace.steps.retain(|step| {
            commands += usize::from(matches!(step, Step::Command(_)));
            commands <= added.before
        });
        trace.steps.push(Step::Await(added.awaited.clone()));
        trace.ending = Ending::Suspended;
    }
    trace
}
