//! Blogs of several platforms, made up here, and the samples where the machine has them.

use crate::pods::{entity, of_type, text, value};
use crate::twice::{Twice, file, knows_its_own, sampled, says_what_is_wrong, survives, with};
use proptest::prelude::*;
use rhizome_import::fixture::File;
use rhizome_import::{Medium, ProblemCode, Substack, WordPress};
use rhizome_tuple::Value;

fn wxr() -> Vec<File> {
    let item = |id: u32, more: &str| {
        format!(
            "<item><title>Title {id}</title><link>https://blog.example/{id}</link><dc:creator><![CDATA[ada]]></dc:creator><guid>https://blog.example/?p={id}</guid><content:encoded><![CDATA[One & <b>two</b>\n\nthree <script>x</script>]]></content:encoded><excerpt:encoded><![CDATA[]]></excerpt:encoded><wp:post_id>{id}</wp:post_id><wp:post_date_gmt>2024-01-0{id} 10:00:00</wp:post_date_gmt>{more}</item>"
        )
    };
    let all = [
        item(
            1,
            "<wp:status>publish</wp:status><wp:post_type>post</wp:post_type><category domain=\"post_tag\" nicename=\"x\"><![CDATA[Some Tag]]></category><wp:comment><wp:comment_id>7</wp:comment_id><wp:comment_author><![CDATA[Bo]]></wp:comment_author><wp:comment_author_email>bo@secret.example</wp:comment_author_email><wp:comment_date_gmt>2024-01-01 12:00:00</wp:comment_date_gmt><wp:comment_content><![CDATA[Nice]]></wp:comment_content><wp:comment_approved>1</wp:comment_approved><wp:comment_type>comment</wp:comment_type><wp:comment_parent>0</wp:comment_parent></wp:comment><wp:comment><wp:comment_id>8</wp:comment_id><wp:comment_author>Sp</wp:comment_author><wp:comment_content>buy</wp:comment_content><wp:comment_approved>spam</wp:comment_approved></wp:comment>",
        ),
        item(
            2,
            "<wp:status>draft</wp:status><wp:post_type>post</wp:post_type>",
        ),
        item(
            3,
            "<wp:status>publish</wp:status><wp:post_password>x</wp:post_password><wp:post_type>page</wp:post_type>",
        ),
        item(
            4,
            "<wp:status>inherit</wp:status><wp:post_type>attachment</wp:post_type><wp:attachment_url>https://blog.example/a.png</wp:attachment_url>",
        ),
        item(
            5,
            "<wp:status>publish</wp:status><wp:post_type>nav_menu_item</wp:post_type>",
        ),
        item(
            6,
            "<wp:status>private</wp:status><wp:post_type>post</wp:post_type>",
        ),
    ];
    vec![file(
        "blog.xml",
        &format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\" xmlns:wp=\"http://wordpress.org/export/1.2/\" xmlns:content=\"c\" xmlns:excerpt=\"e\" xmlns:dc=\"d\"><channel><title>B & C</title><link>https://blog.example</link><wp:author><wp:author_login>ada</wp:author_login><wp:author_email>ada@secret.example</wp:author_email><wp:author_display_name>Ada</wp:author_display_name></wp:author>{}</channel></rss>",
            all.concat()
        ),
    )]
}

