//! The mappings that come with the crate: made-up exports of each platform's shape, and exports on this machine.

use crate::pods::{Place, entity, pod, text, value};
use rhizome_import::fixture::File;
use rhizome_import::{Importer, MemoryPod, Options, Published, Report, Source, published};
use rhizome_tuple::Value;

fn importer(name: &str) -> Published {
    published()
        .find(|importer| importer.name() == name)
        .unwrap_or_else(|| panic!("{name} is published"))
}

fn files(files: &[(&str, &str)]) -> Vec<File> {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn run(place: &Place, source: &Source, name: &str, pod: &mut MemoryPod) -> Report {
    place
        .run(source, &importer(name), pod, Options::new(crate::pods::now))
        .unwrap()
}

/// Imports an export twice and gives the pod after it: nothing is new the second time, and everything was recognised.
fn twice(name: &str, export: &[(&str, &str)], records: u64) -> MemoryPod {
    let place = Place::new();
    let mut pod = pod();
    let source = place.source("export", &files(export));
    let report = run(&place, &source, name, &mut pod);
    assert_eq!(
        (report.added, report.skipped, report.complete),
        (records, 0, true),
        "{name}: {report:?}"
    );
    assert!(report.problems.is_empty(), "{name}: {:?}", report.problems);
    let again = run(&place, &source, name, &mut pod);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, records),
        "{name}"
    );
    let recognised = report.recognised.unwrap();
    assert!(recognised.confidence > 0.75, "{recognised:?}");
    pod
}

fn number(value: Option<&Value>) -> f64 {
    match value {
        Some(Value::Float(x)) => *x,
        other => panic!("{other:?} is not a float"),
    }
}

const POSTS: &str = "id,permalink,date,ip,subreddit,gildings,title,url,body\n\
    p1,https://reddit.example/p1,2024-01-02 03:04:05 UTC,,rust,0,\"Hello, you\",https://example.org,\"two\nlines\"\n";
const COMMENTS: &str = "id,permalink,date,ip,subreddit,gildings,link,parent,body,media\n\
    c1,https://reddit.example/c1,2024-01-02 04:04:05 UTC,,rust,0,https://reddit.example/p1,,first,\n\
    c2,https://reddit.example/c2,2024-01-03 04:04:05 UTC,,rust,1,https://reddit.example/p1,c1,answer,\n";

#[test]
fn reddit() {
    let export = [
        ("posts.csv", POSTS),
        ("comments.csv", COMMENTS),
        (
            "post_votes.csv",
            "id,permalink,direction\nx,https://reddit.example/x,up\n",
        ),
        (
            "saved_posts.csv",
            "id,permalink\nx,https://reddit.example/x\n",
        ),
        ("subscribed_subreddits.csv", "subreddit\nrust\n"),
        (
            "messages.csv",
            "id,permalink,thread_id,date,ip,from,to,subject,body\n",
        ),
    ];
    let pod = twice("reddit", &export, 6);
    let post = entity("reddit", "post/p1");
    assert_eq!(
        text(&pod, &post, "social/title").as_deref(),
        Some("Hello, you")
    );
    assert_eq!(
        text(&pod, &post, "social/audience").as_deref(),
        Some("direct")
    );
    assert_eq!(
        value(&pod, &post, "social/created"),
        Some(&Value::Time(1_704_164_645_000))
    );
    let answer = entity("reddit", "comment/c2");
    assert_eq!(
        value(&pod, &answer, "social/reply-to"),
        Some(&Value::Ref(entity("reddit", "comment/c1")))
    );
}

