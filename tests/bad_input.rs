//! Bad input: every file that can be broken is broken here. A message names file, row and invocation; one bad journal
//! leaves the others checked; the exit status is the contract's; nothing panics or waits for ever.

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, LargeBinaryArray, ListArray, RecordBatch, StringArray, StructArray,
    UInt32Array, UInt64Array,
};
use arrow_cast::cast;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions};
use arrow_schema::DataType;
use common::*;

/// A run in which some journals of a file are broken: the sound ones are compatible, the others say why not.
#[track_caller]
fn assert_some_inconclusive(run: &Run, compatible: usize, inconclusive: &[(&str, &[&str])]) {
    let verdicts = run.verdicts();
    let sound = verdicts.iter().filter(|(_, verdict, _)| verdict == "compatible").count();
    assert_eq!(sound, compatible, "{verdicts:#?}\n{}", run.stderr);
    assert_eq!(verdicts.len(), compatible + inconclusive.len(), "{verdicts:#?}\n{}", run.stderr);
    for (id, says) in inconclusive {
        let Some((_, verdict, reason)) = verdicts.iter().find(|(own, ..)| own == id) else {
            panic!("{id} is missing: {verdicts:#?}")
        };
        assert_eq!(verdict, "inconclusive", "{id}");
        for part in *says {
            assert!(reason.contains(part), "{id}: {reason:?} does not say {part:?}");
        }
    }
    assert_eq!(run.status, if inconclusive.is_empty() { 0 } else { 3 }, "{}", run.stderr);
}

// --- Arrow ---

/// Where the messages of a stream begin, and their bodies.
fn boundaries(stream: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 8 <= stream.len() {
        let length = u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap()) as usize;
        let body = at + 8 + length;
        found.extend([at, at + 4, at + 8, body]);
        if length == 0 {
            break;
        }
        let message = arrow_ipc::root_as_message(&stream[at + 8..body]).unwrap();
        at = body + usize::try_from(message.bodyLength()).unwrap();
    }
    found
}

fn cut_everywhere(file: &str, every: usize) {
    let directory = scratch();
    let whole = std::fs::read(fixtures().join("formats").join(file)).unwrap();
    let good = write(directory.path(), "whole.arrow", &whole);
    let all = check(&good, &good);
    assert_eq!(all.status, 0, "{}", all.stderr);
    let journals = all.verdicts().len();
    assert_eq!(journals, 10);

    let edges = boundaries(&whole);
    let near = edges.iter().flat_map(|edge| [edge.saturating_sub(1), *edge, edge + 1]);
    let mut cuts: Vec<usize> = (0..whole.len()).step_by(every).chain(near).filter(|cut| *cut < whole.len()).collect();
    cuts.sort_unstable();
    cuts.dedup();
    assert!(cuts.len() > 100, "{}", cuts.len());
    let mut partial = 0;
    for cut in cuts {
        let torn = write(directory.path(), "torn.arrow", &whole[..cut]);
        let run = check(&torn, &good);
        assert!(run.stderr.contains("torn.arrow"), "cut at {cut}: {}", run.stderr);
        if run.status == 2 {
            assert!(run.stdout.is_empty() && run.stderr.starts_with("error: could not read "), "{}", run.stderr);
            continue;
        }
        assert_eq!(run.status, 3, "cut at {cut}: {}\n{}", run.stderr, run.stdout);
        let verdicts = run.verdicts();
        let broken: Vec<_> = verdicts.iter().filter(|(_, verdict, _)| verdict != "compatible").collect();
        assert!(broken.len() <= 1, "cut at {cut}: {broken:#?}");
        for (id, verdict, reason) in broken {
            assert!(
                verdict == "inconclusive" && reason.contains("torn.arrow, row ") && reason.contains(id.as_str()),
                "cut at {cut}: {reason}"
            );
            partial += 1;
        }
    }
    assert!(partial > 10, "only {partial} cuts left journals");
}

#[test]
fn a_stream_cut_anywhere() {
    cut_everywhere("stream.arrow", 97);
}

#[test]
fn a_joined_stream_cut_anywhere() {
    cut_everywhere("joined.arrow", 389);
}

/// The same journals in another layout give the same report, byte for byte.
fn assert_reads_like_rows(name: &str, bytes: &[u8]) {
    let directory = scratch();
    let rows = rows_of(&fixtures().join("formats/rows.jsonl"));
    let plain = write(directory.path(), "rows.jsonl", lines(&rows));
    let variant = write(directory.path(), "variant", bytes);
    let expected = check(&plain, &plain);
    assert_eq!(expected.status, 0);
    for run in [check(&variant, &plain), check(&plain, &variant)] {
        assert_eq!(run.stdout, expected.stdout, "{name}: {}", run.stderr);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{name}");
    }
}

fn sample() -> RecordBatch {
    batch(&rows_of(&fixtures().join("formats/rows.jsonl")))
}

/// The batch with one column in another type.
fn retyped(batch: &RecordBatch, name: &str, to: &DataType) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let column = if field.name() == name { cast(column, to).unwrap() } else { Arc::clone(column) };
        (field.name().as_str(), column)
    });
    of_columns(columns.collect())
}

fn runs(end: DataType, value: DataType) -> DataType {
    let field = |name: &str, of: DataType, nullable: bool| Arc::new(arrow_schema::Field::new(name, of, nullable));
    DataType::RunEndEncoded(field("run_ends", end, false), field("values", value, true))
}

