//! A made-up Mastodon archive, for tests and demonstrations. Nobody's data: the people, texts and pictures are invented
//! here, the pictures drawn by code.

mod takeout;

use std::io::{self, Write};
use std::path::Path;

use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

pub use takeout::write_takeout;

/// The account of the archive.
pub const ACTOR: &str = "https://social.example/users/ada";
const EVERYONE: &str = "https://www.w3.org/ns/activitystreams#Public";
const FOLLOWERS: &str = "https://social.example/users/ada/followers";
const FRIEND: &str = "https://elsewhere.example/users/grace";

/// What the archive holds, to compare an import with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Posts that answer nothing, one of them a poll.
    pub posts: u64,
    /// Posts that answer another one.
    pub replies: u64,
    /// Posts passed on.
    pub boosts: u64,
    /// Attachments, one of which the archive lacks the file of.
    pub media: u64,
    /// Of posts, replies and boosts: for everyone.
    pub public: u64,
    /// For everyone who has the address.
    pub unlisted: u64,
    /// For followers.
    pub followers: u64,
    /// For the people named.
    pub direct: u64,
}

/// What [`mastodon`] holds.
pub const CONTENT: Content = Content {
    posts: 7,
    replies: 2,
    boosts: 2,
    media: 4,
    public: 6,
    unlisted: 1,
    followers: 2,
    direct: 2,
};

/// One file of an archive: its path and its bytes.
pub type File = (String, Vec<u8>);

/// The files of the archive: a profile with pictures, seven posts (with media, a content warning, a poll; for everyone,
/// unlisted, for followers, direct), two replies, two boosts, likes, bookmarks, and a file no importer knows.
pub fn mastodon() -> Vec<File> {
    let mut activities = vec![
        post(
            1,
            "<p>Hello from <a href=\"https://social.example/tags/rhizome\" class=\"mention hashtag\" rel=\"tag\">#<span>Rhizome</span></a>!</p>",
            public(),
            |object| {
                object["tag"] = json!([{"type": "Hashtag", "href": "https://social.example/tags/rhizome", "name": "#Rhizome"}]);
                object["attachment"] =
                    json!([picture(1, "A red square turning blue"), picture(2, "")]);
            },
        ),
        post(
            2,
            "<p>A longer one.</p><p>Second paragraph with a <a href=\"https://example.org/\">link</a> &amp; more.<br>Last line.</p>",
            public(),
            |object| {
                object["summary"] = json!("Long read");
                object["sensitive"] = json!(true);
            },
        ),
        post(3, "<p>Tea or coffee?</p>", public(), |object| {
            object["type"] = json!("Question");
            object["oneOf"] = json!([option("Tea", 3), option("Coffee", 4)]);
            object["endTime"] = json!("2024-03-04T12:00:00Z");
            object["votersCount"] = json!(7);
        }),
        post(
            4,
            "<p>Only who finds it.</p>",
            (vec![FOLLOWERS], vec![EVERYONE]),
            |_| {},
        ),
        post(
            5,
            "<p>For those who follow me.</p>",
            (vec![FOLLOWERS], vec![]),
            |object| {
                object["attachment"] = json!([picture(3, "A green square")]);
            },
        ),
        post(
            6,
            "<p><span class=\"h-card\"><a href=\"https://elsewhere.example/@grace\" class=\"u-url mention\">@<span>grace</span></a></span> a secret</p>",
            (vec![FRIEND], vec![]),
            |object| {
                object["tag"] = json!([{"type": "Mention", "href": FRIEND, "name": "@grace@elsewhere.example"}]);
            },
        ),
        post(
            7,
            "<p>The picture of this one is not in the archive. :blob:</p>",
            public(),
            |object| {
                object["attachment"] = json!([picture(9, "Missing")]);
                object["tag"] = json!([{"type": "Emoji", "id": "https://social.example/emojis/1", "name": ":blob:",
                "icon": {"type": "Image", "url": "https://social.example/blob.png"}}]);
            },
        ),
        post(8, "<p>Answering myself.</p>", public(), |object| {
            object["inReplyTo"] = json!(status(1));
        }),
        post(
            9,
            "<p>Answering you, in private.</p>",
            (vec![FRIEND], vec![]),
            |object| {
                object["inReplyTo"] = json!("https://elsewhere.example/users/grace/statuses/5");
            },
        ),
    ];
    activities.push(boost(
        10,
        "https://elsewhere.example/users/grace/statuses/7",
        (vec![EVERYONE], vec![FRIEND, FOLLOWERS]),
    ));
    activities.push(boost(11, &status(5), (vec![FOLLOWERS], vec![])));
    let mut files = vec![
        (
            "outbox.json".to_owned(),
            collection("outbox.json", &activities),
        ),
        ("actor.json".to_owned(), bytes(&actor())),
        (
            "likes.json".to_owned(),
            collection(
                "likes.json",
                &[json!("https://elsewhere.example/users/grace/statuses/7")],
            ),
        ),
        (
            "bookmarks.json".to_owned(),
            collection("bookmarks.json", &[json!(status(2))]),
        ),
        (
            "avatar.png".to_owned(),
            png(16, 16, [200, 120, 40], [40, 120, 200]),
        ),
        (
            "header.png".to_owned(),
            png(48, 16, [20, 80, 60], [240, 240, 200]),
        ),
        (
            "notes-from-the-server.txt".to_owned(),
            b"Nobody knows this file.\n".to_vec(),
        ),
    ];
    for (n, from, to) in [
        (1, [220, 30, 30], [30, 30, 220]),
        (2, [250, 250, 250], [5, 5, 5]),
        (3, [0, 160, 0], [0, 90, 0]),
    ] {
        files.push((media_path(n), png(64 + 16 * n as u32, 48, from, to)));
    }
    files
}

