//! Who may talk to the pod. It listens on loopback, but other programs, other users and every web page in the browser can reach that too.
//!
//! * The `Host` must be the address we listen on: a page of another name that resolves to loopback (DNS rebinding) is refused.
//! * An `Origin`, which browsers send along, must be our own, and `Sec-Fetch-Site` must not say that another site asks. Pages of other origins that a person let in
//!   ([`super::apps`]) get what their own token opens and nothing else.
//! * API calls carry the bearer token of this run; blobs a token of their own, because `<img>` cannot send headers.
//!
//! There are no cookies, so no request of another page can ride on a session.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Uri, header};

/// The secrets of one run of a pod.
#[derive(Clone)]
pub struct Tokens {
    /// Opens the API.
    pub api: String,
    /// Opens blobs, nothing else.
    pub blob: String,
}

impl Tokens {
    /// Makes new ones: 256 bits for the API, 128 for blobs.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self {
            api: random_text::<32>()?,
            blob: random_text::<16>()?,
        })
    }
}

/// A secret of `N` bytes, fit for an address.
pub(super) fn random_text<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(&bytes))
}

/// Compares secrets in a time that does not depend on where they differ.
pub fn same_secret(given: &str, wanted: &str) -> bool {
    // comparing hashes in constant time leaks nothing about either
    blake3::hash(given.as_bytes()) == blake3::hash(wanted.as_bytes())
}

/// The names under which the pod may be asked.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// The names of an address that is listened on.
    pub fn of(address: SocketAddr) -> Self {
        let port = address.port();
        Self(vec![
            address.to_string(),
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
        ])
    }

    /// Whether the target of a request, where it says a name as one to a proxy does, says one of ours.
    pub fn is_for(&self, target: &Uri) -> bool {
        target
            .authority()
            .is_none_or(|name| self.has(name.as_str()))
    }

    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|h| h.eq_ignore_ascii_case(host))
    }

    /// Refuses requests that were not meant for this pod, and says where the others come from.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Site, &'static str> {
        let text = |name: &str| headers.get(name).and_then(|h| h.to_str().ok());
        let once = headers.get_all(header::HOST).iter().nth(1).is_none();
        if !once || !text("host").is_some_and(|h| self.has(h)) {
            return Err(OTHER_NAME);
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if let Some(origin) = origins.next() {
            let origin = origin.to_str().map_err(|_| NOT_ASKED)?;
            if origins.next().is_some() {
                return Err(NOT_ASKED);
            }
            let own = origin.strip_prefix("http://").is_some_and(|o| self.has(o));
            if !own {
                return Ok(Site::Other(Some(origin.to_owned())));
            }
        }
        // `none`: the person typed the address or used a bookmark
        let mut sites = headers.get_all("sec-fetch-site").iter();
        if sites.any(|s| !matches!(s.as_bytes(), b"same-origin" | b"none")) {
            let (mode, dest) = (text("sec-fetch-mode"), text("sec-fetch-dest"));
            let visits = mode == Some("navigate") && dest == Some("document");
            return Ok(if visits {
                Site::Visit
            } else {
                Site::Other(None)
            });
        }
        Ok(Site::Own)
    }
}

/// What is told to who asks under another name.
pub const OTHER_NAME: &str = "this pod answers only under the address that it prints";
/// What another site is told.
pub const NOT_ASKED: &str = "another site may not ask this pod";

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// The console, a program, or the person who typed an address.
    Own,
    /// A page of another site sent the browser here: the person looks at what is answered, the page does not.
    Visit,
    /// A page of another site, of this origin if the browser said so.
    Other(Option<String>),
}

