//! What an app may do with which entities.

use rhizome_share::Predicate;
use rhizome_view::{Power, is_reserved};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::PodError;

/// Scopes of one app.
pub(super) const MAX_SCOPES: usize = 8;
/// Bytes of what an app says about why.
const MAX_WHY: usize = 300;

/// Some entities, and what may be done with them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Which entities.
    pub predicate: Predicate,
    /// What may be done with them.
    pub power: Power,
}

/// A scope that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub scope: Scope,
    /// Why, in the app's own words.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(rename = "where")]
    predicate: String,
    can: String,
    #[serde(default)]
    why: String,
}

impl Scope {
    /// Reads a predicate and a power.
    ///
    /// # Errors
    /// [`PodError::Request`], with the place, for what cannot be read or is never shared.
    pub fn parse(predicate: &str, power: &str) -> Result<Self, PodError> {
        let predicate: Predicate = predicate
            .parse()
            .map_err(|error| PodError::Request(format!("`{predicate}`: {error}")))?;
        let power = power.parse().map_err(PodError::Request)?;
        let conditions = predicate.conditions();
        if let Some((own, _)) = conditions.iter().find(|(a, _)| is_reserved(a.as_str())) {
            return Err(PodError::Request(format!(
                "{own} is what the pod says of itself, and is not given to apps"
            )));
        }
        Ok(Self { predicate, power })
    }

    /// As records and the API write it.
    pub fn to_json(&self) -> Json {
        json!({ "where": self.predicate.to_string(), "can": self.power.to_string() })
    }

    /// What both allow: the entities of both, the lesser power.
    ///
    /// # Errors
    /// [`PodError::Request`] for predicates that are too long together.
    pub fn narrowed(&self, to: &Self) -> Result<Self, PodError> {
        let predicate = self.predicate.and(&to.predicate);
        let predicate = predicate.map_err(|error| PodError::Request(error.to_string()))?;
        let power = self.power.min(to.power);
        Ok(Self { predicate, power })
    }
}

/// Reads what is asked for.
pub(super) fn parse_wishes(text: &str) -> Result<Vec<Wish>, PodError> {
    let said: Vec<Said> = serde_json::from_str(text).map_err(|error| {
        PodError::Request(format!(
            "`scope` is a JSON array of {{\"where\", \"can\", \"why\"}}: {error}"
        ))
    })?;
    if said.is_empty() || said.len() > MAX_SCOPES {
        return Err(PodError::Request(format!(
            "an app asks for 1 to {MAX_SCOPES} scopes, not {}",
            said.len()
        )));
    }
    let wish = |said: Said| {
        let scope = Scope::parse(&said.predicate, &said.can)?;
        let why = plain("why", &said.why, MAX_WHY)?;
        Ok(Wish { scope, why })
    };
    said.into_iter().map(wish).collect()
}

/// Text of others that is shown to people: without what would let it look like something else.
pub(super) fn plain(what: &str, text: &str, most: usize) -> Result<String, PodError> {
    let odd = |c: char| {
        c.is_control()
            // marks that turn, hide or join what stands beside them
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}')
    };
    let text = text.trim();
    if text.len() > most || text.chars().any(odd) {
        return Err(PodError::Request(format!(
            "`{what}` is to be plain text of at most {most} bytes"
        )));
    }
    Ok(text.to_owned())
}
