//! What is around the binary works as it is written: the released archive and its installation, the release workflow, the
//! GitLab job, the image, and the commands of the documents. Stand-ins take the place only of services of others (GitHub's
//! releases, `gh`, a registry).

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use yaml_rust2::{Yaml, YamlLoader};

use crate::provisioning;
use crate::support::folders::{read, root, scratch, text, write};
use crate::support::runner::released;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn yaml(name: &str) -> Yaml {
    YamlLoader::load_from_str(&read(name)).unwrap().remove(0)
}

/// Writes scripts into a folder of programs, to go in front of the PATH.
fn programs(folder: &Path, programs: &[(&str, &str)]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, script) in programs {
        let file = write(&bin, name, format!("#!/usr/bin/env bash\n{script}\n"));
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

fn rehearse_on_path(folder: &Path) -> PathBuf {
    programs(folder, &[("rehearse", &format!("exec {:?} \"$@\"", released()))])
}

/// Runs a script as CI systems do: each command has to succeed.
fn bash(script: &str, folder: &Path, path: &Path, environment: &[(&str, &str)]) -> Output {
    Command::new("bash")
        .args(["-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap()))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The scripts of a job's steps, by the steps' names.
fn steps(job: &Yaml) -> Vec<(String, String)> {
    let steps = job["steps"].as_vec().unwrap().iter();
    steps
        .filter_map(|step| {
            Some((step["name"].as_str().unwrap_or_default().to_owned(), step["run"].as_str()?.to_owned()))
        })
        .collect()
}

/// Prepares a folder as it is when the release workflow packs: the sources, and the binary where cargo puts it.
fn built(folder: &Path) {
    for name in ["README.md", "LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "CHANGELOG.md", "Cargo.toml", "Cargo.lock"] {
        std::fs::copy(root().join(name), folder.join(name)).unwrap();
    }
    for name in ["src", "ci", "benches"] {
        std::os::unix::fs::symlink(root().join(name), folder.join(name)).unwrap();
    }
    let dist = folder.join("target").join(TARGET).join("dist");
    std::fs::create_dir_all(&dist).unwrap();
    std::fs::copy(released(), dist.join("rehearse")).unwrap();
}

/// An archive as the release workflow makes it, in `dist/`.
fn packed(folder: &Path) -> PathBuf {
    built(folder);
    let output = Command::new("bash")
        .args(["ci/pack.sh", TARGET, VERSION])
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    folder.join(format!("dist/rehearse-{VERSION}-{TARGET}.tar.gz"))
}

#[test]
fn the_release_workflow_packs_what_the_action_installs() {
    if !provisioning::ready("packaging") {
        return;
    }
    let folder = scratch();
    built(folder.path());
    let workflow = yaml(".github/workflows/release.yml");
    let build = steps(&workflow["jobs"]["build"]);
    let tag = format!("v{VERSION}");
    let run = |script: &str, path: &Path, more: &[(&str, &str)]| {
        bash(script, folder.path(), path, &[&[("TARGET", TARGET), ("CARGO_TARGET_DIR", "target")], more].concat())
    };
    let nothing = folder.path().join("nothing");
    for (name, script) in &build {
        // The binary that cargo would build is there already.
        if script.starts_with("cargo build") {
            assert_eq!(script.trim(), "cargo build --profile dist --locked --all-features --target \"$TARGET\"");
            continue;
        }
        let output = run(script, &nothing, &[("GITHUB_REF_NAME", &tag)]);
        assert!(output.status.success(), "{name}: {}", said(&output));
        if name == "The tag is the version" {
            assert!(!run(script, &nothing, &[("GITHUB_REF_NAME", "v99.0.0")]).status.success());
        }
    }
    assert_eq!(build.len(), 3);
    let archive = format!("rehearse-{VERSION}-{TARGET}.tar.gz");
    let listed = Command::new("tar").args(["-tzf"]).arg(folder.path().join("dist").join(&archive)).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for file in
        ["rehearse", "rehearse.1", "README.md", "LICENSE-MIT", "completions/rehearse.bash", "completions/rehearse.fish"]
    {
        assert!(listed.lines().any(|line| line == file), "{file}: {listed}");
    }

    let (_, publish) = steps(&workflow["jobs"]["release"]).remove(0);
    let (file, sum) = (format!("dist/{archive}"), format!("dist/{archive}.sha256"));
    for (there, wanted) in [
        (false, &["release", "create", &tag, "--verify-tag", "--notes-file", "CHANGELOG.md", &file, &sum][..]),
        // A platform that failed was run again: its archive comes to the release that is there.
        (true, &["release", "upload", &tag, "--clobber", &file, &sum]),
    ] {
        let script = format!("[[ $2 != view ]] || exit {}\nprintf '%s\\n' \"$@\" > gh.log", i32::from(!there));
        let gh = programs(folder.path(), &[("gh", &script)]);
        let output = run(&publish, &gh, &[("GITHUB_REF_NAME", &tag)]);
        assert!(output.status.success(), "{}", said(&output));
        let asked = std::fs::read_to_string(folder.path().join("gh.log")).unwrap();
        assert_eq!(asked.lines().collect::<Vec<_>>(), wanted);
    }
}

/// Serves a folder's files over HTTPS for as long as the test runs; the port. The certificate lies beside the files.
fn serve(folder: &Path) -> u16 {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    write(folder, "certificate.pem", certified.cert.pem());
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, socket.unwrap()));
            let mut request = String::new();
            // A client that does not trust the certificate leaves here.
            if stream.read_line(&mut request).is_err() {
                continue;
            }
            let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let (status, bytes) = match std::fs::read(folder.join(path)) {
                Ok(bytes) => ("200 OK", bytes),
                Err(_) => ("404 Not Found", b"not here".to_vec()),
            };
            while stream.read_line(&mut request).is_ok_and(|read| read > 2) {}
            let stream = stream.get_mut();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    port
}

/// A cargo that notes its arguments and installs something else.
const CARGO: &str = "printf '%s\\n' \"$@\" > cargo.log
while [[ $1 != --root ]]; do shift; done
mkdir -p \"$2/bin\"
printf '#!/bin/sh\\necho rehearse built by cargo\\n' > \"$2/bin/rehearse\"
chmod +x \"$2/bin/rehearse\"";

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn the_action_installs_what_was_released_and_nothing_else() {
    if !provisioning::ready("packaging") {
        return;
    }
    let folder = scratch();
    let folder = folder.path();
    let archive = packed(folder);
    let name = archive.file_name().unwrap().to_str().unwrap();
    let sum = format!("{name}.sha256");
    let bin = programs(folder, &[("cargo", CARGO)]);
    let port = serve(folder);
    let release = |version: &str, broken: bool| {
        let place = folder.join(format!("owner/rehearse/releases/download/v{version}"));
        std::fs::create_dir_all(&place).unwrap();
        let mut bytes = std::fs::read(&archive).unwrap();
        if broken {
            bytes.extend(b"more");
        }
        let name = name.replace(VERSION, version);
        std::fs::write(place.join(&name), bytes).unwrap();
        let checksum = std::fs::read_to_string(folder.join("dist").join(&sum)).unwrap().replace(VERSION, version);
        std::fs::write(place.join(format!("{name}.sha256")), checksum).unwrap();
    };
    release(VERSION, false);
    release("0.0.1", true);
    let host = format!("https://localhost:{port}");
    let install = |version: &str, trusted: &str| {
        let _ = std::fs::remove_file(folder.join("path"));
        let _ = std::fs::remove_file(folder.join("cargo.log"));
        bash(
            &format!("bash {:?}", root().join("ci/install.sh")),
            folder,
            &bin,
            &[
                ("REHEARSE_VERSION", version),
                ("REHEARSE_REPOSITORY", "owner/rehearse"),
                ("GITHUB_SERVER_URL", &host),
                ("CURL_CA_BUNDLE", trusted),
                ("GITHUB_PATH", "path"),
            ],
        )
    };
    // The released binary runs from where the next step finds it.
    let output = install(VERSION, "certificate.pem");
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(&format!("rehearse {VERSION}\n")));
    assert!(!folder.join("cargo.log").exists());
    let path = std::fs::read_to_string(folder.join("path")).unwrap();
    assert!(Path::new(path.trim()).join("rehearse").is_file(), "{path}");

    // An archive with another checksum does not run, and nothing replaces it.
    let output = install("0.0.1", "certificate.pem");
    assert!(!output.status.success() && !folder.join("path").exists() && !folder.join("cargo.log").exists());

    // An archive that is missing, or served by somebody else, is replaced by a build from the sources.
    for (version, trusted) in [("9.9.9", "certificate.pem"), (VERSION, "/dev/null")] {
        let output = install(version, trusted);
        assert!(output.status.success(), "{}", said(&output));
        assert!(String::from_utf8_lossy(&output.stdout).ends_with("rehearse built by cargo\n"), "{}", said(&output));
        let asked = std::fs::read_to_string(folder.join("cargo.log")).unwrap();
        assert!(
            asked.starts_with("install\n--locked\n--profile\ndist\n--all-features\n")
                && asked.contains(&format!("--version\n{version}\nrehearsal\n"))
        );
    }
}

#[test]
fn the_gitlab_job_fails_where_the_gate_does_and_leaves_its_reports() {
    if !provisioning::ready("packaging") {
        return;
    }
    let job = &yaml("ci/gitlab.yml")["rehearse"];
    let script: Vec<&str> = job["script"].as_vec().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let artifacts = &job["artifacts"];
    let mut reports: Vec<&str> =
        artifacts["reports"].as_hash().unwrap().values().map(|file| file.as_str().unwrap()).collect();
    reports.extend(artifacts["paths"].as_vec().unwrap().iter().map(|file| file.as_str().unwrap()));
    assert_eq!((reports.len(), artifacts["when"].as_str()), (3, Some("always")));

    let folder = scratch();
    let path = rehearse_on_path(folder.path());
    // The default values of the variables are folders of the project.
    let variables = &job["variables"];
    let (journals, candidate) = (variables["JOURNALS"].as_str().unwrap(), variables["CANDIDATE"].as_str().unwrap());
    for (name, file) in [(journals, "recorded.jsonl"), (candidate, "trace.jsonl")] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
        std::fs::copy(root().join("tests/sample").join(file), folder.path().join(name).join(file)).unwrap();
    }
    let variables = [("JOURNALS", journals), ("CANDIDATE", candidate)];
    let output = bash(&script.join("\n"), folder.path(), &path, &variables);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for report in reports {
        assert!(std::fs::metadata(folder.path().join(report)).unwrap().len() > 0, "{report}");
    }
    let demo = root().join("fixtures/clean/process");
    let (journals, candidate) = (demo.join("recorded.jsonl"), demo.join("trace.jsonl"));
    let variables = [("JOURNALS", text(&journals)), ("CANDIDATE", text(&candidate))];
    let output = bash(&script.join("\n"), folder.path(), &path, &variables);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// A tag can be moved to other code; a digest can not. The comment names the tag for people and for update tools.
#[test]
fn workflows_pin_their_actions() {
    let mut pinned = 0;
    for workflow in ["ci", "release"] {
        for line in read(&format!(".github/workflows/{workflow}.yml")).lines() {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            let (digest, tag) = action.split_once('@').unwrap().1.split_once(" # v").unwrap_or_default();
            assert!(digest.len() == 40 && digest.bytes().all(|digit| digit.is_ascii_hexdigit()), "{line}");
            assert!(tag.split('.').count() == 3, "{line}");
            pinned += 1;
        }
    }
    assert!(pinned > 8, "{pinned} actions");
}

/// GitLab's runner starts a shell in the image, which must not run as root.
#[test]
fn the_image_has_a_shell_and_no_root() {
    let file = read("Dockerfile");
    let stages: Vec<&str> = file.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert!(stages.len() == 2 && !stages[1].contains("distroless") && !stages[1].contains("scratch"), "{stages:?}");
    let user = file.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(!user.starts_with('0') && !user.starts_with("root"), "{user}");
    let copied = "COPY --from=build /src/rehearse /usr/local/bin/rehearse";
    assert!(file.lines().any(|line| line == copied) && file.contains("ENTRYPOINT [\"/usr/local/bin/rehearse\"]"));
}

/// The blocks of shell in a document.
fn snippets(document: &str) -> Vec<String> {
    let document = read(document);
    let blocks = document.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Every command of the guide to CI that needs no cluster works, in the order in which a new user types them.
#[test]
fn what_the_guide_says_can_be_typed() {
    if !provisioning::ready("packaging") {
        return;
    }
    let folder = scratch();
    let path = rehearse_on_path(folder.path());
    std::fs::copy(root().join("fixtures/demo/recorded.arrow"), folder.path().join("journals.arrow")).unwrap();
    std::fs::copy(root().join("fixtures/demo/trace.jsonl"), folder.path().join("traces.jsonl")).unwrap();
    let mut typed = 0;
    for snippet in ["docs/ci.md", "docs/policy.md"].into_iter().flat_map(snippets) {
        for command in
            snippet.replace("\\\n", " ").lines().filter(|line| line.starts_with("rehearse ") && !line.contains("http"))
        {
            typed += 1;
            // Three of the demo's journals do not replay. Once they are accepted, the check passes.
            let expected = i32::from(!command.contains("--accept"));
            let output = bash(command, folder.path(), &path, &[]);
            assert_eq!(output.status.code(), Some(expected), "{command}: {}", said(&output));
        }
    }
    assert!(typed >= 3, "{typed} commands");
    for file in ["rehearse.xml", "rehearse.sarif", "rehearse.html", "rehearse.toml"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let output = bash("rehearse check journals.arrow --against traces.jsonl", folder.path(), &path, &[]);
    assert_eq!(output.status.code(), Some(0), "what was accepted: {}", said(&output));
}

/// A first check, as docs/getting-started.md walks through it in a clone.
#[test]
fn the_first_steps_can_be_typed() {
    if !provisioning::ready("packaging") {
        return;
    }
    let folder = scratch();
    let path = rehearse_on_path(folder.path());
    std::os::unix::fs::symlink(root().join("fixtures"), folder.path().join("fixtures")).unwrap();
    let mut typed = 0;
    for command in snippets("docs/getting-started.md") {
        typed += 1;
        let expected = i32::from(command.contains(" check "));
        let output = bash(&command, folder.path(), &path, &[]);
        assert_eq!(output.status.code(), Some(expected), "{command}: {}", said(&output));
    }
    assert!(typed >= 4, "{typed} commands");
    assert!(folder.path().join("rehearse.html").is_file());
}

/// Every relative link of the documents leads to a file, and every file that ARCHITECTURE.md and CONTRIBUTING.md name is
/// there.
#[test]
fn documents_name_files_that_are_there() {
    let folder = root();
    let mut documents: Vec<_> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
        .into_iter()
        .map(|name| folder.join(name))
        .collect();
    for entry in std::fs::read_dir(folder.join("docs")).unwrap() {
        documents
            .extend(Some(entry.unwrap().path()).filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    let mut missing = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
        let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
        let linked = links.map(|link| document.parent().unwrap().join(link));
        let quoted = text.split('`').skip(1).step_by(2);
        let named = quoted.filter(|name| name.starts_with("src/") || name.starts_with("tests/"));
        // A name with < or * stands for several files.
        let named = named.filter(|name| !name.contains(['<', '*', ' '])).map(|name| folder.join(name));
        missing.extend(linked.chain(named).filter(|path| !path.exists()).map(|path| (document.clone(), path)));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The body of a query is JSON after curl has removed the line ends.
#[test]
fn queries_in_the_documents_are_json() {
    let mut queries = 0;
    for document in ["docs/ci.md", "docs/formats.md"] {
        for part in read(document).split("<< 'EOF'\n").skip(1) {
            let body = part.split("\nEOF").next().unwrap().replace('\n', "");
            let query: serde_json::Value =
                serde_json::from_str(&body).unwrap_or_else(|error| panic!("{document}: {error}"));
            assert!(query["query"].as_str().unwrap().starts_with("select j.id, j.index"), "{document}");
            queries += 1;
        }
    }
    assert_eq!(queries, 2);
}
