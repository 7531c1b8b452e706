//! Files that nothing names go, and no others.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use rhizome_blob::Cid;
use rhizome_pod::{App, Collected, Opening, Pod, PodHome, json::parse_changes};
use serde_json::{Value as Json, json};

fn pod(dir: &tempfile::TempDir) -> Pod {
    PodHome::at(dir.path().join("pod"))
        .init(&Opening::by("a test"))
        .unwrap()
}

fn say(pod: &Pod, changes: &Json) -> String {
    let receipt = pod
        .transact(App::CommandLine, &parse_changes(changes).unwrap())
        .unwrap();
    receipt
        .entities
        .first()
        .map(|(_, id)| id.to_string())
        .unwrap_or_default()
}

/// Makes all files as if they had come two days ago.
fn old(pod: &Pod) {
    fn visit(at: &std::path::Path) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path);
            } else {
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_hours(48))
                    .unwrap();
            }
        }
    }
    visit(pod.blobs().directory());
}

fn put(pod: &Pod, text: &str) -> Cid {
    pod.blobs().put_bytes(text.as_bytes()).unwrap()
}

fn collect(pod: &Pod, days: u32) -> Collected {
    pod.collect_garbage(days, false).unwrap()
}

#[test]
fn what_is_named_stays_and_the_rest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let pod = pod(&dir);
    let [named, in_set, unnamed] = ["named", "in a set", "unnamed"].map(|text| put(&pod, text));
    let photo = say(
        &pod,
        &json!([
            { "assert": { "entity": "_:a", "attribute": "x/file", "value": { "blob": named.to_string() } } },
            { "insert": { "entity": "_:a", "attribute": "x/files", "value": { "blob": in_set.to_string() } } },
        ]),
    );
    // just come: somebody may be about to name it
    assert_eq!(collect(&pod, 0).files, 0);
    old(&pod);
    let looked = pod.collect_garbage(0, true).unwrap();
    assert_eq!((looked.files, looked.bytes), (1, 7));
    assert!(pod.blobs().has(&unnamed).unwrap(), "it was only looked");
    assert_eq!(collect(&pod, 30).waiting, 1, "for thirty days");
    // put in again: as if it had just come
    put(&pod, "unnamed");
    assert_eq!(collect(&pod, 0).files, 0);
    old(&pod);
    assert_eq!(collect(&pod, 0).files, 1);
    assert!(!pod.blobs().has(&unnamed).unwrap());
    for cid in [named, in_set] {
        pod.blobs().verify(&cid).unwrap();
    }
    say(
        &pod,
        &json!([{ "retract": { "entity": photo, "attribute": "x/file" } }]),
    );
    assert_eq!(collect(&pod, 30).waiting, 1);
    assert!(
        pod.blobs().has(&named).unwrap(),
        "until then it can be undone"
    );
    assert_eq!(collect(&pod, 0).files, 1);
    assert!(!pod.blobs().has(&named).unwrap());
}

#[test]
fn what_a_draft_names_stays() {
    let dir = tempfile::tempdir().unwrap();
    let pod = pod(&dir);
    let file = put(&pod, "in a draft");
    pod.new_draft("summer", None).unwrap();
    let changes = json!([{ "assert": { "entity": "_:a", "attribute": "x/file", "value": { "blob": file.to_string() } } }]);
    pod.draft_transact("summer", &changes).unwrap();
    old(&pod);
    assert_eq!(collect(&pod, 0), Collected::default());
    pod.drop_draft("summer", true).unwrap();
    assert_eq!(collect(&pod, 0).files, 1);
}

#[test]
fn what_was_noted_as_unnamed_is_forgotten_once_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let pod = pod(&dir);
    let file = put(&pod, "now and then");
    old(&pod);
    collect(&pod, 30);
    let noted = dir.path().join("pod/garbage.json");
    assert!(
        fs::read_to_string(&noted)
            .unwrap()
            .contains(&file.to_string())
    );
    say(
        &pod,
        &json!([{ "assert": { "entity": "_:a", "attribute": "x/file", "value": { "blob": file.to_string() } } }]),
    );
    collect(&pod, 30);
    assert_eq!(fs::read_to_string(&noted).unwrap(), "{}");
    // what cannot be read counts as nothing known: everything waits anew
    fs::write(&noted, "{\"").unwrap();
    assert_eq!(collect(&pod, 30), Collected::default());
}
