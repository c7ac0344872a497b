//! Mutations: the changes by which a candidate differs from the recorded journal.

use rehearsal::journal::command::{
    Command, FailureMessage, Field, FieldKind, FieldValue, Header, IdempotentRequestTarget, StateKeyList,
    WorkflowTarget, fields,
};
use rehearsal::journal::{CommandKind, Compared, Ending};
use rehearsal::protocol;
use restate_sdk_shared_core::Version;

use super::choices::Choices;
use super::generate::{Awaited, Operation, Outcome, Step, is_eager};

/// Both sides of a case while they are mutated.
pub struct Sides {
    pub version: Version,
    pub recorded: Vec<(CommandKind, Vec<u8>)>,
    pub steps: Vec<Step>,
    pub ending: Ending,
}

impl Sides {
    /// Makes one change, and says which.
    pub fn mutate(&mut self, row: &[u8]) -> String {
        let mut choices = Choices::new(row);
        let mutation = choices.below(16);
        let at = choices.place(self.steps.len() + 1);
        let existing = choices.place(self.steps.len());
        match mutation {
            0 => return "none".to_owned(),
            1 => self.steps.insert(at, Step::Issue(Operation::any(&mut choices, self.version))),
            2 => self.await_any(&row[1..]),
            3 => {
                for _ in 0..self.version as usize {
                    self.steps.push(Step::Issue(Operation::any(&mut choices, self.version)));
                }
                return "append beyond the frontier".to_owned();
            }
            4 => {
                self.steps.truncate(at);
                self.ending = choices.pick(&[Ending::Returned, Ending::Unknown, Ending::Failed, Ending::Suspended]);
                return format!("end before step {at}: {:?}", self.ending);
            }
            5 => {
                self.steps.truncate(at);
                let output = if choices.once_in(2) {
                    Outcome::failure(&mut choices, Vec::new())
                } else {
                    Outcome::Value(choices.payload())
                };
                self.steps.push(Step::Issue(Operation::Output(output)));
                self.ending = Ending::Returned;
                return format!("output at step {at}");
            }
            6..=10 => {
                let at = choices.place(self.recorded.len());
                return self.change_field(at, &mut choices);
            }
            11 => {
                self.recorded.push((CommandKind::Input, Vec::new()));
                return "record a second input".to_owned();
            }
            _ if self.steps.is_empty() => return "none".to_owned(),
            12 => {
                self.steps.remove(existing);
            }
            13 => {
                let step = self.steps.remove(existing);
                self.steps.insert(at.min(self.steps.len()), step);
                return format!("move step {existing} to {at}");
            }
            14 => self.steps.insert(at, self.steps[existing].clone()),
            _ => {
                if let Step::Issue(operation) = &self.steps[existing] {
                    let replacement = if choices.once_in(3) {
                        Operation::any(&mut choices, self.version)
                    } else {
                        operation.another(&mut choices, self.version)
                    };
                    self.steps[existing] = Step::Issue(replacement);
                }
                return format!("replace step {existing}");
            }
        }
        match mutation {
            1 => format!("insert at step {at}"),
            2 => format!("await at step {at}"),
            12 => format!("remove step {existing}"),
            _ => format!("duplicate step {existing} at {at}"),
        }
    }

    /// Adds an await of one to three things.
    pub fn await_any(&mut self, row: &[u8]) {
        let mut choices = Choices::new(row);
        let at = choices.place(self.steps.len() + 1);
        let several = if choices.once_in(3) { 1 + choices.below(3) } else { 1 };
        self.steps.insert(at, Step::Await((0..several).map(|_| Awaited::any(&mut choices)).collect()));
    }

    /// Changes or removes any one field of the table, so that the candidate's command differs in this field alone, even
    /// where no SDK issues such a value.
    fn change_field(&mut self, at: usize, choices: &mut Choices<'_>) -> String {
        let (kind, raw) = &mut self.recorded[at];
        let mut command = protocol::decode(*kind, raw).expect("written by the machine");
        let table = fields(*kind);
        let field = &table[choices.below(table.len())];
        // An eager read without its value is a broken journal, which the machine answers with error 571.
        let always_there = is_eager(*kind) && field.compared == Compared::Never;
        let remove = choices.once_in(3) && !always_there;
        command.fields.retain(|(other, _)| other.tag != field.tag && (field.oneof == 0 || other.oneof != field.oneof));
        if !remove {
            command.fields.push((field, any_value(field, choices)));
            command.fields.sort_by_key(|(field, _)| field.tag);
        }
        *raw = protocol::encode(&command);
        format!("change field {}.{}", kind.name(), field.name)
    }
}

fn any_value(field: &'static Field, choices: &mut Choices<'_>) -> FieldValue<'static> {
    match field.kind {
        FieldKind::Text | FieldKind::OptionalText => {
            FieldValue::Text(choices.text(&["changed", "", "cart", "once"]).into())
        }
        FieldKind::Key | FieldKind::Payload | FieldKind::Value => FieldValue::Bytes(choices.payload().to_vec().into()),
        FieldKind::Void => FieldValue::Void,
        FieldKind::Number | FieldKind::OptionalNumber => FieldValue::Number(match field.compared {
            Compared::Timing => choices.pick(&[0, 1, u64::MAX]),
            _ => choices.pick(&[1, 2, 3, 0, 17, 4_000_000_000]),
        }),
        FieldKind::Failure => FieldValue::Failure(Box::new(FailureMessage {
            code: choices.pick(&[500, 409, 0, 70_000]),
            message: choices.text(&["boom", "", "changed"]),
            metadata: headers(choices),
        })),
        FieldKind::Headers => FieldValue::Headers(headers(choices)),
        FieldKind::StateKeys => FieldValue::StateKeys(StateKeyList {
            keys: choices.pick(&[vec![], vec![b"cart".to_vec()], vec![b"a".to_vec(), Vec::new()]]),
        }),
        FieldKind::IdempotentRequest => FieldValue::IdempotentRequest(Box::new(IdempotentRequestTarget {
            service_name: choices.text(&["Stock", ""]),
            service_key: choices.pick(&[None, Some("alice"), Some("")]).map(str::to_owned),
            handler_name: choices.text(&["reserve", "", "changed"]),
            idempotency_key: choices.text(&["once", "", "changed"]),
            scope: choices.pick(&[None, Some("eu"), Some("")]).map(str::to_owned),
        })),
        FieldKind::Workflow => FieldValue::Workflow(Box::new(WorkflowTarget {
            workflow_name: choices.text(&["Signup", "", "changed"]),
            workflow_key: choices.text(&["cart", "", "changed"]),
            scope: choices.pick(&[None, Some("eu"), Some("")]).map(str::to_owned),
        })),
    }
}

fn headers(choices: &mut Choices<'_>) -> Vec<Header> {
    let header = |key: &str, value: &str| Header { key: key.to_owned(), value: value.to_owned() };
    choices.pick(&[
        vec![header("x-a", "1")],
        Vec::new(),
        vec![header("x-a", "2")],
        vec![header("", "")],
        vec![header("x-a", "1"), header("x-b", "2")],
    ])
}

/// The fields of a command, one a line.
pub fn describe(command: &Command) -> String {
    let fields: Vec<String> = command.fields.iter().map(|(field, value)| format!("{}={value:?}", field.name)).collect();
    format!("{} {}", command.kind.name(), fields.join(" "))
}
