//! Archives that are broken or built to harm: typed reports, nothing lost in silence, never a panic.

use crate::pods::{Place, entity, of_type, pod, text};
use rhizome_import::fixture::{ACTOR, File, mastodon, mastodon_with, status};
use rhizome_import::{MemoryPod, ProblemCode, Report};
use serde_json::{Value, json};

fn import(files: &[File]) -> (MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let report = place.import(&place.source("archive", files), &mut pod);
    (pod, report)
}

/// One post of which the test decides everything.
fn with_post(change: impl FnOnce(&mut Value)) -> (MemoryPod, Report) {
    import(&mastodon_with(|items| {
        items.truncate(1);
        items[0]["object"]["attachment"] = json!([]);
        change(&mut items[0]);
    }))
}

fn codes(report: &Report) -> Vec<ProblemCode> {
    report.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn media_paths_never_leave_the_archive() {
    for url in [
        "/etc/passwd",
        "../../../../etc/passwd",
        "/media_attachments/../../../etc/passwd",
        "media_attachments/files/../../actor.json/../../../x",
        "file:///etc/passwd",
        "C:\\windows\\system.ini",
        "media_attachments/\u{0}",
        "",
    ] {
        let (pod, report) = with_post(|item| {
            item["object"]["attachment"] = json!([{"type": "Document", "url": url}]);
        });
        assert_eq!(report.kinds["post"].added, 1, "{url}");
        let found = codes(&report);
        assert!(
            found.iter().any(|code| matches!(
                code,
                ProblemCode::UnsafePath | ProblemCode::MissingFile | ProblemCode::PartIgnored
            )),
            "{url}: {found:?}"
        );
        assert!(
            of_type(&pod, "media")
                .iter()
                .all(|media| pod.values(media, "social/blob").is_empty()),
            "{url}"
        );
    }
}

#[test]
fn fields_of_wrong_types_are_reported_and_the_post_is_imported() {
    for (field, wrong) in [
        ("published", json!(12)),
        ("published", json!("not a time")),
        ("summary", json!(["x"])),
        ("sensitive", json!("yes")),
        ("inReplyTo", json!({"id": "x"})),
        ("tag", json!("x")),
        (
            "tag",
            json!([1, null, {"type": "Hashtag"}, {"type": 5, "name": []}]),
        ),
        ("attachment", json!([{"url": 5}, 7, {}])),
        (
            "attachment",
            json!([{"url": "media_attachments/x", "width": 1e300, "height": -1, "focalPoint": [5, "x"]}]),
        ),
        ("content", json!({"en": "x"})),
        ("contentMap", json!("x")),
        ("oneOf", json!([{"name": 5, "replies": []}, "x"])),
        ("url", json!(99)),
    ] {
        let (_, report) = with_post(|item| item["object"][field] = wrong.clone());
        assert_eq!(
            (report.added > 0, report.skipped, report.complete),
            (true, 0, true),
            "{field}: {wrong}"
        );
        assert!(
            codes(&report).contains(&ProblemCode::PartIgnored),
            "{field}: {wrong} was not reported"
        );
    }
}

#[test]
fn activities_of_wrong_shape_are_counted_as_skipped() {
    for wrong in [
        json!(null),
        json!(7),
        json!("https://x.example"),
        json!([]),
        json!({}),
        json!({"type": "Create"}),
        json!({"type": "Create", "object": "https://x.example"}),
        json!({"type": "Create", "object": {"content": "no id"}}),
        json!({"type": "Create", "object": {"id": "https://x.example/1", "attributedTo": "https://x.example/mallory"}}),
        json!({"type": "Create", "actor": "https://x.example/mallory", "object": {"id": "https://x.example/1"}}),
        json!({"type": "Announce"}),
        json!({"type": "Announce", "id": "x", "object": 5}),
        json!({"type": "Announce", "object": "https://x.example"}),
        json!({"type": "Move", "id": "x"}),
        json!({"type": ["Create"], "object": {}}),
    ] {
        let (_, report) = import(&mastodon_with(|items| items.push(wrong.clone())));
        assert_eq!((report.skipped, report.complete), (1, true), "{wrong}");
        assert!(codes(&report).contains(&ProblemCode::Malformed), "{wrong}");
    }
}

#[test]
fn a_post_without_addresses_is_direct_and_reported() {
    let (pod, report) = with_post(|item| {
        for part in ["to", "cc"] {
            item.as_object_mut().unwrap().remove(part);
            item["object"].as_object_mut().unwrap().remove(part);
        }
    });
    assert_eq!(
        text(&pod, &entity("mastodon", &status(1)), "social/audience").as_deref(),
        Some("direct")
    );
    assert!(codes(&report).contains(&ProblemCode::Audience));
}

#[test]
fn a_followers_address_in_actor_json_cannot_open_a_private_post() {
    // An archive whose profile calls somebody else's address its followers.
    let mut files = mastodon_with(|items| {
        items[0]["object"]["to"] = json!(["https://www.w3.org/ns/activitystreams#Public "]);
    });
    for (path, bytes) in &mut files {
        if path == "actor.json" {
            let mut actor: Value = serde_json::from_slice(bytes).unwrap();
            actor["followers"] = json!("");
            *bytes = actor.to_string().into_bytes();
        }
    }
    let (pod, _) = import(&files);
    for n in [1, 5, 6, 9] {
        assert_eq!(
            text(&pod, &entity("mastodon", &status(n)), "social/audience").as_deref(),
            Some("direct"),
            "post {n}"
        );
    }
}

#[test]
fn repeated_posts_are_imported_once() {
    let (pod, report) = import(&mastodon_with(|items| {
        let mut again = items[0].clone();
        again["object"]["content"] = json!("<p>another text</p>");
        items.push(again);
    }));
    assert_eq!(
        (
            report.skipped,
            codes(&report).contains(&ProblemCode::Duplicate)
        ),
        (1, true)
    );
    assert_eq!(
        text(&pod, &entity("mastodon", &status(1)), "social/text").as_deref(),
        Some("Hello from #Rhizome!")
    );
}

#[test]
fn broken_bytes_cost_a_character_and_broken_json_the_rest() {
    let with_outbox = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let mut files = mastodon();
        let outbox = files
            .iter_mut()
            .find(|(path, _)| path == "outbox.json")
            .unwrap();
        outbox.1 = change(std::mem::take(&mut outbox.1));
        import(&files)
    };
    let (pod, report) = with_outbox(&|bytes| {
        let at = bytes.windows(5).position(|w| w == b"Hello").unwrap();
        let mut bytes = bytes;
        bytes[at + 1] = 0xe9;
        bytes
    });
    assert_eq!(
        text(&pod, &entity("mastodon", &status(1)), "social/text").as_deref(),
        Some("H\u{fffd}llo from #Rhizome!")
    );
    assert_eq!(
        (
            codes(&report).contains(&ProblemCode::Encoding),
            report.complete,
            report.skipped
        ),
        (true, true, 0)
    );

    let (_, report) = with_outbox(&|bytes| bytes[..bytes.len() * 2 / 3].to_vec());
    assert!(
        !report.complete && report.kinds["post"].added >= 3,
        "{report:?}"
    );
    assert!(codes(&report).contains(&ProblemCode::Malformed));

    let (_, report) = with_outbox(&|_| {
        format!("{{\"@context\": \"https://www.w3.org/ns/activitystreams\", \"orderedItems\": 5, \"x\": \"{ACTOR}\"}}").into_bytes()
    });
    assert!(!report.complete);
}

