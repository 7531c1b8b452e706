//! Media of a post: the file in the archive, and what the post says about it.

use rhizome_tuple::{EntityId, Value as Tuple};
use serde_json::{Map, Value};

use super::Reading;
use crate::attached::is_media_type;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::social::social;
use crate::source::{Source, safe_path};

/// The path in the archive that an address means: its part from `media_attachments/` on, or the whole of a relative one.
/// What the archive holds is found under it; what would leave the archive is refused.
///
/// # Errors
/// A problem to report: the path is unsafe, or the archive has no such file.
pub fn locate(source: &Source, folder: &str, url: &str) -> Result<String, Problem> {
    let shown = shorten(url);
    let path = match url.find("media_attachments/") {
        Some(at) => url.get(at..).unwrap_or_default(),
        None if url.contains("://") => {
            let message = "it lies on the server and not in the archive";
            return Err(Problem::of_file(ProblemCode::MissingFile, shown, message));
        }
        None => url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let Some(safe) = safe_path(path) else {
        let message = "this path leaves the archive or is not a path; the file was not read";
        return Err(Problem::of_file(ProblemCode::UnsafePath, shown, message));
    };
    let inside = format!("{folder}{safe}");
    if source.find(&inside).is_none() {
        return Err(Problem::of_file(
            ProblemCode::MissingFile,
            safe,
            "the archive names this file but does not hold it",
        ));
    }
    Ok(inside)
}

impl Reading<'_> {
    /// Hands the media of a post over and gives their entities in order.
    pub(super) fn attachments(
        &mut self,
        file: &str,
        item: &str,
        attachments: Vec<&Map<String, Value>>,
        audience: Audience,
        created: Option<i64>,
    ) -> Result<Vec<Tuple>, ImportError> {
        let mut media = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            if let Some(entity) = self.attachment(file, item, attachment, audience, created)? {
                media.push(Tuple::Ref(entity));
            }
        }
        Ok(media)
    }

    fn attachment(
        &mut self,
        file: &str,
        item: &str,
        attachment: &Map<String, Value>,
        audience: Audience,
        created: Option<i64>,
    ) -> Result<Option<EntityId>, ImportError> {
        let mut part = Part::new(attachment);
        let Some(url) = part.text("url").or_else(|| part.text("href")) else {
            part.complain("an attachment has no url; it was left out");
            part.problems(file, item)
                .for_each(|problem| self.sink.problem(problem));
            return Ok(None);
        };
        let located = locate(self.source, &self.folder, url);
        let tail = url
            .find("media_attachments/")
            .and_then(|at| url.get(at..))
            .unwrap_or(url);
        let key = format!("{}#media/{}", self.actor.id, shorten(tail));
        let entity = self.sink.entity(&key);
        if !self.media.insert(key.clone()) {
            return Ok(Some(entity));
        }
        let stored = match located {
            Ok(path) => self.sink.file(&path)?,
            Err(problem) => {
                self.sink.problem(Problem {
                    item: item.to_owned(),
                    ..problem
                });
                None
            }
        };
        let declared = part.text("mediaType").filter(|mime| is_media_type(mime));
        // What a file is, its bytes say; what an export calls it counts only where the file is missing.
        let mime = match &stored {
            Some(stored) => stored.mime.or(Some("application/octet-stream")),
            None => declared,
        };
        let picture = stored
            .as_ref()
            .is_some_and(|stored| stored.mime.is_some_and(|mime| mime.starts_with("image/")));
        let size = stored.as_ref().and_then(|stored| stored.size);
        let names = &self.names;
        let mut facts = social("media", audience, names);
        facts.maybe(&names.created, created.map(Tuple::Time));
        facts.one(&names.url, url);
        facts.maybe(&names.blob, stored.map(|stored| Tuple::Blob(stored.cid)));
        facts.maybe(&names.mime, mime);
        facts.or_empty(&names.alt, part.text("name"));
        facts.maybe(
            &names.width,
            part.count("width")
                .or(size.map(|(width, _)| i64::from(width))),
        );
        facts.maybe(
            &names.height,
            part.count("height")
                .or(size.map(|(_, height)| i64::from(height))),
        );
        facts.maybe(&names.blurhash, part.text("blurhash"));
        if let Some((x, y)) = focal_point(&mut part) {
            facts.one(&names.focal_x, Tuple::Float(x));
            facts.one(&names.focal_y, Tuple::Float(y));
        }
        if picture {
            facts.one(&names.is_photo, true);
        }
        part.problems(file, item)
            .for_each(|problem| self.sink.problem(problem));
        self.sink.record(facts.record("media", key, None, None))?;
        Ok(Some(entity))
    }
}

/// Two numbers from -1 to 1.
fn focal_point(part: &mut Part<'_>) -> Option<(f64, f64)> {
    let point = part.get("focalPoint")?;
    let read = match point.as_array().map(Vec::as_slice) {
        Some([x, y]) => x
            .as_f64()
            .zip(y.as_f64())
            .filter(|(x, y)| x.abs() <= 1.0 && y.abs() <= 1.0),
        _ => None,
    };
    if read.is_none() {
        part.complain("focalPoint is not two numbers from -1 to 1; it was left out");
    }
    read
}
