//! Signed records at an HTTP server: putting our own there, and asking for those of others.

use iroh::address_lookup::{PkarrPublisher, PkarrResolver};
use iroh::endpoint::Builder;
use url::Url;

use super::{Publish, failed};
use crate::error::NetworkError;

pub(super) fn add(builder: Builder, url: &str, publish: Publish) -> Result<Builder, NetworkError> {
    let url: Url = url
        .parse()
        .ok()
        .filter(|url: &Url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| failed("pkarr", "its server must be an http: or https: URL"))?;
    let builder = builder.address_lookup(PkarrResolver::builder(url.clone()));
    Ok(match publish.filter() {
        Some(filter) => builder.address_lookup(PkarrPublisher::builder(url).addr_filter(filter)),
        None => builder,
    })
}
