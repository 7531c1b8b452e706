//! What an app says when it asks.

use rhizome_ipld::PublicKey;
use serde::Deserialize;
use serde_json::Value as Json;
use url::{Host, Url};

use super::scope::{Wish, parse_wishes, plain};
use crate::PodError;

/// Bytes of a request.
const MAX_REQUEST: usize = 32 << 10;
/// Bytes of a name.
const MAX_NAME: usize = 80;
/// Bytes of where to go back to.
const MAX_REDIRECT: usize = 2000;
/// Bytes of what comes back as it was sent.
const MAX_STATE: usize = 512;
/// Days that an app may ask for.
const MAX_DAYS: u32 = 3650;

/// Where the answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A page, that is sent back to itself with a code.
    Page {
        /// Exactly where to.
        redirect: String,
        /// Of what origin that is.
        origin: String,
        /// Comes back as it was sent.
        state: String,
        /// base64url(SHA-256(verifier)).
        challenge: String,
    },
    /// A program that asks until there is an answer.
    Program,
}

/// A request of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The app: a did:key.
    pub client: PublicKey,
    /// What it calls itself.
    pub name: String,
    /// How it hears of the answer.
    pub way: Way,
    /// What it would like.
    pub wishes: Vec<Wish>,
    /// For how long.
    pub days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FromProgram {
    client_id: String,
    name: String,
    scope: Json,
    #[serde(default)]
    days: Option<u32>,
}

fn wrong(what: impl Into<String>) -> PodError {
    PodError::Request(what.into())
}

fn client(text: &str) -> Result<PublicKey, PodError> {
    PublicKey::from_did_key(text).map_err(|error| {
        wrong(format!(
            "`client_id` is to be the did:key of the app: {error}"
        ))
    })
}

fn name(text: &str) -> Result<String, PodError> {
    let name = plain("name", text, MAX_NAME)?;
    if name.is_empty() {
        return Err(wrong("`name` is empty: an app has a name"));
    }
    Ok(name)
}

fn days(days: Option<u32>) -> Result<Option<u32>, PodError> {
    match days {
        Some(0) => Err(wrong("`days` is to be at least 1")),
        Some(days) if days > MAX_DAYS => Err(wrong(format!("`days` is to be at most {MAX_DAYS}"))),
        days => Ok(days),
    }
}

/// The origin of an address that a page may be sent back to.
pub(crate) fn origin_of(redirect: &str) -> Result<String, PodError> {
    if redirect.len() > MAX_REDIRECT {
        return Err(wrong(format!(
            "`redirect_uri` is longer than {MAX_REDIRECT} bytes"
        )));
    }
    let url = Url::parse(redirect)
        .map_err(|error| wrong(format!("`redirect_uri` is not an address: {error}")))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(wrong(
            "`redirect_uri` is to be https://…, or http:// on this machine",
        ));
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "`redirect_uri` is to have no fragment and no user name",
        ));
    }
    // one that is written in another way than it is read could be shown as something else
    if url.as_str() != redirect {
        return Err(wrong(format!("`redirect_uri` is to be written as {url}")));
    }
    Ok(url.origin().ascii_serialization())
}

