//! A broken, odd or huge row costs at most its own journal.

use super::{assert_some_inconclusive, with_line};
use crate::support::folders::{scratch, text, write};
use crate::support::handmade::{
    Row, batch, check, field, id, input, lines, run, set_state, small_journal, small_journals, stream,
};
use crate::support::quiet;
use crate::support::runner::rehearse;

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
        // The same row on the candidate's side.
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
    // Two answers, one after the other.
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

    // A row torn in the middle: the rows after it are read.
    let mut torn = rows;
    torn[5].truncate(60);
    let torn = write(directory.path(), "torn.json", format!("{{\"rows\":[{}]}}", torn.join(",")));
    let run = check(&torn, &good);
    assert_some_inconclusive(&run, 3, &[(&id(2), &["torn.json, row 6, "])]);
}

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
    // A file that is given twice has every entry twice.
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
    // Equal bytes are never decoded.
    assert_some_inconclusive(&check(&broken, &broken), 4, &[]);
    let shown = rehearse(&["show", text(&broken)]);
    assert_eq!(shown.status, 0);
    assert!(shown.stdout.contains("could not decode Command: SetState"), "{}", shown.stdout);
}

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

#[test]
fn a_payload_of_64_mib() {
    let _guard = quiet::beside_others();
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
    let _guard = quiet::beside_others();
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
