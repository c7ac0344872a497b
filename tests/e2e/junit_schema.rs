//! The JUnit report fits the schema that Jenkins publishes, by libxml2's validator (`xmllint`).

use std::process::Command;

use crate::provisioning;
use crate::support::folders::{root, scratch, write};
use crate::support::sample_report::runs;

#[test]
fn junit_fits_its_schema() {
    if !provisioning::ready("junit_schema") {
        return;
    }
    let schema = root().join("tests/schemas/junit-10.xsd");
    for (at, run) in runs().iter().enumerate() {
        let folder = scratch();
        let file = write(folder.path(), "junit.xml", &run["junit"]);
        let output = Command::new("xmllint").args(["--noout", "--schema"]).arg(&schema).arg(file).output().unwrap();
        assert!(output.status.success(), "run {at}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
