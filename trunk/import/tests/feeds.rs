//! Lists of feeds and feeds, made up here, and the samples where the machine has them.

use crate::pods::{entity, text, value};
use crate::twice::{Twice, file, sampled, survives, with};
use proptest::prelude::*;
use rhizome_import::fixture::File;
use rhizome_import::{Feeds, Importer, Limits, Pod, ProblemCode, Source};
use rhizome_tuple::Value;

fn files() -> Vec<File> {
    vec![
        file(
            "subscriptions.opml",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<opml version=\"2.0\"><head><title>Mine</title></head><body>\n<outline text=\"News\"><outline text=\"Local\"><outline type=\"rss\" text=\"Town &amp; country\" xmlUrl=\"https://town.example/feed\" htmlUrl=\"https://town.example/\" category=\"daily,/a/b\"/></outline></outline>\n<outline text=\"Twice\"><outline type=\"rss\" text=\"Again\" xmlUrl=\"https://town.example/feed\"/></outline>\n<outline type=\"link\" text=\"A page\" url=\"https://page.example/\"/>\n<outline text=\"Other\" XMLURL=\"https://other.example/atom\"/></body></opml>",
        ),
        file(
            "atom.xml",
            "<?xml version=\"1.0\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Log</title><id>urn:log</id><link rel=\"self\" href=\"https://log.example/atom\"/><link href=\"https://log.example/\"/><updated>2024-01-02T00:00:00Z</updated><author><name>Ada</name></author>\n<entry><id>urn:1</id><title type=\"html\">One &amp;amp; only</title><link href=\"https://log.example/1\"/><published>2024-01-01T00:00:00Z</published><updated>2024-01-02T00:00:00Z</updated><content type=\"html\">&lt;p&gt;Hi &lt;script&gt;x&lt;/script&gt;&lt;b&gt;there&lt;/b&gt;&lt;/p&gt;</content><category term=\"x\"/></entry></feed>",
        ),
        file(
            "rss.xml",
            "<rss version=\"2.0\"><channel><title>Talk</title><link>https://talk.example/</link><description>d</description><item><title>Ep 1</title><guid>g1</guid><pubDate>Mon, 01 Jan 2024 10:00:00 +0000</pubDate><description>words</description><enclosure url=\"https://talk.example/1.mp3\" length=\"1\" type=\"audio/mpeg\"/></item><item><title>No id</title></item><item><description>neither</description></item></channel></rss>",
        ),
        file(
            "feed.json",
            "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"J\",\"feed_url\":\"https://j.example/feed.json\",\"home_page_url\":\"https://j.example/\",\"items\":[{\"id\":\"1\",\"url\":\"https://j.example/1\",\"content_html\":\"<p>x</p>\",\"date_published\":\"2024-01-01T00:00:00Z\"}]}",
        ),
    ]
}

#[test]
fn lists_and_feeds_are_read() {
    let twice = Twice::new(&Feeds, &files());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (
            report.kinds["feed"].added,
            report.kinds["feed-link"].added,
            report.kinds["feed-entry"].added
        ),
        (5, 1, 5),
        "{:?}",
        report.problems
    );
    let town = entity("feeds", "https://town.example/feed");
    assert_eq!(
        text(pod, &town, "feed/title").as_deref(),
        Some("Town & country")
    );
    let categories = pod.values(&town, "feed/category");
    for category in ["News/Local", "Twice", "daily", "a/b"] {
        assert!(
            categories.contains(&Value::from(category)),
            "{categories:?}"
        );
    }
    assert_eq!(
        text(
            pod,
            &entity("feeds", "https://other.example/atom"),
            "feed/title"
        )
        .as_deref(),
        Some("Other")
    );
    let one = entity("feeds", "https://log.example/atom urn:1");
    assert_eq!(text(pod, &one, "feed/title").as_deref(), Some("One & only"));
    assert_eq!(text(pod, &one, "feed/text").as_deref(), Some("Hi there"));
    assert!(!text(pod, &one, "feed/html").unwrap().contains("script"));
    assert_eq!(
        value(pod, &one, "feed/of"),
        Some(&Value::Ref(entity("feeds", "https://log.example/atom")))
    );
    assert_eq!(
        value(pod, &one, "feed/published"),
        Some(&Value::Time(1_704_067_200_000))
    );
    let episode = pod
        .entities_with("feed/title", &Value::from("Ep 1"))
        .unwrap()[0];
    assert_eq!(
        pod.values(&episode, "feed/enclosure"),
        [Value::from("https://talk.example/1.mp3")]
    );
}

#[test]
fn a_later_list_takes_what_changed() {
    let mut twice = Twice::new(&Feeds, &files());
    let later = with(&files(), "text=\"Twice\"", "text=\"Moved\"");
    let later = with(
        &later,
        "https://other.example/atom",
        "https://new.example/atom",
    );
    let report = twice.later(&later);
    assert_eq!(
        (report.added, report.changed, report.totals.vanished),
        (1, 1, 1)
    );
    let categories = twice.pod.values(
        &entity("feeds", "https://town.example/feed"),
        "feed/category",
    );
    assert!(
        categories.contains(&Value::from("Moved")) && !categories.contains(&Value::from("Twice"))
    );
}

#[test]
fn broken_lists_and_feeds_are_reported() {
    for (from, to) in [
        ("</body></opml>", ""),
        ("</feed>", ""),
        ("</channel></rss>", "</chan>"),
    ] {
        let twice = Twice::new(&Feeds, &with(&files(), from, to));
        assert!(!twice.first.complete, "{from}");
        assert!(
            twice
                .first
                .problems
                .iter()
                .any(|problem| problem.code == ProblemCode::Malformed)
        );
    }
    let deep = format!("<opml><body>{}", "<outline text=\"a\">".repeat(5_000));
    let twice = Twice::new(&Feeds, &[file("deep.opml", &deep)]);
    assert!(!twice.first.complete);
}

#[test]
fn a_wordpress_export_is_no_feed() {
    let wxr = file(
        "a.xml",
        "<rss xmlns:wp=\"http://wordpress.org/export/1.2/\"><channel/></rss>",
    );
    let source = Source::from_memory("x", [wxr], &Limits::default()).unwrap();
    assert!(Feeds.recognise(&source).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn damaged_feeds_never_panic(at: usize, byte: u8, cut: usize) {
        survives(&Feeds, &files(), at, byte, cut);
    }
}

#[test]
fn lists_and_feeds_of_programs() {
    if let Some((report, _)) = sampled(&Feeds, "opml") {
        assert!(report.kinds["feed"].added >= 3);
    }
    if let Some((report, _)) = sampled(&Feeds, "rss-atom") {
        // Two of the samples are of one feed.
        assert_eq!(report.kinds["feed"].added + report.skipped, 3);
        assert!(report.kinds["feed-entry"].added >= 3);
    }
}
