//! Text from journals is data: it cannot repaint a terminal, start or end a line, act as a command of a CI system, or break
//! a format, and journals shown as JSON read back unchanged.

use crate::support::folders::{self, scratch, text, write};
use crate::support::handmade::{
    Row, batch, call, check, field, fixtures, input, lines, run, set_state, small_journal, stream,
};
use crate::support::runner::rehearse;
use serde_json::Value;

/// Every kind of text that has an effect where it is printed.
fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}]8;;http://evil.example\u{7}click\u{1b}]8;;\u{7}",
        "\u{1b}]0;title\u{1b}\\",
        "\u{9b}2J\u{90}q\u{9c}\u{85}",
        "a\r\nb\rc\nd\u{b}e\u{c}f",
        "\u{0}\u{1}\u{7}\u{8}\u{7f}",
        "\n::set-env name=x::y\n",
        "::error file=a,line=1::boom",
        "   ::warning::boom",
        "word ::stop-commands::x and more words that make the line long enough to be wrapped ::error::y",
        "##[error]boom",
        "##vso[task.setvariable variable=x]y",
        "\u{202e}txt.exe\u{202c} \u{2066}a\u{2069} \u{200f}",
        "\u{2028}\u{2029}\u{feff}",
        "<script>alert(1)</script> & ]]> \" ' \\ `",
        "👩‍👩‍👧‍👦 e\u{301}\u{301}\u{301} 日本語 ﷽ \u{e0041}",
        "{\"unbalanced\":[\"",
        "%0A%0D${x}$(x)",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    texts.push(b"\xff\xfe\x80\x1b[2J".to_vec());
    texts.push([vec![b'x'; 5000], b"::error::".repeat(200), b" ::error::\x1b[31m".repeat(200)].concat());
    texts
}

/// The text as a protobuf string can hold it.
fn utf8(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).into_owned().into_bytes()
}

/// A journal with the text in every place that holds text.
fn journal(id: &str, text: &[u8]) -> Vec<Row> {
    let name = utf8(text);
    let json = serde_json::to_vec(&serde_json::json!({ String::from_utf8_lossy(text): String::from_utf8_lossy(text) }))
        .unwrap();
    let failure = [vec![1 << 3, 5], field(2, &name)].concat();
    let header = [field(1, &name), field(2, &name)].concat();
    [
        ("Command: Input", [field(1, &header), input(text)].concat()),
        ("Command: SetState", set_state(text, text)),
        ("Command: SetState", set_state(&name, &json)),
        ("Command: Run", run(&name, 1)),
        ("Notification: Run", [vec![1 << 3, 1], field(5, &field(1, text))].concat()),
        ("Command: Call", [call(&name, &name, &name, text), field(4, &header), field(6, &name)].concat()),
        ("Command: GetPromise", [field(1, &name), vec![11 << 3, 4]].concat()),
        ("Notification: GetPromise", [vec![1 << 3, 4], field(6, &failure)].concat()),
        ("Command: SendSignal", [field(1, &name), field(3, &name), field(5, &field(1, text))].concat()),
        ("Notification: Signal", [field(3, &name), field(5, &field(1, text))].concat()),
        ("Command: GetEagerStateKeys", field(14, &[field(1, text), field(1, &name)].concat())),
        ("Command: CompleteAwakeable", [field(1, &name), field(3, &failure)].concat()),
        ("Command: Output", field(15, &failure)),
    ]
    .into_iter()
    .enumerate()
    .map(|(at, (entry_type, raw))| Row::new(id, at as u32, entry_type, raw))
    .collect()
}

/// The same rows with another value in every place, so that findings show all of it.
fn changed(rows: &[Row]) -> Vec<Row> {
    let mut text = b"\x1b[31m::error::changed\n::error::changed".to_vec();
    rows.iter()
        .map(|row| {
            text.push(b'!');
            let raw = match row.entry_type.as_str() {
                "Command: SetState" => {
                    set_state(b"\x1b[2Jkey", &[b"::set-env::\n", &text[..], &row.raw[row.raw.len() / 2..]].concat())
                }
                "Command: Run" => run(&text, 1),
                "Command: Call" => call(&text, &text, &text, &text),
                _ => row.raw.clone(),
            };
            Row { raw, ..row.clone() }
        })
        .collect()
}

/// The rows as JSON lines, with the text as target, deployment and status.
fn with_targets(rows: &[Row], text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    rows.iter()
        .map(|row| {
            let mut json: Value = serde_json::from_str(&row.json()).unwrap();
            json["target"] = format!("{text}/{text}/{text}").into();
            json["pinned_deployment_id"] = text.clone().into();
            json["status"] = text.clone().into();
            json.to_string() + "\n"
        })
        .collect()
}

