//! Notes, articles and posts as Markdown files with front matter, and what they show beside them, in a zip archive.

mod front;
mod html;
mod names;
mod posts;
mod words;

use std::fmt::Write as _;
use std::io::{self, Write};

use rhizome_blob::Cid;
use rhizome_tuple::EntityId;
use rustc_hash::{FxHashMap, FxHashSet};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::entities::{Entities, Entity, rfc3339};
use crate::{Export, ExportError, Exported, Progress, Watch, files};
use front::Front;
use names::{Names, link};

/// Blocks of an outline in blocks.
const DEPTH: usize = 64;
/// Blocks of one page.
const BLOCKS: usize = 100_000;

/// A file of Markdown.
struct Page {
    path: String,
    /// Whether it lies where the text was written to lie, so that its links lead on.
    home: bool,
}

pub(crate) fn write(
    export: &Export<'_>,
    entities: &Entities<'_>,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Exported, ExportError> {
    let before = entities.len() as u64;
    let total = before * 2;
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut posts = posts::Posts::default();
    entities.each_told(total, watch, |entity| {
        if entity.text("note/type") == Some("note") {
            wanted.push(Wanted::note(&entity));
        } else if posts::is_post(&entity) {
            match entity.text("social/title") {
                Some(title) => wanted.push(Wanted::article(&entity, title)),
                None => posts.add(&entity),
            }
        }
        Ok(())
    })?;
    let mut archive = Archive {
        export,
        entities,
        zip: ZipWriter::new_stream(out),
        names: Names::default(),
        files: FxHashMap::default(),
        pending: Vec::new(),
        exported: Exported::default(),
    };
    // those that have a place before those that are put where there is one
    wanted.sort_by_key(|one| one.home.is_none());
    let mut pages: Vec<(EntityId, Page)> = Vec::with_capacity(wanted.len());
    for one in wanted {
        let home = one.home.filter(|path| archive.names.exactly(path));
        let is_home = home.is_some();
        let path = home.unwrap_or_else(|| archive.names.free(&one.folder, &one.name, ".md"));
        pages.push((
            one.id,
            Page {
                path,
                home: is_home,
            },
        ));
    }
    let places: FxHashMap<EntityId, usize> = pages
        .iter()
        .enumerate()
        .map(|(n, (id, _))| (*id, n))
        .collect();
    let mut done = before;
    for (id, page) in &pages {
        watch(Progress { done, total })?;
        done += 1;
        let Some(entity) = entities.one(id)? else {
            continue;
        };
        if entity.text("note/type").is_some() {
            archive.note(&entity, page, |id| {
                places.get(&id).and_then(|n| Some(&pages.get(*n)?.1))
            })?;
        } else {
            archive.article(&entity, page)?;
        }
    }
    posts.write(&mut archive, &mut |written| {
        let done = (done + written).min(total);
        watch(Progress { done, total })
    })?;
    archive.zip.finish()?.into_inner().flush()?;
    Ok(archive.exported)
}

/// What a page would be called.
struct Wanted {
    id: EntityId,
    /// Its path in the folder of Markdown files that it was imported from.
    home: Option<String>,
    folder: String,
    name: String,
}

impl Wanted {
    fn note(entity: &Entity) -> Self {
        let folder = names::folders(entity.text("note/folder").unwrap_or_default());
        let trashed = entity.boolean("note/trashed") == Some(true);
        let text = entity.text("note/text").unwrap_or_default();
        let first = text.lines().find(|line| !line.trim().is_empty());
        let name = entity.text("note/title").or(first).unwrap_or_default();
        let is_page = |path: &&str| names::ending(path) == Some(".md");
        Self {
            id: entity.id,
            home: vault_key(entity).filter(is_page).map(str::to_owned),
            folder: if trashed {
                format!("Trash/{folder}")
            } else {
                folder
            },
            name: name.chars().take(200).collect(),
        }
    }

    fn article(entity: &Entity, title: &str) -> Self {
        let date = entity.time("social/created").and_then(day);
        let title: String = title.chars().take(200).collect();
        Self {
            id: entity.id,
            home: None,
            folder: "articles/".to_owned(),
            name: date.map_or_else(|| title.clone(), |date| format!("{date} {title}")),
        }
    }
}

