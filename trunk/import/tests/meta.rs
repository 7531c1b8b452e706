//! Downloads of Facebook and Instagram, made up here and by another hand.

use crate::pods::{Place, attribute, entity, now, of_type, open, pod, text, value};
use proptest::prelude::*;
use rhizome_import::{
    Facebook, Importer, Instagram, Limits, MemoryPod, Options, Preview, ProblemCode, Report,
    Source, fixture,
};
use rhizome_replica::Edit;
use rhizome_tuple::Value;
use serde_json::json;
use std::path::PathBuf;

/// As both services write texts: each byte of UTF-8 a character.
fn mangle(value: &serde_json::Value) -> serde_json::Value {
    let text = |text: &str| text.bytes().map(char::from).collect::<String>();
    match value {
        serde_json::Value::String(of) => text(of).into(),
        serde_json::Value::Array(of) => of.iter().map(mangle).collect(),
        serde_json::Value::Object(of) => {
            let fields = of.iter().map(|(name, of)| (text(name), mangle(of)));
            serde_json::Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn file(path: &str, of: &serde_json::Value) -> fixture::File {
    (path.to_owned(), mangle(of).to_string().into_bytes())
}

fn picture(n: u8) -> Vec<u8> {
    fixture::png(10, 10, [n, 0, 0], [0, n, 0])
}

fn thread() -> serde_json::Value {
    json!({"participants": [{"name": "Zoë"}, {"name": "Ada"}], "title": "Ada", "thread_path": "inbox/ada_7", "messages": [
        {"sender_name": "Ada", "timestamp_ms": 1_700_000_500_000_u64, "content": "naïve 👍", "reactions": [{"reaction": "❤", "actor": "Zoë"}]},
        {"sender_name": "Zoë", "timestamp_ms": 1_700_000_400_000_u64, "photos": [{"uri": "messages/inbox/ada_7/photos/m.png", "creation_timestamp": 1_700_000_400}]},
        {"sender_name": "Zoë", "timestamp_ms": 1_700_000_300_000_u64, "content": "hi", "share": {"link": "https://example.org/"}},
        {"sender_name": "Zoë", "timestamp_ms": 1_700_000_300_000_u64, "content": "hi", "share": {"link": "https://example.org/"}}]})
}

pub fn facebook() -> Vec<fixture::File> {
    let posts = json!([
        {"timestamp": 1_700_000_000, "title": "Zoë updated her status.", "data": [{"post": "Café – #Übung ☕"}, {"update_timestamp": 1_700_000_100}], "tags": [{"name": "Ada"}],
            "attachments": [{"data": [{"external_context": {"url": "https://example.org/0", "name": "Example"}}]}]},
        {"timestamp": 1_700_086_400, "attachments": [{"data": [{"media": {"uri": "your_facebook_activity/posts/media/your_posts/1.png",
            "creation_timestamp": 1_700_086_400, "title": "", "description": "Übung"}}]}], "data": []},
        {"timestamp": 1_700_086_400, "data": [{"post": "In the same second"}]},
    ]);
    vec![
        file(
            "personal_information/profile_information/profile_information.json",
            &json!({"profile_v2": {"name": {"full_name": "Zoë"}, "websites": [{"address": "https://zoe.example"}], "profile_uri": "https://www.facebook.com/zoe"}}),
        ),
        file(
            "your_facebook_activity/posts/your_posts__check_ins__photos_and_videos_1.json",
            &posts,
        ),
        (
            "your_facebook_activity/posts/media/your_posts/1.png".to_owned(),
            picture(1),
        ),
        file(
            "your_facebook_activity/posts/album/0.json",
            &json!({"name": "Album", "photos": [{"uri": "your_facebook_activity/posts/media/Album_1/2.png", "creation_timestamp": 1_690_000_000}]}),
        ),
        (
            "your_facebook_activity/posts/media/Album_1/2.png".to_owned(),
            picture(2),
        ),
        file(
            "your_facebook_activity/messages/inbox/ada_7/message_1.json",
            &thread(),
        ),
        (
            "your_facebook_activity/messages/inbox/ada_7/photos/m.png".to_owned(),
            picture(3),
        ),
        file("preferences/feed/feed.json", &json!({"x": 1})),
    ]
}

pub fn instagram() -> Vec<fixture::File> {
    let list = |href: &str| json!([{"href": href, "value": "zoë", "timestamp": 1_700_000_000}]);
    vec![
        file(
            "personal_information/personal_information/personal_information.json",
            &json!({"profile_user": [{"string_map_data": {"Username": {"value": "zoe"}, "Name": {"value": "Zoë"}, "Private Account": {"value": "False"}}}]}),
        ),
        file(
            "your_instagram_activity/media/posts_1.json",
            &json!([
            {"media": [{"uri": "media/posts/202311/a.png", "creation_timestamp": 1_700_000_000, "title": "Sunset 🌇 #Camping"}]},
            {"media": [{"uri": "media/posts/202312/b.png", "creation_timestamp": 1_702_000_000, "title": ""}, {"uri": "media/posts/202312/c.png", "creation_timestamp": 1_702_000_000, "title": ""}],
                "title": "Two – één", "creation_timestamp": 1_702_000_001}]),
        ),
        ("media/posts/202311/a.png".to_owned(), picture(1)),
        ("media/posts/202312/b.png".to_owned(), picture(2)),
        file(
            "your_instagram_activity/media/stories.json",
            &json!({"ig_stories": [{"uri": "media/stories/202311/s.png", "creation_timestamp": 1_700_500_000, "title": "For a day"}]}),
        ),
        ("media/stories/202311/s.png".to_owned(), picture(3)),
        file(
            "your_instagram_activity/likes/liked_posts.json",
            &json!({"likes_media_likes": [{"title": "ada", "string_list_data": list("https://www.instagram.com/p/x/")}]}),
        ),
        file(
            "connections/followers_and_following/following.json",
            &json!({"relationships_following": [{"title": "", "string_list_data": list("https://www.instagram.com/ada")}]}),
        ),
        file(
            "your_instagram_activity/saved/saved_posts.json",
            &json!({"saved_saved_media": [{"title": "ada", "string_map_data": {"Saved on": {"href": "https://www.instagram.com/p/y/", "timestamp": 1_700_000_000}}}]}),
        ),
        file(
            "your_instagram_activity/messages/inbox/ada_7/message_1.json",
            &thread(),
        ),
        (
            "your_instagram_activity/messages/inbox/ada_7/photos/m.png".to_owned(),
            picture(4),
        ),
    ]
}

fn run(place: &Place, importer: &dyn Importer, source: &Source, pod: &mut MemoryPod) -> Report {
    place.run(source, importer, pod, Options::new(now)).unwrap()
}

fn imported(importer: &dyn Importer, files: &[fixture::File]) -> (MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let source = place.source("download", files);
    let report = run(&place, importer, &source, &mut pod);
    let again = run(&place, importer, &source, &mut pod);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, report.added)
    );
    (pod, report)
}

fn counts(report: &Report, expected: &[(&str, u64)]) {
    for (kind, count) in expected {
        let added = report.kinds.get(*kind).map_or(0, |of| of.added);
        assert_eq!(added, *count, "{kind}: {:?}", report.problems);
    }
    assert_eq!(
        (report.skipped, report.complete),
        (0, true),
        "{:?}",
        report.problems
    );
}

#[test]
fn a_download_of_facebook_is_read_and_all_of_it_is_direct() {
    let (pod, report) = imported(&Facebook, &facebook());
    counts(
        &report,
        &[
            ("profile", 1),
            ("post", 3),
            ("media", 3),
            ("conversation", 1),
            ("message", 4),
            ("file", 1),
        ],
    );
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.audience.keys().collect::<Vec<_>>(), [&"direct"]);
    for media in of_type(&pod, "media") {
        assert_eq!(
            text(&pod, &media, "social/audience").as_deref(),
            Some("direct")
        );
        assert!(value(&pod, &media, "social/blob").is_some());
    }
    let post = entity("facebook", "post/1700000000");
    assert_eq!(
        text(&pod, &post, "social/text").as_deref(),
        Some("Café – #Übung ☕")
    );
    assert_eq!(pod.values(&post, "social/tag"), [Value::from("übung")]);
    assert_eq!(
        pod.values(&post, "social/link"),
        [Value::from("https://example.org/0")]
    );
    assert_eq!(
        value(&pod, &post, "social/updated"),
        Some(&Value::Time(1_700_000_100_000))
    );
    let second = entity("facebook", "post/1700086400-2");
    assert_eq!(
        text(&pod, &second, "social/text").as_deref(),
        Some("In the same second")
    );
    conversation("facebook", &pod);
}

