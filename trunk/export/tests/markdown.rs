//! Markdown: what its importer reads back is what was there, whatever notes are called and say.

use crate::pod::Pod;
use proptest::prelude::*;
use rhizome_export::Format;
use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn edit(entity: EntityId, attribute: &str, value: impl Into<Value>) -> Edit {
    Edit::Assert(entity, Attribute::new(attribute).unwrap(), value.into())
}

fn insert(entity: EntityId, attribute: &str, value: impl Into<Value>) -> Edit {
    Edit::Insert(entity, Attribute::new(attribute).unwrap(), value.into())
}

fn entity(n: u64) -> EntityId {
    EntityId::derive("did:key:zAnybody", &n.to_le_bytes())
}

/// The files of an export and what they say.
fn files(pod: &Pod) -> BTreeMap<String, Vec<u8>> {
    let (bytes, _) = pod.export(Format::Markdown);
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut out = BTreeMap::new();
    for n in 0..zip.len() {
        let mut file = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let name = file.name().unwrap().into_owned();
        assert!(out.insert(name, bytes).is_none());
    }
    out
}

fn text<'f>(files: &'f BTreeMap<String, Vec<u8>>, path: &str) -> &'f str {
    let names: Vec<&String> = files.keys().collect();
    let bytes = files.get(path);
    std::str::from_utf8(bytes.unwrap_or_else(|| panic!("{path} is not in {names:?}"))).unwrap()
}

fn there_and_back(pod: &Pod) -> Pod {
    let (bytes, exported) = pod.export(Format::Markdown);
    assert_eq!(exported.missing_total, 0);
    let mut to = Pod::new("did:key:zSecond");
    let path = to.put("notes.zip", &bytes);
    let report = to.import(&path);
    assert_eq!(report.recognised.as_ref().unwrap().importer, "markdown");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    to
}

/// The facts of notes and of their files.
fn notes(pod: &Pod) -> Vec<Map<String, Json>> {
    let mut out = Vec::new();
    for line in pod.lines().lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        if let Some(facts) = line["facts"]
            .as_object()
            .filter(|f| f.contains_key("note/type"))
        {
            out.push(facts.clone());
        }
    }
    out
}

/// The same, each as a line without what each import says anew.
fn said(pod: &Pod) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for mut facts in notes(pod) {
        facts.retain(|name, value| {
            name.starts_with("note/") && !value.to_string().contains("\"ref\"")
        });
        out.push(Json::Object(facts).to_string());
    }
    out.sort();
    out
}

#[test]
fn a_folder_of_markdown_comes_back_as_it_was() {
    let mut pod = Pod::new("did:key:zFirst");
    let vault = pod.folder.path().join("vault");
    for (path, bytes) in [
        ("Home.md", &b"---\ntags: [a, \"b, c\"]\ncssclass: wide\n---\n\nTo [[Plans]] and [work](work/Plans.md).\n\n---\n\n![[pic.png]]\n"[..]),
        ("work/Plans.md", b"# Plans\n\n- [ ] one\n- [x] two\n\n![](img/a%20b.png) #tag https://example.org\n"),
        ("work/img/a b.png", PNG),
        ("work/deep/Plans.md", b"Another, with ![](../img/a%20b.png).\n"),
        ("pic.png", b"\x89PNG\r\n\x1a\nother"),
    ] {
        let path = vault.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let report = pod.import(&vault);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let files = files(&pod);
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "Home.md",
            "pic.png",
            "work/Plans.md",
            "work/deep/Plans.md",
            "work/img/a b.png"
        ]
    );
    assert!(
        text(&files, "Home.md")
            .ends_with("---\n\nTo [[Plans]] and [work](work/Plans.md).\n\n---\n\n![[pic.png]]\n\n")
    );
    let other = there_and_back(&pod);
    let trimmed = |lines: Vec<String>| {
        lines
            .into_iter()
            .map(|line| line.replace("\\n\"", "\"").replace("\\n\"", "\""))
            .collect::<Vec<_>>()
    };
    assert_eq!(trimmed(said(&other)), trimmed(said(&pod)));
    let links = |pod: &Pod| {
        notes(pod)
            .iter()
            .filter(|facts| facts.contains_key("note/link"))
            .count()
    };
    assert_eq!((links(&pod), links(&other)), (1, 1));
}