#[test]
fn a_later_export_changes_what_changed_and_keeps_what_is_gone() {
    let place = Place::new();
    let mut pod = pod();
    let first = place.source(
        "first",
        &files(&[("posts.csv", POSTS), ("comments.csv", COMMENTS)]),
    );
    run(&place, &first, "reddit", &mut pod);
    let edited = COMMENTS
        .replace(",answer,", ",a better answer,")
        .replace("first", "");
    let mut lines: Vec<&str> = edited.lines().collect();
    lines.remove(1);
    lines.push("c3,https://reddit.example/c3,2024-02-03 04:04:05 UTC,,rust,1,https://reddit.example/p1,c2,new,");
    let later = lines.join("\n");
    let second = place.source(
        "second",
        &files(&[("posts.csv", POSTS), ("comments.csv", &later)]),
    );
    let report = run(&place, &second, "reddit", &mut pod);
    assert_eq!(
        (
            report.added,
            report.changed,
            report.unchanged,
            report.totals.vanished
        ),
        (1, 1, 1, 1)
    );
    let answer = entity("reddit", "comment/c2");
    assert_eq!(
        text(&pod, &answer, "social/text").as_deref(),
        Some("a better answer")
    );
    let gone = entity("reddit", "comment/c1");
    assert_eq!(text(&pod, &gone, "social/text").as_deref(), Some("first"));
}

#[test]
fn goodreads() {
    let header = "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Average Rating,Publisher,Binding,Number of Pages,Year Published,Original Publication Year,Date Read,Date Added,Bookshelves,Bookshelves with positions,Exclusive Shelf,My Review,Spoiler,Private Notes,Read Count,Owned Copies\n";
    let rows = "1,Roots,Ada B.,\"B., Ada\",\"C. D., E. F.\",\"=\"\"0123456789\"\"\",\"=\"\"9780123456786\"\"\",4,3.95,Press,Paperback,320,2001,1999,2024/01/31,2023/12/01,\"trees, favourites\",\"trees (#1)\",read,Good.<br/>Read it &amp; weep,,,1,0\n\
        2,Leaves,G. H.,\"H., G.\",,\"=\"\"\"\"\",\"=\"\"\"\"\",0,0.0,,,,,,,2023/12/02,,,currently-reading,,,,0,0\n";
    let pod = twice(
        "goodreads",
        &[("goodreads_library_export.csv", &format!("{header}{rows}"))],
        2,
    );
    let book = entity("goodreads", "book/1");
    for (attribute, expected) in [
        ("book/isbn", "9780123456786"),
        ("book/isbn-10", "0123456789"),
        ("book/status", "read"),
        ("book/review", "Good.\nRead it & weep"),
    ] {
        assert_eq!(
            text(&pod, &book, attribute).as_deref(),
            Some(expected),
            "{attribute}"
        );
    }
    assert!((number(value(&pod, &book, "book/rating")) - 4.0).abs() < f64::EPSILON);
    assert_eq!(value(&pod, &book, "book/year"), Some(&Value::Integer(1999)));
    assert_eq!(pod.values(&book, "book/shelf").len(), 2);
    let other = entity("goodreads", "book/2");
    assert_eq!(
        text(&pod, &other, "book/status").as_deref(),
        Some("reading")
    );
    assert!(
        value(&pod, &other, "book/isbn").is_none() && value(&pod, &other, "book/rating").is_none()
    );
}

#[test]
fn storygraph() {
    let csv = "Title,Authors,Contributors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Dates Read,Read Count,Moods,Pace,Star Rating,Review,Content Warnings,Tags,Owned?\n\
        Roots,Ada B.,,9780123456786,paperback,did-not-finish,2023/12/01,2024/01/31,,1,\"dark, tense\",slow,3.75,<div>Too <b>slow</b></div>,,,No\n\
        Leaves,G. H.,,,digital,to-read,2023/12/01,,,0,,,,,,,No\n";
    let pod = twice("storygraph", &[("export.csv", csv)], 2);
    let book = entity("storygraph", "book/9780123456786/Ada B.");
    assert_eq!(
        text(&pod, &book, "book/review").as_deref(),
        Some("Too slow")
    );
    assert_eq!(pod.values(&book, "book/mood").len(), 2);
    let other = entity("storygraph", "book/Leaves/G. H.");
    assert_eq!(
        text(&pod, &other, "book/status").as_deref(),
        Some("to-read")
    );
}