#[test]
fn every_layout_of_arrow_reads_the_same() {
    use DataType::{
        Binary, BinaryView, Int8, Int16, Int32, Int64, LargeBinary, LargeUtf8, UInt8, UInt16, UInt32, UInt64, Utf8,
        Utf8View,
    };
    let dictionary = |key: DataType, value: DataType| DataType::Dictionary(Box::new(key), Box::new(value));
    let sample = sample();
    for (name, types) in [
        ("id", vec![LargeUtf8, Utf8View, Binary]),
        ("id", vec![dictionary(Int8, Utf8), dictionary(UInt16, LargeUtf8), dictionary(Int64, Utf8)]),
        ("id", vec![runs(Int16, Utf8), runs(Int32, LargeUtf8), runs(Int64, Utf8)]),
        ("version", vec![runs(Int32, UInt32)]),
        ("entry_type", vec![LargeUtf8, Utf8View, dictionary(Int8, Utf8), dictionary(UInt32, LargeUtf8)]),
        ("index", vec![Int8, UInt8, Int16, UInt16, Int32, Int64, UInt64, Utf8, DataType::Float64]),
        ("raw", vec![Binary, LargeBinary, BinaryView, dictionary(Int32, Binary)]),
        ("version", vec![Int8, Int32, UInt64]),
    ] {
        for to in types {
            assert_reads_like_rows(&format!("{name} as {to}"), &stream(&[retyped(&sample, name, &to)]));
        }
    }
}

#[test]
fn compressed_files_and_small_batches_read_the_same() {
    let sample = sample();
    let parts: Vec<RecordBatch> =
        (0..sample.num_rows()).step_by(7).map(|at| sample.slice(at, 7.min(sample.num_rows() - at))).collect();
    assert_reads_like_rows("batches of seven rows", &stream(&parts));
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(compression)).unwrap();
        assert_reads_like_rows(&format!("{compression:?}"), &stream_with(&parts, options));
    }
    let keyed: Vec<RecordBatch> = parts
        .iter()
        .map(|part| {
            let texts = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
            retyped(&retyped(part, "id", &texts(DataType::Int32)), "entry_type", &texts(DataType::Int16))
        })
        .collect();
    assert_reads_like_rows("a dictionary a batch", &stream(&keyed));
    let deltas = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
    assert_reads_like_rows("dictionaries that grow", &stream_with(&keyed, deltas));

    for parts in [&parts, &vec![sample.clone()]] {
        let mut file = FileWriter::try_new(Vec::new(), &sample.schema()).unwrap();
        for part in parts {
            file.write(part).unwrap();
        }
        file.finish().unwrap();
        assert_reads_like_rows("the file format", &file.into_inner().unwrap());
    }
    let mut file = FileWriter::try_new_with_options(
        Vec::new(),
        &sample.schema(),
        IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap(),
    )
    .unwrap();
    parts.iter().for_each(|part| file.write(part).unwrap());
    file.finish().unwrap();
    assert_reads_like_rows("a compressed file", &file.into_inner().unwrap());
}

#[test]
fn other_columns_and_another_order_of_columns_read_the_same() {
    let sample = sample();
    let rows = sample.num_rows();
    let lists =
        ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|row| Some(vec![Some(row as i32); row % 3])));
    let nested = StructArray::from(vec![
        (
            Arc::new(arrow_schema::Field::new("a", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["x"; rows])) as ArrayRef,
        ),
        (Arc::new(arrow_schema::Field::new("b", lists.data_type().clone(), true)), Arc::new(lists.clone()) as ArrayRef),
    ]);
    let keyed: DictionaryArray<Int8Type> = (0..rows).map(|row| ["some", "word"][row % 2]).collect();
    let nulls: ArrayRef = arrow_array::new_null_array(&DataType::Null, rows);
    let time = cast(&UInt64Array::from(vec![7; rows]), &DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None))
        .unwrap();
    let own = |name: &str| Arc::clone(sample.column_by_name(name).unwrap());
    let columns = vec![
        ("raw", own("raw")),
        ("nested", Arc::new(nested) as ArrayRef),
        ("version", own("version")),
        ("nothing", nulls),
        ("entry_type", own("entry_type")),
        ("lists", Arc::new(lists)),
        ("index", own("index")),
        ("appended_at", time),
        ("word", Arc::new(keyed)),
        ("id", own("id")),
    ];
    assert_reads_like_rows("other columns", &stream(&[of_columns(columns.clone())]));
    let mut viewed = columns;
    viewed.push(("view", cast(&own("entry_type"), &DataType::Utf8View).unwrap()));
    assert_reads_like_rows("other columns, one of views", &stream(&[of_columns(viewed)]));
}