impl Request {
    /// Reads what stands behind the question mark of `/authorize`.
    ///
    /// # Errors
    /// [`PodError::Request`], with what is wrong.
    pub fn from_query(query: &str) -> Result<Self, PodError> {
        const KNOWN: [&str; 10] = [
            "client_id",
            "name",
            "redirect_uri",
            "state",
            "code_challenge",
            "code_challenge_method",
            "scope",
            "days",
            "response_type",
            "resource",
        ];
        if query.len() > MAX_REQUEST {
            return Err(wrong(format!(
                "the request is longer than {MAX_REQUEST} bytes"
            )));
        }
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        for (i, (name, _)) in pairs.iter().enumerate() {
            if !KNOWN.contains(&name.as_str()) {
                return Err(wrong(format!("`{name}` is not a part of a request")));
            }
            if pairs.iter().skip(i + 1).any(|(other, _)| other == name) {
                return Err(wrong(format!("`{name}` is there twice")));
            }
        }
        let get = |name: &str| pairs.iter().find(|p| p.0 == name).map(|p| p.1.as_str());
        let need = |name: &str| get(name).ok_or_else(|| wrong(format!("`{name}` is missing")));
        if get("response_type").is_some_and(|t| t != "code") {
            return Err(wrong("`response_type` is to be code"));
        }
        if get("code_challenge_method") != Some("S256") {
            return Err(wrong("`code_challenge_method` is to be S256"));
        }
        let challenge = need("code_challenge")?;
        let bytes = data_encoding::BASE64URL_NOPAD.decode(challenge.as_bytes());
        if !bytes.is_ok_and(|bytes| bytes.len() == 32) {
            return Err(wrong(
                "`code_challenge` is to be the SHA-256 of the verifier as base64url without padding",
            ));
        }
        let state = need("state")?;
        if state.is_empty() || state.len() > MAX_STATE {
            return Err(wrong(format!(
                "`state` is to be something random of 1 to {MAX_STATE} bytes"
            )));
        }
        let redirect = need("redirect_uri")?;
        let until = get("days")
            .map(|n| n.parse().map_err(|_| wrong("`days` is to be a number")))
            .transpose()?;
        Ok(Self {
            client: client(need("client_id")?)?,
            name: name(need("name")?)?,
            wishes: parse_wishes(need("scope")?)?,
            days: days(until)?,
            way: Way::Page {
                origin: origin_of(redirect)?,
                redirect: redirect.to_owned(),
                state: state.to_owned(),
                challenge: challenge.to_owned(),
            },
        })
    }

    /// Reads what a program without a browser sends.
    ///
    /// # Errors
    /// [`PodError::Request`], with what is wrong.
    pub fn from_program(body: &[u8]) -> Result<Self, PodError> {
        if body.len() > MAX_REQUEST {
            return Err(wrong(format!(
                "the request is longer than {MAX_REQUEST} bytes"
            )));
        }
        let said: FromProgram = serde_json::from_slice(body)
            .map_err(|error| wrong(format!("the request is not what it is to be: {error}")))?;
        Ok(Self {
            client: client(&said.client_id)?,
            name: name(&said.name)?,
            wishes: parse_wishes(&said.scope.to_string())?,
            days: days(said.days)?,
            way: Way::Program,
        })
    }

    /// Of what origin it is; of none if it is a program.
    pub fn origin(&self) -> Option<&str> {
        match &self.way {
            Way::Page { origin, .. } => Some(origin),
            Way::Program => None,
        }
    }

    /// The address to go back to with these parts added.
    pub(super) fn back(&self, parts: &[(&str, &str)]) -> Option<String> {
        let Way::Page {
            redirect, state, ..
        } = &self.way
        else {
            return None;
        };
        let mut url = Url::parse(redirect).ok()?;
        url.query_pairs_mut()
            .extend_pairs(parts)
            .append_pair("state", state);
        Some(url.into())
    }