#[test]
fn spotify() {
    let export = [
        (
            "MyData/StreamingHistory0.json",
            r#"[{"endTime": "2024-01-02 03:04", "artistName": "A", "trackName": "T", "msPlayed": 1000},
                {"endTime": "2024-01-02 03:05", "podcastName": "P", "episodeName": "E", "msPlayed": 2000}]"#,
        ),
        (
            "MyData/Streaming_History_Audio_2023.json",
            r#"[{"ts": "2023-01-02T03:04:05Z", "platform": "ios", "ms_played": 5, "master_metadata_track_name": "T", "master_metadata_album_artist_name": "A", "spotify_track_uri": "spotify:track:1", "spotify_episode_uri": null, "skipped": true},
                {"ts": "2023-01-02T03:05:05Z", "platform": "ios", "ms_played": 6, "master_metadata_track_name": null, "episode_name": "E", "spotify_track_uri": null, "spotify_episode_uri": "spotify:episode:1", "skipped": null}]"#,
        ),
        (
            "MyData/Playlist1.json",
            r#"{"playlists": [{"name": "Walks", "lastModifiedDate": "2024-01-02", "description": null, "numberOfFollowers": 3,
                "items": [{"track": {"trackName": "T", "trackUri": "spotify:track:1"}, "episode": null}, {"track": {"trackName": "U", "trackUri": "spotify:track:2"}}]}]}"#,
        ),
        (
            "MyData/YourLibrary.json",
            r#"{"tracks": [{"artist": "A", "album": "L", "track": "T", "uri": "spotify:track:1"}], "albums": [{"artist": "A", "album": "L", "uri": "spotify:album:1"}], "shows": [], "episodes": [], "artists": []}"#,
        ),
    ];
    let pod = twice("spotify", &export, 7);
    let walks = entity("spotify", "playlist/Walks");
    assert_eq!(
        pod.values(&walks, "music/item"),
        [
            Value::from("spotify:track:1"),
            Value::from("spotify:track:2")
        ]
    );
    let played = entity("spotify", "play/2023-01-02T03:05:05Z/spotify:episode:1/6");
    assert_eq!(
        text(&pod, &played, "music/uri").as_deref(),
        Some("spotify:episode:1")
    );
    assert_eq!(text(&pod, &played, "music/episode").as_deref(), Some("E"));
}

#[test]
fn swarm() {
    let one = r#"{"id": "5", "createdAt": 1496001790, "shout": "here", "with": [{"firstName": "N"}, {"firstName": "M"}],
        "venue": {"id": "v", "name": "Inn", "location": {"lat": 38.5, "lng": -122.25, "address": "Main St", "city": "Town"}, "categories": [{"name": "Pub"}]}}"#;
    for (path, document) in [
        ("checkin.json", one.to_owned()),
        (
            "checkins1.json",
            format!(r#"{{"count": 1, "items": [{one}]}}"#),
        ),
        ("all.json", format!("[{one}]")),
    ] {
        let pod = twice("swarm", &[(path, &document)], 1);
        let checkin = entity("swarm", "checkin/5");
        assert_eq!(
            text(&pod, &checkin, "activity/title").as_deref(),
            Some("Inn")
        );
        assert_eq!(pod.values(&checkin, "activity/with").len(), 2);
        assert_eq!(
            value(&pod, &checkin, "activity/created"),
            Some(&Value::Time(1_496_001_790_000))
        );
        assert!((number(value(&pod, &checkin, "activity/latitude")) - 38.5).abs() < f64::EPSILON);
    }
}

#[test]
fn letterboxd_leaves_alone_what_was_deleted() {
    let place = Place::new();
    let mut pod = pod();
    let diary = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n2024-02-02,Film,1999,https://boxd.example/1,4.5,,\"a, b\",2024-02-01\n";
    let source = place.source(
        "export",
        &files(&[
            ("diary.csv", diary),
            (
                "watchlist.csv",
                "Date,Name,Year,Letterboxd URI\n2024-02-02,Other,2000,https://boxd.example/2\n",
            ),
            ("deleted/diary.csv", &diary.replace("/1", "/9")),
        ]),
    );
    let report = run(&place, &source, "letterboxd", &mut pod);
    assert_eq!(
        (report.added, report.totals.files),
        (3, 1),
        "two films and a file that is kept"
    );
    let film = entity("letterboxd", "diary/https:%2F%2Fboxd.example%2F1");
    assert_eq!(
        value(&pod, &film, "activity/created"),
        Some(&Value::Time(1_706_745_600_000))
    );
    assert_eq!(pod.values(&film, "activity/tag").len(), 2);
}

