//! Archives of Twitter of all years, made up, and a made-up one of another hand where the machine has it.

use crate::pods::{Place, entity, now, of_type, open, pod, recognised, text, value};
use proptest::prelude::*;
use rhizome_import::{
    Importer, Limits, MemoryPod, Options, Preview, ProblemCode, Report, Source, Twitter, fixture,
};
use rhizome_tuple::Value;
use serde_json::json;
use std::path::PathBuf;

fn script(name: &str, items: &serde_json::Value) -> Vec<u8> {
    format!("window.YTD.{name}.part0 = {items}").into_bytes()
}

fn tweet(id: u64, text: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut tweet = json!({"id_str": id.to_string(), "id": id.to_string(), "full_text": text, "lang": "en",
        "created_at": "Wed Nov 02 10:00:00 +0000 2022", "entities": {"urls": [], "hashtags": [], "user_mentions": []}});
    for (name, of) in more.as_object().unwrap() {
        tweet[name] = of.clone();
    }
    json!({"tweet": tweet})
}

const FIRST: u64 = 1_500_000_000_000_000_000;

fn tweets() -> Vec<serde_json::Value> {
    let film = json!([{"id_str": "77", "type": "video", "url": "https://t.co/vid", "media_url_https": "https://pbs.twimg.com/thumb/v.jpg",
        "video_info": {"variants": [{"bitrate": "320000", "url": "https://video.twimg.com/low.mp4?tag=1"},
            {"bitrate": "2176000", "url": "https://video.twimg.com/high.mp4?tag=1"}, {"url": "https://video.twimg.com/x.m3u8"}]}}]);
    vec![
        tweet(
            FIRST,
            "Ada &amp; Grace &lt;3 https://t.co/abcdef #Rust @grace",
            &json!({"entities": {
            "urls": [{"url": "https://t.co/abcdef", "expanded_url": "https://example.org/long", "display_url": "example.org/lo…"}],
            "hashtags": [{"text": "Rust"}], "user_mentions": [{"screen_name": "grace", "id_str": "7"}]}}),
        ),
        tweet(
            FIRST + 1,
            "An answer to myself",
            &json!({"in_reply_to_status_id_str": FIRST.to_string(), "in_reply_to_user_id_str": "42"}),
        ),
        tweet(
            FIRST + 2,
            "A quote https://t.co/quote",
            &json!({"entities": {"urls": [
            {"url": "https://t.co/quote", "expanded_url": format!("https://twitter.com/ada/status/{FIRST}"), "display_url": "twitter.com"}]}}),
        ),
        tweet(FIRST + 3, "RT @grace: something wise", &json!({})),
        tweet(
            FIRST + 4,
            "A picture https://t.co/pic",
            &json!({"extended_entities": {"media": [{"id_str": "55", "type": "photo",
            "url": "https://t.co/pic", "media_url_https": "https://pbs.twimg.com/media/abc.png"}]},
            "entities": {"media": [{"id_str": "55", "url": "https://t.co/pic", "media_url_https": "https://pbs.twimg.com/media/abc.png"}]}}),
        ),
        tweet(
            FIRST + 5,
            "A film https://t.co/vid",
            &json!({"extended_entities": {"media": film}, "entities": {"media": film}}),
        ),
        tweet(
            FIRST + 6,
            "The beginning of something lo… https://t.co/rest",
            &json!({}),
        ),
    ]
}

fn account() -> Vec<u8> {
    script(
        "account",
        &json!([{"account": {"username": "ada", "accountId": "42", "createdAt": "2012-01-01T00:00:00.000Z", "accountDisplayName": "Ada"}}]),
    )
}