/// How a folder of Markdown files called it, if it was imported from one.
fn vault_key(entity: &Entity) -> Option<&str> {
    let of_markdown = |source: &&str| *source == "markdown" || source.starts_with("markdown/");
    entity.text("import/source").filter(of_markdown)?;
    entity.text("import/key")
}

/// `2024-03-05`.
fn day(ms: i64) -> Option<String> {
    rfc3339(ms)?
        .get(..10)
        .map(str::to_owned)
        .filter(|day| day.as_bytes().first() != Some(&b'-'))
}

/// Something that a page shows.
struct Shown<'a> {
    cid: Option<Cid>,
    /// Where its text has it, inside the folder that it was imported from.
    home: Option<&'a str>,
    name: String,
    alt: &'a str,
    url: Option<&'a str>,
}

struct Archive<'a, 'w> {
    export: &'a Export<'a>,
    entities: &'a Entities<'a>,
    zip: ZipWriter<zip::write::StreamWriter<&'w mut dyn Write>>,
    names: Names,
    /// Where files are.
    files: FxHashMap<Cid, String>,
    /// Files that a page that is being written shows.
    pending: Vec<(Cid, String)>,
    exported: Exported,
}

impl Archive<'_, '_> {
    fn note<'p>(
        &mut self,
        note: &Entity,
        page: &Page,
        place: impl Fn(EntityId) -> Option<&'p Page>,
    ) -> Result<(), ExportError> {
        let markdown = note.text("note/markdown");
        let tasks: Vec<&str> = note.texts("note/task").collect();
        let said = note.text("note/text").unwrap_or_default();
        let mut outline = String::new();
        let mut left = BLOCKS;
        self.outline(note, 0, &mut left, &mut FxHashSet::default(), &mut outline)?;
        let first = outline.lines().next().and_then(|line| line.get(2..));
        // some programs' notes say their outline as text as well
        let repeated = first.is_some_and(|first| !first.is_empty() && said.contains(first));
        let mut body = if let Some(markdown) = markdown {
            markdown.to_owned()
        } else if repeated {
            String::new()
        } else if let Some(html) = note.text("note/html").filter(|_| tasks.is_empty()) {
            html::markdown(html)
        } else {
            words::plain(said, &tasks)
        };
        if !outline.is_empty() {
            add(&mut body, outline.trim_end());
        }
        let mut homeless = Vec::new();
        for id in note.refs("note/file") {
            let Some(file) = self.entities.one(&id)? else {
                continue;
            };
            let name = file.text("note/name").unwrap_or_default();
            let home = vault_key(&file).and_then(|key| key.split_once("#file/"));
            let shown = Shown {
                cid: file.blob("note/blob"),
                home: home.map(|(_, path)| path).filter(|_| page.home),
                name: names_last(name).to_owned(),
                alt: "",
                url: file.text("note/url"),
            };
            homeless.extend(self.show(&shown, page, false)?);
        }
        if !homeless.is_empty() {
            add(&mut body, &homeless.join("\n"));
        }
        let linked = note.refs("note/link").chain(note.refs("note/child"));
        let links: Vec<String> = linked
            .filter(|_| markdown.is_none() || !page.home)
            .filter_map(&place)
            .map(|to| format!("[[{}]]", to.path.strip_suffix(".md").unwrap_or(&to.path)))
            .collect();
        let head = matter(note, &links);
        let at = note.time("note/updated").or(note.time("note/created"));
        self.put(&page.path, &[&head, &body, "\n"], at)?;
        self.exported.take(note);
        self.send()
    }

    fn article(&mut self, article: &Entity, page: &Page) -> Result<(), ExportError> {
        let mut front = Front::new();
        let created = article.time("social/created");
        let updated = article.time("social/updated");
        let author = self.name_of_author(article)?;
        front
            .text("title", article.text("social/title"))
            .plain("created", created.and_then(rfc3339))
            .plain("date", created.and_then(rfc3339))
            .plain("modified", updated.and_then(rfc3339))
            .list("tags", article.texts("social/tag"))
            .text("author", author.as_deref())
            .text("description", article.text("social/summary"))
            .text("source", article.text("social/url"))
            .yes("draft", Some(!posts::is_public(article)))
            .plain("id", Some(front::quoted(&article.id.to_string())));
        let mut body = match article.text("social/html") {
            Some(html) => html::markdown(html),
            None => words::plain(article.text("social/text").unwrap_or_default(), &[]),
        };
        for line in self.media(article, page)? {
            add(&mut body, &line);
        }
        self.put(
            &page.path,
            &[&front.end(), &body, "\n"],
            updated.or(created),
        )?;
        self.exported.take(article);
        self.send()
    }

    fn name_of_author(&self, post: &Entity) -> Result<Option<String>, ExportError> {
        let Some(id) = post.refs("social/author").next() else {
            return Ok(None);
        };
        let author = self.entities.one(&id)?;
        let name = author
            .as_ref()
            .and_then(|author| author.text("social/name").or(author.text("social/handle")));
        Ok(name.map(str::to_owned))
    }

    /// What a post shows, a line each.
    fn media(&mut self, post: &Entity, page: &Page) -> Result<Vec<String>, ExportError> {
        let mut lines = Vec::new();
        for id in post.refs("social/media") {
            let Some(media) = self.entities.one(&id)? else {
                continue;
            };
            let shown = Shown {
                cid: media.blob("social/blob"),
                home: None,
                name: String::new(),
                alt: media.text("social/alt").unwrap_or_default(),
                url: media.text("social/url"),
            };
            let picture = media
                .text("social/mime")
                .is_some_and(|mime| mime.starts_with("image/"));
            lines.extend(self.show(&shown, page, picture)?);
        }
        Ok(lines)
    }

    /// The line that shows a file, and the file beside the page. `None` where the text of the page shows it, or nothing can.
    fn show(
        &mut self,
        shown: &Shown<'_>,
        page: &Page,
        picture: bool,
    ) -> Result<Option<String>, ExportError> {
        let mut alt = String::new();
        words::escape(shown.alt, false, &mut alt);
        let here = match shown.cid {
            Some(cid) if self.export.blobs.has(&cid)? => Some(cid),
            Some(cid) => {
                self.exported.miss(&cid);
                None
            }
            None => None,
        };
        let Some(cid) = here else {
            let web = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
            return Ok(shown.url.filter(web).map(|url| {
                let url = url.replace(['<', '>', ' ', '\n'], "");
                let mark = if picture { "!" } else { "" };
                let mut name = String::new();
                words::escape(
                    if shown.alt.is_empty() {
                        &shown.name
                    } else {
                        shown.alt
                    },
                    false,
                    &mut name,
                );
                format!("{mark}[{name}](<{url}>)")
            }));
        };
        if let Some(home) = shown.home {
            if self.files.get(&cid).is_some_and(|path| path == home) {
                return Ok(None);
            }
            if self.names.exactly(home) {
                self.files.entry(cid).or_insert_with(|| home.to_owned());
                self.pending.push((cid, home.to_owned()));
                return Ok(None);
            }
        }
        let path = match self.files.get(&cid) {
            Some(path) => path.clone(),
            None => self.file_beside(cid, &shown.name, &page.path)?,
        };
        let end = names::ending(&path)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let image = matches!(
            end.as_str(),
            ".png" | ".jpg" | ".jpeg" | ".gif" | ".webp" | ".avif" | ".heic" | ".svg" | ".bmp"
        );
        let to = link(&page.path, &path);
        if image {
            return Ok(Some(format!("![{alt}]({to})")));
        }
        if alt.is_empty() {
            words::escape(names_last(&path), false, &mut alt);
        }
        Ok(Some(format!("[{alt}]({to})")))
    }

    /// A place for a file in the folder `attachments` beside the page.
    fn file_beside(&mut self, cid: Cid, name: &str, page: &str) -> Result<String, ExportError> {
        let said = names::ending(name).unwrap_or_default();
        let stem = name.strip_suffix(said).unwrap_or(name);
        // Markdown that is attached to a note is no note
        let told = match said.to_ascii_lowercase().as_str() {
            "" => files::ending(self.export, &cid)?,
            ".md" | ".markdown" => format!("{said}.txt"),
            _ => said.to_owned(),
        };
        let text = cid.to_string();
        let short = text.get(text.len().saturating_sub(12)..).unwrap_or(&text);
        let stem = if stem.trim().is_empty() { short } else { stem };
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        let slash = if folder.is_empty() { "" } else { "/" };
        let path = self
            .names
            .free(&format!("{folder}{slash}attachments/"), stem, &told);
        self.files.insert(cid, path.clone());
        self.pending.push((cid, path.clone()));
        Ok(path)
    }

    /// The blocks of an outline as a list in lists. What they say is Markdown of its own kind.
    fn outline(
        &self,
        above: &Entity,
        depth: usize,
        left: &mut usize,
        open: &mut FxHashSet<EntityId>,
        body: &mut String,
    ) -> Result<(), ExportError> {
        if depth >= DEPTH || !open.insert(above.id) {
            return Ok(());
        }
        for id in above.refs("note/child") {
            let block = self.entities.one(&id)?;
            let Some(block) = block.filter(|b| b.text("note/type") == Some("block")) else {
                continue;
            };
            if *left == 0 {
                break;
            }
            *left -= 1;
            let indent = "  ".repeat(depth);
            for (n, line) in block
                .text("note/text")
                .unwrap_or_default()
                .lines()
                .enumerate()
            {
                let mark = if n == 0 { "- " } else { "  " };
                let _ = writeln!(body, "{indent}{mark}{line}");
            }
            self.outline(&block, depth + 1, left, open, body)?;
        }
        open.remove(&above.id);
        Ok(())
    }

    fn put(&mut self, path: &str, parts: &[&str], at: Option<i64>) -> Result<(), ExportError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true)
            .last_modified_time(at.and_then(stamp).unwrap_or_default());
        self.zip.start_file(path, options)?;
        for part in parts {
            self.zip.write_all(part.as_bytes())?;
        }
        Ok(())
    }

    /// The files that a page shows, after it.
    fn send(&mut self) -> Result<(), ExportError> {
        for (cid, path) in std::mem::take(&mut self.pending) {
            let stored = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .large_file(true);
            self.zip.start_file(path, stored)?;
            let blob = self.export.blobs.open(&cid)?;
            self.exported.files += 1;
            self.exported.file_bytes += blob.len();
            io::copy(&mut blob.reader(0, u64::MAX), &mut self.zip)?;
        }
        Ok(())
    }
}

