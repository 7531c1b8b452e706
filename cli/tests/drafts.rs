//! Drafts, as scripts use them: with the pod at rest, and while it is up.

use std::{fs, path::Path, process::Command};

use serde_json::{Value as Json, json};

use crate::three::{Process, UP, run};

fn file(dir: &Path, changes: &Json) -> String {
    let file = dir.join("changes.json");
    fs::write(&file, changes.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn titles(home: &Path, draft: Option<&str>) -> Vec<String> {
    let mut arguments = vec!["query", r#"[:find ?t :where [?e "title" ?t] :order [?t]]"#];
    arguments.extend(draft.iter().flat_map(|name| ["--draft", name]));
    let answer = run(home, &arguments).unwrap();
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

/// Without `--json`.
fn shown(home: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhizome"));
    let done = command.arg("--home").arg(home).args(arguments).output();
    String::from_utf8(done.unwrap().stdout).unwrap()
}

fn set(e: &str, v: &str) -> Json {
    json!({ "assert": { "entity": e, "attribute": "title", "value": v } })
}

#[test]
fn a_draft_as_scripts_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    run(&home, &["init"]).unwrap();
    let changes = file(dir.path(), &json!([set("_:a", "one"), set("_:b", "two")]));
    let made = run(&home, &["tx", &changes]).unwrap();
    let [one, two] = ["_:a", "_:b"].map(|n| made["entities"][n].as_str().unwrap().to_owned());
    // the same twice: alone, and through a pod that is up
    for up in [false, true] {
        let process = up.then(|| Process::start(&home, &UP));
        let name = if up { "second" } else { "first" };
        assert_eq!(
            run(&home, &["draft", "new", name]).unwrap()["state"],
            "open"
        );
        assert_eq!(run(&home, &["draft", "new", name]), None);
        let word = |text: &str| format!("{text} {name}");
        let said = json!([
            set(&one, &word("uno")),
            set(&two, &word("due")),
            set("_:c", &word("tre"))
        ]);
        let changes = file(dir.path(), &said);
        let told = run(&home, &["draft", "tx", name, &changes]).unwrap();
        assert_eq!(told["draft"]["changes"], 3);
        assert!(told["entities"]["_:c"].as_str().unwrap().starts_with("rz:"));
        let before = titles(&home, None);
        assert_eq!(titles(&home, Some(name)).len(), before.len() + 1);
        let other = file(dir.path(), &json!([set(&one, &word("eins"))]));
        run(&home, &["tx", &other]).unwrap();
        let diff = run(&home, &["draft", "diff", name]).unwrap();
        let first = &diff["entities"][0];
        assert_eq!(first["entity"], one);
        assert_eq!(first["attributes"][0]["changed"], true);
        assert_eq!(first["attributes"][0]["base"], json!([word("eins")]));
        assert_eq!(first["attributes"][0]["draft"], json!([word("uno")]));
        assert_eq!(diff["entities"][1]["attributes"][0]["changed"], false);
        let text = shown(&home, &["draft", "diff", name]);
        assert!(
            text.contains("→") && text.contains("changed since: it was"),
            "{text}"
        );
        let part = run(&home, &["draft", "adopt", name, "--entity", &two]).unwrap();
        assert_eq!(
            (&part["state"], &part["changes"]),
            (&json!("open"), &json!(2))
        );
        let whole = run(&home, &["draft", "adopt", name]).unwrap();
        assert_eq!(whole["state"], "adopted");
        assert!(titles(&home, None).contains(&word("tre")));
        assert_eq!(run(&home, &["draft", "adopt", name]), None);
        let undone = run(&home, &["draft", "undo", name]).unwrap();
        assert_eq!(undone["kept"], json!([]));
        assert!(titles(&home, None).contains(&word("eins")));
        assert!(!titles(&home, None).contains(&word("tre")));
        let stranger = run(&home, &["digest"]).unwrap()["did"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            run(&home, &["draft", "propose", name, "--to", &stranger]),
            None
        );
        assert_eq!(
            run(&home, &["draft", "propose", name, "--to", "nobody"]),
            None
        );
        run(&home, &["draft", "drop", name]).unwrap();
        let all = run(&home, &["drafts"]).unwrap();
        assert!(
            all["drafts"]
                .as_array()
                .unwrap()
                .iter()
                .any(|d| d["name"] == name && d["state"] == "dropped")
        );
        run(&home, &["draft", "drop", name, "--for-good"]).unwrap();
        assert_eq!(run(&home, &["drafts"]).unwrap()["drafts"], json!([]));
        assert_eq!(
            run(
                &home,
                &["query", "--draft", name, "[:find ?e :where [?e _ _]]"]
            ),
            None
        );
        assert!(shown(&home, &["drafts"]).contains("rhizome draft new"));
        drop(process);
    }
    assert_eq!(run(&home, &["doctor"]).unwrap()["ok"], true);
}