/// An archive as since 2020.
pub fn files() -> Vec<fixture::File> {
    let at = |name: &str| format!("archive/data/{name}");
    let messages = json!([{"dmConversation": {"conversationId": "7-42", "messages": [
        {"messageCreate": {"id": "901", "senderId": "42", "recipientId": "7", "text": "secret &amp; true", "createdAt": "2022-11-02T10:00:00.000Z",
            "mediaUrls": ["https://ton.twitter.com/dm/901/900/pic.png"], "urls": [], "reactions": [{"senderId": "7", "reactionKey": "funny"}]}},
        {"joinConversation": {"initiatingUserId": "7"}},
        {"messageCreate": {"id": "900", "senderId": "7", "recipientId": "42", "text": "hello", "createdAt": "2022-11-01T10:00:00.000Z", "mediaUrls": []}}]}}]);
    vec![
        (at("account.js"), account()),
        (
            at("profile.js"),
            script(
                "profile",
                &json!([{"profile": {"description": {"bio": "Writes &amp; counts", "website": "https://ada.example", "location": ""},
            "avatarMediaUrl": "https://pbs.twimg.com/profile_images/1/face.png"}}]),
            ),
        ),
        (
            at("profile_media/42-face.png"),
            fixture::png(8, 8, [1, 2, 3], [4, 5, 6]),
        ),
        (
            at("protected-history.js"),
            script("protected_history", &json!([])),
        ),
        (at("tweets.js"), script("tweets", &json!(tweets()))),
        (
            at("twitter-circle-tweet.js"),
            script(
                "twitter_circle_tweet",
                &json!([tweet(FIRST + 20, "For a few", &json!({}))]),
            ),
        ),
        (
            at("note-tweet.js"),
            script(
                "note_tweet",
                &json!([{"noteTweet": {"noteTweetId": "1", "createdAt": "2022-11-02T10:00:00.000Z",
            "core": {"text": "The beginning of something long & whole."}}}]),
            ),
        ),
        (
            at("deleted-tweets.js"),
            script(
                "deleted_tweets",
                &json!([tweet(FIRST + 30, "Regretted", &json!({}))]),
            ),
        ),
        (
            at("like.js"),
            script(
                "like",
                &json!([{"like": {"tweetId": "99", "fullText": "liked &lt;this&gt;", "expandedUrl": "https://twitter.com/i/web/status/99"}}]),
            ),
        ),
        (
            at("following.js"),
            script(
                "following",
                &json!([{"following": {"accountId": "7", "userLink": "https://twitter.com/intent/user?user_id=7"}}]),
            ),
        ),
        (
            at("follower.js"),
            script(
                "follower",
                &json!([{"follower": {"accountId": "8", "userLink": "https://twitter.com/intent/user?user_id=8"}}]),
            ),
        ),
        (
            at("direct-messages.js"),
            script("direct_messages", &messages),
        ),
        (
            at(&format!("tweets_media/{}-abc.png", FIRST + 4)),
            fixture::png(30, 20, [0, 0, 0], [9, 9, 9]),
        ),
        (
            at(&format!("tweets_media/{}-high.mp4", FIRST + 5)),
            b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec(),
        ),
        (
            at("direct_messages_media/901-pic.png"),
            fixture::png(5, 5, [0, 0, 0], [9, 9, 9]),
        ),
        (
            at("ad-engagements.js"),
            script("ad_engagements", &json!([])),
        ),
    ]
}

fn run(place: &Place, source: &Source, pod: &mut MemoryPod) -> Report {
    place.run(source, &Twitter, pod, Options::new(now)).unwrap()
}

fn imported(files: &[fixture::File]) -> (MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let source = place.source("archive", files);
    let report = run(&place, &source, &mut pod);
    let again = run(&place, &source, &mut pod);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, report.added)
    );
    (pod, report)
}

fn status(n: u64) -> rhizome_tuple::EntityId {
    entity("twitter", &format!("status/{}", FIRST + n))
}

