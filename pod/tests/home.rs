use std::{collections::BTreeMap, fs, thread};

use rhizome_pod::{App, Opening, PodError, PodHome, json::parse_changes};
use serde_json::json;

fn opening() -> Opening {
    Opening::by("a test")
}

#[test]
fn a_pod_is_there_again_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path().join("pod"));
    assert!(matches!(home.open(&opening()), Err(PodError::NoPod(_))));
    let pod = home.init(&opening()).unwrap();
    let did = pod.did().to_owned();
    assert!(did.starts_with("did:rhizome:b"));
    let changes =
        parse_changes(&json!([{ "assert": { "entity": "_:a", "attribute": "x/y", "value": 5 } }]))
            .unwrap();
    pod.transact(App::CommandLine, &changes).unwrap();
    drop(pod);

    let pod = home.open(&opening()).unwrap();
    assert_eq!(pod.did(), did);
    assert_eq!(pod.figures().tuples, 1);
    assert_eq!(pod.figures().commits, 1);
    drop(pod);
    assert!(matches!(home.init(&opening()), Err(PodError::Exists(_))));
}

#[test]
fn the_second_process_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path());
    let pod = home.init(&Opening::by("rhizome import")).unwrap();
    let Err(error) = home.open(&opening()) else {
        panic!("two writers")
    };
    assert!(
        matches!(&error, PodError::InUse { holder: Some(h), .. } if h.what == "rhizome import"),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("in use by `rhizome import`"),
        "{error}"
    );
    drop(pod);
    home.open(&opening()).unwrap();
}

#[test]
fn an_interrupted_init_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path());
    let did = home.init(&opening()).unwrap().did().to_owned();
    fs::remove_file(dir.path().join("pod.redb")).unwrap();
    assert!(matches!(home.open(&opening()), Err(PodError::NoPod(_))));
    let pod = home.init(&opening()).unwrap();
    assert_eq!(pod.did(), did);
}

#[test]
fn a_passphrase_protects_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path());
    let right = Opening {
        passphrase: "correct horse".into(),
        ..opening()
    };
    drop(home.init(&right).unwrap());
    let Err(error) = home.open(&opening()) else {
        panic!("opened without the passphrase")
    };
    assert_eq!(error.code(), "identity");
    home.open(&right).unwrap();
}

#[test]
fn recovery_words_are_shown_until_they_are_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path());
    let pod = home.init(&opening()).unwrap();
    let words = pod.recovery_words().unwrap();
    assert_eq!(words.len(), 24);
    assert!(!pod.figures().recovery_confirmed);
    let answers = |positions: &[usize]| -> BTreeMap<usize, String> {
        positions
            .iter()
            .map(|p| (*p, format!(" {} ", words[p - 1].to_uppercase())))
            .collect()
    };
    assert!(pod.confirm_recovery(&answers(&[1, 2])).is_err());
    let mut wrong = answers(&[1, 2, 3]);
    wrong.insert(2, "nonsense".into());
    let error = pod.confirm_recovery(&wrong).unwrap_err().to_string();
    assert!(
        error.contains("word 2") && !error.contains(&words[1]),
        "{error}"
    );
    wrong.insert(2, words[1].clone());
    wrong.insert(25, "zoo".into());
    assert!(pod.confirm_recovery(&wrong).is_err());
    pod.confirm_recovery(&answers(&[3, 17, 24])).unwrap();
    assert_eq!(pod.recovery_words(), None);
    drop(pod);
    assert!(home.open(&opening()).unwrap().figures().recovery_confirmed);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_enter() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let home = PodHome::at(dir.path().join("pod"));
    let _pod = home.init(&opening()).unwrap();
    let mode = |path: &str| {
        fs::metadata(home.directory().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o077
    };
    for path in ["", "keys", "writer.lock"] {
        assert_eq!(mode(path), 0, "{path}");
    }
}

#[test]
fn writers_from_many_threads_all_land() {
    let dir = tempfile::tempdir().unwrap();
    let pod = PodHome::at(dir.path()).init(&opening()).unwrap();
    thread::scope(|scope| {
        for n in 0..8 {
            let pod = &pod;
            scope.spawn(move || {
                for i in 0..20 {
                    let app = if n % 2 == 0 { App::Console } else { App::CommandLine };
                    let json = json!([{ "assert": { "entity": "_:a", "attribute": "x/n", "value": n * 100 + i } }]);
                    pod.transact(app, &parse_changes(&json).unwrap()).unwrap();
                }
            });
        }
    });
    assert_eq!(pod.figures().tuples, 160);
    let diagnosis = pod.doctor(&mut |_| {}, &false.into()).unwrap();
    assert_eq!(diagnosis.findings, Vec::<String>::new());
    assert_eq!((diagnosis.commits, diagnosis.forks), (160, 0));
}
