//! Facebook: "download your information" as JSON.

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::{Reading, document, hashtags, numbered, seconds};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::part::Part;
use crate::problem::Problem;
use crate::social::social;
use crate::source::Source;
use crate::vcard::Names as ContactNames;

/// Reads downloads of Facebook: posts, comments, albums, pictures, films, friends and conversations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facebook;

/// Beginnings of the names of files of posts, since 2024 and before.
const POSTS: [&str; 2] = ["your_posts__check_ins__photos_and_videos", "your_posts"];

/// Whose download it is.
#[derive(Default)]
struct Profile {
    path: Option<String>,
    name: Option<String>,
    url: Option<String>,
    bio: Option<String>,
    lines: Vec<String>,
}

impl Profile {
    fn read(source: &Source, problems: &mut Vec<Problem>) -> Result<Self, ImportError> {
        let Some((path, value)) = document(source, "profile_information.json", problems)? else {
            return Ok(Self::default());
        };
        let Some(of) = value.get("profile_v2").or(value.get("profile")) else {
            return Ok(Self::default());
        };
        let text = |of: &Value, name: &str| {
            let text = of.get(name)?.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let sites = of.get("websites").and_then(Value::as_array);
        let sites = sites.into_iter().flatten();
        Ok(Self {
            path: Some(path),
            name: of.get("name").and_then(|name| text(name, "full_name")),
            url: text(of, "profile_uri").or_else(|| {
                let name = text(of, "username")?;
                Some(format!("https://www.facebook.com/{name}"))
            }),
            bio: text(of, "intro_bio").or_else(|| text(of, "about_me")),
            lines: sites
                .filter_map(|site| Some(format!("Website: {}", text(site, "address")?)))
                .collect(),
        })
    }

    fn account(&self) -> Option<String> {
        self.url.clone().or_else(|| self.name.clone())
    }
}

impl Importer for Facebook {
    fn name(&self) -> &'static str {
        "facebook"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let folder = source
            .entries()
            .iter()
            .any(|entry| format!("/{}", entry.path).contains("/your_facebook_activity/"));
        let profile = Profile::read(source, &mut Vec::new())?;
        let mut posts = false;
        for beginning in POSTS {
            if let Some(path) = numbered(source, beginning).next() {
                let head = source.head(path, 4_096)?;
                let head = String::from_utf8_lossy(&head);
                posts |= head.contains("\"timestamp\"");
            }
        }
        if !posts && profile.path.is_none() && !folder {
            return Ok(None);
        }
        let mut why = Vec::new();
        let mut confidence: f32 = 0.3;
        for (here, what) in [
            (folder, "a folder your_facebook_activity"),
            (posts, "posts of Facebook"),
            (profile.path.is_some(), "a profile of Facebook"),
        ] {
            if here {
                confidence += 0.23;
                why.push(what);
            }
        }
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why: why.join(", "),
            source: self.name().to_owned(),
            account: profile.account(),
        }))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let mut problems = Vec::new();
        let profile = Profile::read(source, &mut problems)?;
        for problem in problems {
            sink.problem(problem);
        }
        let key = format!("profile/{}", profile.account().unwrap_or_default());
        let mut reading = Reading::new(source, sink, &key, "Facebook");
        reading.facebook_profile(&profile, key)?;
        let mut files: Vec<&str> = POSTS
            .iter()
            .flat_map(|beginning| numbered(source, beginning))
            .collect();
        files.sort_unstable();
        files.dedup();
        for path in files {
            reading.each(path, "post", "/*", &mut |reading, n, post| {
                reading.facebook_post(path, n, post)
            })?;
        }
        reading.comments()?;
        reading.albums()?;
        reading.friends()?;
        reading.conversations()
    }
}

/// What is attached to a post or comment.
#[derive(Default)]
struct Attached {
    media: Vec<Tuple>,
    links: Vec<Tuple>,
    heading: Option<String>,
    /// Places and further words.
    lines: Vec<String>,
}