fn conversation(source: &str, pod: &MemoryPod) {
    let conversation = entity(source, "conversation/ada_7");
    let mut people = pod.values(&conversation, "message/participant").to_vec();
    people.sort_by_key(|of| format!("{of:?}"));
    assert_eq!(people, [Value::from("Ada"), Value::from("Zoë")]);
    let messages = pod_messages(pod);
    assert_eq!(messages.len(), 4);
    let with = |wanted: &str| {
        let found = messages
            .iter()
            .find(|of| text(pod, of, "message/text").as_deref() == Some(wanted));
        *found.unwrap()
    };
    let first = with("naïve 👍");
    assert_eq!(
        pod.values(&first, "message/reaction"),
        [Value::from("❤ Zoë")]
    );
    assert_eq!(
        value(pod, &first, "message/conversation"),
        Some(&Value::Ref(conversation))
    );
    assert_eq!(
        text(pod, &first, "social/audience").as_deref(),
        Some("direct")
    );
    assert!(
        messages
            .iter()
            .any(|of| !pod.values(of, "message/attachment").is_empty())
    );
}

fn pod_messages(pod: &MemoryPod) -> Vec<rhizome_tuple::EntityId> {
    use rhizome_import::Pod as _;
    pod.entities_with("message/type", &Value::from("message"))
        .unwrap()
}

