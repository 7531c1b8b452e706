//! A real archive, where the machine has one: counts against what `outbox.json` holds, read here in another way.

use crate::pods::{Place, of_type, open, pod};
use rhizome_import::ProblemCode;
use rhizome_tuple::Value;
use std::path::PathBuf;

fn archive() -> Option<PathBuf> {
    let at =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports/mastodon-archive");
    if at.join("outbox.json").exists() {
        return Some(at);
    }
    println!("skipped: no real archive on this machine");
    None
}

#[test]
fn counts_equal_what_the_outbox_holds_and_a_second_import_changes_nothing() {
    let Some(at) = archive() else { return };
    let outbox: serde_json::Value =
        serde_json::from_slice(&std::fs::read(at.join("outbox.json")).unwrap()).unwrap();
    let items = outbox["orderedItems"].as_array().unwrap();
    let notes: Vec<_> = items
        .iter()
        .filter(|item| item["type"] == "Create")
        .map(|item| &item["object"])
        .collect();
    let replies = notes
        .iter()
        .filter(|note| note["inReplyTo"].is_string())
        .count();
    let boosts = items
        .iter()
        .filter(|item| item["type"] == "Announce")
        .count();
    let attachments: Vec<_> = notes
        .iter()
        .flat_map(|note| note["attachment"].as_array().unwrap())
        .collect();
    let exists = |attachment: &&&serde_json::Value| {
        let url = attachment["url"].as_str().unwrap();
        at.join(&url[url.find("media_attachments/").unwrap()..])
            .exists()
    };
    let here = attachments.iter().filter(exists).count();

    let place = Place::new();
    let source = open(&at);
    let mut pod = pod();
    let report = place.import(&source, &mut pod);
    for (kind, count) in [
        ("post", notes.len() - replies),
        ("reply", replies),
        ("boost", boosts),
        ("media", attachments.len()),
    ] {
        assert_eq!(
            report.kinds.get(kind).map_or(0, |kind| kind.added),
            count as u64,
            "{kind}"
        );
        assert_eq!(of_type(&pod, kind).len(), count, "{kind}");
    }
    assert_eq!(report.skipped, 0);
    let stored = of_type(&pod, "media")
        .iter()
        .filter(|media| !pod.values(media, "social/blob").is_empty())
        .count();
    assert_eq!(stored, here);
    let missing = report
        .totals
        .problems
        .get(&ProblemCode::MissingFile)
        .copied()
        .unwrap_or_default();
    assert_eq!(
        missing,
        (attachments.len() - here) as u64 + 2,
        "and the two pictures of the profile"
    );
    for post in of_type(&pod, "post") {
        assert_eq!(
            pod.values(&post, "social/audience"),
            [Value::from("public")]
        );
        let [Value::Text(text)] = pod.values(&post, "social/text") else {
            panic!("a text")
        };
        assert!(!text.contains("<p>") && !text.contains("&amp;"), "{text}");
    }
    let again = place.import(&source, &mut pod);
    assert_eq!((again.added, again.changed, again.skipped), (0, 0, 0));
    assert_eq!(again.unchanged, report.added);
    assert_eq!(
        (
            again.totals.kept,
            again.totals.taken,
            again.totals.conflicts,
            again.totals.vanished
        ),
        (0, 0, 0, 0)
    );
}
