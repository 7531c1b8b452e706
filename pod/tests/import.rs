use std::{fs, path::Path, thread, time::Duration};

use rhizome_import::fixture::{CONTENT, mastodon, mastodon_with, write_folder, write_zip};
use rhizome_pod::{App, ImportOptions, Opening, Pod, PodHome, json::parse_changes};
use serde_json::{Value as Json, json};

use crate::node;

fn import(pod: &Pod, path: &Path, dry_run: bool) -> Json {
    let options = ImportOptions {
        dry_run,
        ..ImportOptions::default()
    };
    let report = pod
        .import(path, &options, &mut |_| {}, &rhizome_import::Cancel::new())
        .unwrap();
    serde_json::to_value(report).unwrap()
}

fn count(pod: &Pod, q: &str) -> usize {
    let answer = pod.query(&Json::from(q), &[], &false.into()).unwrap();
    answer["rows"].as_array().unwrap().len()
}

#[test]
fn an_export_is_looked_at_imported_and_imported_again() {
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("export");
    write_folder(&mastodon(), &export).unwrap();
    let pod = PodHome::at(dir.path().join("pod"))
        .init(&Opening::by("a test"))
        .unwrap();

    let look = import(&pod, &export, true);
    assert_eq!(look["recognised"]["importer"], "mastodon");
    assert_eq!(pod.figures().tuples, 0);

    let done = import(&pod, &export, false);
    assert_eq!(done["added"], look["added"]);
    assert_eq!(
        count(&pod, "[:find ?e :where [?e :social/type \"post\"]]") as u64,
        CONTENT.posts
    );
    assert_eq!(
        count(
            &pod,
            "[:find ?e :where [?e :social/audience \"direct\"] [?e :social/text _]]"
        ) as u64,
        CONTENT.direct
    );

    let again = import(&pod, &export, false);
    assert_eq!((&again["added"], &again["changed"]), (&json!(0), &json!(0)));
    let diagnosis = pod.doctor(&mut |_| {}, &false.into()).unwrap();
    assert_eq!(diagnosis.findings, Vec::<String>::new());
}

#[test]
fn what_was_edited_here_stays_and_what_changed_there_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    write_folder(&mastodon(), &before).unwrap();
    let pod = PodHome::at(dir.path().join("pod"))
        .init(&Opening::by("a test"))
        .unwrap();
    import(&pod, &before, false);
    let newest = "[:find ?e ?t :where [?e :social/type \"post\"] [?e :social/created ?t] [?e :social/text _] :order [[?t :asc]]]";
    let posts = pod.query(&Json::from(newest), &[], &false.into()).unwrap();
    let mine = posts["rows"][0][0].clone();
    let edit = json!([{ "assert": { "entity": mine, "attribute": "social/text", "value": "my own words" } }]);
    pod.transact(App::Console, &parse_changes(&edit).unwrap())
        .unwrap();

    let changed = mastodon_with(|activities| {
        for activity in activities.iter_mut().skip(1) {
            if let Some(content) = activity.pointer_mut("/object/content") {
                *content = json!("<p>changed there</p>");
                break;
            }
        }
    });
    write_folder(&changed, &after).unwrap();
    let report = import(&pod, &after, false);
    assert_eq!(report["kept"][0]["entity"], mine);
    assert_eq!(report["kept"][0]["here"], "my own words");
    assert!(
        report["taken"]
            .as_array()
            .unwrap()
            .iter()
            .any(|t| t["export"] == "changed there"),
        "{report}"
    );
    let text = format!(
        "[:find ?t . :where [\"{}\" :social/text ?t]]",
        mine.as_str().unwrap()
    );
    let now = pod.query(&Json::from(text), &[], &false.into()).unwrap();
    assert_eq!(now["rows"], json!([["my own words"]]));
}

#[test]
fn tables_and_tuples_are_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let pod = PodHome::at(dir.path().join("pod"))
        .init(&Opening::by("a test"))
        .unwrap();
    let table = dir.path().join("birds.csv");
    fs::write(&table, "id,name,seen\n1,wren,3\n2,heron,1\n").unwrap();
    let report = import(&pod, &table, false);
    assert_eq!(
        (&report["recognised"]["importer"], &report["added"]),
        (&json!("table"), &json!(2))
    );
    let tuples = dir.path().join("tuples.tsv");
    fs::write(&tuples, "e1\tx/name\ts\twren\ne2\tx/name\ts\theron\n").unwrap();
    let report = import(&pod, &tuples, false);
    assert_eq!(
        (&report["recognised"]["importer"], &report["added"]),
        (&json!("tuples"), &json!(2))
    );
    let unknown = dir.path().join("noise.bin");
    fs::write(&unknown, [0xff; 1000]).unwrap();
    let failed = pod
        .import(
            &unknown,
            &ImportOptions::default(),
            &mut |_| {},
            &rhizome_import::Cancel::new(),
        )
        .unwrap_err();
    assert_eq!(failed.error.code(), "not-recognised");
}

#[test]
fn over_the_api_looking_comes_first() {
    let node = node::start();
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("export.zip");
    write_zip(&mastodon(), &export).unwrap();
    let wait = |job: &Json, state: &str| -> Json {
        for _ in 0..600 {
            let now = node
                .client
                .import_job(job["job"].as_str().unwrap())
                .unwrap();
            if now["state"] == state {
                return now;
            }
            assert!(now["error"].is_null(), "{now}");
            thread::sleep(Duration::from_millis(20));
        }
        panic!("never {state}");
    };
    let job = node.client.import(&export, None, None, true).unwrap();
    let ready = wait(&job, "ready");
    assert_eq!(ready["report"]["dry_run"], true);
    assert_eq!(node.pod.figures().tuples, 0);
    node.client
        .import_run(job["job"].as_str().unwrap())
        .unwrap();
    let done = wait(&job, "done");
    assert_eq!(done["report"]["added"], ready["report"]["added"]);
    let error = node
        .client
        .import_run(job["job"].as_str().unwrap())
        .unwrap_err();
    assert_eq!(error.code(), "busy");
    node.client
        .import_remove(job["job"].as_str().unwrap())
        .unwrap();
    assert_eq!(
        node.client
            .import_job(job["job"].as_str().unwrap())
            .unwrap_err()
            .code(),
        "missing"
    );

    let error = node
        .client
        .import(&dir.path().join("nowhere"), None, None, true)
        .unwrap_err();
    assert_eq!(error.code(), "missing");
}
