//! A generated journal: the same seed and number always give the same bytes.

use rehearsal::journal::{CommandKind, EntryBuffer, EntryKind, InvocationId, NotificationKind};

/// The random number generator SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// How the candidate's journal differs from the recorded one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    None,
    /// Every sleep wakes up some milliseconds later, and every send is due some milliseconds later.
    Timing,
    /// Every run has another result.
    Results,
    /// One number changes in the value of a set state, at [`Make::edits`] places anywhere in the journal.
    Mismatch,
}

/// A make: the parameters of a generated journal.
#[derive(Clone, Copy)]
pub struct Make {
    pub commands: usize,
    pub payload: usize,
    pub edit: Edit,
    /// The number of values that a mismatch changes.
    pub edits: usize,
    /// The number of runs that start before the first of them has its result.
    pub parallel_runs: bool,
}

impl Make {
    pub fn new(commands: usize, payload: usize) -> Self {
        Self { commands, payload, edit: Edit::None, edits: 1, parallel_runs: false }
    }

    pub fn with(self, edit: Edit) -> Self {
        Self { edit, ..self }
    }

    /// Appends the journal with this number.
    pub fn write(self, number: u64, out: &mut EntryBuffer) {
        let mut random = Random::new(number);
        let edited = self.edited(number);
        let mut writer = Writer { make: self, out, random: &mut random, next_id: 1, raw: Vec::new(), text: Vec::new() };
        writer.value(2);
        writer.command(CommandKind::Input, |raw, text| message(14, text, raw));
        if self.parallel_runs {
            writer.parallel_runs();
        } else {
            for at in 1..self.commands - 1 {
                writer.step(at, edited.binary_search(&at).is_ok());
            }
        }
        writer.value(2);
        writer.command(CommandKind::Output, |raw, text| message(14, text, raw));
    }

    fn changes(self) -> bool {
        self.edit == Edit::Mismatch
    }

    /// The steps whose state value changes.
    fn edited(self, number: u64) -> Vec<usize> {
        let mut random = Random::new(number ^ 0xED17);
        // The sleep at the start and the Output at the end are left out.
        let mut places: Vec<usize> = (0..self.edits).map(|_| 2 + random.below(self.commands - 3)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

struct Writer<'a> {
    make: Make,
    out: &'a mut EntryBuffer,
    random: &'a mut Random,
    next_id: u64,
    raw: Vec<u8>,
    text: Vec<u8>,
}

impl Writer<'_> {
    fn step(&mut self, at: usize, edited: bool) {
        let dice = self.random.below(100);
        let noise = self.random.next();
        // Every journal has one sleep. A step that an edit may change is a set state on both sides.
        let dice = match at {
            1 => 90,
            _ if edited => 30,
            _ => dice,
        };
        let late = if self.make.edit == Edit::Timing { 1_717 } else { 0 };
        let time = 1_760_000_000_000 + noise % 1_000_000 + late;
        match dice {
            0..30 => {
                let id = self.id();
                self.command(CommandKind::Run, |raw, _| {
                    number(11, id, raw);
                    bytes(12, format!("step {at}").as_bytes(), raw);
                });
                self.ran(id);
            }
            30..60 => {
                self.value(if edited && self.make.changes() { 3 } else { 2 });
                self.command(CommandKind::SetState, |raw, text| {
                    bytes(1, ["cart", "total", "status", "address"][at % 4].as_bytes(), raw);
                    message(3, text, raw);
                });
            }
            60..70 => {
                let id = self.id();
                self.command(CommandKind::GetLazyState, |raw, _| {
                    bytes(1, b"cart", raw);
                    number(11, id, raw);
                });
                self.completion(NotificationKind::GetLazyState, id);
            }
            70..85 => {
                let (invocation, result) = (self.id(), self.id());
                self.value(2);
                self.command(CommandKind::Call, |raw, text| {
                    bytes(1, b"Stock", raw);
                    bytes(2, b"reserve", raw);
                    bytes(3, text, raw);
                    bytes(5, b"alice", raw);
                    number(10, invocation, raw);
                    number(11, result, raw);
                });
                self.started(invocation, noise);
                self.completion(NotificationKind::Call, result);
            }
            85..92 => {
                let id = self.id();
                self.command(CommandKind::Sleep, |raw, _| {
                    number(1, time, raw);
                    number(11, id, raw);
                });
                self.notification(NotificationKind::Sleep, id, |raw, _| bytes(4, &[], raw));
            }
            92..98 => {
                let id = self.id();
                self.value(2);
                self.command(CommandKind::OneWayCall, |raw, text| {
                    bytes(1, b"Mail", raw);
                    bytes(2, b"send", raw);
                    bytes(3, text, raw);
                    number(4, time, raw);
                    number(10, id, raw);
                });
                self.started(id, noise);
            }
            _ => self.command(CommandKind::ClearState, |raw, _| bytes(1, b"status", raw)),
        }
    }

    fn parallel_runs(&mut self) {
        let runs = self.make.commands as u64 - 2;
        for at in 0..runs {
            self.command(CommandKind::Run, |raw, _| {
                number(11, at + 1, raw);
                bytes(12, format!("page {at}").as_bytes(), raw);
            });
        }
        for at in 0..runs {
            self.ran(at + 1);
        }
    }

    /// Appends the result of a run.
    fn ran(&mut self, id: u64) {
        self.value(if self.make.edit == Edit::Results { 3 } else { 2 });
        self.notification(NotificationKind::Run, id, |raw, text| message(5, text, raw));
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Makes the next payload: JSON of the requested size.
    fn value(&mut self, quantity: u64) {
        self.text.clear();
        self.text.extend_from_slice(format!("{{\"qty\":{quantity},\"note\":\"").as_bytes());
        while self.text.len() + 2 < self.make.payload {
            let word = self.random.next().to_le_bytes().map(|byte| b"0123456789abcdef"[usize::from(byte & 15)]);
            let room = self.make.payload - 2 - self.text.len();
            self.text.extend_from_slice(&word[..room.min(8)]);
        }
        self.text.extend_from_slice(b"\"}");
    }

    fn command(&mut self, kind: CommandKind, fill: impl FnOnce(&mut Vec<u8>, &[u8])) {
        self.raw.clear();
        fill(&mut self.raw, &self.text);
        self.out.push(EntryKind::Command(kind), &self.raw);
    }

    fn notification(&mut self, kind: NotificationKind, id: u64, fill: impl FnOnce(&mut Vec<u8>, &[u8])) {
        self.raw.clear();
        number(1, id, &mut self.raw);
        fill(&mut self.raw, &self.text);
        self.out.push(EntryKind::Notification(kind), &self.raw);
    }

    fn completion(&mut self, kind: NotificationKind, id: u64) {
        self.value(2);
        self.notification(kind, id, |raw, text| message(5, text, raw));
    }

    fn started(&mut self, id: u64, noise: u64) {
        let invocation = InvocationId::from_numbers(noise, u128::from(noise) << 20);
        self.notification(NotificationKind::CallInvocationId, id, |raw, _| {
            bytes(16, invocation.as_str().as_bytes(), raw);
        });
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(tag: u64, value: u64, out: &mut Vec<u8>) {
    varint(tag << 3, out);
    varint(value, out);
}

fn bytes(tag: u64, value: &[u8], out: &mut Vec<u8>) {
    varint(tag << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// A `Value` message with a payload.
fn message(tag: u64, content: &[u8], out: &mut Vec<u8>) {
    let mut value = Vec::with_capacity(content.len() + 6);
    bytes(1, content, &mut value);
    bytes(tag, &value, out);
}