    /// As the console shows it.
    pub(super) fn to_json(&self) -> Json {
        let redirect = match &self.way {
            Way::Page { redirect, .. } => Some(redirect),
            Way::Program => None,
        };
        serde_json::json!({
            "client_id": self.client.to_did_key(),
            "name": self.name,
            "origin": self.origin(),
            "redirect_uri": redirect,
            "days": self.days,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn query(changes: &[(&str, Option<&str>)]) -> String {
        let mut pairs = vec![
            ("client_id", KEY),
            ("name", "Album captions"),
            ("redirect_uri", "http://localhost:5173/back.html"),
            ("state", "s t&te"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            (
                "scope",
                r#"[{"where": "is-photo: true", "can": "read,write", "why": "to caption them"}]"#,
            ),
        ];
        for (name, value) in changes {
            pairs.retain(|p| p.0 != *name);
            pairs.extend(value.map(|value| (*name, value)));
        }
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    }

    #[test]
    fn a_request_is_read_and_answered_at_the_same_address() {
        let request = Request::from_query(&query(&[("days", Some("30"))])).unwrap();
        assert_eq!(request.origin(), Some("http://localhost:5173"));
        assert_eq!(
            (request.name.as_str(), request.days),
            ("Album captions", Some(30))
        );
        assert_eq!(request.wishes[0].scope.to_json()["can"], "write");
        assert_eq!(
            request.back(&[("code", "a b")]).unwrap(),
            "http://localhost:5173/back.html?code=a+b&state=s+t%26te"
        );
        let with = query(&[("redirect_uri", Some("https://a.example/b?c=d"))]);
        let request = Request::from_query(&with).unwrap();
        assert_eq!(request.origin(), Some("https://a.example"));
        assert!(
            request
                .back(&[])
                .unwrap()
                .starts_with("https://a.example/b?c=d&state=")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let bad: &[(&str, Option<&str>, &str)] = &[
            ("client_id", Some("did:web:a.example"), "client_id"),
            ("client_id", None, "missing"),
            ("name", Some(" "), "empty"),
            ("name", Some("bank\u{202E}kcab"), "plain text"),
            ("redirect_uri", Some("http://a.example/"), "https"),
            ("redirect_uri", Some("javascript:alert(1)"), "https"),
            (
                "redirect_uri",
                Some("http://localhost.evil.example/"),
                "https",
            ),
            ("redirect_uri", Some("https://a.example/#f"), "fragment"),
            ("redirect_uri", Some("https://u:p@a.example/"), "user name"),
            ("redirect_uri", Some("https://a.example/../b"), "written as"),
            ("redirect_uri", Some("https://A.example/"), "written as"),
            ("redirect_uri", Some("/back"), "not an address"),
            ("state", Some(""), "state"),
            ("code_challenge", Some("short"), "code_challenge"),
            ("code_challenge_method", Some("plain"), "S256"),
            ("response_type", Some("token"), "response_type"),
            ("days", Some("0"), "at least 1"),
            ("days", Some("99999"), "at most"),
            ("days", Some("-1"), "a number"),
            ("scope", Some("[]"), "1 to 8"),
            ("scope", Some("{}"), "JSON array"),
            (
                "scope",
                Some(r#"[{"where": "!a: b", "can": "read"}]"#),
                "no `!`",
            ),
            (
                "scope",
                Some(r#"[{"where": "a: b", "can": "own"}]"#),
                "none of",
            ),
            (
                "scope",
                Some(r#"[{"where": "device/name: b", "can": "read"}]"#),
                "not given",
            ),
            (
                "scope",
                Some(r#"[{"where": "a: b || view/did: c", "can": "read"}]"#),
                "not given",
            ),
            ("prompt", Some("none"), "not a part"),
        ];
        for (name, value, says) in bad {
            let error = Request::from_query(&query(&[(name, *value)])).unwrap_err();
            assert!(
                error.to_string().contains(says),
                "{name} {value:?}: {error}"
            );
        }
        let twice = format!("{}&state=b", query(&[]));
        assert!(
            Request::from_query(&twice)
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
        assert!(Request::from_query(&"a".repeat(MAX_REQUEST + 1)).is_err());
    }

    #[test]
    fn a_program_asks_in_json() {
        let body = format!(
            r#"{{"client_id": "{KEY}", "name": "cron", "scope": [{{"where": "a: b", "can": "read"}}]}}"#
        );
        let request = Request::from_program(body.as_bytes()).unwrap();
        assert_eq!((request.origin(), request.back(&[])), (None, None));
        assert!(Request::from_program(b"{}").is_err());
    }
}