/// Rows in which one value is not there.
fn with_null(rows: &[Row], column: &str, at: usize) -> RecordBatch {
    let there = |own: &str, row: usize| column != own || row != at;
    of_columns(vec![
        (
            "id",
            Arc::new(
                rows.iter().enumerate().map(|(at, row)| there("id", at).then_some(&row.id)).collect::<StringArray>(),
            ),
        ),
        (
            "index",
            Arc::new(
                rows.iter()
                    .enumerate()
                    .map(|(at, row)| there("index", at).then_some(row.index))
                    .collect::<UInt32Array>(),
            ),
        ),
        (
            "entry_type",
            Arc::new(
                rows.iter()
                    .enumerate()
                    .map(|(at, row)| there("entry_type", at).then_some(&row.entry_type))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "raw",
            Arc::new(
                rows.iter()
                    .enumerate()
                    .map(|(at, row)| there("raw", at).then_some(&row.raw))
                    .collect::<LargeBinaryArray>(),
            ),
        ),
    ])
}

#[test]
fn nulls_in_arrow_are_no_values() {
    let directory = scratch();
    let rows = small_journals(1..=3);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    for (column, says) in
        [("index", "it has no index"), ("entry_type", "it has no entry_type"), ("raw", "it has no raw")]
    {
        for keyed in [false, true] {
            let mut torn = with_null(&rows, column, 5);
            if keyed && column != "index" && column != "raw" {
                torn =
                    retyped(&torn, column, &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)));
            }
            let torn = write(directory.path(), "nulls.arrow", stream(&[torn]));
            assert_some_inconclusive(&check(&torn, &good), 2, &[(&id(2), &["nulls.arrow, row 6, ", says])]);
        }
    }
    for to in [DataType::Utf8, DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))] {
        let torn = retyped(&with_null(&rows, "id", 5), "id", &to);
        let torn = write(directory.path(), "nulls.arrow", stream(&[torn]));
        let run = check(&torn, &good);
        assert!(run.stderr.contains("nulls.arrow, row 6: it has no id"), "{}", run.stderr);
        assert_some_inconclusive(&run, 2, &[(&id(2), &["entry 1 is missing"])]);
    }
}

#[test]
fn indexes_that_are_no_indexes() {
    let directory = scratch();
    let rows = small_journals(1..=3);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    let indexes: Vec<i32> =
        rows.iter().enumerate().map(|(at, row)| if at == 5 { -1 } else { row.index as i32 }).collect();
    let plain = batch(&rows);
    let negative: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::clone(&plain.columns()[0])),
        ("index", Arc::new(Int32Array::from(indexes))),
        ("entry_type", Arc::clone(&plain.columns()[2])),
        ("raw", Arc::clone(&plain.columns()[3])),
    ];
    let torn = write(directory.path(), "negative.arrow", stream(&[of_columns(negative)]));
    assert_some_inconclusive(&check(&torn, &good), 2, &[(&id(2), &["negative.arrow", "missing"])]);
}

#[test]
fn bytes_that_are_not_what_arrow_says() {
    let directory = scratch();
    let rows = small_journals(1..=6);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    let whole = stream(&[batch(&rows[..12]), batch(&rows[12..])]);

    // The second batch's header: what came before is checked.
    let second = boundaries(&whole)[8];
    let mut torn = whole.clone();
    torn[second + 8..second + 40].fill(0xAB);
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_some_inconclusive(&run, 2, &[(&id(3), &["torn.arrow, row 12", "the file is broken"])]);

    // The first one's: nothing was read.
    let mut torn = whole.clone();
    let first = boundaries(&whole)[4];
    torn[first + 8..first + 40].fill(0xAB);
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("torn.arrow: it is not well-formed Arrow IPC"), "{}", run.stderr);

    // The ids of the second batch.
    let mut torn = whole.clone();
    let body = boundaries(&whole)[11];
    let offsets = torn[body..].windows(8).position(|window| window == [0, 0, 0, 0, 38, 0, 0, 0]).unwrap() + body;
    torn[offsets + 8..offsets + 12].fill(0xFF);
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_eq!((run.status, run.verdicts().len()), (3, 3), "{}", run.stderr);
    assert!(run.stderr.contains("torn.arrow, row 13: "), "{}", run.stderr);

    // Where the runs of the first batch's ids end: one lies beyond the batch.
    let in_runs = |rows: &[Row]| retyped(&batch(rows), "id", &runs(DataType::Int32, DataType::Utf8));
    let mut torn = stream(&[in_runs(&rows[..12]), in_runs(&rows[12..])]);
    let ends = torn.windows(12).position(|window| window == [4, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0]).unwrap();
    torn[ends + 8] = 13;
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_eq!((run.status, run.verdicts().len()), (3, 3), "{}", run.stderr);
    assert!(run.stderr.contains("the runs of a batch are not its rows"), "{}", run.stderr);

    // Two streams in one file: the second is told of.
    let two =
        write(directory.path(), "two.arrow", [stream(&[batch(&rows[..4])]), stream(&[batch(&rows[4..])])].concat());
    let run = check(&two, &good);
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert!(run.stderr.contains("two.arrow, row 4, ") && run.stderr.contains("another that follows"), "{}", run.stderr);
}

#[test]
fn arrow_without_its_columns() {
    let directory = scratch();
    let rows = small_journals(1..=2);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    for column in ["id", "index", "entry_type", "raw"] {
        let mut torn = batch(&rows);
        torn.remove_column(torn.schema().index_of(column).unwrap());
        let torn = write(directory.path(), "lacking.arrow", stream(&[torn]));
        let run = check(&torn, &good);
        assert_eq!(run.status, 2, "{column}: {}", run.stderr);
        assert!(run.stderr.contains(&format!("lacking.arrow: it has no column {column}")), "{}", run.stderr);
    }
    let none = write(directory.path(), "none.arrow", stream(&[batch(&[])]));
    assert_eq!(check(&none, &good).status, 3);
}

// --- JSON ---