#[test]
fn a_download_of_instagram_is_read() {
    let (pod, report) = imported(&Instagram, &instagram());
    counts(
        &report,
        &[
            ("profile", 1),
            ("post", 3),
            ("media", 5),
            ("like", 1),
            ("follow", 1),
            ("bookmark", 1),
            ("conversation", 1),
            ("message", 4),
            ("file", 0),
        ],
    );
    assert_eq!(
        report.totals.problems[&ProblemCode::MissingFile],
        1,
        "c.png"
    );
    let post = entity("instagram", "post/202311/a.png");
    assert_eq!(
        text(&pod, &post, "social/text").as_deref(),
        Some("Sunset 🌇 #Camping")
    );
    assert_eq!(pod.values(&post, "social/tag"), [Value::from("camping")]);
    assert_eq!(
        text(&pod, &post, "social/audience").as_deref(),
        Some("public")
    );
    let two = entity("instagram", "post/202312/b.png");
    assert_eq!(pod.values(&two, "social/media").len(), 2);
    let story = entity("instagram", "post/202311/s.png");
    assert_eq!(
        text(&pod, &story, "social/audience").as_deref(),
        Some("direct")
    );
    conversation("instagram", &pod);
    for (private, expected) in [(json!("True"), "followers"), (json!("Oui"), "direct")] {
        let mut files = instagram();
        files[0] = file(
            &files[0].0.clone(),
            &json!({"profile_user": [{"string_map_data": {"Username": {"value": "zoe"}, "Private Account": {"value": private}}}]}),
        );
        let (pod, report) = imported(&Instagram, &files);
        assert_eq!(
            text(&pod, &post, "social/audience").as_deref(),
            Some(expected)
        );
        let said = report.totals.problems.get(&ProblemCode::Audience).copied();
        assert_eq!(said.unwrap_or_default(), u64::from(expected == "direct"));
    }
}

#[test]
fn a_later_download_in_another_layout_meets_the_first() {
    let place = Place::new();
    let mut pod = pod();
    run(&place, &Facebook, &place.source("a", &facebook()), &mut pod);
    let mut posts = json!([
        {"timestamp": 1_700_000_000, "title": "Zoë updated her status.", "data": [{"post": "Café, edited"}]},
        {"timestamp": 1_700_086_400, "attachments": [{"data": [{"media": {"uri": "posts/media/your_posts/1.png", "creation_timestamp": 1_700_086_400, "title": "", "description": "Übung"}}]}], "data": []},
        {"timestamp": 1_800_000_000, "data": [{"post": "New"}]}]);
    let mut files = facebook();
    files.retain(|(path, _)| !path.contains("/posts/"));
    files.push(file("posts/your_posts_1.json", &posts));
    files.push(("posts/media/your_posts/1.png".to_owned(), picture(1)));
    let report = run(&place, &Facebook, &place.source("b", &files), &mut pod);
    assert_eq!(
        (report.kinds["post"].added, report.kinds["post"].changed),
        (1, 1)
    );
    assert_eq!(report.kinds["media"].unchanged, 2);
    assert_eq!(
        report.vanished.len(),
        2,
        "a post of the same second and an album's picture"
    );
    posts[0]["data"] = json!([]);
}

