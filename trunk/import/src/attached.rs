//! Pictures, films and sounds that posts and messages show, as media entities.

use rhizome_tuple::Value;

use crate::audience::Audience;
use crate::facts::Facts;
use crate::importer::StoredFile;
use crate::social::{Names, social};

/// What an export says of a file. What it is, its bytes say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    /// Its address at the source.
    pub url: Option<&'a str>,
    /// What it shows, for people who cannot see it. `None`: the export does not say whether there is a text.
    pub alt: Option<&'a str>,
    /// What the export calls it, for files that it does not hold.
    pub mime: Option<&'a str>,
    /// When it was made, milliseconds since 1970.
    pub created: Option<i64>,
}

/// The facts of a media entity.
pub fn media(
    names: &Names,
    audience: Audience,
    said: Said<'_>,
    stored: Option<&StoredFile>,
) -> Facts {
    let mut facts = social("media", audience, names);
    facts.maybe(&names.created, said.created.map(Value::Time));
    facts.maybe(&names.url, said.url);
    facts.maybe(&names.alt, said.alt);
    let mime = match stored {
        Some(stored) => Some(stored.mime.unwrap_or("application/octet-stream")),
        None => said.mime.filter(|mime| is_media_type(mime)),
    };
    facts.maybe(&names.mime, mime);
    if let Some(stored) = stored {
        facts.one(&names.blob, Value::Blob(stored.cid));
        let (width, height) = stored.size.unzip();
        facts.maybe(&names.width, width.map(i64::from));
        facts.maybe(&names.height, height.map(i64::from));
        if stored.mime.is_some_and(|mime| mime.starts_with("image/")) {
            facts.one(&names.is_photo, true);
        }
    }
    facts
}

/// `type/subtype` of RFC 6838 and nothing else.
pub fn is_media_type(mime: &str) -> bool {
    let name = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    mime.len() <= 127
        && mime
            .split_once('/')
            .is_some_and(|(kind, sub)| name(kind) && name(sub))
}
