//! The folders of the source are a pipeline: imports between them point one way.

use std::path::Path;

use crate::support::folders::{read, root};

/// Each layer may use the layers before it.
const LAYERS: [&str; 15] = [
    "journal",
    "protocol",
    "source",
    "diff",
    "replay",
    "rules",
    "policy",
    "report",
    "transport",
    "check",
    "admin",
    "record",
    "operate",
    "render",
    "cli",
];

#[test]
fn imports_point_one_way() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for (rank, layer) in LAYERS.iter().enumerate() {
        for (file, text) in sources(&src, layer) {
            for later in &LAYERS[rank + 1..] {
                if text.contains(&format!("crate::{later}")) {
                    wrong.push(format!("{file} uses {later}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_its_place() {
    let lib = read("src/lib.rs");
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        assert!(LAYERS.contains(&module.trim_end_matches(';')), "{module} is in no layer");
    }
}

/// Each part does without the modules that it promises not to use.
#[test]
fn parts_do_without_what_they_say() {
    let src = root().join("src");
    for (layers, absent) in [
        (
            &["journal", "protocol", "diff", "replay", "rules", "policy", "report"][..],
            &["std::fs", "std::io", "std::net", "std::env"][..],
        ),
        (
            &["journal", "protocol", "diff", "rules", "policy", "report"][..],
            &["std::fs", "std::io", "std::net", "std::env"][..],
        ),
        (
            &["journal", "protocol", "source", "diff", "rules", "policy", "report", "check", "render"],
            &["std::env::", "SystemTime", "println!", "eprintln!"],
        ),
    ] {
        for layer in layers {
            for (file, text) in sources(&src, layer) {
                for word in absent {
                    assert!(!text.contains(word), "{file} uses {word}");
                }
            }
        }
    }
}

/// What differs between platforms is in one small file, because only one platform is at hand to compile it on.
#[test]
fn only_the_shim_uses_a_platform() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, text) in sources(&src, "") {
        let is_shim = Path::new(&file) == src.join("platform.rs");
        assert_eq!(text.contains("std::os::"), is_shim, "{file}: std::os belongs in src/platform.rs alone");
    }
}

fn sources(src: &Path, layer: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![src.join(layer), src.join(layer).with_extension("rs")];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            // Comments may mention what code must not use.
            let text = std::fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            found.push((path.display().to_string(), code.join("\n")));
        }
    }
    assert!(!found.is_empty(), "no source for {layer}");
    found
}