#[test]
fn an_archive_is_read_whole() {
    let (pod, report) = imported(&files());
    for (kind, count) in [
        ("profile", 2),
        ("post", 6),
        ("reply", 1),
        ("boost", 1),
        ("media", 3),
        ("like", 1),
        ("follow", 1),
        ("follower", 1),
        ("conversation", 1),
        ("message", 2),
        ("file", 1),
    ] {
        assert_eq!(
            report.kinds.get(kind).map_or(0, |of| of.added),
            count,
            "{kind}"
        );
    }
    assert_eq!(
        (report.skipped, report.complete),
        (1, true),
        "{:?}",
        report.problems
    );
    assert_eq!(report.totals.problems[&ProblemCode::NotImported], 1);
    assert_eq!(report.totals.problems.len(), 1, "{:?}", report.problems);
    let found = report.recognised.unwrap();
    assert!(found.confidence > 0.98 && found.why.contains("@ada"));
    assert_eq!(found.account.as_deref(), Some("42"));
    let ada = entity("twitter", "account/42");
    assert_eq!(
        text(&pod, &ada, "social/bio").as_deref(),
        Some("Writes & counts")
    );
    assert!(value(&pod, &ada, "social/avatar").is_some());
    let follower = entity("twitter", "follower/8");
    let by = entity("twitter", "account/8");
    assert_eq!(
        value(&pod, &follower, "social/author"),
        Some(&Value::Ref(by))
    );
    assert_eq!(
        text(&pod, &follower, "social/follow-of-url").as_deref(),
        Some("https://twitter.com/i/user/42")
    );
    assert_eq!(audience(&pod, &follower), "direct");
    assert_eq!(
        text(&pod, &by, "social/url").as_deref(),
        Some("https://twitter.com/i/user/8")
    );
}

#[test]
fn tweets_have_their_text_addresses_and_relations() {
    let (pod, _) = imported(&files());
    assert_eq!(
        text(&pod, &status(0), "social/text").as_deref(),
        Some("Ada & Grace <3 https://example.org/long #Rust @grace")
    );
    let html = text(&pod, &status(0), "social/html").unwrap();
    assert!(html.contains("Ada &amp; Grace &lt;3 <a href=\"https://example.org/long\""));
    assert_eq!(pod.values(&status(0), "social/tag"), [Value::from("rust")]);
    assert_eq!(
        pod.values(&status(0), "social/mention"),
        [Value::from("https://twitter.com/grace")]
    );
    assert_eq!(
        value(&pod, &status(0), "social/created"),
        Some(&Value::Time(1_667_383_200_000))
    );
    assert_eq!(
        value(&pod, &status(1), "social/reply-to"),
        Some(&Value::Ref(status(0)))
    );
    assert_eq!(
        value(&pod, &status(2), "social/quote-of"),
        Some(&Value::Ref(status(0)))
    );
    assert_eq!(
        text(&pod, &status(3), "social/boost-of-url").unwrap(),
        format!("https://twitter.com/i/web/status/{}", FIRST + 3)
    );
    assert_eq!(
        text(&pod, &status(4), "social/text").as_deref(),
        Some("A picture")
    );
    assert_eq!(
        text(&pod, &status(6), "social/text").as_deref(),
        Some("The beginning of something long & whole.")
    );
    for (n, mime) in [(4, "image/png"), (5, "video/mp4")] {
        let [Value::Ref(media)] = pod.values(&status(n), "social/media") else {
            panic!("one medium")
        };
        assert_eq!(text(&pod, media, "social/mime").as_deref(), Some(mime));
        assert!(value(&pod, media, "social/blob").is_some());
    }
}

fn audience(pod: &MemoryPod, of: &rhizome_tuple::EntityId) -> String {
    text(pod, of, "social/audience").unwrap()
}

