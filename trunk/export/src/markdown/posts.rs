//! Posts without a title: a file a month, as a journal is read. One each would be tens of thousands of files of a line.

use std::fmt::Write;

use std::collections::BTreeMap;

use rhizome_tuple::EntityId;

use super::front::Front;
use super::names::{folders, safe};
use super::{Archive, Page, add, words};
use crate::ExportError;
use crate::entities::{Entity, rfc3339};

/// Which file a post is in. What not everybody may see is never in one with what everybody may: such files are drafts, so that no
/// site shows them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct File {
    author: Option<EntityId>,
    private: bool,
    /// `2024-03`; empty where a post does not say when it was.
    month: String,
}

#[derive(Default)]
pub(super) struct Posts {
    months: BTreeMap<File, Vec<(i64, EntityId)>>,
}

pub(super) fn is_post(entity: &Entity) -> bool {
    matches!(entity.text("social/type"), Some("post" | "reply" | "boost"))
}

/// Whether it was shown to everybody. What nobody knows of was not, nor what has only an address.
pub(super) fn is_public(post: &Entity) -> bool {
    post.text("social/audience") == Some("public")
}

impl Posts {
    pub fn add(&mut self, post: &Entity) {
        let at = post.time("social/created");
        let month = at
            .and_then(rfc3339)
            .and_then(|at| at.get(..7).map(str::to_owned));
        let file = File {
            author: post.refs("social/author").next(),
            private: !is_public(post),
            month: month
                .filter(|month| !month.starts_with('-'))
                .unwrap_or_default(),
        };
        let posts = self.months.entry(file).or_default();
        posts.push((at.unwrap_or_default(), post.id));
    }

    pub fn write(
        self,
        archive: &mut Archive<'_, '_>,
        watch: &mut dyn FnMut(u64) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut written = 0;
        let mut folder_of: BTreeMap<Option<EntityId>, (String, String)> = BTreeMap::new();
        for (file, mut posts) in self.months {
            posts.sort_unstable();
            if !folder_of.contains_key(&file.author) {
                let found = author(archive, file.author, &folder_of)?;
                folder_of.insert(file.author, found);
            }
            let (folder, name) = folder_of.get(&file.author).cloned().unwrap_or_default();
            let part = if file.private { "not public/" } else { "" };
            let month = if file.month.is_empty() {
                "undated"
            } else {
                &file.month
            };
            let path = archive.names.free(&format!("{folder}{part}"), month, ".md");
            let page = Page { path, home: false };
            let mut front = Front::new();
            let first = posts
                .first()
                .map(|(at, _)| *at)
                .filter(|_| !file.month.is_empty());
            let last = posts
                .last()
                .map(|(at, _)| *at)
                .filter(|_| !file.month.is_empty());
            let about = if file.private { ", not public" } else { "" };
            front
                .text("title", Some(&format!("{name}, {month}{about}")))
                .plain("created", first.and_then(rfc3339))
                .plain("modified", last.and_then(rfc3339))
                .yes("draft", Some(file.private));
            let mut body = String::new();
            for (at, id) in posts {
                written += 1;
                watch(written)?;
                let Some(post) = archive.entities.one(&id)? else {
                    continue;
                };
                let when = rfc3339(at).filter(|_| !file.month.is_empty());
                let when = when.map_or_else(
                    || "## Undated".to_owned(),
                    |at| format!("## {} UTC", at.get(..16).unwrap_or(&at).replace('T', " ")),
                );
                add(&mut body, &when);
                post_of(archive, &post, &page, &mut body)?;
                archive.exported.take(&post);
            }
            archive.put(&page.path, &[&front.end(), &body, "\n"], last)?;
            archive.send()?;
        }
        Ok(())
    }
}

/// The folder of an author's posts, and what the author is called.
fn author(
    archive: &Archive<'_, '_>,
    id: Option<EntityId>,
    others: &BTreeMap<Option<EntityId>, (String, String)>,
) -> Result<(String, String), ExportError> {
    let entity = match id {
        Some(id) => archive.entities.one(&id)?,
        None => None,
    };
    let text = |name: &str| {
        entity
            .as_ref()
            .and_then(|e| e.text(name))
            .map(str::to_owned)
    };
    let handle = text("social/handle").map(|handle| handle.trim_matches('@').to_owned());
    let name = text("social/name").or_else(|| handle.clone());
    let name = name.unwrap_or_else(|| "Posts".to_owned());
    let base = safe(&handle.unwrap_or_else(|| name.clone()), 40);
    let taken = |folder: &str| {
        others
            .values()
            .any(|(taken, _)| taken.to_lowercase() == folder.to_lowercase())
    };
    let mut folder = folders(&format!("posts/{base}"));
    let mut n = 1;
    while taken(&folder) {
        n += 1;
        folder = format!("posts/{base} {n}/");
    }
    Ok((folder, name))
}

fn post_of(
    archive: &mut Archive<'_, '_>,
    post: &Entity,
    page: &Page,
    body: &mut String,
) -> Result<(), ExportError> {
    if let Some(warning) = post.text("social/summary") {
        let mut line = "Content warning: ".to_owned();
        words::escape(warning.trim(), false, &mut line);
        add(body, &line);
    }
    if let Some(text) = post
        .text("social/text")
        .filter(|text| !text.trim().is_empty())
    {
        add(body, &words::plain(text, &[]));
    }
    for id in post
        .refs("social/boost-of")
        .chain(post.refs("social/quote-of"))
    {
        let quoted = archive.entities.one(&id)?;
        if let Some(text) = quoted
            .as_ref()
            .and_then(|quoted| quoted.text("social/text"))
        {
            let text = words::plain(text, &[]);
            let lines: Vec<String> = text.lines().map(|line| format!("> {line}")).collect();
            add(body, &lines.join("\n"));
        }
    }
    for line in archive.media(post, page)? {
        add(body, &line);
    }
    for id in post.refs("social/poll") {
        if let Some(option) = archive.entities.one(&id)? {
            let mut line = "- ".to_owned();
            words::escape(
                option.text("social/name").unwrap_or_default(),
                true,
                &mut line,
            );
            if let Some(votes) = option.integer("social/votes") {
                let _ = write!(line, " ({votes})");
            }
            add(body, &line);
        }
    }
    let mut about = Vec::new();
    if !is_public(post) {
        about.push(format!(
            "seen by: {}",
            post.text("social/audience").unwrap_or("not known")
        ));
    }
    for (name, attribute) in [
        ("original", "social/url"),
        ("answers", "social/reply-to-url"),
        ("shares", "social/boost-of-url"),
        ("quotes", "social/quote-of-url"),
    ] {
        if let Some(url) = post.text(attribute).filter(|url| is_web(url)) {
            about.push(format!("{name}: <{url}>"));
        }
    }
    if !about.is_empty() {
        add(body, &about.join("  \n"));
    }
    Ok(())
}

/// An address that can stand in a text as it is.
fn is_web(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    web && !url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '<' || c == '>')
}
