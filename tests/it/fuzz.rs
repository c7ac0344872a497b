//! Input that fuzzing found, and thousands of fixtures with a few bytes changed, are read without a panic.

use std::fs;
use std::path::PathBuf;

use rehearsal::journal::{CommandKind, Journal};

use crate::support::handmade::fixtures;
use crate::support::quiet;
use crate::support::seeded::Seeded;

#[path = "../../fuzz/answers.rs"]
mod answers;
#[path = "../../fuzz/read.rs"]
mod read;

impl Seeded {
    /// Makes a few changes of the kinds that damage files.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const SPECIAL: [u32; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x100];
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = self.below(12).min(bytes.len() - at);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at + 4 <= bytes.len() => {
                    bytes[at..at + 4].copy_from_slice(&SPECIAL[self.below(SPECIAL.len())].to_le_bytes());
                }
                3 => drop(bytes.drain(at..at + length)),
                4 => {
                    let part = bytes[at..at + length].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, part);
                }
                5 if self.below(8) == 0 => bytes.truncate(at),
                _ => {
                    // Small words are mostly lengths and offsets.
                    let word = at & !3;
                    if let Some(word) = bytes.get_mut(word..word + 4) {
                        let changed = u32::from_le_bytes(word.try_into().unwrap())
                            .wrapping_add(self.below(17) as u32)
                            .wrapping_sub(8);
                        word.copy_from_slice(&changed.to_le_bytes());
                    }
                }
            }
        }
    }
}

/// Files that are small enough to read thousands of times.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let rows = fs::read_to_string(fixtures().join("formats/rows.jsonl")).unwrap();
    let lines: Vec<&str> = rows.lines().take(24).collect();
    seeds.push(lines.join("\n").into_bytes());
    seeds.push(format!("{{\"rows\":[{}]}}", lines.join(",")).into_bytes());
    seeds.push(fs::read(fixtures().join("clean/v7-process/trace.json")).unwrap());
    seeds.extend(arrow::streams(&lines));
    seeds
}

mod arrow {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, LargeBinaryArray, RecordBatch, StringArray, UInt32Array};
    use arrow_cast::cast;
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
    use arrow_schema::DataType;

    /// Files of the rows: plain, with dictionaries, compressed, with views, and in the file format.
    pub fn streams(lines: &[&str]) -> Vec<Vec<u8>> {
        let rows: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts = |name: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[name].as_str().unwrap())))
        };
        let numbers = |name: &str| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row[name].as_u64().unwrap() as u32)))
        };
        let raws = rows.iter().map(|row| hex_simd::decode_to_vec(row["raw"].as_str().unwrap()).unwrap());
        let raw: ArrayRef = Arc::new(LargeBinaryArray::from_iter_values(raws));
        let batch = |text: &DataType| {
            RecordBatch::try_from_iter([
                ("id", cast(&texts("id"), text).unwrap()),
                ("index", numbers("index")),
                ("entry_type", cast(&texts("entry_type"), text).unwrap()),
                ("raw", Arc::clone(&raw)),
                ("version", numbers("version")),
                ("target", texts("id")),
            ])
            .unwrap()
        };
        let stream = |batch: &RecordBatch, options: IpcWriteOptions| {
            let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
            for at in 0..batch.num_rows() / 12 {
                writer.write(&batch.slice(at * 12, 12)).unwrap();
            }
            writer.finish().unwrap();
            writer.into_inner().unwrap()
        };
        let plain = batch(&DataType::Utf8);
        let keyed = batch(&DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)));
        let compressed = |by| IpcWriteOptions::default().try_with_compression(Some(by)).unwrap();
        let mut file = FileWriter::try_new(Vec::new(), &plain.schema()).unwrap();
        file.write(&plain).unwrap();
        file.finish().unwrap();
        vec![
            stream(&plain, IpcWriteOptions::default()),
            stream(&keyed, IpcWriteOptions::default()),
            stream(&batch(&DataType::Utf8View), IpcWriteOptions::default()),
            stream(&plain, compressed(CompressionType::LZ4_FRAME)),
            stream(&keyed, compressed(CompressionType::ZSTD)),
            file.into_inner().unwrap(),
        ]
    }
}