/// Six journals as lines, the second's second row replaced.
fn with_line(line: &str) -> String {
    let rows = small_journals(1..=6);
    rows.iter().enumerate().map(|(at, row)| if at == 5 { format!("{line}\n") } else { row.json() + "\n" }).collect()
}

#[test]
fn a_bad_row_costs_its_journal_alone() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=6)));
    let two = id(2);
    let row = |rest: &str| format!("{{\"id\":\"{two}\",{rest}}}");
    for (line, says) in [
        (
            row("\"index\":1,\"entry_type\":\"Command: SetState\",\"raw\":\"0a0\""),
            "raw has an odd number of hex digits (3)",
        ),
        (row("\"index\":1,\"entry_type\":\"Command: SetState\",\"raw\":\"0x0a\""), "raw is not hex"),
        (row("\"index\":1,\"entry_type\":\"Command: SetState\",\"raw\":\"0aé\""), "raw is not hex"),
        (row("\"index\":1,\"entry_type\":\"Command: SetState\",\"raw\":7"), "invalid type"),
        (row("\"index\":1,\"entry_type\":\"Command: SetState\""), "it has no raw"),
        (row("\"index\":1,\"entry_type\":\"Command: SetState\",\"raw\":null"), "it has no raw"),
        (
            row("\"index\":-1,\"entry_type\":\"Command: SetState\",\"raw\":\"\""),
            "invalid type: integer `-1`, expected a number from 0 up",
        ),
        (row("\"index\":\"one\",\"entry_type\":\"Command: SetState\",\"raw\":\"\""), "expected a number from 0 up"),
        (row("\"index\":1.5,\"entry_type\":\"Command: SetState\",\"raw\":\"\""), "expected a number from 0 up"),
        (
            row("\"index\":4294967296,\"entry_type\":\"Command: SetState\",\"raw\":\"\""),
            "index 4294967296 is too large",
        ),
        (row("\"entry_type\":\"Command: SetState\",\"raw\":\"\""), "it has no index"),
        (row("\"index\":1,\"raw\":\"\""), "it has no entry_type"),
        (
            row("\"index\":1,\"entry_type\":\"Command: Teleport\",\"raw\":\"\""),
            "unknown entry type \"Command: Teleport\"",
        ),
        (
            row("\"index\":1,\"entry_type\":\"Notification: Oracle\",\"raw\":\"\""),
            "unknown entry type \"Notification: Oracle\"",
        ),
        (format!("{{\"id\":\"{two}\",\"index\":1,\"entry_type\":\"Command: SetSt"), "it is no JSON row"),
        (format!("{{\"id\":\"{two}\",\"index\":1,\"x\":{}", "[".repeat(300)), "it is no JSON row"),
        (format!("{{\"id\":\"{two}\",\"index\":1,\"x\":"), "it is no JSON row"),
        (format!("{{\"id\":\"{two}\",\"index\":1,\"x\":\"\u{1}\"}}"), "it is no JSON row"),
    ] {
        let torn = write(directory.path(), "torn.jsonl", with_line(&line));
        let run = check(&torn, &good);
        assert_some_inconclusive(&run, 5, &[(&two, &[&format!("torn.jsonl, row 6, {two}: "), says])]);
        assert!(run.stderr.contains(&format!("torn.jsonl, row 6, {two}: ")), "{}", run.stderr);
        // The candidate's side alike.
        assert_some_inconclusive(
            &check(&good, &torn),
            5,
            &[(&two, &["the candidate's trace: ", "torn.jsonl, row 6, ", says])],
        );
    }
}

#[test]
fn a_row_of_nobody_makes_the_run_undecided() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=6)));
    for line in [
        "{\"index\":1}",
        "5",
        "\"text\"",
        "null",
        "[]",
        "\u{0}",
        "{",
        "}x{",
        "{\"id\":7,\"index\":1}",
        "{\"id\":null,\"index\":3}",
    ] {
        let rows = lines(&small_journals(1..=6));
        let torn = write(directory.path(), "torn.jsonl", format!("{rows}{line}\n{}", lines(&small_journal("z"))));
        let run = check(&torn, &good);
        assert_eq!(run.status, 3, "{line}: {}", run.stderr);
        assert!(run.stderr.contains("torn.jsonl, row 25: "), "{line}: {}", run.stderr);
        assert_eq!(run.verdicts().len(), 7, "{line}");
        let run = check(&good, &torn);
        assert_eq!((run.status, run.verdicts().len()), (3, 6), "{line}: {}", run.stderr);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=3)));
    let mut torn = lines(&small_journals(1..=3)).into_bytes();
    let second = torn.windows(4).enumerate().filter(|(_, window)| *window == b"Comm").nth(5).unwrap().0;
    torn[second] = 0xFF;
    let torn = write(directory.path(), "torn.jsonl", torn);
    assert_some_inconclusive(&check(&torn, &good), 2, &[(&id(2), &["torn.jsonl, row 6, ", "it is no JSON row"])]);
}

