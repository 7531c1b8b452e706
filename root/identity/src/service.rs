//! Entry points of an identity, and its other names.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Most services.
pub const MAX_SERVICES: usize = 16;
/// Longest name, type or endpoint of a service, and longest other name of an identity, in bytes.
pub const MAX_SERVICE_TEXT: usize = 1024;
/// Most other names (`alsoKnownAs`).
pub const MAX_AKA: usize = 16;

/// An entry point of the identity, as in DID Core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The fragment that names it, without `#`: `pod` is where the pod answers.
    pub id: String,
    /// Its type, for example `RhizomePod`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A URL.
    pub endpoint: String,
}

/// A service without its name: the value of the register that the name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// As [`Service::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// As [`Service::endpoint`].
    pub endpoint: String,
}

fn is_id(id: &str) -> bool {
    id.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && is_text(id)
}

fn is_text(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_SERVICE_TEXT
        && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

const MALFORMED: &str =
    "a service has an empty or too long field, or a name that is no URL fragment";

/// The rules of a list of services.
pub(crate) fn check_services(services: &[Service]) -> Result<(), &'static str> {
    if services.len() > MAX_SERVICES {
        return Err("more than 16 services");
    }
    let mut ids = BTreeSet::new();
    for service in services {
        if !is_id(&service.id) || !is_text(&service.kind) || !is_text(&service.endpoint) {
            return Err(MALFORMED);
        }
        if !ids.insert(&service.id) {
            return Err("two services have one name");
        }
    }
    Ok(())
}

/// The rules of one service that is set or (`None`) taken away.
pub(crate) fn check_service(id: &str, service: Option<&Endpoint>) -> Result<(), &'static str> {
    if is_id(id) && service.is_none_or(|s| is_text(&s.kind) && is_text(&s.endpoint)) {
        Ok(())
    } else {
        Err(MALFORMED)
    }
}

/// The rules of other names: URIs, each once.
pub(crate) fn check_aka(aka: &[String]) -> Result<(), &'static str> {
    if aka.len() > MAX_AKA {
        return Err("more than 16 other names");
    }
    let is_uri = |text: &str| {
        text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
                && !rest.is_empty()
        })
    };
    if !aka.iter().all(|name| is_text(name) && is_uri(name)) {
        return Err("another name is not a URI");
    }
    let distinct: BTreeSet<_> = aka.iter().collect();
    if distinct.len() == aka.len() {
        Ok(())
    } else {
        Err("another name is listed twice")
    }
}
