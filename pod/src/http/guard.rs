//! Who may talk to the pod. It listens on loopback, but other programs, other users and every web page in the browser can reach that too.
//!
//! * The `Host` must be the address we listen on: a page of another name that resolves to loopback (DNS rebinding) is refused.
//! * An `Origin`, which browsers send along, must be our own, and `Sec-Fetch-Site` must not say that another site asks.
//! * API calls carry the bearer token of this run; blobs a token of their own, because `<img>` cannot send headers.
//!
//! There are no cookies, so no request of another page can ride on a session.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, header};

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

fn random_text<const N: usize>() -> Result<String, getrandom::Error> {
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

    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|h| h.eq_ignore_ascii_case(host))
    }

    /// Refuses requests that were not meant for this pod or come from another site.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
        if !host.is_some_and(|h| self.has(h)) {
            return Err("this pod answers only under the address that it prints");
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let own = origin.to_str().ok().and_then(|o| o.strip_prefix("http://"));
            if !own.is_some_and(|o| self.has(o)) {
                return Err("another site may not ask this pod");
            }
        }
        let fetch_site = HeaderName::from_static("sec-fetch-site");
        let site = headers.get(fetch_site).and_then(|h| h.to_str().ok());
        // `none`: the person typed the address or used a bookmark
        if site.is_some_and(|s| !matches!(s, "same-origin" | "none")) {
            return Err("another site may not ask this pod");
        }
        Ok(())
    }
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

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
            assert_eq!(hosts.admit(&headers(good)), Ok(()));
        }
    }

    #[test]
    fn refuses_rebinding_and_other_sites() {
        let hosts = Hosts::of("127.0.0.1:8420".parse().unwrap());
        for bad in [
            &[][..],
            &[("host", "evil.example:8420")],
            &[("host", "127.0.0.1:8421")],
            &[("host", "127.0.0.1")],
            &[
                ("host", "127.0.0.1:8420"),
                ("origin", "http://evil.example"),
            ],
            &[
                ("host", "127.0.0.1:8420"),
                ("origin", "https://127.0.0.1:8420"),
            ],
            &[("host", "127.0.0.1:8420"), ("origin", "null")],
            &[("host", "127.0.0.1:8420"), ("sec-fetch-site", "cross-site")],
            &[("host", "127.0.0.1:8420"), ("sec-fetch-site", "same-site")],
        ] {
            assert!(hosts.admit(&headers(bad)).is_err(), "{bad:?}");
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
