//! Each rule has one name, which its file, its fixture folder and its row in docs/rules.md share.

use rehearsal::rules;

use crate::support::folders::{read, root};

#[test]
fn every_rule_has_its_fixtures_and_every_folder_its_rule() {
    let fixtures = root().join("fixtures/rules");
    // Rules about a manifest are tested on live deployments (tests/e2e/live, tests/it/misbehaving_candidates.rs).
    let of_deployments: Vec<&str> = rules::DEPLOYMENT.iter().map(|rule| rule.id).collect();
    for rule in rules::all().filter(|rule| !of_deployments.contains(&rule.id)) {
        let folder = fixtures.join(rule.id);
        let count = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        assert!(count > 0, "no fixture in {}", folder.display());
    }
    for folder in std::fs::read_dir(fixtures).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(rules::find(&name).is_some(), "fixtures/rules/{name} is no rule");
    }
}

#[test]
fn every_rule_has_its_file_and_its_row_in_the_documents() {
    let table = read("docs/rules.md");
    for rule in rules::all() {
        let file = root().join(format!("src/rules/{}.rs", rule.id.replace('-', "_")));
        assert!(file.exists(), "{} is missing", file.display());
        let row = format!("| `{}` |", rule.id);
        assert!(table.contains(&row), "docs/rules.md has no row {row:?}");
    }
}

#[test]
fn every_page_says_what_why_and_what_to_do() {
    for rule in rules::all() {
        let page = rule.page();
        assert!(page.len() > 200, "{}: {page}", rule.id);
        assert!(page.contains("What to do: "), "{} does not say what to do", rule.id);
        assert!(!rule.title().is_empty() && rule.title().ends_with('.'), "{}: {}", rule.id, rule.title());
        assert!(!rule.advice().is_empty(), "{}", rule.id);
    }
}
