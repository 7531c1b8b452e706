//! DID Resolution, as far as it is a function: from a DID, options and logs to a result, and from that to an answer over HTTP.
//!
//! W3C [DID Resolution](https://w3c.github.io/did-resolution/), section "HTTP(S) Binding". Serving it, for
//! instance under `/1.0/identifiers/…`, is up to whoever has sockets.

use std::borrow::Borrow;

use serde_json::{Map, Value, json};

use crate::document::{Representation, document, document_metadata};
use crate::{Did, Log};

/// Why a DID was not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// It is not a DID, or not one that its method could have made.
    #[error("this is not a well-formed DID")]
    InvalidDid,
    /// Nothing is known here about it, or about this version of it.
    #[error("this resolver does not know the identity, or this version of it")]
    NotFound,
    /// None of the media types asked for can be served.
    #[error(
        "a DID document is served as application/did, application/did+json or application/did+ld+json"
    )]
    RepresentationNotSupported,
    /// Another method than did:rhizome.
    #[error("this resolver knows did:rhizome only")]
    MethodNotSupported,
    /// An option whose value makes no sense.
    #[error("a resolution option has a value that makes no sense")]
    InvalidOptions,
    /// An option that is not supported.
    #[error(
        "of the resolution options, this resolver supports versionId only; there is no clock in a log"
    )]
    FeatureNotSupported,
}

impl ResolveError {
    const fn names(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::InvalidDid => ("INVALID_DID", "invalidDid", 400),
            Self::NotFound => ("NOT_FOUND", "notFound", 404),
            Self::RepresentationNotSupported => (
                "REPRESENTATION_NOT_SUPPORTED",
                "representationNotSupported",
                406,
            ),
            Self::MethodNotSupported => ("METHOD_NOT_SUPPORTED", "methodNotSupported", 501),
            Self::InvalidOptions => ("INVALID_OPTIONS", "invalidOptions", 400),
            Self::FeatureNotSupported => ("FEATURE_NOT_SUPPORTED", "featureNotSupported", 501),
        }
    }

    /// Its type, as in DID Resolution.
    pub fn uri(self) -> String {
        format!("https://www.w3.org/ns/did#{}", self.names().0)
    }

    /// Its keyword, as in DID Core 1.0.
    pub fn keyword(self) -> &'static str {
        self.names().1
    }

    /// The status of an answer over HTTP.
    pub fn status(self) -> u16 {
        self.names().2
    }
}

/// What resolving a DID gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The document, or why there is none. Of an identity that has ended, null.
    pub document: Result<Value, ResolveError>,
    /// `didDocumentMetadata`: `versionId`, and `deactivated` if it is. Empty after an error.
    pub metadata: Value,
    /// The form of the document.
    pub representation: Representation,
    /// Whether the whole result was asked for, not only the document.
    pub is_whole: bool,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body, JSON.
    pub body: String,
}

const RESULT: &str = "application/did-resolution";

/// Resolves a DID. `accept` is the header of that name; without it the whole result is meant. `options` are all others (`versionId`:
/// a head, or any operation, of the log). `find` looks up the log of an identity.
pub fn resolve<L: Borrow<Log>>(
    did: &str,
    accept: Option<&str>,
    options: &[(&str, &str)],
    find: impl FnOnce(&Did) -> Option<L>,
) -> Resolved {
    let Some((representation, is_whole)) = negotiate(accept) else {
        return refusal(ResolveError::RepresentationNotSupported);
    };
    match find_document(did, options, representation, find) {
        Ok((document, metadata)) => Resolved {
            document: Ok(document),
            metadata,
            representation,
            is_whole,
        },
        Err(error) => refusal(error),
    }
}

fn refusal(error: ResolveError) -> Resolved {
    Resolved {
        document: Err(error),
        metadata: json!({}),
        representation: Representation::Did,
        is_whole: true,
    }
}