/// The token of `Authorization: Bearer …`. Of two such headers neither counts.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn admits_its_own_page_and_plain_clients() {
        let hosts = Hosts::of("127.0.0.1:8420".parse().unwrap());
        for good in [
            &[("host", "127.0.0.1:8420")][..],
            &[
                ("host", "localhost:8420"),
                ("origin", "http://localhost:8420"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("host", "LOCALHOST:8420"), ("sec-fetch-site", "none")],
        ] {
            assert_eq!(hosts.admit(&headers(good)), Ok(Site::Own));
        }
    }

    #[test]
    fn refuses_rebinding() {
        let hosts = Hosts::of("127.0.0.1:8420".parse().unwrap());
        assert!(hosts.admit(&headers(&[])).is_err());
        for bad in [
            "evil.example:8420",
            "127.0.0.1:8421",
            "127.0.0.1",
            "localhost",
            "localhost.:8420",
            "localhost.evil.example:8420",
            "localhost:8420.evil.example",
            "evil.example@localhost:8420",
            "localhost:8420@evil.example",
            "localhost:08420",
            "localhost:8420:8420",
            " localhost:8420 ",
            "127.1:8420",
            "0x7f000001:8420",
            "2130706433:8420",
            "0.0.0.0:8420",
            "[::]:8420",
            "[0:0:0:0:0:0:0:1]:8420",
            "[::ffff:127.0.0.1]:8420",
            "::1:8420",
            "http://127.0.0.1:8420",
            "127.0.0.1:8420/",
            "",
        ] {
            assert!(hosts.admit(&headers(&[("host", bad)])).is_err(), "{bad:?}");
        }
        for names in [
            ["127.0.0.1:8420", "evil.example"],
            ["127.0.0.1:8420", "127.0.0.1:8420"],
        ] {
            let mut two = HeaderMap::new();
            for name in names {
                two.append(header::HOST, HeaderValue::from_static(name));
            }
            assert!(hosts.admit(&two).is_err());
        }
        for (target, good) in [
            ("/api/1/status", true),
            ("http://127.0.0.1:8420/api/1/status", true),
            ("http://evil.example/api/1/status", false),
            ("http://evil.example@127.0.0.1:8420/", false),
        ] {
            assert_eq!(hosts.is_for(&target.parse().unwrap()), good, "{target}");
        }
        let mut two = headers(&[("host", "127.0.0.1:8420")]);
        for site in ["same-origin", "cross-site"] {
            two.append("sec-fetch-site", HeaderValue::from_static(site));
        }
        assert_eq!(hosts.admit(&two), Ok(Site::Other(None)));
        for token in ["Bearer one", "Bearer two"] {
            two.append(header::AUTHORIZATION, HeaderValue::from_static(token));
        }
        assert_eq!(bearer(&two), None);
        let mut two = headers(&[("host", "127.0.0.1:8420")]);
        for origin in ["http://127.0.0.1:8420", "http://evil.example"] {
            two.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        assert!(hosts.admit(&two).is_err());
    }

    #[test]
    fn tells_other_sites_from_its_own() {
        let hosts = Hosts::of("127.0.0.1:8420".parse().unwrap());
        let site = |more: &[(&'static str, &'static str)]| {
            let mut all = vec![("host", "127.0.0.1:8420")];
            all.extend(more);
            hosts.admit(&headers(&all)).unwrap()
        };
        for origin in [
            "http://evil.example",
            "https://127.0.0.1:8420",
            "null",
            "http://127.0.0.1:8420.evil.example",
            "127.0.0.1:8420",
        ] {
            let other = Site::Other(Some(origin.to_owned()));
            assert_eq!(site(&[("origin", origin)]), other);
            assert_eq!(
                site(&[("origin", origin), ("sec-fetch-site", "same-origin")]),
                other
            );
        }
        let mode = ("sec-fetch-mode", "navigate");
        for from in ["cross-site", "same-site", "something new"] {
            let from = ("sec-fetch-site", from);
            assert_eq!(site(&[from]), Site::Other(None));
            assert_eq!(
                site(&[from, mode, ("sec-fetch-dest", "iframe")]),
                Site::Other(None)
            );
            assert_eq!(
                site(&[from, ("sec-fetch-dest", "document")]),
                Site::Other(None)
            );
            assert_eq!(
                site(&[from, mode, ("sec-fetch-dest", "document")]),
                Site::Visit
            );
        }
    }

    #[test]
    fn reads_the_bearer_token() {
        assert_eq!(
            bearer(&headers(&[("authorization", "Bearer abc")])),
            Some("abc")
        );
        assert_eq!(
            bearer(&headers(&[("authorization", "bearer abc")])),
            Some("abc")
        );
        assert_eq!(bearer(&headers(&[("authorization", "Basic abc")])), None);
        assert_eq!(bearer(&headers(&[])), None);
    }

    #[test]
    fn tokens_are_long_and_new() {
        let (a, b) = (Tokens::generate().unwrap(), Tokens::generate().unwrap());
        assert_eq!((a.api.len(), a.blob.len()), (43, 22));
        assert!(a.api != b.api && a.blob != b.blob);
        assert!(same_secret(&a.api, &a.api.clone()) && !same_secret(&a.api, &b.api));
    }
}