#[test]
fn a_later_download_of_instagram_adds_and_edits_and_leaves_what_was_edited_here() {
    let (place, mut pod) = (Place::new(), pod());
    run(
        &place,
        &Instagram,
        &place.source("a", &instagram()),
        &mut pod,
    );
    let [one, two, story] = [
        "post/202311/a.png",
        "post/202312/b.png",
        "post/202311/s.png",
    ]
    .map(|key| entity("instagram", key));
    for (of, words) in [(&two, "Two, as I remember"), (&story, "For longer")] {
        pod.apply(Edit::Assert(
            *of,
            attribute("social/text"),
            Value::from(words),
        ));
    }
    let mut files = instagram();
    files[1] = file(
        &files[1].0.clone(),
        &json!([
            {"media": [{"uri": "media/posts/202311/a.png", "creation_timestamp": 1_700_000_000, "title": "Sunset, edited #Lake"}]},
            {"media": [{"uri": "media/posts/202312/b.png", "creation_timestamp": 1_702_000_000, "title": ""}, {"uri": "media/posts/202312/c.png", "creation_timestamp": 1_702_000_000, "title": ""}],
                "title": "Two – één", "creation_timestamp": 1_702_000_001},
            {"media": [{"uri": "media/posts/202401/d.png", "creation_timestamp": 1_705_000_000, "title": "New"}]}]),
    );
    files.push(("media/posts/202401/d.png".to_owned(), picture(9)));
    // The story was deleted there, and a like taken back.
    files.retain(|(path, _)| !path.contains("stories") && !path.contains("liked_posts"));
    let report = run(&place, &Instagram, &place.source("b", &files), &mut pod);
    let post = report.kinds["post"];
    assert_eq!((post.added, post.changed, post.unchanged), (1, 1, 1));
    assert_eq!((report.added, report.kinds["media"].added), (2, 1));
    assert_eq!(
        report.totals.vanished, 3,
        "a story with its picture, a like"
    );
    let said = |of| text(&pod, of, "social/text");
    assert_eq!(said(&one).as_deref(), Some("Sunset, edited #Lake"));
    assert_eq!(pod.values(&one, "social/tag"), [Value::from("lake")]);
    assert_eq!(said(&two).as_deref(), Some("Two, as I remember"));
    assert_eq!(said(&story).as_deref(), Some("For longer"));
    assert_eq!(of_type(&pod, "like").len(), 1);
}

#[test]
fn comments_and_friends_of_facebook_are_read_in_every_layout() {
    let comment = |at: u64, words: &str| {
        json!({"timestamp": at, "title": "Zoë commented on Ada's post.",
            "data": [{"comment": {"timestamp": at, "comment": words, "author": "Zoë"}}]})
    };
    for (comments, field, friends, list) in [
        (
            "your_facebook_activity/comments_and_reactions/comments.json",
            "comments_v2",
            "connections/friends/your_friends.json",
            "friends_v2",
        ),
        (
            "comments/comments.json",
            "comments",
            "friends/friends.json",
            "friends",
        ),
        (
            "your_facebook_activity/groups/your_comments_in_groups.json",
            "group_comments_v2",
            "friends_and_followers/friends.json",
            "friends_v2",
        ),
    ] {
        let mut shown = comment(1_700_000_001, "");
        shown["attachments"] = json!([{"data": [{"media": {"uri": "x/posts/media/your_posts/1.png", "creation_timestamp": 1_700_000_001}},
            {"external_context": {"url": "https://example.org/c"}}]}]);
        let mut files = facebook();
        files.push(file(comments, &json!({field: [comment(1_700_000_000, "Schön! #Übung"), comment(1_700_000_000, "again"), shown, {"title": "no time"}]})));
        files.push(file(friends, &json!({list: [{"name": "Ada", "timestamp": 1_600_000_000}, {"name": "Ada"}, {"timestamp": 7}]})));
        let (pod, report) = imported(&Facebook, &files);
        assert_eq!(
            (report.kinds["reply"].added, report.kinds["reply"].skipped),
            (3, 1)
        );
        assert_eq!(
            (
                report.kinds["contact"].added,
                report.kinds["contact"].skipped
            ),
            (2, 1)
        );
        let one = entity("facebook", "comment/1700000000");
        assert_eq!(
            text(&pod, &one, "social/text").as_deref(),
            Some("Schön! #Übung")
        );
        assert_eq!(
            text(&pod, &one, "social/summary").as_deref(),
            Some("Zoë commented on Ada's post.")
        );
        assert_eq!(
            text(&pod, &one, "social/audience").as_deref(),
            Some("direct")
        );
        assert_eq!(
            pod.values(&entity("facebook", "comment/1700000001"), "social/media")
                .len(),
            1
        );
        let ada = entity("facebook", "friend/Ada");
        assert_eq!(text(&pod, &ada, "contact/name").as_deref(), Some("Ada"));
        assert_eq!(
            pod.values(&ada, "contact/field"),
            [Value::from("Friend on Facebook since: 2020-09-13")]
        );
    }
}