/// What front matter says of a note.
fn matter(note: &Entity, links: &[String]) -> String {
    let time = |name: &str| note.time(name).and_then(rfc3339);
    let number = |name: &str| note.number(name).map(|x| format!("{x:?}"));
    let mut front = Front::new();
    front
        .text("title", note.text("note/title"))
        .plain("created", time("note/created"))
        .plain("modified", time("note/updated"))
        .list("tags", note.texts("note/tag"))
        .list("aliases", note.texts("note/alias"))
        .text("author", note.text("note/author"))
        .text("source", note.text("note/url"))
        .text("folder", note.text("note/folder"))
        .plain("due", time("note/due"))
        .text("place", note.text("note/place"))
        .plain("latitude", number("note/latitude"))
        .plain("longitude", number("note/longitude"))
        .text("time-zone", note.text("note/time-zone"))
        .text("weather", note.text("note/weather"))
        .text("colour", note.text("note/colour"))
        .yes("pinned", note.boolean("note/pinned"))
        .yes("archived", note.boolean("note/archived"))
        .yes("trashed", note.boolean("note/trashed"))
        .list("shared-with", note.texts("note/shared-with"))
        .list("links", links.iter().map(String::as_str))
        .list("properties", note.texts("note/property"))
        .plain("id", Some(front::quoted(&note.id.to_string())));
    front.end()
}

fn names_last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Puts a paragraph after what is there.
fn add(body: &mut String, paragraph: &str) {
    body.truncate(body.trim_end().len());
    if !body.is_empty() {
        body.push_str("\n\n");
    }
    body.push_str(paragraph);
}

/// When a file was changed, as archives say it: from 1980 to 2107, here in UTC.
fn stamp(ms: i64) -> Option<DateTime> {
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let small = |n: i8| u8::try_from(n).ok();
    DateTime::from_date_and_time(
        u16::try_from(at.year()).ok()?,
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?,
    )
    .ok()
}
