//! Whose archive it is, and who could see their tweets.

use rhizome_tuple::Value as Tuple;
use serde_json::Value;

use super::files::{Files, Kind};
use super::{Reading, text};
use crate::assignment::value_of;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::problem::{Problem, ProblemCode};
use crate::source::Source;
use crate::time::parse_time;

/// An account, as far as an archive says.
#[derive(Debug, Default)]
pub struct Account {
    /// Its number.
    pub id: Option<String>,
    /// Its name, without the sign.
    pub name: Option<String>,
    /// What it calls itself.
    pub display: Option<String>,
    pub bio: Option<String>,
    pub website: Option<String>,
    pub location: Option<String>,
    pub created: Option<i64>,
    /// Addresses of its pictures.
    avatar: Option<String>,
    header: Option<String>,
    /// Who sees its tweets; `None` where the archive does not say.
    pub audience: Option<Audience>,
}

impl Account {
    /// The native id of its profile.
    pub fn key(&self) -> String {
        match (&self.id, &self.name) {
            (Some(id), _) => format!("account/{id}"),
            (None, Some(name)) => format!("account/@{name}"),
            (None, None) => "account".to_owned(),
        }
    }

    /// Reads what an archive says of its account, with what is wrong in it.
    pub fn read(source: &Source, files: &Files) -> Result<(Self, Vec<Problem>), ImportError> {
        let mut account = Self::default();
        let mut problems = Vec::new();
        for kind in [Kind::Account, Kind::Profile, Kind::Protected] {
            let Some(path) = files.all(kind).next() else {
                continue;
            };
            match document(source, path)? {
                Ok(value) => account.take(kind, &value),
                Err(why) => problems.push(Problem::of_file(ProblemCode::Malformed, path, why)),
            }
        }
        Ok((account, problems))
    }

    fn take(&mut self, kind: Kind, value: &Value) {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        if kind == Kind::Protected {
            self.audience = Some(protection(items));
            return;
        }
        let Some(item) = items.first() else {
            return;
        };
        let item = item.get("account").or(item.get("profile")).unwrap_or(item);
        let of = |names: &[&str]| {
            let found = names.iter().find_map(|name| item.get(*name)?.as_str());
            found.filter(|text| !text.is_empty()).map(text::unescape)
        };
        if kind == Kind::Profile {
            let described = item.get("description");
            let of = |name| {
                let text = described?.get(name)?.as_str()?;
                (!text.is_empty()).then(|| text::unescape(text))
            };
            self.bio = of("bio");
            self.website = of("website");
            self.location = of("location");
            let picture = |name| Some(item.get(name)?.as_str()?.to_owned());
            self.avatar = picture("avatarMediaUrl");
            self.header = picture("headerMediaUrl");
            return;
        }
        self.id = of(&["accountId", "id"]).or_else(|| {
            let id = item.get("id")?.as_u64()?;
            Some(id.to_string())
        });
        self.name = of(&["username", "screen_name"]);
        self.display = of(&["accountDisplayName", "full_name"]);
        self.bio = of(&["bio"]);
        self.location = of(&["location"]);
        self.created = of(&["createdAt", "created_at"])
            .and_then(|at| parse_time(&at).or_else(|| super::tweet::time(&at)));
    }
}

/// The end of the history of protecting: followers where the last word is that, or cannot be read.
fn protection(items: &[Value]) -> Audience {
    let mut last: Option<(&str, &str)> = None;
    for item in items {
        let of = item.get("protectedHistory").unwrap_or(item);
        let text = |name| of.get(name).and_then(Value::as_str);
        match (text("protectedAt"), text("action")) {
            (Some(at), Some(action)) if last.is_none_or(|(before, _)| before <= at) => {
                last = Some((at, action));
            }
            (Some(_), Some(_)) => {}
            _ => return Audience::Followers,
        }
    }
    match last {
        None | Some((_, "Unprotect")) => Audience::Public,
        Some(_) => Audience::Followers,
    }
}

/// A small document: its value, or why it cannot be read.
fn document(source: &Source, path: &str) -> Result<Result<Value, String>, ImportError> {
    let bytes = source.read_document(path)?;
    let text = String::from_utf8_lossy(value_of(&bytes));
    let text = text.trim().trim_end_matches(';');
    Ok(serde_json::from_str(text).map_err(|error| format!("{error}; it was left out")))
}

impl Reading<'_> {
    /// Hands the profile over.
    pub(super) fn profile(&mut self, files: &Files) -> Result<(), ImportError> {
        for kind in [Kind::Account, Kind::Profile, Kind::Protected] {
            for path in files.all(kind) {
                self.sink.used(path);
            }
        }
        let account = &self.account;
        let names = &self.names;
        let mut facts = Facts::default();
        facts.one(&names.r#type, "profile");
        let handle = account.name.clone().unwrap_or_else(|| account.key());
        facts.one(&names.handle, format!("{handle}@twitter.com"));
        facts.maybe(&names.name, account.display.clone());
        facts.maybe(&names.bio, account.bio.clone());
        facts.maybe(&names.created, account.created.map(Tuple::Time));
        let url = account
            .name
            .as_ref()
            .map(|name| format!("https://twitter.com/{name}"));
        facts.maybe(&names.url, url);
        let lines = [
            ("Website", &account.website),
            ("Location", &account.location),
        ];
        let lines = lines.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(Tuple::from(format!("{name}: {value}")))
        });
        facts.list(&names.field, lines.collect());
        let pictures = [
            (names.avatar.clone(), account.avatar.clone()),
            (names.header.clone(), account.header.clone()),
        ];
        let key = account.key();
        for (attribute, url) in pictures {
            let owner = self.account.id.clone().unwrap_or_default();
            let path = url.and_then(|url| self.media.find(&owner, &url).map(str::to_owned));
            if let Some(path) = path
                && let Some(stored) = self.sink.file(&path)?
            {
                facts.one(&attribute, Tuple::Blob(stored.cid));
            }
        }
        self.sink.record(facts.record("profile", key, None, None))
    }
}