/// Panics where printed text has an effect. With `--color always` (`styled`), our own styles are allowed.
#[track_caller]
fn assert_tame(printed: &str, styled: bool) {
    let mut plain = String::with_capacity(printed.len());
    let mut rest = printed;
    while let Some(at) = rest.find('\u{1b}').filter(|_| styled) {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find('m').unwrap_or_else(|| panic!("{:?}", &rest[at..]));
        let style = &rest[at..=at + end];
        assert!(
            style[1..].starts_with('[') && style[2..end].bytes().all(|byte| byte.is_ascii_digit() || byte == b';'),
            "{style:?}"
        );
        rest = &rest[at + end + 1..];
    }
    plain.push_str(rest);
    for line in plain.split('\n') {
        let acting = line.chars().find(|c| {
            c.is_control()
                || matches!(*c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
        });
        let shown = &line[..line.floor_char_boundary(300)];
        assert_eq!(acting, None, "{shown:?}");
        assert!(!line.trim_start().starts_with("::"), "{shown:?}");
        assert!(!line.contains("##[") && !line.contains("##vso["), "{shown:?}");
    }
}

/// Lines are for people, who do not read a megabyte.
const LONGEST_LINE: usize = 20_000;

#[track_caller]
fn assert_short_lines(printed: &str) {
    for line in printed.lines() {
        assert!(line.len() < LONGEST_LINE, "{} bytes: {:?}…", line.len(), &line[..line.floor_char_boundary(200)]);
    }
}

#[test]
fn findings_are_tame_in_every_format() {
    let directory = scratch();
    for (at, text) in texts().iter().enumerate() {
        let id = format!("{at} {}", String::from_utf8_lossy(&text[..text.len().min(64)]));
        let rows = journal(&id, text);
        let recorded = write(directory.path(), "recorded.jsonl", with_targets(&rows, text));
        let replayed = write(directory.path(), "replayed.jsonl", lines(&changed(&rows)));
        for extra in [
            &["--format", "human"][..],
            &["--color", "always", "-v"],
            &["--format", "json"],
            &["--format", "jsonl"],
            &["--redact"],
        ] {
            let arguments =
                [&["check", folders::text(&recorded), "--against", folders::text(&replayed)], extra].concat();
            let run = rehearse(&arguments);
            assert_eq!(run.status, 1, "{}", run.stderr);
            let styled = extra.contains(&"always");
            assert_tame(&run.stdout, styled);
            assert_tame(&run.stderr, styled);
            if extra.contains(&"jsonl") {
                assert_eq!(run.stdout.lines().count(), 1);
            }
            if let Some(json) = extra.contains(&"json").then(|| run.json()) {
                let invocation = &json["invocations"][0];
                assert_eq!(invocation["id"], id.as_str());
                let own = String::from_utf8_lossy(text);
                assert_eq!(invocation["deployment"], own.as_ref());
                assert_eq!(invocation["target"], format!("{own}/{own}/{own}"));
                assert_eq!(invocation["verdict"], "mismatch");
                assert!(run.stdout.lines().all(|line| !line.is_empty()));
            } else if !extra.contains(&"jsonl") {
                assert_short_lines(&run.stdout);
            }
        }
    }
}

#[test]
fn journals_are_tame_when_shown_and_read_back_as_they_were() {
    let directory = scratch();
    let mut rows = Vec::new();
    for (at, text) in texts().iter().enumerate() {
        let id = format!("{at} {}", String::from_utf8_lossy(&text[..text.len().min(64)]));
        rows.extend(journal(&id, text));
    }
    // Bytes that no decoded field shows: an unknown field, fields out of order, a message that does not decode.
    let raws = [
        [field(60, b"\x1b[2J"), run(b"price", 1)].concat(),
        [field(12, b"price"), vec![11 << 3, 1]].concat(),
        field(12, b"\xff\x1b[2J"),
        vec![0x0a, 0x7f],
        [field(12, b"a"), field(12, b"b")].concat(),
        vec![11 << 3, 0x81, 0x00],
    ];
    rows.push(Row::new("odd", 0, "Command: Input", vec![0x0a, 0x02, 0xff, 0xff]));
    rows.extend(raws.into_iter().enumerate().map(|(at, raw)| Row::new("odd", at as u32 + 1, "Command: Run", raw)));
    rows.push(Row::new("odd", 7, "Notification: Run", vec![0x72, 0x7f]));
    let recorded = write(directory.path(), "recorded.arrow", stream(&[batch(&rows)]));

    for arguments in [&["--format", "human"][..], &["--color", "always"]] {
        let run = rehearse(&[&["show", text(&recorded)], arguments].concat());
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_tame(&run.stdout, arguments.contains(&"always"));
        assert_short_lines(&run.stdout);
    }
    let run = rehearse(&["show", text(&recorded), "--format", "json"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_tame(&run.stdout, false);
    let shown: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(shown.len(), texts().len() + 1);

    // Read as journals the output is the same, byte for byte. Read as a trace it replays, except for the messages that do
    // not decode.
    let readable = write(directory.path(), "readable.jsonl", &run.stdout);
    let again = check(&readable, &recorded);
    assert_eq!((again.status, again.stderr.as_str()), (0, ""));
    assert!(
        again.json()["invocations"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["findings"].as_array().unwrap().is_empty())
    );
    assert_eq!(rehearse(&["show", text(&readable), "--format", "json"]).stdout, run.stdout);
    let sound: String =
        run.stdout.lines().filter(|line| !line.contains("\"id\":\"odd\"")).map(|line| format!("{line}\n")).collect();
    let trace = write(directory.path(), "trace.jsonl", sound);
    let replayed = check(&recorded, &trace);
    for (id, verdict, reason) in replayed.verdicts() {
        assert!(verdict == "compatible" || id == "odd", "{id}: {verdict} {reason}");
    }

    let redacted = rehearse(&["show", text(&recorded), "--format", "json", "--redact", "--invocation", "odd"]);
    assert!(!redacted.stdout.contains("raw"), "{}", redacted.stdout);
}

#[test]
fn a_line_of_a_mebibyte_stays_one_line() {
    let directory = scratch();
    let long = vec![b'x'; 1 << 20];
    let rows = |last: &[u8]| {
        let mut rows = small_journal("long");
        rows[1].raw = set_state(&long, b"1");
        rows[2].raw = set_state(b"total", &[&long[..], last].concat());
        rows[3].raw = run(&[&long[..], last].concat(), 1);
        rows
    };
    let recorded = write(directory.path(), "recorded.arrow", stream(&[batch(&rows(b"a"))]));
    let replayed = write(directory.path(), "replayed.arrow", stream(&[batch(&rows(b"b"))]));
    for arguments in [&["check", "--against", text(&replayed)][..], &["show"]] {
        let run = rehearse(&[arguments, &[text(&recorded)]].concat());
        assert_eq!(run.status, i32::from(arguments[0] == "check"), "{}", run.stderr);
        assert_short_lines(&run.stdout);
        assert!(run.stdout.len() < 50_000, "{}", run.stdout.len());
    }
    let shown = rehearse(&["show", text(&recorded), "--format", "json"]);
    let readable = write(directory.path(), "readable.jsonl", &shown.stdout);
    assert_eq!(check(&readable, &recorded).status, 0);
}

#[test]
fn every_fixture_reads_back_as_it_was() {
    let directory = scratch();
    let recorded = fixtures().join("formats/joined.arrow");
    let shown = rehearse(&["show", text(&recorded), "--format", "json"]);
    let readable = write(directory.path(), "readable.jsonl", &shown.stdout);
    for run in [check(&readable, &recorded), check(&recorded, &readable)] {
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    }
    assert!(!shown.stdout.contains("\"raw\""), "a server's messages need no bytes to read back");
}

#[test]
fn warnings_and_names_are_tame() {
    let directory = scratch();
    for (at, hostile) in texts().iter().enumerate() {
        let own = String::from_utf8_lossy(&hostile[..hostile.len().min(100)]).replace(['/', '\0'], "_");
        let nested = directory.path().join(at.to_string());
        std::fs::create_dir(&nested).unwrap();
        let id = serde_json::to_string(&own).unwrap();
        write(
            &nested,
            &format!("{own}.jsonl"),
            format!(
                "{}{{\"id\":{id},\"index\":1,\"entry_type\":{id},\"raw\":\"\"}}\n{{\"id\":{id},\"x\"\n",
                lines(&small_journal(&own)[..1])
            ),
        );
        write(&nested, &format!("{own}.txt"), "junk");
        let mut arrow = small_journal(&format!("b{own}"));
        arrow[2].entry_type = own.clone();
        arrow.extend(small_journal(&format!("c{own}")).into_iter().skip(1));
        write(&nested, &format!("{own}.arrow"), stream(&[batch(&arrow)]));
        let trace = write(
            directory.path(),
            "trace.jsonl",
            format!("{{\"id\":{id},\"entries\":[{{\"command\":{id}}}]}}\n{{\"target\":{id},{id}:1,\"entries\":[]}}"),
        );
        for format in ["human", "json", "jsonl"] {
            let run = rehearse(&["check", text(&nested), "--against", text(&trace), "--format", format]);
            assert_eq!(run.status, 3, "{}", run.stderr);
            assert_tame(&run.stdout, false);
            assert_tame(&run.stderr, false);
            assert!(run.stderr.lines().all(|line| line.starts_with("warning: ")), "{}", run.stderr);
        }
        let shown = rehearse(&["show", text(&nested), "--color", "always"]);
        assert_eq!(shown.status, 3);
        assert_tame(&shown.stdout, true);
        assert_tame(&shown.stderr, true);
        let missing = rehearse(&["check", &format!("{own}/nowhere"), "--against", &own]);
        assert_eq!(missing.status, 2);
        assert_tame(&missing.stderr, false);
        assert_tame(&rehearse(&["explain", &format!("x{own}")]).stderr, false);
    }
}
