//! Documents of ActivityStreams outside of an archive.

use crate::pods::{Place, entity, now, of_type, pod, text, value};
use rhizome_import::{
    ActivityStreams, MemoryPod, Options, ProblemCode, Report, Source, Table, fixture, importers,
    recognise,
};
use rhizome_tuple::Value;
use serde_json::json;

const CONTEXT: &str = "https://www.w3.org/ns/activitystreams";
const PUBLIC: &str = "https://www.w3.org/ns/activitystreams#Public";
const ADA: &str = "https://a.example/ada";
const BOB: &str = "https://b.example/bob";

fn document(path: &str, mut json: serde_json::Value) -> fixture::File {
    json["@context"] = json!(CONTEXT);
    (path.to_owned(), json.to_string().into_bytes())
}

fn files() -> Vec<fixture::File> {
    vec![
        document(
            "ada.json",
            json!({"type": "Person", "id": ADA, "preferredUsername": "ada", "name": "Ada", "followers": "https://a.example/fans",
                "icon": [{"type": "Image", "url": "https://a.example/p.png"}]}),
        ),
        document(
            "note.json",
            json!({"type": "Note", "id": "https://a.example/1", "attributedTo": {"type": "Person", "id": ADA, "name": "Somebody"},
                "content": "<p>Hello <script>x</script><b>you</b></p>", "published": "2024-01-02T03:04:05", "to": [PUBLIC],
                "url": [{"type": "Link", "href": "https://a.example/@ada/1"}],
                "attachment": {"type": "Image", "url": [{"href": "https://a.example/x.png"}], "name": "A picture"}}),
        ),
        document(
            "outbox-page.jsonld",
            json!({"type": "OrderedCollection", "totalItems": 7, "first": {"type": "OrderedCollectionPage", "orderedItems": [
                {"type": "Create", "id": "https://b.example/2#c", "actor": {"type": "Person", "id": BOB, "preferredUsername": "bob"},
                    "to": "as:Public", "object": {"type": "Article", "id": "https://b.example/2", "name": "Title", "content": "Text",
                        "attributedTo": [BOB], "inReplyTo": {"type": "Note", "id": "https://a.example/1"}, "to": "https://b.example/bob/followers"}},
                {"type": "Announce", "id": "https://b.example/3", "actor": BOB, "published": "2024-02-02T00:00:00Z", "to": [PUBLIC],
                    "object": {"type": "Note", "id": "https://a.example/1"}},
                {"type": "Like", "actor": BOB, "object": "https://a.example/1"},
                {"type": "Follow", "actor": BOB, "object": {"type": "Person", "id": ADA}},
                {"type": "Create", "actor": BOB, "object": {"type": "Note", "id": "https://a.example/9", "attributedTo": ADA, "to": PUBLIC}},
                {"type": "Delete", "actor": BOB, "object": "https://b.example/4"},
                "https://b.example/5"]}}),
        ),
        document(
            "silent.json",
            json!({"type": "Note", "attributedTo": ADA, "content": "For whom?", "to": ["https://a.example/fans"]}),
        ),
        document(
            "nobody.json",
            json!({"type": "Note", "content": "By whom?"}),
        ),
        ("other.txt".to_owned(), b"x".to_vec()),
    ]
}

fn run(place: &Place, source: &Source, pod: &mut MemoryPod) -> Report {
    place
        .run(source, &ActivityStreams, pod, Options::new(now))
        .unwrap()
}

