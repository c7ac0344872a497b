//! The one place that finds other runtimes, installs what runs on them, and says which suites are left out.
//!
//! The first suite that asks prints one line about every suite whose runtime is missing. In CI (`CI` is set) a missing
//! runtime is a failure of the suite that needs it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, OnceLock};

use crate::support::folders::root;

/// What a suite needs besides Rust.
#[derive(Clone, Copy)]
enum Needs {
    /// The runtime of an SDK, which provision.sh in its folder looks for and installs the SDK on.
    Sdk(&'static str, &'static [&'static str]),
    /// Programs on the PATH.
    Programs(&'static [&'static str]),
    /// Chromium, which `$CHROMIUM` may name.
    Chromium,
}

/// Every suite by its module, so that its name also selects it: `cargo test --test e2e live::go`.
const SUITES: [(&str, Needs); 12] = [
    ("action", Needs::Programs(&["bash", "jq"])),
    ("browser", Needs::Chromium),
    ("cluster", Needs::Sdk("typescript", &[])),
    ("junit_schema", Needs::Programs(&["xmllint"])),
    ("live::go", Needs::Sdk("go", &[])),
    ("live::java", Needs::Sdk("java", &["legacy"])),
    ("live::lambda", Needs::Sdk("typescript", &[])),
    ("live::python", Needs::Sdk("python", &[])),
    ("live::typescript", Needs::Sdk("typescript", &[])),
    ("live::typescript_1_10", Needs::Sdk("typescript", &[])),
    ("operate", Needs::Sdk("typescript", &[])),
    ("packaging", Needs::Programs(&["bash", "curl", "jq", "tar"])),
];

/// Whether a suite can run. Installs what it needs first; false where a runtime is missing.
pub fn ready(suite: &str) -> bool {
    let (_, needs) = SUITES.iter().find(|(name, _)| *name == suite).unwrap_or_else(|| panic!("no suite {suite}"));
    let missing = MISSING.get(suite).cloned().or_else(|| match needs {
        Needs::Sdk(sdk, machine) => install(sdk, machine),
        Needs::Programs(_) | Needs::Chromium => None,
    });
    if let Some(missing) = &missing {
        assert!(std::env::var_os("CI").is_none(), "{suite} is left out, which is a failure in CI: {missing}");
        eprintln!("left out: {suite} ({missing})");
    }
    missing.is_none()
}

/// What is missing, by suite.
static MISSING: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    let missing: BTreeMap<&str, String> = SUITES
        .into_iter()
        .filter_map(|(suite, needs)| {
            let what = match needs {
                Needs::Sdk(sdk, _) => sdk.to_owned(),
                Needs::Programs(programs) => programs.join(" "),
                Needs::Chromium => chromium(),
            };
            let missing = found.entry(what).or_insert_with(|| look_for(needs)).clone()?;
            Some((suite, missing))
        })
        .collect();
    if !missing.is_empty() {
        let mut suites: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        missing.iter().for_each(|(suite, missing)| suites.entry(missing).or_default().push(suite));
        let suites: Vec<String> =
            suites.iter().map(|(missing, suites)| format!("{} ({missing})", suites.join(", "))).collect();
        // Not eprintln!, which the test harness keeps to itself where a test passes.
        let _ = writeln!(
            std::io::stderr().lock(),
            "left out: {}. Once these are installed, `cargo test --test e2e` runs them.",
            suites.join("; ")
        );
    }
    missing
});

/// What is missing of a suite's needs, in words.
fn look_for(needs: Needs) -> Option<String> {
    match needs {
        Needs::Sdk(sdk, machine) => match provision(sdk, machine, "look") {
            Provisioned::Ready => None,
            Provisioned::Missing(missing) => Some(missing),
            Provisioned::Failed(error) => panic!("{sdk}: could not look for its runtime: {error}"),
        },
        Needs::Programs(programs) => {
            let missing: Vec<&str> = programs.iter().copied().filter(|program| !on_path(program)).collect();
            (!missing.is_empty()).then(|| format!("missing: {}", missing.join(", ")))
        }
        Needs::Chromium => (!on_path(&chromium())).then(|| "missing: Chromium".to_owned()),
    }
}

fn on_path(program: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", "command -v \"$0\" >/dev/null", program]).status().is_ok_and(|status| status.success())
}

/// The browser's program.
pub fn chromium() -> String {
    std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned())
}

/// The folder of an SDK's candidates.
pub fn folder(sdk: &str) -> PathBuf {
    root().join("fixtures/sdks").join(sdk)
}

/// Installs an SDK, once for all the suites of this process; what is missing for that.
fn install(sdk: &'static str, machine: &[&str]) -> Option<String> {
    static INSTALLED: Mutex<BTreeMap<&str, &OnceLock<Provisioned>>> = Mutex::new(BTreeMap::new());
    let once: &OnceLock<_> = *INSTALLED.lock().unwrap().entry(sdk).or_insert_with(|| Box::leak(Box::default()));
    match once.get_or_init(|| provision(sdk, machine, "install")) {
        Provisioned::Ready => None,
        Provisioned::Missing(missing) => Some(missing.clone()),
        Provisioned::Failed(error) => panic!("{sdk} could not be provisioned: {error}"),
    }
}

enum Provisioned {
    Ready,
    /// The runtime is not there, in words.
    Missing(String),
    Failed(String),
}

/// Runs an SDK's provision.sh, which exits with 3 where a runtime is missing.
fn provision(sdk: &str, machine: &[&str], mode: &str) -> Provisioned {
    let mut script = Command::new(folder(sdk).join("provision.sh"));
    let output = script.args(machine).env("PROVISION", mode).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Provisioned::Ready,
        Some(3) => Provisioned::Missing(said.replace('\n', " ")),
        _ => Provisioned::Failed(format!("{}: {said}", output.status)),
    }
}

/// The programs of Restate, which npm installs beside the TypeScript SDK.
pub fn restate_server() -> PathBuf {
    root().join("fixtures/record/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server")
}

/// The folder of Restate's own command line.
pub fn restate_cli() -> PathBuf {
    root().join("fixtures/record/node_modules/@restatedev/restate-linux-x64/bin")
}