fn find_document<L: Borrow<Log>>(
    text: &str,
    options: &[(&str, &str)],
    representation: Representation,
    find: impl FnOnce(&Did) -> Option<L>,
) -> Result<(Value, Value), ResolveError> {
    let method = method_of(text).ok_or(ResolveError::InvalidDid)?;
    if method != "rhizome" {
        return Err(ResolveError::MethodNotSupported);
    }
    let did: Did = text.parse().map_err(|_| ResolveError::InvalidDid)?;
    let version = version_of(options)?;
    let log = find(&did).ok_or(ResolveError::NotFound)?;
    let log = log.borrow();
    let mut resolution = log.resolve();
    if let Some(version) = version.filter(|version| *version != resolution.version.to_string()) {
        let id = log
            .operations()
            .map(crate::Operation::id)
            .find(|id| id.to_string() == version)
            .ok_or(ResolveError::NotFound)?;
        resolution = log.version(&id).ok_or(ResolveError::NotFound)?.resolve();
    }
    let metadata = document_metadata(&resolution);
    if resolution.deactivated {
        return Ok((Value::Null, metadata));
    }
    Ok((document(&resolution, representation), metadata))
}

fn version_of<'a>(options: &[(&str, &'a str)]) -> Result<Option<&'a str>, ResolveError> {
    let mut version = None;
    for (name, value) in options {
        match *name {
            "versionId" if version.is_some() || value.is_empty() => {
                return Err(ResolveError::InvalidOptions);
            }
            "versionId" => version = Some(*value),
            // Our documents have no relative URLs, and nothing here is cached.
            "expandRelativeUrls" | "noCache" if matches!(*value, "true" | "false") => {}
            "expandRelativeUrls" | "noCache" => return Err(ResolveError::InvalidOptions),
            _ => return Err(ResolveError::FeatureNotSupported),
        }
    }
    Ok(version)
}

/// The method of a DID that conforms to the syntax of DID Core.
fn method_of(text: &str) -> Option<&str> {
    let (method, id) = text.strip_prefix("did:")?.split_once(':')?;
    let is_method = !method.is_empty()
        && method
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut bytes = id.bytes();
    let mut last = b':';
    while let Some(byte) = bytes.next() {
        last = byte;
        let is_escape = byte == b'%'
            && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            && bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
        if !is_escape && !is_plain {
            return None;
        }
    }
    (is_method && last != b':').then_some(method)
}

/// The form that an `Accept` header asks for first among those there are, and whether it is the whole result.
fn negotiate(accept: Option<&str>) -> Option<(Representation, bool)> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Some((Representation::Did, true));
    };
    let mut wanted: Vec<(u16, &str)> = accept
        .split(',')
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next()?;
            let quality = parts.find_map(|p| p.strip_prefix("q="));
            let quality = quality.map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
            // Three decimals are all that a quality has.
            Some(((quality.clamp(0.0, 1.0) * 1000.0) as u16, media))
        })
        .filter(|(quality, _)| *quality > 0)
        .collect();
    wanted.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    wanted.into_iter().find_map(|(_, media)| {
        if [RESULT, "application/*", "*/*"]
            .iter()
            .any(|m| media.eq_ignore_ascii_case(m))
        {
            return Some((Representation::Did, true));
        }
        Representation::ALL
            .into_iter()
            .find(|r| media.eq_ignore_ascii_case(r.media_type()))
            .map(|r| (r, false))
    })
}

impl Resolved {
    /// The result as one object: `didDocument`, `didResolutionMetadata`, `didDocumentMetadata`.
    pub fn result(&self) -> Value {
        let mut about = Map::new();
        let document = match &self.document {
            Ok(document) => {
                let media = self.representation.media_type();
                about.insert("contentType".into(), media.into());
                document.clone()
            }
            Err(error) => {
                about.insert(
                    "error".into(),
                    json!({ "type": error.uri(), "title": error.keyword(), "detail": error.to_string() }),
                );
                Value::Null
            }
        };
        json!({
            "didDocument": document,
            "didResolutionMetadata": about,
            "didDocumentMetadata": self.metadata,
        })
    }

    /// The answer to a `GET` of the HTTP binding.
    pub fn answer(&self) -> Answer {
        let status = match &self.document {
            Ok(Value::Null) => 410,
            Ok(_) => 200,
            Err(error) => error.status(),
        };
        match &self.document {
            Ok(document) if !self.is_whole && !document.is_null() => Answer {
                status,
                content_type: self.representation.media_type(),
                body: document.to_string(),
            },
            _ => Answer {
                status,
                content_type: RESULT,
                body: self.result().to_string(),
            },
        }
    }
}
