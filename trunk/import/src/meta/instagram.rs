//! Instagram: "download your information" as JSON, and a conversation alone.

use rhizome_tuple::Value as Tuple;
use serde_json::{Map, Value};

use super::{Reading, document, hashtags, messages, numbered, seconds, tail};
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Importer, Recognition, Sink};
use crate::part::Part;
use crate::problem::{Problem, ProblemCode};
use crate::social::social;
use crate::source::Source;

/// Reads downloads of Instagram: posts, stories, reels, likes, follows and conversations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instagram;

/// Documents of posts: the beginning of the name, the path to the items, whether they are shown for a day only.
const POSTS: [(&str, &str, bool); 6] = [
    ("posts", "/*", false),
    ("archived_posts", "/ig_archived_post_media/*", true),
    ("stories", "/ig_stories/*", true),
    ("reels", "/ig_reels_media/*", false),
    ("igtv_videos", "/ig_igtv_media/*", false),
    ("profile_photos", "/ig_profile_picture/*", true),
];

/// Whose download it is.
#[derive(Default)]
struct Profile {
    path: Option<String>,
    handle: Option<String>,
    name: Option<String>,
    bio: Option<String>,
    picture: Option<String>,
    /// Who sees the posts; `None` where the download does not say.
    audience: Option<Audience>,
}

