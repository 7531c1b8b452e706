//! Commands while a node runs, and beside one another.

use crate::shell::Shell;
use serde_json::json;

#[test]
fn commands_go_through_the_node_that_runs() {
    let shell = Shell::with_pod();
    let up = shell.up();
    assert!(
        up.ready["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    assert!(!up.ready["token"].as_str().unwrap().is_empty());
    shell.tx(&json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": "through the node" } }])).json();
    assert_eq!(
        shell.query("[:find ?v :where [_ :x/y ?v]]")["rows"],
        json!([["through the node"]])
    );
    let csv = shell.file("list.csv", "id,name\n1,one\n2,two\n");
    assert_eq!(shell.import(&csv)["added"], json!(2));
    assert_eq!(shell.run(&["doctor"]).json()["findings"], json!([]));
    let wrong = shell.run(&["query", "[:find"]);
    assert!(wrong.error()["position"]["line"].is_u64());
    drop(up);
    assert_eq!(
        shell.query("[:find ?v :where [_ :x/y ?v]]")["rows"],
        json!([["through the node"]])
    );
}

#[test]
fn many_commands_at_once_wait_for_one_another() {
    let shell = Shell::with_pod();
    std::thread::scope(|scope| {
        for i in 0..6 {
            let shell = &shell;
            scope.spawn(move || {
                shell
                    .tx(&json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": i } }]))
                    .json();
            });
        }
    });
    assert_eq!(
        shell.query("[:find (count ?v) :where [_ :x/y ?v]]")["rows"],
        json!([[6]])
    );
}