#[test]
fn each_knows_its_own_and_not_the_other() {
    let place = Place::new();
    let sure = |importer: &dyn Importer, files: &[fixture::File]| {
        let source = place.source("x", files);
        let found = importer.recognise(&source).unwrap();
        found.map_or(0.0, |found| found.confidence)
    };
    assert!(sure(&Facebook, &facebook()) > 0.95);
    assert!(sure(&Instagram, &instagram()) > 0.95);
    assert!(sure(&Facebook, &instagram()) < 0.5);
    assert!(sure(&Instagram, &facebook()) < 0.5);
    for importer in [&Facebook as &dyn Importer, &Instagram] {
        assert!(sure(importer, &fixture::mastodon()) < 0.5);
    }
}

fn preview(importer: &dyn Importer, files: Vec<fixture::File>) -> (usize, bool, usize) {
    let source = Source::from_memory("r", files, &Limits::default()).unwrap();
    let recognition = importer.recognise(&source).unwrap().unwrap();
    let mut preview = Preview::new(&source, "did:key:z", importer.name());
    importer.read(&source, &recognition, &mut preview).unwrap();
    (
        preview.records.len(),
        preview.complete,
        preview.problems.len(),
    )
}

#[test]
fn broken_documents_give_what_is_sound() {
    let mut files = facebook();
    let len = files[1].1.len();
    files[1].1.truncate(len - 40);
    let (_, complete, problems) = preview(&Facebook, files);
    assert!(!complete && problems > 0);
    let mut files = facebook();
    files[1].1 = br#"[7, {"timestamp": "x"}, {"timestamp": 1, "data": 7, "attachments": [{"data": [{"media": {"uri": "../../etc/passwd"}}, {"media": {}}, {"place": 3}]}]}, {"timestamp": 9223372036854775807}]"#.to_vec();
    files[5].1 = br#"{"participants": 7, "messages": [{"timestamp_ms": "x"}, 3, {"timestamp_ms": 5, "photos": "x", "reactions": [1]}], "title": 8}"#.to_vec();
    let (records, _, problems) = preview(&Facebook, files);
    assert!(records >= 5 && problems >= 8, "{records} {problems}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..900, to: u8, which in 0_usize..2) {
        for (importer, mut files) in [(&Facebook as &dyn Importer, facebook()), (&Instagram, instagram())] {
            let bytes = &mut files[1 + which * 4].1;
            let len = bytes.len();
            bytes[at % len] = to;
            preview(importer, files);
        }
    }
}

fn shared(name: &str) -> Option<PathBuf> {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports");
    let at = at.join(name);
    if !at.exists() {
        println!("skipped: no {name} on this machine");
        return None;
    }
    Some(at)
}

#[test]
fn downloads_of_another_hand_are_read() {
    for (name, importer, kinds) in [
        (
            "synthetic-facebook-2024",
            &Facebook as &dyn Importer,
            [("post", 6), ("message", 2)],
        ),
        (
            "synthetic-instagram-2024",
            &Instagram,
            [("post", 2), ("media", 3)],
        ),
        (
            "chat-exports/instagram",
            &Instagram,
            [("message", 2), ("conversation", 1)],
        ),
    ] {
        let Some(at) = shared(name) else { continue };
        let place = Place::new();
        let source = open(&at);
        let mut pod = pod();
        let report = run(&place, importer, &source, &mut pod);
        counts(&report, &kinds);
        for of in pod_messages(&pod).iter().chain(&of_type(&pod, "post")) {
            for name in ["message/text", "social/text", "message/sender"] {
                let read = text(&pod, of, name).unwrap_or_default();
                assert!(!read.contains('Ã') && !read.contains('â'), "{read}");
            }
        }
        let again = run(&place, importer, &source, &mut pod);
        assert_eq!((again.added, again.changed), (0, 0), "{name}");
    }
}