#[test]
fn fixtures_with_a_few_bytes_changed_are_read_without_a_panic() {
    let _guard = quiet::beside_others();
    let cases: u64 = std::env::var("FUZZ_CASES").map_or(3000, |cases| cases.parse().unwrap());
    let seeds = seeds();
    for case in 0..cases {
        let mut seeded = Seeded(case);
        let mut bytes = seeds[case as usize % seeds.len()].clone();
        seeded.mutate(&mut bytes);
        if let Err(panic) = std::panic::catch_unwind(|| read::read(&bytes)) {
            let kept = std::env::temp_dir().join(format!("rehearse-fuzz-{case}"));
            fs::write(&kept, &bytes).unwrap();
            eprintln!("case {case} is kept as {}", kept.display());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn what_fuzzing_found_is_read_without_a_panic() {
    let directory = fixtures().join("broken/fuzz");
    let mut read = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        read::read(&fs::read(path).unwrap());
        read += 1;
    }
    assert!(read > 0);
}

/// Answers of honest candidates: the recorded commands, whole or cut off, with every kind of ending.
fn seeds_of_answers(journals: &[Journal]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, journal) in (0u8..).zip(journals) {
        let entries = journal.entries.view();
        let commands = entries.command_count() as u8;
        let mismatch = |index: u8, kind: CommandKind| {
            let ty = 0x400 + kind as u16;
            vec![0x08, 0xBA, 0x04, 0x20, index, 0x2A, 0x03, b't', b'a', b'x', 0x30, ty as u8 | 0x80, (ty >> 7) as u8]
        };
        for (sdk, at) in (0..).zip([commands, commands / 2, 1]) {
            let mut input = vec![number, sdk, 40];
            // The verdict with both seeds, then the trace as often as it is requested.
            for _ in 0..2 {
                answers::put(&mut input, answers::ERROR, &mismatch(at, CommandKind::Run));
                answers::put(&mut input, answers::END_OF_ANSWER, b"");
            }
            for place in entries.commands().skip(1).take(usize::from(at)) {
                let kind = entries.command_kind(place).unwrap();
                answers::put(&mut input, answers::command(kind), entries.raw(place));
            }
            answers::put(&mut input, 3, b"");
            seeds.push(input);
            // A candidate that waits, and the search for the place where it waits.
            let mut input = vec![number, sdk + 3, 7];
            for ending in [(1, vec![0x0A, 0x02, 0x01, 0x03]), (answers::ERROR, mismatch(at, CommandKind::Call))] {
                answers::put(&mut input, ending.0, &ending.1);
                answers::put(&mut input, answers::END_OF_ANSWER, b"");
            }
            seeds.push(input);
        }
    }
    seeds
}

#[test]
fn whatever_a_candidate_answers_nothing_can_run_and_it_comes_to_an_end() {
    let _guard = quiet::beside_others();
    let cases: u64 = std::env::var("FUZZ_CASES").map_or(600, |cases| cases.parse().unwrap());
    let journals = answers::journals(&fixtures());
    // Input that fuzzing found, if there is any.
    for file in fs::read_dir(fixtures().join("broken/fuzz-answers")).into_iter().flatten() {
        answers::answer(&journals, &fs::read(file.unwrap().path()).unwrap());
    }
    let seeds = seeds_of_answers(&journals);
    for case in 0..cases {
        let mut seeded = Seeded(case ^ 0xA45);
        let mut input = seeds[case as usize % seeds.len()].clone();
        // Each seed is first read unchanged.
        if case as usize >= seeds.len() {
            seeded.mutate(&mut input);
        }
        if let Err(panic) = std::panic::catch_unwind(|| answers::answer(&journals, &input)) {
            let kept = std::env::temp_dir().join(format!("rehearse-fuzz-answers-{case}"));
            fs::write(&kept, &input).unwrap();
            eprintln!("case {case} is kept as {}", kept.display());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
#[ignore = "writes the corpus of fuzz/run to FUZZ_SEEDS"]
fn seeds_of_answers_for_the_fuzzer() {
    let folder = PathBuf::from(std::env::var_os("FUZZ_SEEDS").unwrap());
    for (number, seed) in seeds_of_answers(&answers::journals(&fixtures())).iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
    }
}