#[test]
fn private_things_stay_private() {
    let (pod_open, _) = imported(&files());
    assert_eq!(audience(&pod_open, &status(0)), "public");
    assert_eq!(audience(&pod_open, &status(20)), "direct", "of a circle");
    for kind in ["like", "follow"] {
        assert_eq!(audience(&pod_open, &of_type(&pod_open, kind)[0]), "direct");
    }
    let message = entity("twitter", "message/901");
    assert_eq!(audience(&pod_open, &message), "direct");
    assert_eq!(
        text(&pod_open, &message, "message/text").as_deref(),
        Some("secret & true")
    );
    assert_eq!(
        text(&pod_open, &message, "message/sender").as_deref(),
        Some("@ada")
    );
    let [Value::Ref(picture)] = pod_open.values(&message, "message/attachment") else {
        panic!("one picture")
    };
    assert_eq!(audience(&pod_open, picture), "direct");
    assert_eq!(
        value(&pod_open, &message, "message/conversation"),
        Some(&Value::Ref(entity("twitter", "conversation/7-42")))
    );
    let history = |of: serde_json::Value| {
        let mut files = files();
        files[3].1 = script("protected_history", &of);
        imported(&files).0
    };
    let protect = json!({"protectedHistory": {"protectedAt": "2020-01-01T00:00:00.000Z", "action": "Protect"}});
    let open = json!({"protectedHistory": {"protectedAt": "2021-01-01T00:00:00.000Z", "action": "Unprotect"}});
    for (of, expected) in [
        (json!([protect]), "followers"),
        (json!([open, protect]), "public"),
        (json!([{"protectedHistory": {"strange": 1}}]), "followers"),
    ] {
        let pod = history(of);
        assert_eq!(audience(&pod, &status(0)), expected);
        let [Value::Ref(picture)] = pod.values(&status(4), "social/media") else {
            panic!("one picture")
        };
        assert_eq!(audience(&pod, picture), expected);
    }
    let mut files = files();
    files.remove(3);
    let (pod, report) = imported(&files);
    assert_eq!(audience(&pod, &status(0)), "direct");
    assert_eq!(report.totals.problems[&ProblemCode::Audience], 1);
}

#[test]
fn a_later_archive_brings_what_is_new() {
    let place = Place::new();
    let mut pod = pod();
    run(&place, &place.source("a", &files()), &mut pod);
    let mut later = tweets();
    later.remove(3);
    later[0]["tweet"]["lang"] = json!("de");
    later.push(tweet(FIRST + 9, "New", &json!({})));
    let mut files = files();
    files[4].1 = script("tweets", &json!(later));
    let report = run(&place, &place.source("b", &files), &mut pod);
    assert_eq!((report.added, report.changed), (1, 1));
    assert_eq!(report.vanished, [status(3)]);
}

#[test]
fn the_layouts_of_other_years_are_read() {
    let old = json!([{"id_str": "684000000000000001", "id": 684_000_000_000_000_001_u64, "created_at": "2016-01-04 12:00:00 +0000", "text": "From 2016 &amp; before",
        "user": {"protected": false, "screen_name": "ada"}, "entities": {"urls": []}},
        {"id_str": "684000000000000002", "created_at": "2016-01-04 13:00:00 +0000", "text": "RT @grace: wise", "user": {"protected": true},
        "retweeted_status": {"id_str": "5"}}]);
    let (pod, report) = imported(&[
        (
            "data/js/tweets/2016_01.js".to_owned(),
            format!("Grailbird.data.tweets_2016_01 = \n{old}").into_bytes(),
        ),
        (
            "data/js/user_details.js".to_owned(),
            b"var user_details = {\"screen_name\": \"ada\", \"id\": \"42\", \"full_name\": \"Ada\"};".to_vec(),
        ),
        ("tweets.csv".to_owned(), b"tweet_id,in_reply_to_status_id,timestamp,text,retweeted_status_id,expanded_urls\n".to_vec()),
    ]);
    assert_eq!(
        (report.kinds["post"].added, report.kinds["boost"].added),
        (1, 1)
    );
    let first = entity("twitter", "status/684000000000000001");
    assert_eq!(
        text(&pod, &first, "social/text").as_deref(),
        Some("From 2016 & before")
    );
    assert_eq!(
        text(&pod, &first, "social/audience").as_deref(),
        Some("public")
    );
    assert_eq!(
        value(&pod, &first, "social/created"),
        Some(&Value::Time(1_451_908_800_000))
    );
    let second = entity("twitter", "status/684000000000000002");
    assert_eq!(
        text(&pod, &second, "social/audience").as_deref(),
        Some("followers")
    );
    assert_eq!(
        text(&pod, &second, "social/boost-of-url").as_deref(),
        Some("https://twitter.com/i/web/status/5")
    );

    let table = "tweet_id,in_reply_to_status_id,in_reply_to_user_id,timestamp,source,text,retweeted_status_id,retweeted_status_user_id,retweeted_status_timestamp,expanded_urls\n\
        684000000000000001,,,2016-01-04 12:00:00 +0000,web,\"Two\nlines\",,,,https://example.org/a\n\
        684000000000000003,684000000000000001,42,2016-01-04 12:30:00 +0000,web,Answer,,,,\n";
    let (pod, report) = imported(&[("tweets.csv".to_owned(), table.as_bytes().to_vec())]);
    assert_eq!(
        (report.kinds["post"].added, report.kinds["reply"].added),
        (1, 1)
    );
    assert_eq!(
        text(&pod, &first, "social/text").as_deref(),
        Some("Two\nlines")
    );
    assert_eq!(
        pod.values(&first, "social/link"),
        [Value::from("https://example.org/a")]
    );
    let answer = entity("twitter", "status/684000000000000003");
    assert_eq!(
        value(&pod, &answer, "social/reply-to"),
        Some(&Value::Ref(first))
    );

    let bare: Vec<_> = tweets().iter().map(|of| of["tweet"].clone()).collect();
    let (_, report) = imported(&[
        (
            "account.js".to_owned(),
            script(
                "account",
                &json!([{"account": {"username": "ada", "accountId": "42"}}]),
            ),
        ),
        ("tweet.js".to_owned(), script("tweet", &json!(bare))),
        (
            format!("tweet_media/{}-abc.png", FIRST + 4),
            fixture::png(3, 3, [0, 0, 0], [1, 1, 1]),
        ),
    ]);
    assert_eq!(report.kinds["post"].added, 5);
}