#[test]
fn wordpress_posts_comments_and_files() {
    let mut twice = Twice::new(&WordPress, &wxr());
    let (pod, report) = (&twice.pod, &twice.first);
    for (kind, count) in [("post", 4), ("reply", 1), ("media", 1), ("profile", 2)] {
        assert_eq!(
            report.kinds[kind].added, count,
            "{kind}: {:?}",
            report.problems
        );
    }
    let of = |rest: &str| entity("wordpress", &format!("https://blog.example#{rest}"));
    for (id, audience) in [
        (1, "public"),
        (2, "direct"),
        (3, "direct"),
        (4, "direct"),
        (6, "direct"),
    ] {
        assert_eq!(
            text(pod, &of(&format!("post/{id}")), "social/audience").as_deref(),
            Some(audience),
            "{id}"
        );
    }
    let one = of("post/1");
    assert_eq!(
        text(pod, &one, "social/text").as_deref(),
        Some("One & two\n\nthree")
    );
    assert_eq!(text(pod, &one, "social/title").as_deref(), Some("Title 1"));
    assert_eq!(pod.values(&one, "social/tag"), [Value::from("some tag")]);
    assert_eq!(
        value(pod, &one, "social/author"),
        Some(&Value::Ref(of("author/ada")))
    );
    assert_eq!(
        value(pod, &one, "social/created"),
        Some(&Value::Time(1_704_103_200_000))
    );
    let reply = of("comment/7");
    assert_eq!(
        value(pod, &reply, "social/reply-to"),
        Some(&Value::Ref(one))
    );
    assert_eq!(
        text(pod, &reply, "social/audience").as_deref(),
        Some("public")
    );
    for facts in pod.entities().values() {
        assert!(
            !format!("{facts:?}").contains("secret.example"),
            "no address of anybody"
        );
    }
    let later = with(&wxr(), "Title 2", "Title two");
    let report = twice.later(&with(
        &later,
        "<wp:status>private</wp:status>",
        "<wp:status>publish</wp:status>",
    ));
    assert_eq!((report.added, report.changed), (0, 2));
    assert_eq!(
        text(&twice.pod, &of("post/6"), "social/audience").as_deref(),
        Some("public")
    );
    let cut = String::from_utf8(wxr()[0].1.clone()).unwrap();
    let report = Twice::new(
        &WordPress,
        &[file("a.xml", &cut[..cut.find("Title 3").unwrap()])],
    )
    .first;
    assert!(!report.complete && report.kinds["post"].added == 2);
    let report = Twice::new(
        &WordPress,
        &with(&wxr(), "<wp:post_type>page<", "<wp:post_type>product<"),
    )
    .first;
    assert!(
        report.skipped == 1
            && report
                .problems
                .iter()
                .any(|problem| problem.message.contains("product"))
    );
}

fn medium() -> Vec<File> {
    let story = |title: &str, foot: &str| {
        format!(
            "<!DOCTYPE html><html><head><title>x</title></head><body><article class=\"h-entry\"><header><h1 class=\"p-name\">{title}</h1></header><section data-field=\"subtitle\" class=\"p-summary\">Sub</section><section data-field=\"body\" class=\"e-content\"><section><p>Hello <b>you</b></p><script>x</script></section></section><footer>{foot}</footer></article></body></html>"
        )
    };
    vec![
        file(
            "posts/2018-08-11_a-title-abcd12345678.html",
            &story(
                "A title",
                "<p class=\"p-tags\">Tagged in <a href=\"t\" class=\"p-tag\">Things</a></p><p>By <a href=\"https://medium.com/@jo\" class=\"p-author h-card\">Jo</a> on <a href=\"https://medium.com/p/abcd12345678\"><time class=\"dt-published\" datetime=\"2018-08-11T11:23:34.123Z\">August</time></a>.</p><p><a href=\"https://medium.com/@jo/a-title-abcd12345678\" class=\"p-canonical\">Canonical link</a></p>",
            ),
        ),
        file(
            "posts/draft_b-0123456789ab.html",
            &story(
                "B",
                "<p><a href=\"https://medium.com/p/0123456789ab\">View original.</a></p>",
            ),
        ),
        file(
            "profile/profile.html",
            "<html><body><section class=\"h-card\"><h3 class=\"p-name\">Jo Bloggs</h3><a class=\"u-url\" href=\"https://medium.com/@jo\">@jo</a><li>Email address: jo@secret.example</li></section></body></html>",
        ),
        file("lists/list.html", "<html>a list</html>"),
    ]
}

#[test]
fn medium_stories_and_drafts() {
    let mut twice = Twice::new(&Medium, &medium());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (
            report.kinds["post"].added,
            report.kinds["profile"].added,
            report.kinds["file"].added
        ),
        (2, 1, 1)
    );
    let of = |key: &str| entity("medium", key);
    let one = of("p/abcd12345678");
    assert_eq!(
        text(pod, &one, "social/audience").as_deref(),
        Some("unlisted")
    );
    assert_eq!(
        text(pod, &of("p/0123456789ab"), "social/audience").as_deref(),
        Some("direct")
    );
    assert_eq!(text(pod, &one, "social/title").as_deref(), Some("A title"));
    assert_eq!(text(pod, &one, "social/text").as_deref(), Some("Hello you"));
    assert_eq!(text(pod, &one, "social/summary").as_deref(), Some("Sub"));
    assert_eq!(pod.values(&one, "social/tag"), [Value::from("things")]);
    assert_eq!(
        text(pod, &one, "social/url").as_deref(),
        Some("https://medium.com/@jo/a-title-abcd12345678")
    );
    assert_eq!(
        value(pod, &one, "social/author"),
        Some(&Value::Ref(of("https://medium.com/@jo")))
    );
    let report = twice.later(&with(&medium(), "Hello <b>you</b>", "Hello all"));
    assert_eq!((report.added, report.changed), (0, 2));
    let report = Twice::new(
        &Medium,
        &with(&medium(), "2018-08-11T11:23:34.123Z", "last summer"),
    )
    .first;
    assert_eq!(
        report.audience["direct"], 2,
        "what does not say when it was published is not published"
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.code == ProblemCode::PartIgnored)
    );
}