impl Reading<'_> {
    fn facebook_profile(&mut self, profile: &Profile, key: String) -> Result<(), ImportError> {
        if let Some(path) = &profile.path {
            self.sink.used(path);
        }
        let names = &self.names;
        let mut facts = Facts::default();
        facts.one(&names.r#type, "profile");
        let handle = profile.account().unwrap_or_else(|| "facebook".to_owned());
        facts.one(&names.handle, handle);
        facts.maybe(&names.name, profile.name.clone());
        facts.maybe(&names.url, profile.url.clone());
        facts.maybe(&names.bio, profile.bio.clone());
        let lines = profile.lines.iter().map(|line| Tuple::from(line.as_str()));
        facts.list(&names.field, lines.collect());
        self.sink.record(facts.record("profile", key, None, None))
    }

    fn facebook_post(
        &mut self,
        file: &str,
        n: u64,
        post: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let item = format!("post {n}");
        let Some(created) = seconds(post, "timestamp") else {
            self.leave_out("post", file, &item, "it does not say when it was written");
            return Ok(());
        };
        // No download says who may see a post.
        let audience = Audience::Direct;
        let mut part = Part::new(post);
        let mut facts = social("post", audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.one(&self.names.created, Tuple::Time(created));
        let (mut text, mut updated) = (None, None);
        for data in part.objects("data") {
            text = text.or(data.get("post").and_then(Value::as_str));
            updated = updated.or(seconds(data, "update_timestamp"));
        }
        let Attached {
            media,
            links,
            heading,
            lines,
        } = self.attached(&mut part, file, &item)?;
        // A post may be nothing but a place or a memory.
        let whole = text.map_or_else(|| lines.join("\n"), str::to_owned);
        facts.one(&self.names.text, whole.as_str());
        facts.set(&self.names.tag, hashtags(&whole));
        facts.maybe(&self.names.updated, updated.map(Tuple::Time));
        facts.maybe(&self.names.summary, part.text("title"));
        facts.maybe(&self.names.link_title, heading);
        facts.set(&self.names.link, links);
        let people = part.objects("tags").into_iter();
        let people = people.filter_map(|of| of.get("name")?.as_str().map(Tuple::from));
        facts.set(&self.names.mention, people.collect());
        facts.list(&self.names.media, media);
        self.report(part, file, &item);
        let key = self.numbered(format!("post/{}", created / 1_000));
        self.sink
            .record(facts.record("post", key, Some(created), Some(audience)))
    }

    /// What is attached to a post or comment.
    fn attached(
        &mut self,
        part: &mut Part<'_>,
        file: &str,
        item: &str,
    ) -> Result<Attached, ImportError> {
        let mut attached = Attached::default();
        for attachment in part.objects("attachments") {
            let mut inner = Part::new(attachment);
            for data in inner.objects("data") {
                if let Some(of) = data.get("media").and_then(Value::as_object) {
                    attached
                        .media
                        .extend(self.shown(file, item, of, Audience::Direct)?);
                }
                if let Some(of) = data.get("external_context") {
                    let text = |name: &str| of.get(name).and_then(Value::as_str);
                    attached.links.extend(text("url").map(Tuple::from));
                    let heading = attached.heading.take();
                    attached.heading = heading.or(text("name").map(str::to_owned));
                }
                if let Some(place) = data
                    .get("place")
                    .and_then(|place| place.get("name")?.as_str())
                {
                    attached.lines.push(place.to_owned());
                }
                let text = data.get("text").and_then(Value::as_str);
                attached.lines.extend(text.map(str::to_owned));
            }
            self.report(inner, file, item);
        }
        Ok(attached)
    }

    /// What was written under posts, one's own and others'. Which post that was, only the title says, in words.
    fn comments(&mut self) -> Result<(), ImportError> {
        let lists = [
            ("comments", "comments_v2"),
            ("comments", "comments"),
            ("your_comments_in_groups", "group_comments_v2"),
        ];
        for (name, field) in lists {
            for file in self.that_hold(name, field)? {
                self.each(
                    &file,
                    "reply",
                    &format!("/{field}/*"),
                    &mut |reading, n, of| reading.comment(&file, n, of),
                )?;
            }
        }
        Ok(())
    }

    fn comment(&mut self, file: &str, n: u64, of: &Map<String, Value>) -> Result<(), ImportError> {
        let item = format!("comment {n}");
        let mut part = Part::new(of);
        let mut said = part.objects("data").into_iter();
        let said = said.find_map(|data| data.get("comment")?.as_object());
        let created = seconds(of, "timestamp").or_else(|| seconds(said?, "timestamp"));
        let Some(created) = created else {
            self.leave_out("reply", file, &item, "it does not say when it was written");
            return Ok(());
        };
        let text = said.and_then(|said| said.get("comment")?.as_str());
        let attached = self.attached(&mut part, file, &item)?;
        let text = text.map_or_else(|| attached.lines.join("\n"), str::to_owned);
        let mut facts = social("reply", Audience::Direct, &self.names);
        facts.one(&self.names.author, self.author);
        facts.one(&self.names.created, Tuple::Time(created));
        facts.one(&self.names.text, text.as_str());
        facts.set(&self.names.tag, hashtags(&text));
        facts.maybe(&self.names.summary, part.text("title"));
        facts.maybe(&self.names.link_title, attached.heading);
        facts.set(&self.names.link, attached.links);
        facts.list(&self.names.media, attached.media);
        self.report(part, file, &item);
        let key = self.numbered(format!("comment/{}", created / 1_000));
        self.sink
            .record(facts.record("reply", key, Some(created), Some(Audience::Direct)))
    }

    /// Friends: the download has their names and since when.
    fn friends(&mut self) -> Result<(), ImportError> {
        let names = ContactNames::new();
        for (name, field) in [
            ("your_friends", "friends_v2"),
            ("friends", "friends_v2"),
            ("friends", "friends"),
        ] {
            for file in self.that_hold(name, field)? {
                self.each(
                    &file,
                    "contact",
                    &format!("/{field}/*"),
                    &mut |reading, n, of| {
                        let mut part = Part::new(of);
                        let Some(friend) = part.text("name") else {
                            let item = format!("friend {n}");
                            reading.leave_out("contact", &file, &item, "it has no name");
                            return Ok(());
                        };
                        let since = seconds(of, "timestamp");
                        let mut facts = Facts::default();
                        facts.one(&names.r#type, "contact");
                        facts.one(&names.name, friend);
                        let day = since.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
                        let day = day.map(|at| at.strftime("Friend on Facebook since: %Y-%m-%d"));
                        let lines = day.map(|day| Tuple::from(day.to_string()));
                        facts.list(&names.field, lines.into_iter().collect());
                        let key = reading.numbered(format!("friend/{friend}"));
                        reading.report(part, &file, &format!("friend {n}"));
                        reading.sink.record(facts.record(
                            "contact",
                            key,
                            since,
                            Some(Audience::Direct),
                        ))
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Documents of a name that hold a list under `field`.
    fn that_hold(&self, name: &str, field: &str) -> Result<Vec<String>, ImportError> {
        let quoted = format!("\"{field}\"");
        let mut found = Vec::new();
        for path in numbered(self.source, name) {
            let head = self.source.head(path, 512)?;
            if memchr::memmem::find(&head, quoted.as_bytes()).is_some() {
                found.push(path.to_owned());
            }
        }
        Ok(found)
    }

    /// Pictures and films that no post shows: albums, and what is in none.
    fn albums(&mut self) -> Result<(), ImportError> {
        let lists = [
            ("your_uncategorized_photos", "/other_photos_v2/*"),
            ("your_photos", "/other_photos_v2/*"),
            ("your_videos", "/videos_v2/*"),
        ];
        for (name, path) in lists {
            let files: Vec<String> = numbered(self.source, name).map(str::to_owned).collect();
            for file in files {
                self.each(&file, "media", path, &mut |reading, n, of| {
                    let item = format!("picture {n}");
                    reading.shown(&file, &item, of, Audience::Direct)?;
                    Ok(())
                })?;
            }
        }
        let albums = self.source.entries().iter().filter(|entry| {
            let mut parts = entry.path.rsplit('/');
            let (name, folder) = (parts.next(), parts.next());
            name.is_some_and(|name| name.to_ascii_lowercase().ends_with(".json"))
                && folder == Some("album")
        });
        let albums: Vec<String> = albums.map(|entry| entry.path.clone()).collect();
        for file in albums {
            self.each(&file, "media", "/photos/*", &mut |reading, n, of| {
                let item = format!("picture {n}");
                reading.shown(&file, &item, of, Audience::Direct)?;
                Ok(())
            })?;
        }
        Ok(())
    }
}