#[test]
fn notes_articles_and_activities_are_read_alone_and_in_collections() {
    let (place, mut pod) = (Place::new(), pod());
    let source = place.source("documents", &files());
    let all = importers(Table::new());
    let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        recognise(&source, &all).unwrap()[0].importer,
        "activitystreams"
    );
    let report = run(&place, &source, &mut pod);
    for (kind, count) in [
        ("profile", 2),
        ("post", 2),
        ("reply", 1),
        ("boost", 1),
        ("like", 1),
        ("follow", 1),
        ("media", 1),
    ] {
        assert_eq!(
            report.kinds.get(kind).map(|of| of.added),
            Some(count),
            "{kind} {:?}",
            report.problems
        );
    }
    let of = |key: &str| entity("mastodon", key);
    let note = of("https://a.example/1");
    assert_eq!(
        text(&pod, &note, "social/text").as_deref(),
        Some("Hello you")
    );
    assert_eq!(
        text(&pod, &note, "social/url").as_deref(),
        Some("https://a.example/@ada/1")
    );
    assert_eq!(
        text(&pod, &note, "social/audience").as_deref(),
        Some("public")
    );
    assert_eq!(
        value(&pod, &note, "social/created"),
        Some(&Value::Time(1_704_164_645_000))
    );
    assert_eq!(
        value(&pod, &note, "social/author"),
        Some(&Value::Ref(of(ADA)))
    );
    assert_eq!(pod.values(&note, "social/media").len(), 1);
    // Her own document says more than what others say in passing.
    assert_eq!(text(&pod, &of(ADA), "social/name").as_deref(), Some("Ada"));
    assert_eq!(
        text(&pod, &of(BOB), "social/handle").as_deref(),
        Some("bob@b.example")
    );
    let article = of("https://b.example/2");
    assert_eq!(
        text(&pod, &article, "social/title").as_deref(),
        Some("Title")
    );
    assert_eq!(
        value(&pod, &article, "social/reply-to"),
        Some(&Value::Ref(note))
    );
    // Of the activity and the object the narrower counts, and followers are those that the author's document names.
    assert_eq!(
        text(&pod, &article, "social/audience").as_deref(),
        Some("followers")
    );
    let silent = of("file/silent.json#object 0");
    assert_eq!(
        text(&pod, &silent, "social/audience").as_deref(),
        Some("followers")
    );
    let boost = of("https://b.example/3");
    assert_eq!(
        value(&pod, &boost, "social/boost-of"),
        Some(&Value::Ref(note))
    );
    assert_eq!(of_type(&pod, "follow").len(), 1);
    // By somebody else, without an author, deleted, only an address: said, and what gave nothing stays a file.
    assert_eq!(report.kinds["post"].skipped, 2);
    assert_eq!(report.kinds["activity"].skipped, 1);
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.code == ProblemCode::PartIgnored
                && problem.message.contains("addresses"))
    );
    let kept: Vec<&str> = report.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(kept, ["nobody.json", "other.txt"]);
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed), (0, 0));
}

#[test]
fn a_long_collection_is_read_item_by_item() {
    let (place, mut pod) = (Place::new(), pod());
    let items: Vec<_> = (0..3_000)
        .map(|n| {
            json!({"type": "Create", "actor": ADA, "to": [PUBLIC], "object": {
                "type": "Note", "id": format!("https://a.example/{n}"), "content": "word ".repeat(60), "to": [PUBLIC]}})
        })
        .collect();
    let mut file = document(
        "outbox.json",
        json!({"orderedItems": items, "type": "OrderedCollection"}),
    );
    // The context comes first, as in every document that is read from its head.
    let text = String::from_utf8(file.1).unwrap();
    file.1 = text
        .replacen('{', &format!("{{\"@context\":\"{CONTEXT}\","), 1)
        .into_bytes();
    let report = run(&place, &place.source("long", &[file.clone()]), &mut pod);
    assert_eq!(report.kinds["post"].added, 3_000);
    file.1.truncate(file.1.len() - 200);
    let report = run(&place, &place.source("cut", &[file]), &mut pod);
    assert!(!report.complete);
    assert!(report.kinds["post"].unchanged > 2_900);
}

#[test]
fn what_is_in_an_archive_too_is_the_same() {
    let (place, mut pod) = (Place::new(), pod());
    place.import(&place.source("archive", &fixture::mastodon()), &mut pod);
    let outbox = fixture::mastodon()
        .into_iter()
        .find(|(path, _)| path.ends_with("outbox.json"));
    let outbox: serde_json::Value = serde_json::from_slice(&outbox.unwrap().1).unwrap();
    let notes = outbox["orderedItems"].as_array().unwrap().iter();
    let note = notes
        .map(|of| of["object"].clone())
        .find(|of| of["type"] == "Note")
        .unwrap();
    let mut shared = note.clone();
    shared["attachment"] = json!([]);
    let report = run(
        &place,
        &place.source("note", &[document("note.json", shared)]),
        &mut pod,
    );
    assert_eq!(
        report.added - report.kinds.get("file").map_or(0, |of| of.added),
        0,
        "{report:?}"
    );
}
