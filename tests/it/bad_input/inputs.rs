//! Files, folders and standard input that a run cannot use are named, with the reason.

use std::path::Path;
use std::process::Command;

use super::{assert_some_inconclusive, with_line};
use crate::support::folders::{scratch, text, write};
use crate::support::handmade::{batch, check, id, lines, small_journals, stream};
use crate::support::runner::{Rehearse, rehearse, released};

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
        Command::new("sh").args(["-c", &script]).arg(released()).arg(&files).output().unwrap()
    };
    let run = both("-Sn");
    assert_eq!((run.status.code(), String::from_utf8_lossy(&run.stderr)), (Some(0), "".into()));
    assert!(String::from_utf8_lossy(&run.stdout).contains("100 invocations: 100 compatible"));
    // Where the limit cannot be raised, the error is reported.
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

    // An unreadable Arrow file may have held any journal, and so may a compressed file.
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
#[cfg(target_os = "linux")]
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

    // Root can read everything, so this proves little in a container.
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
        let run = Rehearse::new(arguments).run_on(&bytes);
        assert_eq!((run.status, run.stdout.as_str()), (0, expected.stdout.as_str()), "{}", run.stderr);
    }
    let run =
        Rehearse::new(["check", text(&good), "--against", "-", "--format", "json"]).run_on(lines(&rows).as_bytes());
    assert_eq!((run.status, run.stdout.as_str()), (0, expected.stdout.as_str()), "{}", run.stderr);
    assert_eq!(Rehearse::new(arguments).run_on(b"").status, 3);
    let torn = Rehearse::new(arguments).run_on(with_line("{\"id\"").as_bytes());
    assert_eq!(torn.status, 3);
    assert!(torn.stderr.contains("standard input, row 6: "), "{}", torn.stderr);
    let junk = Rehearse::new(arguments).run_on(b"\x7fELF");
    assert_eq!(
        (junk.status, junk.stderr.as_str()),
        (2, "error: could not read standard input: it is neither Arrow IPC nor JSON\n")
    );
    assert_eq!(rehearse(&["check", "-", "--against", "-"]).status, 2);
}