#[test]
fn all_that_is_said_of_a_note_comes_back() {
    let mut pod = Pod::new("did:key:zFirst");
    let [note, other, image, paper, block] = [1, 2, 3, 4, 5].map(entity);
    let png = pod.blobs.put_bytes(PNG).unwrap();
    let doc = pod.blobs.put_bytes(b"words").unwrap();
    pod.say(vec![
        edit(note, "note/type", "note"),
        edit(note, "note/title", "A: \"title\""),
        edit(
            note,
            "note/html",
            "<p>One <b>bold</b> word</p><ul><li>x</li></ul>",
        ),
        edit(note, "note/text", "One bold word\n\n- x"),
        edit(note, "note/created", Value::Time(1_700_000_000_123)),
        edit(note, "note/updated", Value::Time(1_700_000_060_000)),
        edit(note, "note/due", Value::Time(1_800_000_000_000)),
        edit(note, "note/folder", "../CON/a"),
        edit(note, "note/url", "https://example.org/"),
        edit(note, "note/author", "Ada"),
        edit(note, "note/colour", "red"),
        edit(note, "note/place", "Here"),
        edit(note, "note/time-zone", "Europe/Berlin"),
        edit(note, "note/weather", "rain"),
        edit(note, "note/latitude", Value::Float(52.0)),
        edit(note, "note/longitude", Value::Float(-0.1)),
        edit(note, "note/pinned", Value::Boolean(true)),
        edit(note, "note/archived", Value::Boolean(true)),
        edit(note, "note/trashed", Value::Boolean(true)),
        insert(note, "note/tag", "a, b"),
        insert(note, "note/alias", "Other: name"),
        insert(note, "note/property", "title: of another kind"),
        insert(note, "note/property", "no colon"),
        insert(note, "note/shared-with", "bo@example.org"),
        insert(note, "note/link", Value::Ref(other)),
        Edit::List(
            note,
            Attribute::new("note/file").unwrap(),
            image.into(),
            None,
        ),
        Edit::List(
            note,
            Attribute::new("note/file").unwrap(),
            paper.into(),
            None,
        ),
        edit(image, "note/type", "note-file"),
        edit(image, "note/of", note),
        edit(image, "note/name", "my picture.png"),
        edit(image, "note/blob", Value::Blob(png)),
        edit(paper, "note/type", "note-file"),
        edit(paper, "note/of", note),
        edit(paper, "note/name", "../notes.md"),
        edit(paper, "note/blob", Value::Blob(doc)),
        edit(other, "note/type", "note"),
        edit(other, "note/text", "first line\n[x] done *now*"),
        Edit::List(
            other,
            Attribute::new("note/task").unwrap(),
            "[x] done *now*".into(),
            None,
        ),
        Edit::List(
            other,
            Attribute::new("note/child").unwrap(),
            block.into(),
            None,
        ),
        edit(block, "note/type", "block"),
        edit(block, "note/text", "an [[outline]]"),
    ]);
    let files = files(&pod);
    let path = "Trash/Untitled/_CON/a/A title.md";
    let page = text(&files, path);
    assert!(
        page.contains("One **bold** word\n\n- x\n\n![](attachments/my%20picture.png)\n"),
        "{page}"
    );
    assert!(
        page.contains("[notes.md.txt](attachments/notes.md.txt)"),
        "{page}"
    );
    assert_eq!(
        files["Trash/Untitled/_CON/a/attachments/my picture.png"],
        PNG
    );
    assert!(
        text(&files, "first line.md")
            .ends_with("first line  \n- [x] done \\*now\\*\n\n- an [[outline]]\n")
    );
    let back = there_and_back(&pod);
    let all = notes(&back);
    let [found] = all
        .iter()
        .filter(|f| f.contains_key("note/title"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{all:?}");
    };
    let before = notes(&pod);
    let [sent] = before
        .iter()
        .filter(|f| f.contains_key("note/title"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{before:?}");
    };
    for (name, value) in sent {
        // what it says is Markdown now, and says what the file is called that it leads to
        if !matches!(
            name.as_str(),
            "note/html" | "note/text" | "note/link" | "note/file"
        ) {
            assert_eq!(found.get(name), Some(value), "{name}");
        }
    }
    assert_eq!(found["note/text"], "One bold word\n\n- x\n\n\nnotes.md.txt");
    assert!(found.contains_key("note/link"));
    assert_eq!(found["note/file"]["list"].as_array().unwrap().len(), 2);
    assert!(all.iter().any(|f| {
        f.get("note/task")
            .is_some_and(|t| t.to_string().contains("[x] done *now*"))
    }));
}

#[test]
fn what_not_everybody_may_see_is_in_files_of_its_own() {
    let mut pod = Pod::new("did:key:zFirst");
    let (author, media) = (entity(1), entity(2));
    let png = pod.blobs.put_bytes(PNG).unwrap();
    let mut edits = vec![
        edit(author, "social/type", "profile"),
        edit(author, "social/handle", "@wren@example.org"),
        edit(author, "social/name", "Wren"),
        edit(media, "social/type", "media"),
        edit(media, "social/blob", Value::Blob(png)),
        edit(media, "social/alt", "a [cat]"),
    ];
    let audiences = ["public", "public", "followers", "direct", "unlisted", ""];
    for (n, audience) in (10_u64..).zip(audiences) {
        let post = entity(n);
        edits.push(edit(post, "social/type", "post"));
        edits.push(edit(post, "social/author", author));
        edits.push(edit(post, "social/text", format!("words {n} {audience}")));
        let at = 1_700_000_000_000 + n as i64 * 60_000;
        edits.push(edit(post, "social/created", Value::Time(at)));
        if !audience.is_empty() {
            edits.push(edit(post, "social/audience", audience));
        }
    }
    edits.push(edit(entity(11), "social/title", "An article?"));
    edits.push(edit(entity(11), "social/html", "<h1>Head</h1>"));
    edits.push(edit(entity(12), "social/title", "For followers"));
    let list = Attribute::new("social/media").unwrap();
    edits.push(Edit::List(entity(10), list, media.into(), None));
    pod.say(edits);
    let files = files(&pod);
    let open = text(&files, "posts/wren@example.org/2023-11.md");
    assert!(open.starts_with("---\ntitle: \"Wren, 2023-11\"\n") && !open.contains("draft"));
    assert!(
        open.contains("## 2023-11-14 22:23 UTC\n\nwords 10 public\n\n![a \\[cat\\]](attachments/"),
        "{open}"
    );
    let closed = text(&files, "posts/wren@example.org/not public/2023-11.md");
    assert!(closed.contains("\ndraft: true\n"));
    for (n, audience) in [(13, "direct"), (14, "unlisted"), (15, "not known")] {
        assert!(
            closed.contains(&format!("words {n}"))
                && closed.contains(&format!("seen by: {audience}"))
        );
        assert!(!open.contains(&format!("words {n}")));
    }
    let article = text(&files, "articles/2023-11-14 An article.md");
    assert!(
        article.contains("author: \"Wren\"")
            && article.ends_with("# Head\n")
            && !article.contains("draft")
    );
    assert!(text(&files, "articles/2023-11-14 For followers.md").contains("\ndraft: true\n"));
}

/// Names and words that were made to break something.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("---\n"),
        Just("..."),
        Just(".."),
        Just("../"),
        Just("CON"),
        Just("nul"),
        Just("\u{1f468}\u{200d}\u{1f469}"),
        Just("\u{5e9}\u{5dc}\u{5d5}\u{5dd}"),
        Just("\u{202e}"),
        Just("#tag "),
        Just("[[x]]"),
        Just("![a](b)"),
        Just("`"),
        Just("*"),
        Just("_"),
        Just("- "),
        Just("1. "),
        Just("\n"),
        Just("\n\n"),
        Just("    "),
        Just(": "),
        Just("\""),
        Just("'"),
        Just("\\"),
        Just("&amp;"),
        Just("<b>"),
        Just("| a | b |\n"),
        Just("|---|---|\n"),
        Just("~~"),
        Just("=="),
        Just("%%"),
        Just("> "),
        Just("# "),
        Just("\t"),
        Just("\r"),
        Just("\u{2028}"),
        Just("\u{85}"),
        Just("\u{feff}"),
        Just("{{<"),
        Just("$$"),
        Just("- [ ] "),
        Just("word"),
        Just("word"),
        Just(" "),
        Just("e\u{301}"),
        Just("!"),
        Just("null"),
        Just("[^1]: "),
        Just("<https://x.org>"),
        Just("+"),
        Just("==="),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn words(value: Option<&Json>) -> String {
    let text = value.and_then(Json::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn set(value: Option<&Json>) -> BTreeSet<String> {
    let all = value.map(|v| v.get("set").unwrap_or(v));
    let all = match all {
        Some(Json::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let texts = all.iter().filter_map(Json::as_str);
    let mark = |c: char| c == '#' || c.is_whitespace();
    let tag = |text: &str| text.trim_start_matches(mark).trim_end().to_owned();
    texts.map(tag).filter(|text| !text.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_notes_are_called_and_say_they_come_back(
        made in proptest::collection::vec((hostile(), hostile(), proptest::collection::btree_set(hostile(), 0..3), hostile()), 1..6),
        long in 0_usize..4,
    ) {
        let mut pod = Pod::new("did:key:zFirst");
        let mut edits = Vec::new();
        for (n, (title, text, tags, folder)) in (0_u64..).zip(&made) {
            let note = entity(n);
            edits.push(edit(note, "note/type", "note"));
            edits.push(edit(note, "note/created", Value::Time(n as i64)));
            edits.push(edit(note, "note/title", title.repeat(if n == 0 { 10_usize.pow(long as u32) } else { 1 })));
            edits.push(edit(note, "note/text", text.as_str()));
            edits.push(edit(note, "note/folder", folder.as_str()));
            edits.extend(tags.iter().map(|tag| insert(note, "note/tag", tag.as_str())));
            edits.extend(tags.iter().map(|tag| insert(note, "note/property", tag.as_str())));
        }
        pod.say(edits);
        let files = files(&pod);
        prop_assert_eq!(files.len(), made.len());
        let folded: BTreeSet<String> = files.keys().map(|path| path.to_lowercase()).collect();
        prop_assert_eq!(folded.len(), made.len());
        for path in files.keys() {
            prop_assert!(path.len() <= 210, "{}", path);
            prop_assert!(!path.contains(['\\', ':', '\n', '\r', '*', '?', '"', '<', '>', '|']), "{}", path);
            prop_assert!(path.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(['.', ' '])));
        }
        let back = there_and_back(&pod);
        let key = |facts: &Map<String, Json>| facts["note/created"]["time"].as_i64().unwrap();
        let sent: BTreeMap<i64, _> = notes(&pod).into_iter().map(|f| (key(&f), f)).collect();
        let found: BTreeMap<i64, _> = notes(&back).into_iter().map(|f| (key(&f), f)).collect();
        prop_assert_eq!(sent.len(), found.len());
        for (n, sent) in &sent {
            let found = &found[n];
            let (was, is) = (words(sent.get("note/title")), words(found.get("note/title")));
            if was.len() < 60_000 {
                prop_assert_eq!(is, was);
            } else {
                prop_assert!(is.len() > 50_000 && was.starts_with(&is[..50_000]));
            }
            prop_assert_eq!(words(found.get("note/text")), words(sent.get("note/text")));
            prop_assert_eq!(words(found.get("note/folder")), words(sent.get("note/folder")));
            prop_assert_eq!(set(found.get("note/property")), set(sent.get("note/property")));
            let (was, is) = (set(sent.get("note/tag")), set(found.get("note/tag")));
            prop_assert!(is.is_superset(&was), "{:?} {:?}", is, was);
            let said = words(sent.get("note/text"));
            let in_text = is.difference(&was).all(|tag| said.contains(&format!("#{tag}")));
            prop_assert!(in_text, "{:?} {:?}", is, was);
            prop_assert!(!found.contains_key("note/link") && !found.contains_key("note/link-url") && !found.contains_key("note/file"));
        }
    }
}
