//! Arrow that is cut off, broken, or in an unusual layout: sound journals are checked, the others say why not.

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

use super::assert_some_inconclusive;
use crate::support::folders::{scratch, write};
use crate::support::handmade::{
    Row, batch, check, fixtures, id, lines, of_columns, rows_of, small_journals, stream, stream_with,
};

/// Where the messages of a stream start, and where their bodies start.
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

#[test]
fn every_layout_of_arrow_reads_the_same() {
    use DataType::{
        Binary, BinaryView, Int8, Int16, Int32, Int64, LargeBinary, LargeUtf8, UInt8, UInt16, UInt32, UInt64, Utf8,
        Utf8View,
    };
    let dictionary = |key: DataType, value: DataType| DataType::Dictionary(Box::new(key), Box::new(value));
    let sample = sample();
    for (name, types) in [
        ("id", vec![Utf8, Utf8View, Binary]),
        ("id", vec![dictionary(Int8, Utf8), dictionary(UInt16, LargeUtf8), dictionary(Int64, Utf8)]),
        ("entry_type", vec![Utf8, Utf8View, dictionary(Int8, Utf8), dictionary(UInt32, LargeUtf8)]),
        ("index", vec![Int8, UInt8, Int16, UInt16, Int32, Int64, UInt64, Utf8, DataType::Float64]),
        ("raw", vec![Binary, LargeBinary, BinaryView, dictionary(Int32, Binary)]),
        ("version", vec![Int8, Int32, UInt64, Utf8, dictionary(Int8, UInt32)]),
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

/// Rows of which one value is null.
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

    // The header of the second batch is broken: the batch before it is checked.
    let second = boundaries(&whole)[8];
    let mut torn = whole.clone();
    torn[second + 8..second + 40].fill(0xAB);
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_some_inconclusive(&run, 2, &[(&id(3), &["torn.arrow, row 12", "the file is broken"])]);

    // The header of the first batch is broken: nothing was read.
    let mut torn = whole.clone();
    let first = boundaries(&whole)[4];
    torn[first + 8..first + 40].fill(0xAB);
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("torn.arrow: it is not well-formed Arrow IPC"), "{}", run.stderr);

    // The ids of the second batch are broken.
    let mut torn = whole.clone();
    let body = boundaries(&whole)[11];
    let first = [0u64, 38].map(u64::to_le_bytes).concat();
    let offsets = torn[body..].windows(16).position(|window| window == first).unwrap() + body;
    torn[offsets + 16..offsets + 24].fill(0xFF);
    let torn = write(directory.path(), "torn.arrow", torn);
    let run = check(&torn, &good);
    assert_eq!((run.status, run.verdicts().len()), (3, 3), "{}", run.stderr);
    assert!(run.stderr.contains("torn.arrow, row 13: "), "{}", run.stderr);

    // Two streams are in one file: the second is reported.
    let two =
        write(directory.path(), "two.arrow", [stream(&[batch(&rows[..4])]), stream(&[batch(&rows[4..])])].concat());
    let run = check(&two, &good);
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert!(run.stderr.contains("two.arrow, row 4, ") && run.stderr.contains("another that follows"), "{}", run.stderr);
}

/// Small files that claim to hold gigabytes are refused at once. Each of them once took the memory or the time that it
/// claims.
#[test]
fn files_that_claim_more_than_they_hold() {
    let directory = fixtures().join("broken/arrow");
    for (file, says) in [
        ("null-columns.arrow", "a batch claims 8589934592 rows in 0 bytes"),
        ("run-ends.arrow", "its column id is run-end encoded, which is not read"),
        ("unpacks-to-a-gibibyte.arrow", "it unpacks to 10737"),
        ("buffer-outside-its-answer.arrow", "a buffer lies outside its batch"),
    ] {
        let file = directory.join(file);
        let run = check(&file, &file);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(run.stderr.starts_with(&format!("error: could not read {}: ", file.display())), "{}", run.stderr);
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
}

/// Only a column that is read has to be encoded otherwise.
#[test]
fn run_ends_are_refused_by_the_column() {
    let directory = scratch();
    let rows = small_journals(1..=3);
    let good = write(directory.path(), "good.jsonl", lines(&rows));
    let field = |name: &str, of: DataType, nullable: bool| Arc::new(arrow_schema::Field::new(name, of, nullable));
    let runs = |value| DataType::RunEndEncoded(field("run_ends", DataType::Int32, false), field("values", value, true));
    for (column, of) in [("id", DataType::Utf8), ("entry_type", DataType::LargeUtf8), ("version", DataType::UInt32)] {
        let encoded = stream(&[retyped(&batch(&rows), column, &runs(of))]);
        let encoded = write(directory.path(), "runs.arrow", encoded);
        let run = check(&encoded, &good);
        assert_eq!(run.status, 2, "{}", run.stderr);
        let says = format!("runs.arrow: its column {column} is run-end encoded");
        assert!(run.stderr.contains(&says), "{}", run.stderr);
    }
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

/// The same for a file with columns of types that are read through arrow-rs.
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