#[test]
fn an_answer_torn_anywhere() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=4)));
    let rows: Vec<String> = small_journals(1..=4).iter().map(Row::json).collect();
    let answer = format!("{{\"rows\":[{}]}}\n", rows.join(","));
    let whole = write(directory.path(), "answer.json", &answer);
    assert_some_inconclusive(&check(&whole, &good), 4, &[]);
    // Two of them, one behind the other.
    let twice = write(
        directory.path(),
        "answers.json",
        format!("{{\"rows\":[{}]}}\n{{\"rows\" : [{}]}}", rows[..8].join(","), rows[8..].join(",")),
    );
    assert_some_inconclusive(&check(&twice, &good), 4, &[]);

    let closing = answer.rfind(']').unwrap();
    let between = answer.match_indices("},{").flat_map(|(at, _)| [at, at + 1, at + 2]).collect::<Vec<_>>();
    for cut in (0..closing).step_by(61).chain(between).chain([closing - 1, closing]) {
        let torn = write(directory.path(), "torn.json", &answer[..cut]);
        let run = check(&torn, &good);
        assert!(run.stderr.contains("torn.json"), "cut at {cut}: {}", run.stderr);
        assert!(
            run.status == 3 || (run.status == 2 && cut < rows[0].len() + 9),
            "cut at {cut}: {} {}",
            run.status,
            run.stderr
        );
        if run.status == 3 && !run.verdicts().is_empty() {
            let broken = run.verdicts().into_iter().filter(|(_, verdict, _)| verdict != "compatible").count();
            assert_eq!(broken, 1, "cut at {cut}: {}", run.stdout);
        }
    }

    // Torn in the middle: what follows is read.
    let mut torn = rows;
    torn[5].truncate(60);
    let torn = write(directory.path(), "torn.json", format!("{{\"rows\":[{}]}}", torn.join(",")));
    let run = check(&torn, &good);
    assert_some_inconclusive(&run, 3, &[(&id(2), &["torn.json, row 6, "])]);
}

// --- journals ---

#[test]
fn gaps_and_duplicates() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=5)));
    let rows = small_journals(1..=5);
    let journal = |number: usize| rows[number * 4 - 4..number * 4].to_vec();
    let mut broken = journal(1);
    broken.extend(journal(2).into_iter().filter(|row| row.index != 1));
    broken.extend(journal(3).into_iter().filter(|row| row.index != 0));
    broken.extend(journal(4));
    broken.push(journal(4)[2].clone());
    broken.extend(journal(5).into_iter().map(|row| Row { index: row.index + 7, ..row }));
    let says: [(&str, &[&str]); 4] = [
        (&id(2), &["entry 1 is missing"]),
        (&id(3), &["entry 0 is missing"]),
        (&id(4), &["entry 2 occurs twice"]),
        (&id(5), &["entries 0 to 6 are missing"]),
    ];
    for (name, bytes) in [("broken.jsonl", lines(&broken).into_bytes()), ("broken.arrow", stream(&[batch(&broken)]))] {
        let torn = write(directory.path(), name, bytes);
        let run = check(&torn, &good);
        assert_some_inconclusive(&run, 1, &says);
        assert!(
            run.verdicts()
                .iter()
                .filter(|(_, verdict, _)| verdict != "compatible")
                .all(|(.., reason)| reason.contains(name))
        );
        let run = check(&good, &torn);
        assert_some_inconclusive(&run, 1, &says);
        let (shown, one) = (rehearse(&["show", text(&torn)]), rehearse(&["show", text(&torn), "--invocation", &id(1)]));
        assert_eq!((shown.status, one.status), (3, 0), "{}", shown.stderr);
        assert!(shown.stderr.contains("entry 1 is missing") && shown.stdout.contains(&id(1)), "{}", shown.stderr);
    }
}

#[test]
fn a_journal_in_pieces_and_files_is_one_journal() {
    let directory = scratch();
    let rows = small_journals(1..=5);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    let expected = check(&good, &good);
    let (odd, even): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| row.index % 2 == 1);
    let parts = directory.path().join("parts");
    std::fs::create_dir_all(parts.join("deeper")).unwrap();
    write(&parts, "a.jsonl", lines(&odd[5..]));
    write(&parts, "b.arrow", stream(&[batch(&even[4..]), batch(&even[..4])]));
    write(
        &parts.join("deeper"),
        "c.json",
        format!("[{}]", odd[..5].iter().map(Row::json).collect::<Vec<_>>().join(",")),
    );
    for run in [check(&parts, &good), check(&good, &parts)] {
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        assert_eq!(run.stdout, expected.stdout);
    }
    // The same file twice has everything twice.
    let run = rehearse(&["check", text(&good), text(&parts), "--against", text(&good), "--format", "json"]);
    assert_eq!(run.status, 3);
    assert!(run.stdout.contains("entry 0 occurs twice, in ") && run.stdout.contains("b.arrow"), "{}", run.stdout);
}

#[test]
fn journals_that_are_none() {
    let directory = scratch();
    let rows = small_journals(1..=2);
    let mut broken = rows.clone();
    let (three, four, five) = (id(3), id(4), id(5));
    broken.extend([
        Row::new(&three, 0, "Command: SetState", set_state(b"a", b"1")),
        Row::new(&three, 1, "Command: Run", run(b"price", 1)),
        Row { version: 1, ..Row::new(&four, 0, "Input", Vec::new()) },
        Row { version: 1, ..Row::new(&four, 1, "GetState", Vec::new()) },
        Row::new(&five, 0, "Notification: Run", field(5, b"")),
    ]);
    let says: [(&str, &[&str]); 3] = [
        (&three, &["its first entry is no Input"]),
        (&four, &["a journal of version 1 (service protocol 4 and before)"]),
        (&five, &["its first entry is no Input"]),
    ];
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    for (name, bytes) in [("broken.jsonl", lines(&broken).into_bytes()), ("broken.arrow", stream(&[batch(&broken)]))] {
        let torn = write(directory.path(), name, bytes);
        assert_some_inconclusive(&check(&torn, &good), 2, &says);
        assert_some_inconclusive(&check(&torn, &torn), 2, &says);
    }
    let mut unknown = rows.clone();
    unknown[6].entry_type = "Command: Teleport".to_owned();
    let file = write(directory.path(), "unknown.arrow", stream(&[batch(&unknown[..4]), batch(&unknown[4..])]));
    assert_some_inconclusive(
        &check(&file, &good),
        1,
        &[(&id(2), &["unknown.arrow: row 7: unknown entry type \"Command: Teleport\""])],
    );
}