impl Profile {
    fn read(source: &Source, problems: &mut Vec<Problem>) -> Result<Self, ImportError> {
        let Some((path, value)) = document(source, "personal_information.json", problems)? else {
            return Ok(Self::default());
        };
        let user = value.get("profile_user").and_then(|users| users.get(0));
        let Some(user) = user else {
            return Ok(Self::default());
        };
        let of = |name: &str| {
            let text = user
                .get("string_map_data")?
                .get(name)?
                .get("value")?
                .as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let picture = user
            .get("media_map_data")
            .and_then(|media| media.get("Profile Photo")?.get("uri")?.as_str());
        Ok(Self {
            path: Some(path),
            handle: of("Username"),
            name: of("Name"),
            bio: of("Bio"),
            picture: picture.map(str::to_owned),
            // In a download of another language the line has another name; then it says nothing here.
            audience: match of("Private Account").as_deref() {
                Some("False") => Some(Audience::Public),
                Some("True") => Some(Audience::Followers),
                _ => None,
            },
        })
    }
}

/// A conversation that lies alone, without the folders of a download.
fn lone(source: &Source) -> Result<Option<&str>, ImportError> {
    let [entry] = source.entries() else {
        return Ok(None);
    };
    if !entry.ends("json") {
        return Ok(None);
    }
    let head = source.head(&entry.path, 4_096)?;
    let head = String::from_utf8_lossy(&head);
    let all = ["\"messages\"", "\"sender_name\"", "\"timestamp_ms\""];
    let whole = all.iter().all(|name| head.contains(name));
    Ok(whole.then_some(entry.path.as_str()))
}

/// What speaks for a download of Instagram, and how much.
fn evidence(source: &Source, profile: &Profile) -> Result<(f32, Vec<&'static str>), ImportError> {
    let (mut confidence, mut why): (f32, _) = (0.3, Vec::new());
    let folder = |name: &str| {
        let mut paths = source.entries().iter();
        paths.any(|entry| format!("/{}", entry.path).contains(name))
    };
    if folder("/your_instagram_activity/") {
        confidence += 0.25;
        why.push("a folder your_instagram_activity");
    }
    let mut posts = false;
    for path in numbered(source, "posts") {
        let head = source.head(path, 4_096)?;
        let head = String::from_utf8_lossy(&head);
        let named = ["\"media\"", "\"uri\"", "\"creation_timestamp\""];
        posts |= named.iter().all(|name| head.contains(name));
    }
    if posts {
        confidence += 0.25;
        why.push("posts of Instagram");
    }
    if profile.path.is_some() {
        confidence += 0.19;
        why.push("a profile of Instagram");
    }
    if why.is_empty() && lone(source)?.is_some() {
        confidence = 0.8;
        why.push("a conversation as Instagram and Facebook write it");
    }
    Ok((confidence, why))
}

impl Importer for Instagram {
    fn name(&self) -> &'static str {
        "instagram"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let profile = Profile::read(source, &mut Vec::new())?;
        let (confidence, why) = evidence(source, &profile)?;
        if why.is_empty() {
            return Ok(None);
        }
        Ok(Some(Recognition {
            importer: self.name(),
            confidence,
            why: why.join(", "),
            source: self.name().to_owned(),
            account: profile.handle,
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
        let key = format!("profile/{}", profile.handle.as_deref().unwrap_or_default());
        let mut reading = Reading::new(source, sink, &key, "Instagram");
        if let Some(path) = lone(source)? {
            let name = path.rsplit('/').next().unwrap_or(path);
            let name = name.get(..name.len() - 5).unwrap_or(name);
            return reading.conversation(name, &[path.to_owned()]);
        }
        reading.instagram_profile(&profile, key)?;
        let mut warned = profile.audience.is_some();
        for (beginning, path, short) in POSTS {
            let files: Vec<&str> = numbered(source, beginning).collect();
            for file in files {
                let audience = match profile.audience {
                    Some(audience) if !short => audience,
                    _ => Audience::Direct,
                };
                if !short && !std::mem::replace(&mut warned, true) {
                    let message = "the download does not say whether the account was private; its posts were imported as direct";
                    reading
                        .sink
                        .problem(Problem::of_file(ProblemCode::Audience, file, message));
                }
                reading.each(file, "post", path, &mut |reading, n, post| {
                    reading.instagram_post(file, n, post, audience)
                })?;
            }
        }
        let lists = [
            ("liked_posts", "/likes_media_likes/*", "like"),
            ("following", "/relationships_following/*", "follow"),
            ("saved_posts", "/saved_saved_media/*", "bookmark"),
        ];
        for (beginning, path, kind) in lists {
            for file in numbered(source, beginning) {
                reading.each(file, kind, path, &mut |reading, n, item| {
                    reading.listed(kind, file, n, item)
                })?;
            }
        }
        if messages::conversations(source).is_empty() {
            return Ok(());
        }
        reading.conversations()
    }
}

impl Reading<'_> {
    fn instagram_profile(&mut self, profile: &Profile, key: String) -> Result<(), ImportError> {
        if let Some(path) = &profile.path {
            self.sink.used(path);
        }
        let mut facts = Facts::default();
        facts.one(&self.names.r#type, "profile");
        let handle = profile.handle.as_deref().unwrap_or("instagram");
        facts.one(&self.names.handle, format!("{handle}@instagram.com"));
        facts.maybe(&self.names.name, profile.name.clone());
        facts.maybe(&self.names.bio, profile.bio.clone());
        let url = profile
            .handle
            .as_ref()
            .map(|handle| format!("https://www.instagram.com/{handle}/"));
        facts.maybe(&self.names.url, url);
        if let Some(path) = profile.picture.as_ref().and_then(|uri| self.locate(uri))
            && let Some(stored) = self.sink.file(&path)?
        {
            facts.one(&self.names.avatar, Tuple::Blob(stored.cid));
        }
        self.sink.record(facts.record("profile", key, None, None))
    }

    /// A post with its pictures; in stories and old documents the picture itself is the post.
    fn instagram_post(
        &mut self,
        file: &str,
        n: u64,
        post: &Map<String, Value>,
        audience: Audience,
    ) -> Result<(), ImportError> {
        let item = format!("post {n}");
        let mut part = Part::new(post);
        let many = part.objects("media");
        let pictures = if post.contains_key("media") {
            many
        } else {
            vec![post]
        };
        let first = pictures.first().copied();
        let text = |of: &Map<String, Value>| {
            let text = of.get("title")?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        // The words of a post of one picture are those of the picture.
        let words = text(post)
            .or_else(|| first.and_then(text).filter(|_| pictures.len() == 1))
            .unwrap_or_default();
        let created = seconds(post, "creation_timestamp")
            .or_else(|| first.and_then(|of| seconds(of, "creation_timestamp")));
        let name = first.and_then(|of| of.get("uri")?.as_str());
        let key = match (name, created) {
            (Some(uri), _) => format!("post/{}", tail(uri)),
            (None, Some(created)) => format!("post/{}", created / 1_000),
            (None, None) => {
                self.leave_out("post", file, &item, "it has neither a picture nor a time");
                return Ok(());
            }
        };
        let key = self.numbered(key);
        let mut facts = social("post", audience, &self.names);
        facts.one(&self.names.author, self.author);
        facts.maybe(&self.names.created, created.map(Tuple::Time));
        facts.one(&self.names.text, words.as_str());
        facts.set(&self.names.tag, hashtags(&words));
        let mut media = Vec::new();
        for of in pictures {
            media.extend(self.shown(file, &item, of, audience)?);
        }
        facts.list(&self.names.media, media);
        self.report(part, file, &item);
        self.sink
            .record(facts.record("post", key, created, Some(audience)))
    }

    /// A like, a follow or something saved. Who may see it the download does not say.
    fn listed(
        &mut self,
        kind: &'static str,
        file: &str,
        n: u64,
        item: &Map<String, Value>,
    ) -> Result<(), ImportError> {
        let lists = item.get("string_list_data").and_then(Value::as_array);
        let map = item.get("string_map_data").and_then(Value::as_object);
        let list = lists.into_iter().flatten();
        let mut all = list.chain(map.into_iter().flat_map(|map| map.values()));
        let of = all.find_map(|of| {
            let href = of.get("href")?.as_str()?;
            Some((of.as_object()?, href))
        });
        let Some((of, href)) = of.filter(|(_, href)| !href.is_empty()) else {
            self.leave_out(kind, file, &format!("item {n}"), "it has no address");
            return Ok(());
        };
        let created = seconds(of, "timestamp");
        let names = &self.names;
        let to = match kind {
            "like" => &names.like_of_url,
            "follow" => &names.follow_of_url,
            _ => &names.bookmark_of_url,
        };
        let mut facts = social(kind, Audience::Direct, names);
        facts.one(&names.author, self.author);
        facts.one(to, href);
        facts.maybe(&names.created, created.map(Tuple::Time));
        let key = format!("{kind}/{href}");
        self.sink
            .record(facts.record(kind, key, created, Some(Audience::Direct)))
    }
}