#[test]
fn a_document_that_breaks_off_makes_nothing_vanish() {
    let place = Place::new();
    let mut pod = pod();
    place.import(&place.source("first", &mastodon()), &mut pod);
    let mut files = mastodon();
    let outbox = files
        .iter_mut()
        .find(|(path, _)| path == "outbox.json")
        .unwrap();
    outbox.1.truncate(outbox.1.len() / 2);
    let report = place.import(&place.source("second", &files), &mut pod);
    assert_eq!(
        (report.complete, report.totals.vanished, report.changed),
        (false, 0, 0)
    );
    // A picture that the lost part named is a file nobody reads now: it is kept as such.
    assert_eq!(report.added, report.kinds["file"].added);
}

#[test]
fn texts_and_ids_beyond_their_bounds_are_reported() {
    let (_, report) =
        with_post(|item| item["object"]["content"] = json!("x".repeat((1 << 20) + 1)));
    assert_eq!((report.kinds["post"].added, report.skipped), (1, 0));
    assert!(codes(&report).contains(&ProblemCode::PartIgnored));
    let (_, report) =
        with_post(|item| item["object"]["summary"] = json!("x".repeat((1 << 20) + 1)));
    assert!(codes(&report).contains(&ProblemCode::TooLong));
    let (_, report) = with_post(|item| item["object"]["id"] = json!("x".repeat(5_000)));
    assert_eq!(report.skipped, 1);
}

#[test]
fn scripts_do_not_get_through() {
    let (pod, _) = with_post(|item| {
        item["object"]["content"] = json!(
            "<p onclick=\"x\">a</p><script>alert(1)</script><a href=\"javascript:x\">l</a><img src=x>"
        );
    });
    let html = text(&pod, &entity("mastodon", &status(1)), "social/html").unwrap();
    assert_eq!(
        html,
        "<p>a</p><a rel=\"nofollow noopener noreferrer\">l</a>"
    );
}

#[test]
fn a_picture_that_is_something_else_is_not_called_one() {
    let mut files = mastodon();
    for (path, bytes) in &mut files {
        if path.contains("/001/") {
            *bytes = b"<html><script>alert(1)</script></html>".to_vec();
        }
    }
    let (pod, _) = import(&files);
    let fake = of_type(&pod, "media")
        .into_iter()
        .find(|media| {
            text(&pod, media, "social/alt").as_deref() == Some("A red square turning blue")
        })
        .unwrap();
    assert!(pod.values(&fake, "is-photo").is_empty());
    assert_ne!(
        text(&pod, &fake, "social/mime").as_deref(),
        Some("image/png")
    );
}

#[test]
fn strange_actor_files_do_not_stop_the_import() {
    for actor in [
        "",
        "[]",
        "{}",
        "{\"id\": 5}",
        "{\"id\": \"https://social.example/users/ada\", \"icon\": 7, \"image\": {\"url\": \"../../x\"}, \"attachment\": [5], \"summary\": []}",
    ] {
        let mut files = mastodon();
        for (path, bytes) in &mut files {
            if path == "actor.json" {
                *bytes = actor.as_bytes().to_vec();
            }
        }
        let (_, report) = import(&files);
        assert_eq!(report.kinds["post"].added, 7, "{actor}");
        assert!(!report.problems.is_empty(), "{actor}");
    }
}