#[test]
fn netflix() {
    let pod = twice(
        "netflix",
        &[
            (
                "NetflixViewingHistory.csv",
                "Title,Date\n\"Show: Season 1: Pilot\",1/31/24\nFilm,31.12.23\n",
            ),
            (
                "CONTENT_INTERACTION/ViewingActivity.csv",
                "Profile Name,Start Time,Duration,Attributes,Title,Supplemental Video Type,Device Type,Bookmark,Latest Bookmark,Country\nAda,2024-01-31 20:00:00,00:10:00,,Film,,TV,,,DE (Germany)\n",
            ),
        ],
        3,
    );
    let film = entity("netflix", "viewed/Film/31.12.23");
    assert_eq!(
        value(&pod, &film, "activity/created"),
        Some(&Value::Time(1_703_980_800_000))
    );
}

#[test]
fn github() {
    let export = [
        (
            "issues.json",
            r#"[{"id": 7, "number": 1, "title": "It breaks", "body": "Yes", "state": "open", "repository_url": "https://api.example/r", "html_url": "https://github.example/1", "created_at": "2024-01-02T03:04:05Z", "user": {"login": "ada"}, "labels": [{"name": "bug"}, {"name": "ui"}]}]"#,
        ),
        (
            "commits.json",
            r#"[{"sha": "abc", "commit": {"author": {"name": "Ada", "date": "2024-01-02T03:04:05Z"}, "message": "Roots"}, "parents": [{"sha": "aaa"}, {"sha": "bbb"}]}]"#,
        ),
        (
            "repo.json",
            r#"{"id": 9, "full_name": "a/b", "owner": {"login": "a"}, "pushed_at": "2024-01-02T03:04:05Z", "private": false, "topics": ["x"]}"#,
        ),
        (
            "stars.json",
            r#"[{"starred_at": "2024-01-02T03:04:05Z", "user": {"login": "g", "id": 3}}]"#,
        ),
    ];
    let pod = twice("github", &export, 4);
    let issue = entity("github", "issue/7");
    assert_eq!(pod.values(&issue, "social/tag").len(), 2);
    assert_eq!(
        pod.values(&entity("github", "commit/abc"), "github/parent")
            .len(),
        2
    );
}

#[test]
fn files_without_the_columns_are_not_read() {
    let place = Place::new();
    for (name, path, content) in [
        ("reddit", "posts.csv", "id,title\n1,x\n"),
        ("goodreads", "books.csv", "Book Id,Title\n1,x\n"),
        ("spotify", "Playlist1.json", r#"{"playlists": 5}"#),
        ("swarm", "x.json", r#"{"id": 1, "createdAt": 5}"#),
        ("github", "x.json", "[{\"id\": 1}, 5, null"),
        ("netflix", "NetflixViewingHistory.csv", ""),
    ] {
        let source = place.source("export", &files(&[(path, content)]));
        assert!(
            importer(name).recognise(&source).unwrap().is_none(),
            "{name}"
        );
    }
}

#[test]
fn broken_tables_are_reported() {
    let place = Place::new();
    let mut pod = pod();
    let mut posts = POSTS.as_bytes().to_vec();
    posts.extend(
        b"p2,x,yesterday,,r\xff,many,t,u,b\nshort,row\n,no,2024-01-02 03:04:05 UTC,,,,,,\n",
    );
    let source = place.source("export", &[("posts.csv".to_owned(), posts)]);
    let report = run(&place, &source, "reddit", &mut pod);
    assert_eq!((report.added, report.skipped), (2, 2), "{report:?}");
    let codes: Vec<String> = report
        .totals
        .problems
        .keys()
        .map(|code| format!("{code:?}"))
        .collect();
    assert_eq!(codes, ["Encoding", "Malformed", "Type"]);
}