/// The archive with a change to its outbox, as a later export would have it.
pub fn mastodon_with(change: impl FnOnce(&mut Vec<Value>)) -> Vec<File> {
    let mut files = mastodon();
    for (path, content) in &mut files {
        if path == "outbox.json"
            && let Ok(mut outbox) = serde_json::from_slice::<Value>(content)
            && let Some(items) = outbox.get_mut("orderedItems").and_then(Value::as_array_mut)
        {
            change(items);
            *content = bytes(&outbox);
            break;
        }
    }
    files
}

/// Writes files into a folder.
///
/// # Errors
/// What the file system says.
pub fn write_folder(files: &[File], folder: &Path) -> io::Result<()> {
    for (path, content) in files {
        let at = folder.join(path);
        if let Some(parent) = at.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(at, content)?;
    }
    Ok(())
}

/// Packs files as Mastodon does today: a zip.
///
/// # Errors
/// What the zip writer says.
pub fn write_zip(files: &[File], at: &Path) -> io::Result<()> {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(at)?);
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (path, content) in files {
        zip.start_file(path.as_str(), options)
            .map_err(io::Error::other)?;
        zip.write_all(content)?;
    }
    zip.finish().map_err(io::Error::other)?;
    Ok(())
}

/// Packs files as Mastodon did before version 4: a gzipped tar.
///
/// # Errors
/// What the tar writer says.
pub fn write_tar_gz(files: &[File], at: &Path) -> io::Result<()> {
    let gzip =
        flate2::write::GzEncoder::new(std::fs::File::create(at)?, flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content.as_slice())?;
    }
    tar.into_inner()?.finish()?;
    Ok(())
}

/// A picture whose colour turns from one to another, left to right.
pub fn png(width: u32, height: u32, from: [u8; 3], to: [u8; 3]) -> Vec<u8> {
    let colour = |c: usize, x: u32| {
        let (a, b) = (i64::from(from[c]), i64::from(to[c]));
        (a + (b - a) * i64::from(x) / i64::from(width.max(1))) as u8
    };
    let row: Vec<u8> = std::iter::once(0)
        .chain((0..width).flat_map(|x| (0..3).map(move |c| colour(c, x))))
        .collect();
    let rows = row.repeat(height as usize);
    let mut packed = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory cannot fail.
    let _ = packed.write_all(&rows);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    for (name, data) in [
        (b"IHDR", head),
        (b"IDAT", packed.finish().unwrap_or_default()),
        (b"IEND", Vec::new()),
    ] {
        out.extend((data.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(&data);
        out.extend(name);
        out.extend(data);
        out.extend(crc.sum().to_be_bytes());
    }
    out
}

type Addresses = (Vec<&'static str>, Vec<&'static str>);

fn public() -> Addresses {
    (vec![EVERYONE], vec![FOLLOWERS])
}

/// The id of a post.
pub fn status(n: u64) -> String {
    format!("{ACTOR}/statuses/{n}")
}

fn published(n: u64) -> String {
    format!("2024-03-{n:02}T10:00:00Z")
}

fn post(n: u64, html: &str, (to, cc): Addresses, change: impl FnOnce(&mut Value)) -> Value {
    let id = status(n);
    let mut object = json!({
        "id": id, "type": "Note", "summary": null, "inReplyTo": null, "published": published(n),
        "url": format!("https://social.example/@ada/{n}"), "attributedTo": ACTOR, "to": to, "cc": cc, "sensitive": false,
        "content": html, "contentMap": {"en": html}, "attachment": [], "tag": [],
        "replies": {"id": format!("{id}/replies"), "type": "Collection"},
    });
    change(&mut object);
    json!({"id": format!("{id}/activity"), "type": "Create", "actor": ACTOR, "published": published(n), "to": to, "cc": cc, "object": object})
}

fn boost(n: u64, of: &str, (to, cc): Addresses) -> Value {
    json!({"id": format!("{}/activity", status(n)), "type": "Announce", "actor": ACTOR, "published": published(n), "to": to, "cc": cc, "object": of})
}

fn option(name: &str, votes: u64) -> Value {
    json!({"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": votes}})
}

fn media_path(n: u64) -> String {
    format!("media_attachments/files/000/00{n}/original/picture.png")
}

fn picture(n: u64, alt: &str) -> Value {
    json!({"type": "Document", "mediaType": "image/png", "url": format!("/{}", media_path(n)),
        "name": if alt.is_empty() { Value::Null } else { json!(alt) }, "blurhash": "L5H2EC=PM+yV0g-mq.wG9c010J}I",
        "width": 64 + 16 * n, "height": 48, "focalPoint": [0.0, 0.25]})
}

fn actor() -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/activitystreams"], "id": ACTOR, "type": "Person", "followers": FOLLOWERS,
        "outbox": "outbox.json", "likes": "likes.json", "bookmarks": "bookmarks.json", "preferredUsername": "ada", "name": "Ada",
        "summary": "<p>Writes <b>programs</b>.</p>", "url": "https://social.example/@ada", "published": "2023-01-01T00:00:00Z",
        "attachment": [{"type": "PropertyValue", "name": "Home", "value": "<a href=\"https://ada.example\" rel=\"me\">ada.example</a>"}],
        "icon": {"type": "Image", "mediaType": "image/png", "url": "avatar.png"},
        "image": {"type": "Image", "mediaType": "image/png", "url": "header.png"},
    })
}

fn collection(id: &str, items: &[Value]) -> Vec<u8> {
    bytes(
        &json!({"@context": "https://www.w3.org/ns/activitystreams", "id": id, "type": "OrderedCollection",
        "totalItems": items.len(), "orderedItems": items}),
    )
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