#[test]
fn messages_that_do_not_decode() {
    let directory = scratch();
    let rows = small_journals(1..=4);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    let mut broken = rows.clone();
    broken[6].raw = vec![0x0a, 0x7f, b'x'];
    broken[11].raw = vec![0x62, 0x02, 0xff, 0xfe];
    let two: &[&str] = &["broken.jsonl: ", "entry 2: could not decode Command: SetState"];
    let three: &[&str] = &["broken.jsonl: ", "entry 3: could not decode Command: Run: field name is not UTF-8"];
    let broken = write(directory.path(), "broken.jsonl", lines(&broken));
    assert_some_inconclusive(&check(&broken, &good), 2, &[(&id(2), two), (&id(3), three)]);
    assert_some_inconclusive(&check(&good, &broken), 2, &[(&id(2), two), (&id(3), three)]);
    // Bytes that are equal are never decoded.
    assert_some_inconclusive(&check(&broken, &broken), 4, &[]);
    let shown = rehearse(&["show", text(&broken)]);
    assert_eq!(shown.status, 0);
    assert!(shown.stdout.contains("could not decode Command: SetState"), "{}", shown.stdout);
}

// --- the readable form ---

#[test]
fn readable_traces_with_mistakes() {
    let directory = scratch();
    let rows = small_journals(1..=2);
    let recorded = write(directory.path(), "recorded.jsonl", lines(&rows));
    let sound = format!(
        "{{\"id\":\"{}\",\"comment\":\"by hand\",\"entries\":[{{\"command\":\"SetState\",\"key\":\"cart\"}},\
         {{\"command\":\"SetState\",\"value\":20}},{{\"command\":\"Run\",\"name\":\"price\"}}]}}\n",
        id(1)
    );
    let two = id(2);
    for (trace, says) in [
        ("\"entries\":[{\"command\":\"Teleport\"}]", "entry 0: unknown command \"Teleport\""),
        ("\"entries\":[{\"notification\":\"Oracle\",\"completion_id\":1}]", "entry 0: unknown notification \"Oracle\""),
        (
            "\"entries\":[{\"command\":\"Run\",\"nmae\":\"price\"}]",
            "Run has no field \"nmae\" (it has result_completion_id, name)",
        ),
        (
            "\"entries\":[{\"notification\":\"Run\",\"completion_id\":1,\"vlaue\":1}]",
            "a Run notification has no field \"vlaue\"",
        ),
        ("\"entries\":[{\"command\":\"Run\",\"name\":7}]", "name can not be 7"),
        ("\"entries\":[{\"command\":\"Run\",\"result_completion_id\":-1}]", "result_completion_id can not be -1"),
        (
            "\"entries\":[{\"command\":\"Run\",\"result_completion_id\":4294967296}]",
            "result_completion_id can not be 4294967296",
        ),
        ("\"entries\":[{\"command\":\"SetState\",\"key\":\"a\",\"value_base64\":\"?\"}]", "value_base64 can not be"),
        ("\"entries\":[{\"command\":\"Run\",\"raw\":\"0\"}]", "raw is not hex"),
        ("\"entries\":[{\"command\":\"Run\",\"raw\":\"0a05\"}]", "could not decode Command: Run"),
        ("\"entries\":[{\"await\":{\"completion\":[1]}}]", "unknown field `completion`"),
        ("\"entries\":[{}]", "entry 0: it has neither command, notification nor await"),
        ("\"entries\":[7]", "entry 0: it is not an object"),
        ("\"entries\":7", "it is not in the readable form"),
        (
            "\"entries\":[],\"ended\":\"exploded\"",
            "unknown variant `exploded`, expected one of `returned`, `suspended`, `failed`",
        ),
        ("\"entries\":[],\"endde\":\"returned\"", "a journal has no field \"endde\""),
    ] {
        let trace = write(directory.path(), "trace.jsonl", format!("{sound}{{\"id\":\"{two}\",{trace}}}\n"));
        let run = check(&recorded, &trace);
        assert_some_inconclusive(&run, 1, &[(&two, &["trace.jsonl, row 2, ", says])]);
    }
    for trace in ["{\"entries\":[]}", "{\"target\":\"*\",\"entries\":[{\"command\":\"Teleport\"}]}"] {
        let trace = write(directory.path(), "trace.jsonl", format!("{sound}{trace}"));
        let run = rehearse(&["check", text(&recorded), "--against", text(&trace), "--invocation", &id(1)]);
        assert_eq!(run.status, 3, "{}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("trace.jsonl, row 2: "), "{}", run.stderr);
    }
    for recorded in ["\"entries\":[]", "\"entries\":[{\"await\":[1]}]"] {
        let recorded = write(directory.path(), "recorded.jsonl", format!("{{\"id\":\"{two}\",{recorded}}}\n"));
        assert_some_inconclusive(
            &check(&recorded, &recorded),
            0,
            &[(&two, &["recorded.jsonl, row 1, ", "it has no entries"])],
        );
    }
}

// --- files ---

#[test]
fn a_directory_of_more_files_than_may_be_open() {
    let directory = scratch();
    let files = directory.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for number in 1..=50 {
        write(&files, &format!("{number}.arrow"), stream(&[batch(&small_journals([number]))]));
        write(&files, &format!("{number}.jsonl"), lines(&small_journals([100 + number])));
    }
    let both = |limit: &str| {
        let script = format!(r#"ulimit {limit} 40 && exec "$0" check "$1" --against "$1""#);
        Command::new("sh").args(["-c", &script]).arg(binary()).arg(&files).output().unwrap()
    };
    let run = both("-Sn");
    assert_eq!((run.status.code(), String::from_utf8_lossy(&run.stderr)), (Some(0), "".into()));
    assert!(String::from_utf8_lossy(&run.stdout).contains("100 invocations: 100 compatible"));
    // Where it really is so, that is told.
    let run = both("-n");
    assert_eq!(run.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&run.stderr).contains(".arrow: Too many open files"));
}

#[test]
fn a_directory_of_junk() {
    let directory = scratch();
    let journals = directory.path().join("journals");
    std::fs::create_dir_all(journals.join("deeper/deepest")).unwrap();
    std::fs::create_dir(journals.join("hollow")).unwrap();
    let rows = small_journals(1..=2);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    write(&journals.join("deeper/deepest"), "some.jsonl", lines(&rows));
    write(&journals, "binary", (0..=255).cycle().take(5000).collect::<Vec<u8>>());
    write(&journals, "README.md", "# Journals\n");
    write(&journals, "empty.jsonl", "");
    write(&journals, "spaces.jsonl", " \n\n ");
    write(&journals, ".hidden", "{");
    write(&journals, "nested.json", "[[[[]]]]");
    write(&journals, "zeros.arrow", [0; 64]);
    write(&journals, "rows.json", "{\"rows\":[]}");
    std::os::unix::fs::symlink("..", journals.join("deeper/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", journals.join("hollow/dangling")).unwrap();
    std::os::unix::fs::symlink("self", journals.join("hollow/self")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(journals.join("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(journals.join("socket")).unwrap();

    let run = rehearse(&["check", text(&journals), "--against", text(&good)]);
    insta::assert_snapshot!(run.transcript(directory.path()));
    std::fs::remove_file(journals.join("hollow/dangling")).unwrap();
    std::fs::remove_file(journals.join("hollow/self")).unwrap();
    let run = rehearse(&["check", text(&journals), "--against", text(&good)]);
    assert_eq!(run.status, 0, "junk that is no journal does not matter: {}", run.stderr);

    // An Arrow file that can not be read may have held any journal, and so may one that is packed.
    let torn = &stream(&[batch(&rows)])[..100];
    for (name, bytes, says) in [("torn.arrow", torn, ""), ("rows.jsonl.gz", b"\x1f\x8b\x08\0", "it is packed by gzip")]
    {
        let file = write(&journals, name, bytes);
        let run = rehearse(&["check", text(&journals), "--against", text(&good)]);
        assert_eq!(run.status, 3, "{}", run.stderr);
        assert!(run.stderr.contains(&format!("journals/{name}: {says}")), "{}", run.stderr);
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn what_was_named_must_be_readable() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=2)));
    let missing = directory.path().join("missing.jsonl");
    let junk = write(directory.path(), "junk.txt", "nothing of ours");
    let shape = write(directory.path(), "shape.json", "[1,2,3]");
    let packed = write(directory.path(), "rows.jsonl.zst", b"\x28\xb5\x2f\xfd\0");
    let mut transcript = String::new();
    for (recorded, candidate) in [
        (&missing, &good),
        (&good, &missing),
        (&junk, &good),
        (&good, &junk),
        (&shape, &good),
        (&packed, &good),
        (&Path::new("/proc/self/mem").to_owned(), &good),
    ] {
        let run = rehearse(&["check", text(recorded), "--against", text(candidate)]);
        assert_eq!(run.status, 2, "{}", run.stderr);
        transcript += &format!("{}\n", run.transcript(directory.path()));
    }
    insta::assert_snapshot!(transcript);

    // Root can read everything, so this says little in a container.
    use std::os::unix::fs::PermissionsExt as _;
    let secret = write(directory.path(), "secret.jsonl", lines(&small_journals(1..=2)));
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&secret).is_err() {
        let run = check(&secret, &good);
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains("secret.jsonl: Permission denied"), "{}", run.stderr);
    }
}

#[test]
fn an_empty_set_is_never_well() {
    let directory = scratch();
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=2)));
    let empty_directory = directory.path().join("hollow");
    std::fs::create_dir(&empty_directory).unwrap();
    let mut transcript = String::new();
    for (name, bytes) in [
        ("empty.jsonl", &b""[..]),
        ("spaces.jsonl", b"\n\n  \n"),
        ("rows.json", b"{\"rows\":[]}"),
        ("list.json", b"[]"),
        ("mark.jsonl", b"\xEF\xBB\xBF"),
        ("invocations.jsonl", b"{\"id\":\"inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT\",\"target\":\"Order/a/process\"}\n"),
    ] {
        let empty = write(directory.path(), name, bytes);
        let run = rehearse(&["check", text(&empty), "--against", text(&good)]);
        assert_eq!(run.status, 3, "{name}: {}", run.stderr);
        transcript += &format!("{name}\n{}\n", run.transcript(directory.path()));
        let against = check(&good, &empty);
        assert_eq!(against.status, 3, "{name}");
        assert!(against.verdicts().iter().all(|(_, verdict, reason)| verdict == "inconclusive" && reason.contains("no trace of this invocation")));
        assert_eq!(rehearse(&["show", text(&empty)]).status, 3);
    }
    assert_eq!(check(&empty_directory, &good).status, 3);
    assert_eq!(rehearse(&["check", text(&good), "--against", text(&good), "--service", "Nobody"]).status, 3);
    insta::assert_snapshot!(transcript);
}

