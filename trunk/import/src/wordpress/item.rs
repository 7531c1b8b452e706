//! One item of a `WordPress` export: a post, a page or a file, with its comments.

use rhizome_tuple::{EntityId, Value};

use super::Blog;
use super::paragraphs::paragraphs;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::social;
use crate::text::clean;
use crate::time::parse_any_time;
use crate::xml::Element;

/// When something was published: `WordPress` writes zeros for drafts.
fn time(element: &Element, names: &[&str]) -> Option<i64> {
    names
        .iter()
        .filter_map(|name| element.text_of(name))
        .filter(|text| !text.starts_with("0000"))
        .find_map(parse_any_time)
}

/// Everyone may see what is published without a password; all else is its author's.
fn audience(item: &Element) -> Audience {
    let open =
        item.text_of("wp:status") == Some("publish") && item.text_of("wp:post_password").is_none();
    if open {
        Audience::Public
    } else {
        Audience::Direct
    }
}

impl Blog<'_> {
    pub(super) fn item(&mut self, item: &Element) -> Result<(), ImportError> {
        let kind = item.text_of("wp:post_type").unwrap_or("post");
        let id = item.text_of("wp:post_id").or_else(|| item.text_of("guid"));
        let Some(id) = id else {
            let title = shorten(item.text_of("title").unwrap_or("an item"));
            return self.left_out(&title, "it has no id");
        };
        match kind {
            "post" | "page" => self.post(item, id, kind),
            "attachment" => self.attachment(item, id),
            "nav_menu_item"
            | "revision"
            | "wp_global_styles"
            | "wp_template"
            | "wp_template_part"
            | "wp_navigation"
            | "custom_css"
            | "customize_changeset"
            | "oembed_cache"
            | "wp_block" => Ok(()),
            other => self.left_out(
                id,
                &format!("items of type {} are not imported", shorten(other)),
            ),
        }
    }

    #[allow(clippy::unnecessary_wraps)] // so that a caller can end with it
    fn left_out(&mut self, item: &str, why: &str) -> Result<(), ImportError> {
        let message = format!("{why}; it was left out");
        let problem = Problem::of_item(ProblemCode::Malformed, self.file, item, message);
        self.sink.skip("post", problem);
        Ok(())
    }

    fn post(&mut self, item: &Element, id: &str, kind: &str) -> Result<(), ImportError> {
        let key = self.key(&format!("post/{id}"));
        let audience = audience(item);
        let author = self.profile(item.text_of("dc:creator").unwrap_or("unknown"), None)?;
        let created = time(item, &["wp:post_date_gmt", "pubDate", "wp:post_date"]);
        let status = item.text_of("wp:status").unwrap_or_default();
        if created.is_none() && status == "publish" {
            let message = "it does not say when it was published";
            self.sink.problem(Problem::of_item(
                ProblemCode::PartIgnored,
                self.file,
                key.as_str(),
                message,
            ));
        }
        let (html, text) = clean(&paragraphs(
            item.text_of("content:encoded").unwrap_or_default(),
        ));
        let excerpt = item.text_of("excerpt:encoded").map(|text| clean(text).1);
        let mut tags: Vec<String> = Vec::new();
        for category in item.each("category") {
            let word = category.text.trim().to_lowercase();
            let counts = matches!(
                category.attribute("domain"),
                Some("category" | "post_tag") | None
            );
            if counts && !word.is_empty() && word != "uncategorized" && !tags.contains(&word) {
                tags.push(word);
            }
        }
        if kind == "page" {
            tags.push("page".to_owned());
        }
        let names = &self.names;
        let mut facts = social("post", audience, names);
        facts.one(&names.author, author);
        facts.maybe(&names.created, created.map(Value::Time));
        let updated =
            time(item, &["wp:post_modified_gmt"]).filter(|updated| Some(*updated) != created);
        facts.maybe(&names.updated, updated.map(Value::Time));
        facts.or_empty(&names.title, item.text_of("title"));
        facts.or_empty(&names.summary, excerpt.filter(|text| !text.is_empty()));
        facts.or_empty(&names.text, (!text.is_empty()).then_some(text));
        facts.or_empty(&names.html, (!html.is_empty()).then_some(html));
        facts.or_empty(&names.url, item.text_of("link"));
        facts.set(&names.tag, tags.into_iter().map(Value::from).collect());
        let of = self.sink.entity(&key);
        let record = facts.record("post", key, created, Some(audience));
        self.sink.record(record)?;
        for comment in item.each("wp:comment") {
            self.comment(item, id, comment, of, audience)?;
        }
        Ok(())
    }

    /// A comment that everyone could see is as open as its post; one that waits, or was taken for spam, is not.
    fn comment(
        &mut self,
        item: &Element,
        post: &str,
        comment: &Element,
        of: EntityId,
        audience: Audience,
    ) -> Result<(), ImportError> {
        let Some(id) = comment.text_of("wp:comment_id") else {
            return self.left_out(&format!("a comment on {post}"), "it has no id");
        };
        let approved = comment.text_of("wp:comment_approved");
        if matches!(approved, Some("spam" | "trash" | "post-trashed")) {
            return Ok(());
        }
        let audience = if approved == Some("1") {
            audience
        } else {
            Audience::Direct
        };
        let kind = comment.text_of("wp:comment_type").unwrap_or("comment");
        if !matches!(kind, "comment" | "") {
            // Pingbacks are what other sites' programs left.
            return Ok(());
        }
        let author = self.commenter(comment)?;
        let (html, text) = clean(&paragraphs(
            comment.text_of("wp:comment_content").unwrap_or_default(),
        ));
        let created = time(comment, &["wp:comment_date_gmt", "wp:comment_date"]);
        let parent = comment
            .text_of("wp:comment_parent")
            .filter(|parent| *parent != "0");
        let to = match parent {
            Some(parent) => self.sink.entity(&self.key(&format!("comment/{parent}"))),
            None => of,
        };
        let key = self.key(&format!("comment/{id}"));
        let names = &self.names;
        let mut facts = social("reply", audience, names);
        facts.one(&names.author, author);
        facts.maybe(&names.created, created.map(Value::Time));
        facts.one(&names.reply_to, to);
        facts.one(
            &names.reply_to_url,
            item.text_of("link").unwrap_or(&self.site),
        );
        facts.or_empty(&names.text, (!text.is_empty()).then_some(text));
        facts.or_empty(&names.html, (!html.is_empty()).then_some(html));
        self.sink
            .record(facts.record("reply", key, created, Some(audience)))
    }

    /// Who wrote a comment. Their e-mail and network addresses were never public and are only hashed into the id.
    fn commenter(&mut self, comment: &Element) -> Result<EntityId, ImportError> {
        let name = comment.text_of("wp:comment_author");
        let mail = comment.text_of("wp:comment_author_email");
        let who = mail.or(name).unwrap_or("nobody").to_lowercase();
        let hash = blake3::hash(who.as_bytes()).to_hex();
        let key = self.key(&format!("person/{}", hash.get(..32).unwrap_or_default()));
        let entity = self.sink.entity(&key);
        if self.people.insert(key.clone()) {
            let names = &self.names;
            let mut facts = Facts::default();
            facts.one(&names.r#type, "profile");
            facts.one(&names.handle, name.unwrap_or("nobody"));
            facts.or_empty(&names.name, name);
            facts.or_empty(&names.url, comment.text_of("wp:comment_author_url"));
            self.sink
                .record(facts.record("profile", key, None, None::<Audience>))?;
        }
        Ok(entity)
    }

    /// A file of the blog, which the export only has the address of.
    fn attachment(&mut self, item: &Element, id: &str) -> Result<(), ImportError> {
        let key = self.key(&format!("post/{id}"));
        let created = time(item, &["wp:post_date_gmt", "pubDate", "wp:post_date"]);
        let audience = Audience::Direct;
        let alt = item.each("wp:postmeta").find_map(|meta| {
            let named = meta.text_of("wp:meta_key") == Some("_wp_attachment_image_alt");
            named.then(|| meta.text_of("wp:meta_value")).flatten()
        });
        let names = &self.names;
        let mut facts = social("media", audience, names);
        facts.maybe(&names.created, created.map(Value::Time));
        facts.or_empty(&names.url, item.text_of("wp:attachment_url"));
        facts.or_empty(&names.alt, alt.or_else(|| item.text_of("title")));
        self.sink
            .record(facts.record("media", key, created, Some(audience)))
    }
}
