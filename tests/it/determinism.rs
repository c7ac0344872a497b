//! The same journals give the same report, byte for byte: on any number of threads, in any order of rows, in one file or
//! several, and in every format of rows.

use std::path::{Path, PathBuf};

use crate::support::folders::{scratch, text, write};
use crate::support::handmade::{
    Row, batch, check, fixtures, id, lines, rows_of, set_state, small_journal, small_journals, stream,
};
use crate::support::quiet;
use crate::support::runner::rehearse;
use crate::support::seeded::Seeded;

impl Seeded {
    fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
        items
    }
}

/// Every fixture's rows, as lines, of both sides.
fn corpus() -> (Vec<String>, Vec<String>) {
    let (mut recorded, mut replayed) = (Vec::new(), Vec::new());
    for group in ["rules", "clean", "failed"] {
        collect(&fixtures().join(group), &mut recorded, &mut replayed);
    }
    assert!(recorded.len() > 1000, "{}", recorded.len());
    (recorded, replayed)
}

fn collect(directory: &Path, recorded: &mut Vec<String>, replayed: &mut Vec<String>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let lines = || std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
        match path.file_name().unwrap().to_str().unwrap() {
            // Some variants share a recording.
            "recorded.jsonl" if !recorded.contains(&lines()[0]) => recorded.extend(lines()),
            "trace.jsonl" if !replayed.contains(&lines()[0]) => replayed.extend(lines()),
            _ if path.is_dir() => collect(&path, recorded, replayed),
            _ => {}
        }
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

const FORMATS: [&str; 3] = ["human", "json", "jsonl"];

/// What each format prints.
fn reports(recorded: &Path, replayed: &Path, jobs: &str) -> Vec<String> {
    FORMATS
        .iter()
        .map(|format| {
            let run = rehearse(&[
                "check",
                text(recorded),
                "--against",
                text(replayed),
                "--format",
                format,
                "-v",
                "--jobs",
                jobs,
            ]);
            assert_eq!(run.status, 1, "{}", run.stderr);
            run.stdout
        })
        .collect()
}

#[track_caller]
fn assert_same(what: &str, reports: &[String], expected: &[String]) {
    for ((format, report), expected) in FORMATS.iter().zip(reports).zip(expected) {
        let differs = report.lines().zip(expected.lines()).find(|(one, other)| one != other);
        assert_eq!(report.len(), expected.len(), "{what}, {format}: {differs:#?}");
        assert_eq!(differs, None, "{what}, {format}");
    }
}

#[test]
fn the_number_of_threads_and_the_order_of_rows_do_not_show() {
    let _guard = quiet::beside_others();
    let directory = scratch();
    let (recorded, replayed) = corpus();
    let recorded_file = write(directory.path(), "recorded.jsonl", joined(&recorded));
    let replayed_file = write(directory.path(), "replayed.jsonl", joined(&replayed));
    let expected = reports(&recorded_file, &replayed_file, "1");
    assert!(expected[1].matches("\"verdict\"").count() >= 100);
    for jobs in ["2", "8"] {
        assert_same(jobs, &reports(&recorded_file, &replayed_file, jobs), &expected);
    }

    let mut seeded = Seeded(7);
    for jobs in ["1", "8"] {
        let one = write(directory.path(), "shuffled.jsonl", joined(&seeded.shuffled(&recorded)));
        let other = write(directory.path(), "shuffled-trace.jsonl", joined(&seeded.shuffled(&replayed)));
        assert_same("shuffled", &reports(&one, &other, jobs), &expected);
    }

    // The rows are in several files, whose names say nothing about the order of the journals.
    let shuffled = seeded.shuffled(&recorded);
    let parts = directory.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    for (at, part) in shuffled.chunks(shuffled.len() / 6).enumerate() {
        write(&parts, &format!("{}.jsonl", (at * 5) % 7), joined(part));
    }
    assert_same("several files", &reports(&parts, &replayed_file, "2"), &expected);

    let list = |lines: &[String]| format!("{{\"rows\":[{}]}}", lines.join(","));
    let one = write(directory.path(), "recorded.json", list(&recorded));
    let other = write(directory.path(), "replayed.json", list(&seeded.shuffled(&replayed)));
    assert_same("rows", &reports(&one, &other, "2"), &expected);
}

#[test]
fn arrow_and_json_read_the_same() {
    let _guard = quiet::beside_others();
    let directory = scratch();
    let (recorded, replayed) = corpus();
    // Without the joined columns, which have other types in Arrow.
    let bare = |name: &str, lines_of: &[String]| -> Vec<Row> {
        let file = write(directory.path(), name, joined(lines_of));
        rows_of(&file)
    };
    let (recorded, replayed) = (bare("recorded.jsonl", &recorded), bare("replayed.jsonl", &replayed));
    let one = write(directory.path(), "recorded.jsonl", lines(&recorded));
    let other = write(directory.path(), "replayed.jsonl", lines(&replayed));
    let expected = reports(&one, &other, "1");
    let mut seeded = Seeded(11);
    for batch_rows in [37, 128, usize::MAX] {
        let rows = if batch_rows == 37 { seeded.shuffled(&recorded) } else { recorded.clone() };
        let batches: Vec<_> = rows.chunks(batch_rows).map(batch).collect();
        let arrow = write(directory.path(), "recorded.arrow", stream(&batches));
        let batches: Vec<_> = replayed.chunks(batch_rows).map(batch).collect();
        let traces = write(directory.path(), "replayed.arrow", stream(&batches));
        assert_same("arrow", &reports(&arrow, &traces, "8"), &expected);
        assert_same("arrow and lines", &reports(&arrow, &other, "2"), &expected);
    }
    // The server's own files, in each of its formats.
    let formats = fixtures().join("formats");
    let plain = ["stream.arrow", "rows.json", "rows.jsonl", "cli.jsonl"].map(|name| {
        let run = check(&formats.join(name), &formats.join("rows.jsonl"));
        assert_eq!(run.status, 0, "{name}: {}", run.stderr);
        run.stdout
    });
    assert!(plain.iter().all(|report| *report == plain[0]));
}

#[test]
fn unreadable_rows_are_told_in_the_same_order() {
    let directory = scratch();
    let mut broken = small_journals(1..=40);
    broken.retain(|row| !(row.index == 2 && row.id.ends_with(['3', '7', 'b'])));
    let file =
        write(directory.path(), "broken.jsonl", format!("{}{{\"id\":\"a\",\"index\"\n{{\"id\":\"b\"", lines(&broken)));
    let good = write(directory.path(), "good.jsonl", lines(&small_journals(1..=40)));
    let run = |jobs: &str| {
        let run = rehearse(&["check", text(&file), "--against", text(&good), "-v", "--jobs", jobs]);
        assert_eq!(run.status, 3);
        run.stdout + &run.stderr
    };
    let expected = run("1");
    for jobs in ["2", "8", "8"] {
        assert_eq!(run(jobs), expected);
    }
}

/// Adjacent journals are compared together, and each has the verdict that it has alone.
#[test]
fn journals_together_have_the_verdicts_they_have_apart() {
    let directory = scratch();
    let numbers: Vec<u64> = (1..=40).collect();
    let (mut recorded, mut replayed) = (Vec::new(), Vec::new());
    for number in &numbers {
        let journal = small_journal(&id(*number));
        let (mut mine, mut theirs) = (journal.clone(), journal);
        let last = theirs.len() - 1;
        match number % 10 {
            // The bytes differ.
            3 | 4 => *theirs[last].raw.last_mut().unwrap() ^= 1,
            // The same bytes are in the same rows, but their indexes are in another order or leave a gap.
            6 => (theirs[1].index, theirs[last].index) = (theirs[last].index, theirs[1].index),
            7 => theirs[last].index += 1,
            8 => {
                mine[last].index += 1;
                theirs[last].index += 1;
            }
            // Both sides have the same entry, of an unknown kind.
            9 => (mine[last].entry_type, theirs[last].entry_type) = ("Command: New".into(), "Command: New".into()),
            _ => {}
        }
        recorded.push(mine);
        replayed.push(theirs);
    }
    let verdicts = |recorded: &[Vec<Row>], replayed: &[Vec<Row>]| {
        let one = write(directory.path(), "recorded.jsonl", lines(&recorded.concat()));
        let other = write(directory.path(), "replayed.jsonl", lines(&replayed.concat()));
        let told = |(id, verdict, _): (String, String, String)| (id, verdict);
        check(&one, &other).verdicts().into_iter().map(told).collect::<Vec<_>>()
    };
    let together = verdicts(&recorded, &replayed);
    let apart: Vec<_> = recorded
        .iter()
        .zip(&replayed)
        .flat_map(|(one, other)| verdicts(std::slice::from_ref(one), std::slice::from_ref(other)))
        .collect();
    let counted = |verdict: &str| together.iter().filter(|(_, one)| one == verdict).count();
    assert_eq!((counted("compatible"), counted("mismatch"), counted("inconclusive")), (16, 12, 12), "{together:?}");
    for one in &apart {
        assert!(together.contains(one), "{one:?} by itself, {together:?}");
    }
}

/// Journals that lie in several batches, and batches of which a task reads only a part, have the same verdicts.
#[test]
fn however_batches_are_cut_the_verdicts_are_the_same() {
    let directory = scratch();
    let side = |differs: bool| -> Vec<Row> {
        let journals = (1..=60u64).map(|number| {
            let mut journal = small_journal(&id(number));
            let last = u8::from(differs && number % 11 == 0);
            for index in 4..12 {
                let value = [vec![index as u8; 3000 + 97 * (number as usize % 13)], vec![last]].concat();
                journal.push(Row::new(&id(number), index, "Command: SetState", set_state(b"cart", &value)));
            }
            journal
        });
        journals.flatten().collect()
    };
    let (recorded, replayed) = (side(false), side(true));
    let cut = |name: &str, rows: &[Row], batch_rows: usize| {
        let batches: Vec<_> = rows.chunks(batch_rows).map(batch).collect();
        write(directory.path(), name, stream(&batches))
    };
    let expected = reports(
        &write(directory.path(), "recorded.jsonl", lines(&recorded)),
        &write(directory.path(), "replayed.jsonl", lines(&replayed)),
        "1",
    );
    assert!(expected[0].contains("55 compatible, 5 mismatch"), "{}", expected[0]);
    for (mine, theirs) in [(128, 128), (128, 100), (12, 37), (usize::MAX, 500)] {
        let one = cut("recorded.arrow", &recorded, mine);
        let other = cut("replayed.arrow", &replayed, theirs);
        assert_same(&format!("{mine} and {theirs}"), &reports(&one, &other, "2"), &expected);
    }
}