#[test]
fn a_trace_for_other_invocations() {
    let directory = scratch();
    let recorded = write(directory.path(), "recorded.jsonl", lines(&small_journals(1..=3)));
    let others = write(directory.path(), "others.jsonl", lines(&small_journals(4..=9)));
    let run = rehearse(&["check", text(&recorded), "--against", text(&others)]);
    insta::assert_snapshot!(run.transcript(directory.path()));
    let some = write(directory.path(), "some.jsonl", lines(&small_journals(2..=9)));
    assert_some_inconclusive(&check(&recorded, &some), 2, &[(&id(1), &["no trace of this invocation"])]);
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let directory = scratch();
    let rows = small_journals(1..=3);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    let expected = check(&good, &good);
    let arguments = ["check", "-", "--against", text(&good), "--format", "json"];
    for bytes in [lines(&rows).into_bytes(), stream(&[batch(&rows)])] {
        let run = rehearse_with(&arguments, &bytes);
        assert_eq!((run.status, run.stdout.as_str()), (0, expected.stdout.as_str()), "{}", run.stderr);
    }
    let run = rehearse_with(&["check", text(&good), "--against", "-", "--format", "json"], lines(&rows).as_bytes());
    assert_eq!((run.status, run.stdout.as_str()), (0, expected.stdout.as_str()), "{}", run.stderr);
    assert_eq!(rehearse_with(&arguments, b"").status, 3);
    let torn = rehearse_with(&arguments, with_line("{\"id\"").as_bytes());
    assert_eq!(torn.status, 3);
    assert!(torn.stderr.contains("standard input, row 6: "), "{}", torn.stderr);
    let junk = rehearse_with(&arguments, b"\x7fELF");
    assert_eq!(
        (junk.status, junk.stderr.as_str()),
        (2, "error: could not read standard input: it is neither Arrow IPC nor JSON\n")
    );
    assert_eq!(rehearse(&["check", "-", "--against", "-"]).status, 2);
}