fn substack() -> Vec<File> {
    vec![
        file(
            "posts.csv",
            "post_id,post_date,is_published,email_sent_at,type,audience,title,subtitle,podcast_url\n11.one,2019-07-26T20:48:19.814Z,TRUE,,newsletter,everyone,One &amp; all,&#x201C;q&#x201D;,\n12.two,2022-08-12T12:11:23.230Z,TRUE,,podcast,only_paid,Two,,https://x.example/2.mp3\n13.three,2022-08-13T12:11:23.230Z,FALSE,,newsletter,everyone,Three,,\n14.four,2022-08-13T12:11:23.230Z,TRUE,,newsletter,friends,Four,,\n",
        ),
        file("posts/11.one.html", "<p>Hi <script>x</script>there</p>"),
        file("posts/12.two.html", "<p>two</p>"),
        file("posts/13.three.html", "<p>three</p>"),
    ]
}

#[test]
fn substack_posts() {
    let mut twice = Twice::new(&Substack, &substack());
    let (pod, report) = (&twice.pod, &twice.first);
    assert_eq!(
        (report.kinds["post"].added, report.kinds["profile"].added),
        (4, 1)
    );
    for (key, audience) in [
        ("11", "public"),
        ("12", "followers"),
        ("13", "direct"),
        ("14", "direct"),
    ] {
        assert_eq!(
            text(pod, &entity("substack", key), "social/audience").as_deref(),
            Some(audience),
            "{key}"
        );
    }
    let one = entity("substack", "11");
    assert_eq!(
        text(pod, &one, "social/title").as_deref(),
        Some("One & all")
    );
    assert_eq!(text(pod, &one, "social/summary").as_deref(), Some("“q”"));
    assert_eq!(text(pod, &one, "social/text").as_deref(), Some("Hi there"));
    assert_eq!(
        (
            report.totals.problems[&ProblemCode::Audience],
            report.totals.problems[&ProblemCode::MissingFile]
        ),
        (1, 1)
    );
    let report = twice.later(&with(
        &substack(),
        "13.three,2022-08-13T12:11:23.230Z,FALSE",
        "13.three,2022-08-13T12:11:23.230Z,TRUE",
    ));
    assert_eq!((report.added, report.changed), (0, 1));
    assert_eq!(
        text(&twice.pod, &entity("substack", "13"), "social/audience").as_deref(),
        Some("public")
    );
    says_what_is_wrong(
        &Substack,
        &substack(),
        &[
            ("12.two,2022", ",2022"),
            ("2022-08-12T12:11:23.230Z", "soon"),
        ],
    );
}

#[test]
fn every_blog_is_known_by_its_own_importer() {
    knows_its_own(&[
        (&WordPress, wxr()),
        (&Medium, medium()),
        (&Substack, substack()),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_blogs_never_panic(at: usize, byte: u8, cut: usize) {
        survives(&WordPress, &wxr(), at, byte, cut);
        survives(&Medium, &medium(), at, byte, cut);
        survives(&Substack, &substack(), at, byte, cut);
    }
}

#[test]
fn blogs_of_platforms() {
    if let Some((report, pod)) = sampled(&Medium, "medium-export") {
        // Several of the samples have one id.
        assert_eq!(
            (
                report.kinds["post"].added + report.skipped,
                of_type(&pod, "profile").len()
            ),
            (9, 1)
        );
    }
    if let Some((report, _)) = sampled(&Substack, "substack-export") {
        assert_eq!(report.kinds["post"].added, 5);
    }
}