fn preview(tweets: &[u8]) -> Option<(usize, bool)> {
    let files = [
        ("account.js".to_owned(), account()),
        ("tweets.js".to_owned(), tweets.to_vec()),
    ];
    let source = Source::from_memory("r", files, &Limits::default()).unwrap();
    let recognition = Twitter.recognise(&source).unwrap()?;
    let mut preview = Preview::new(&source, "did:key:z", "twitter");
    Twitter.read(&source, &recognition, &mut preview).unwrap();
    Some((preview.records.len(), preview.complete))
}

#[test]
fn broken_archives_give_what_is_sound() {
    let whole = script("tweets", &json!(tweets()));
    assert_eq!(
        preview(&whole),
        Some((10, true)),
        "and profile and two media"
    );
    let (fewer, complete) = preview(&whole[..whole.len() - 30]).unwrap();
    assert!(fewer < 10 && !complete);
    assert_eq!(preview(b"window.YTD.tweets.part0 = {}"), Some((1, true)));
    assert_eq!(preview(b"window.YTD.tweets.part0 = 7"), Some((1, false)));
    assert_eq!(
        preview(
            b"x = [7, null, {\"tweet\": 3}, {\"id_str\": \"x\"}, {\"id\": 5, \"full_text\": [], \"entities\": 3, \"created_at\": {}}]"
        ),
        Some((2, true))
    );
    let found = |files: &[fixture::File]| {
        let source = Source::from_memory("r", files.to_vec(), &Limits::default()).unwrap();
        Twitter.recognise(&source).unwrap()
    };
    assert_eq!(
        found(&[("tweets.js".to_owned(), b"export default []".to_vec())]),
        None
    );
    assert_eq!(found(&fixture::mastodon()), None);
}

#[test]
fn a_place_knows_its_own() {
    let place = Place::new();
    let found = recognised(&place.source("archive", &files()), &Twitter);
    assert_eq!(found.source, "twitter");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..9_000, to: u8) {
        let mut whole = script("tweets", &json!(tweets()));
        let len = whole.len();
        whole[at % len] = to;
        preview(&whole);
    }
}

#[test]
fn the_archive_of_another_hand_is_read() {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/exports/synthetic-twitter-2022");
    if !at.join("data/tweets.js").exists() {
        println!("skipped: no such archive on this machine");
        return;
    }
    let place = Place::new();
    let source = open(&at);
    let mut pod = pod();
    let report = run(&place, &source, &mut pod);
    assert_eq!(
        (report.kinds["post"].added, report.kinds["reply"].added),
        (6, 3)
    );
    assert_eq!((report.skipped, report.complete), (0, true));
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed), (0, 0));
}