// --- size ---

#[test]
fn a_payload_of_64_mib() {
    let directory = scratch();
    let mut rows = small_journals(1..=3);
    rows[6].raw = set_state(b"total", &vec![b'x'; 64 << 20]);
    let recorded = write(directory.path(), "large.arrow", stream(&[batch(&rows)]));
    let same = write(directory.path(), "large.jsonl", lines(&rows));
    let run = check(&recorded, &same);
    assert_some_inconclusive(&run, 3, &[]);
    let last = rows[6].raw.len() - 1;
    rows[6].raw[last] = b'y';
    let changed = write(directory.path(), "changed.arrow", stream(&[batch(&rows)]));
    let run = rehearse(&["check", text(&recorded), "--against", text(&changed)]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert!(run.stdout.len() < 20_000 && run.stdout.contains("state-value-changed"), "{}", run.stdout.len());
}

#[test]
fn a_journal_of_100_000_commands() {
    let directory = scratch();
    let one = id(1);
    let mut rows = vec![Row::new(&one, 0, "Command: Input", input(b"1"))];
    rows.extend(
        (1..100_000).map(|at| Row::new(&one, at, "Command: SetState", set_state(b"n", at.to_string().as_bytes()))),
    );
    let recorded = write(directory.path(), "long.arrow", stream(&[batch(&rows)]));
    let shuffled: Vec<Row> = rows.iter().rev().cloned().collect();
    let lines_of_it = write(directory.path(), "long.jsonl", lines(&shuffled));
    assert_some_inconclusive(&check(&recorded, &lines_of_it), 1, &[]);
    rows[50_000].raw = set_state(b"n", b"changed");
    let changed = write(directory.path(), "changed.arrow", stream(&[batch(&rows)]));
    let run = check(&recorded, &changed);
    assert_eq!(run.status, 1);
    let json = run.json();
    let findings = json["invocations"][0]["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["command_index"]), (1, &50_000.into()));
}

/// The same of a file whose columns are of kinds that are read through arrow-rs.
#[test]
fn an_unusual_file_that_is_cut_off_is_told_so() {
    let directory = scratch();
    let demo = fixtures().join("demo");
    let whole = std::fs::read(demo.join("recorded.arrow")).unwrap();
    for length in [1500, 3000, whole.len() - 3000] {
        let cut = write(directory.path(), "cut.arrow", &whole[..length]);
        let run = check(&cut, &demo.join("trace.jsonl"));
        assert!(
            run.stderr.contains("cut.arrow") && run.stderr.contains("the file is cut off"),
            "{length}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("well-formed"), "{length}: {}", run.stderr);
        assert_ne!(run.status, 0, "{length}");
    }
}
