//! Profiles and posts as ActivityStreams: a folder for each author, as the archives of Mastodon are.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rhizome_blob::Cid;
use rhizome_tuple::EntityId;
use rustc_hash::FxHashMap;
use serde_json::{Value as Json, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::entities::{Entities, Entity, rfc3339};
use crate::{Export, ExportError, Exported, Progress, Watch, files};

const CONTEXT: &str = "https://www.w3.org/ns/activitystreams";
const PUBLIC: &str = "https://www.w3.org/ns/activitystreams#Public";

/// What an author's folder is called, and where the author is on the web.
struct Author {
    folder: String,
    id: String,
    entity: Option<Entity>,
    /// The posts, by their time.
    posts: Vec<(i64, EntityId)>,
}

/// What a post shows.
struct Media {
    url: Option<String>,
    blob: Option<Cid>,
    mime: Option<String>,
    alt: Option<String>,
}

pub(crate) fn write(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    let mut authors: BTreeMap<EntityId, Author> = BTreeMap::new();
    let mut media: FxHashMap<EntityId, Media> = FxHashMap::default();
    let mut urls: FxHashMap<EntityId, String> = FxHashMap::default();
    let total = entities.len() as u64 * 2;
    entities.each_told(total, watch, |entity| {
        let text = |name: &str| entity.text(name).map(str::to_owned);
        if entity.text("social/type").is_some() {
            urls.insert(entity.id, name_of(&entity));
        }
        match entity.text("social/type") {
            Some("profile") => {
                let author = author(&mut authors, entity.id);
                author.id = name_of(&entity);
                author.folder =
                    folder(entity.text("social/handle").unwrap_or_default(), &entity.id);
                author.entity = Some(entity);
            }
            Some("post" | "reply" | "boost") => {
                if let Some(by) = entity.refs("social/author").next() {
                    let at = entity.time("social/created").unwrap_or(0);
                    author(&mut authors, by).posts.push((at, entity.id));
                }
            }
            Some("media") => {
                let one = Media {
                    url: text("social/url"),
                    blob: entity.blob("social/blob"),
                    mime: text("social/mime"),
                    alt: text("social/alt"),
                };
                media.insert(entity.id, one);
            }
            _ => {}
        }
        Ok(())
    })?;
    let mut zip = ZipWriter::new_stream(out);
    let mut done = entities.len() as u64;
    for author in authors.values_mut() {
        author.posts.sort_unstable();
        let mut shown: BTreeMap<Cid, String> = BTreeMap::new();
        actor(author, &mut zip, export, &mut exported, &mut shown)?;
        start(&mut zip, &format!("{}outbox.json", author.folder), true)?;
        write!(
            zip,
            "{{\"@context\":\"{CONTEXT}\",\"id\":\"outbox.json\",\"type\":\"OrderedCollection\",\"totalItems\":{},\"orderedItems\":[",
            author.posts.len()
        )?;
        for (n, (_, id)) in author.posts.iter().enumerate() {
            let Some(post) = entities.one(id)? else {
                continue;
            };
            if n > 0 {
                zip.write_all(b",\n")?;
            }
            let mut attachments = Vec::new();
            for id in post.refs("social/media") {
                let Some(media) = media.get(&id) else {
                    continue;
                };
                let url = match media.blob {
                    Some(cid) => place(export, cid, &mut shown, &mut exported)?,
                    None => media.url.clone(),
                };
                attachments.push(json!({
                    "type": "Document",
                    "mediaType": media.mime,
                    "url": url,
                    "name": media.alt,
                }));
            }
            serde_json::to_writer(&mut zip, &activity(&post, author, &attachments, &urls))?;
            exported.take(&post);
            done += 1;
            watch(Progress {
                done: done.min(total),
                total,
            })?;
        }
        zip.write_all(b"]}")?;
        for (cid, path) in shown {
            start(&mut zip, &format!("{}{path}", author.folder), false)?;
            let blob = export.blobs.open(&cid)?;
            exported.files += 1;
            exported.file_bytes += blob.len();
            io::copy(&mut blob.reader(0, u64::MAX), &mut zip)?;
        }
    }
    zip.finish()?.into_inner().flush()?;
    Ok(exported)
}

fn author(authors: &mut BTreeMap<EntityId, Author>, id: EntityId) -> &mut Author {
    authors.entry(id).or_insert_with(|| Author {
        folder: folder("", &id),
        id: id.to_string(),
        entity: None,
        posts: Vec::new(),
    })
}

/// A name that every file system takes, and that no two authors have.
fn folder(handle: &str, id: &EntityId) -> String {
    let fit = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let name: String = handle
        .chars()
        .map(|c| if fit(c) { c } else { '_' })
        .collect();
    let name: String = name.trim_matches(['.', '@']).chars().take(60).collect();
    let id = id.to_string();
    let short: String = id.trim_start_matches("rz:").chars().take(8).collect();
    if name.is_empty() {
        format!("{short}/")
    } else {
        format!("{name}-{short}/")
    }
}

fn start<W: Write>(
    zip: &mut ZipWriter<zip::write::StreamWriter<W>>,
    path: &str,
    text: bool,
) -> Result<(), ExportError> {
    let method = if text {
        CompressionMethod::Deflated
    } else {
        CompressionMethod::Stored
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .large_file(true);
    Ok(zip.start_file(path, options)?)
}

/// Where a file is in the archive; `None` if it is not here.
fn place(
    export: &Export<'_>,
    cid: Cid,
    shown: &mut BTreeMap<Cid, String>,
    exported: &mut Exported,
) -> Result<Option<String>, ExportError> {
    if let Some(path) = shown.get(&cid) {
        return Ok(Some(format!("/{path}")));
    }
    if !export.blobs.has(&cid)? {
        exported.miss(&cid);
        return Ok(None);
    }
    let path = format!(
        "media_attachments/files/{cid}{}",
        files::ending(export, &cid)?
    );
    shown.insert(cid, path.clone());
    Ok(Some(format!("/{path}")))
}

fn actor<W: Write>(
    author: &Author,
    zip: &mut ZipWriter<zip::write::StreamWriter<W>>,
    export: &Export<'_>,
    exported: &mut Exported,
    shown: &mut BTreeMap<Cid, String>,
) -> Result<(), ExportError> {
    let text = |name: &str| {
        let entity = author.entity.as_ref()?;
        entity.text(name).map(str::to_owned)
    };
    let handle = text("social/handle").unwrap_or_default();
    let user = handle.trim_start_matches('@');
    let user = user.split('@').next().unwrap_or_default();
    let mut fields = Vec::new();
    if let Some(entity) = &author.entity {
        for field in entity.texts("social/field") {
            let (name, value) = field.split_once(": ").unwrap_or((field, ""));
            fields.push(json!({ "type": "PropertyValue", "name": name, "value": value }));
        }
        exported.take(entity);
    }
    let mut actor = json!({
        "@context": CONTEXT,
        "id": author.id,
        "type": "Person",
        "preferredUsername": user,
        "name": text("social/name"),
        "summary": text("social/bio-html").or_else(|| text("social/bio")),
        "url": text("social/url"),
        "published": author.entity.as_ref().and_then(|e| e.time("social/created")).and_then(rfc3339),
        "attachment": fields,
        "followers": format!("{}/followers", author.id),
        "outbox": "outbox.json",
    });
    for (attribute, name) in [("social/avatar", "icon"), ("social/header", "image")] {
        let cid = author.entity.as_ref().and_then(|e| e.blob(attribute));
        if let Some(cid) = cid
            && let Some(url) = place(export, cid, shown, exported)?
        {
            actor[name] = json!({ "type": "Image", "url": url });
        }
    }
    start(zip, &format!("{}actor.json", author.folder), true)?;
    Ok(serde_json::to_writer(zip, &actor)?)
}

/// What something is called in the world: as where it came from calls it, if that is an address, or by where it can be seen, or by its id here.
fn name_of(entity: &Entity) -> String {
    let key = entity.text("import/key");
    key.filter(|key| key.starts_with("https://") || key.starts_with("http://"))
        .or_else(|| entity.text("social/url"))
        .map_or_else(|| entity.id.to_string(), str::to_owned)
}

/// What a post is, in an activity that says who may see it. What says nothing of that is for nobody else.
fn activity(
    post: &Entity,
    author: &Author,
    attachments: &[Json],
    urls: &FxHashMap<EntityId, String>,
) -> Json {
    let id = name_of(post);
    let published = post.time("social/created").and_then(rfc3339);
    let followers = format!("{}/followers", author.id);
    let mentions: Vec<&str> = post.texts("social/mention").collect();
    let (to, cc) = match post.text("social/audience") {
        Some("public") => (json!([PUBLIC]), json!([followers])),
        Some("unlisted") => (json!([followers]), json!([PUBLIC])),
        Some("followers") => (json!([followers]), json!([])),
        _ => (json!(mentions), json!([])),
    };
    let of = |direct: &str, url: &str| {
        let known = || post.refs(direct).next().and_then(|e| urls.get(&e).cloned());
        post.text(url).map(str::to_owned).or_else(known)
    };
    let is_boost = post.text("social/type") == Some("boost");
    let object = if is_boost {
        json!(of("social/boost-of", "social/boost-of-url"))
    } else {
        let mut tags: Vec<Json> = post
            .texts("social/tag")
            .map(|tag| json!({ "type": "Hashtag", "name": format!("#{tag}") }))
            .collect();
        tags.extend(
            mentions
                .iter()
                .map(|m| json!({ "type": "Mention", "href": m })),
        );
        let content = post.text("social/html").map_or_else(
            || html_of(post.text("social/text").unwrap_or_default()),
            str::to_owned,
        );
        json!({
            "id": id,
            "type": "Note",
            "name": post.text("social/title"),
            "summary": post.text("social/summary"),
            "inReplyTo": of("social/reply-to", "social/reply-to-url"),
            "published": published,
            "updated": post.time("social/updated").and_then(rfc3339),
            "url": post.text("social/url"),
            "attributedTo": author.id,
            "to": to,
            "cc": cc,
            "sensitive": post.boolean("social/sensitive").unwrap_or(false),
            "content": content,
            "contentMap": post.text("social/language").map(|l| json!({ l: content })),
            "attachment": attachments,
            "tag": tags,
            "quoteUrl": of("social/quote-of", "social/quote-of-url"),
        })
    };
    json!({
        "id": if is_boost { id.clone() } else { format!("{id}#create") },
        "type": if is_boost { "Announce" } else { "Create" },
        "actor": author.id,
        "published": published,
        "to": to,
        "cc": cc,
        "object": object,
    })
}

/// Plain text as HTML: what has a meaning there is escaped, lines stay.
fn html_of(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let paragraphs: Vec<String> = escaped
        .split("\n\n")
        .filter(|p| !p.is_empty())
        .map(|p| p.replace('\n', "<br>"))
        .collect();
    if paragraphs.is_empty() {
        return String::new();
    }
    format!("<p>{}</p>", paragraphs.join("</p><p>"))
}
