//! Bluesky: a repository as `com.atproto.sync.getRepo` gives it, a CAR file of signed and hashed records.

mod blobs;
mod blocks;
mod commit;
mod document;
mod post;
mod record;
mod tree;

use rhizome_tuple::EntityId;
use rustc_hash::FxHashSet;

use crate::audience::Audience;
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::outcome;
use crate::problem::{Problem, ProblemCode};
use crate::social::Names;
use crate::source::Source;
use blobs::Blobs;
use blocks::Blocks;
use commit::Commit;
use document::Document;

/// Reads repositories of Bluesky and others of the AT Protocol (`*.car`), with the DID document and the blobs beside them where
/// they are there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bluesky;

/// The `import/source` of everything read here.
const SOURCE: &str = "bluesky";
/// Repositories in one source.
const MAX_REPOSITORIES: usize = 64;

/// The repositories of a source: their files and what their heads say.
fn repositories(source: &Source) -> Result<Vec<(String, Commit)>, ImportError> {
    let mut found: Vec<(String, Commit)> = Vec::new();
    let files = source.entries().iter().filter(|entry| entry.ends("car"));
    for entry in files.take(MAX_REPOSITORIES) {
        let commit = blocks::root(source, &entry.path)?.map(|root| Commit::read(&root));
        if let Some(Ok(commit)) = commit {
            found.push((entry.path.clone(), commit));
        }
    }
    Ok(found)
}

impl Importer for Bluesky {
    fn name(&self) -> &'static str {
        "bluesky"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let repositories = repositories(source)?;
        let mut accounts: Vec<&str> = repositories
            .iter()
            .map(|(_, commit)| commit.did.as_str())
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        let Some(first) = accounts.first() else {
            return Ok(None);
        };
        let why = match accounts.len() {
            1 => format!("the repository of {first}"),
            n => format!("the repositories of {first} and {} others", n - 1),
        };
        Ok(Some(Recognition {
            importer: self.name(),
            confidence: 0.99,
            why,
            source: SOURCE.to_owned(),
            account: Some(accounts.join(" ")),
        }))
    }

    fn read(
        &self,
        source: &Source,
        _recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let repositories = repositories(source)?;
        if repositories.is_empty() {
            return Err(ImportError::NotRecognised {
                what: source.name().to_owned(),
                why: "it holds no CAR file with the repository of an account".to_owned(),
            });
        }
        let blobs = Blobs::of(source);
        for (path, commit) in repositories {
            repository(source, &path, &commit, &blobs, sink)?;
        }
        Ok(())
    }
}

/// Reads one repository.
fn repository(
    source: &Source,
    path: &str,
    commit: &Commit,
    blobs: &Blobs,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    sink.used(path);
    let document = document::find(source, path, &commit.did)?;
    check(path, commit, document.as_ref(), sink)?;
    let total = source.find(path).map_or(0, |entry| entry.size);
    let (mut blocks, _, broken) =
        Blocks::read(source, path, &mut |done| sink.progress(path, done, total))?;
    if let Some(why) = broken {
        outcome::broken_off(path, "file", &why, sink);
    }
    // A first walk for the names alone: an answer may come before what it answers, and the profile says how open all is.
    let (mut posts, mut profile) = (FxHashSet::default(), None);
    let listed = tree::walk(&mut blocks, commit.data, &mut |blocks, key, cid| {
        match key.split_once('/') {
            Some(("app.bsky.feed.post", _)) => {
                posts.insert(sink.entity(&uri(&commit.did, key)));
            }
            Some(("app.bsky.actor.profile", "self")) => {
                profile = Some(blocks.get(cid)?.and_then(|block| record::read(&block).ok()));
            }
            _ => {}
        }
        Ok(())
    })?;
    let audience = match &profile {
        Some(Some(profile)) => record::audience(profile),
        None if listed.is_none() => Audience::Public,
        Some(None) | None => {
            let message = "the profile, which says who may see it all, cannot be read; it was imported as direct";
            sink.problem(Problem::of_file(ProblemCode::Audience, path, message));
            Audience::Direct
        }
    };
    let profile = profile.flatten();
    let mut reading = Reading {
        source,
        author: sink.entity(&commit.did),
        sink,
        names: Names::new(),
        path,
        did: &commit.did,
        audience,
        posts,
        blobs,
    };
    let mut handle = document.and_then(|found| found.handle);
    if handle.is_none() {
        // The last post of those that say it counts: a handle may change.
        tree::walk(&mut blocks, commit.data, &mut |blocks, key, cid| {
            if key.starts_with("app.bsky.feed.post/")
                && let Some(block) = blocks.get(cid)?
                && let Ok(record) = record::read(&block)
            {
                handle = post::own_handle(&record, &commit.did).or(handle.take());
            }
            Ok(())
        })?;
    }
    reading.profile(profile.as_ref(), handle.as_deref())?;
    let wrong = tree::walk(&mut blocks, commit.data, &mut |blocks, key, cid| {
        reading.record(blocks, key, cid)
    })?;
    if let Some(why) = wrong {
        outcome::broken_off(path, "repository", &why, reading.sink);
    }
    Ok(())
}

/// Checks who signed a repository, as far as what lies beside it says.
fn check(
    path: &str,
    commit: &Commit,
    document: Option<&Document>,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    let why = match document {
        None => "no DID document of its account lies beside it",
        Some(document) => {
            sink.used(&document.path);
            match &document.key {
                Ok(key) if commit.is_by(key) => return Ok(()),
                Ok(_) => {
                    return Err(ImportError::Document {
                        file: path.to_owned(),
                        why: format!(
                            "its signature is not by the key of {}, so somebody may have changed it; export it again, or take {} away to import it unverified",
                            commit.did, document.path
                        ),
                    });
                }
                Err(why) => why,
            }
        }
    };
    let message =
        format!("the hashes of its records are right, but who signed them was not verified: {why}");
    sink.problem(Problem::of_file(ProblemCode::Unverified, path, message));
    Ok(())
}

/// The address of a record.
fn uri(did: &str, key: &str) -> String {
    format!("at://{did}/{key}")
}

/// A repository while it is read.
struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    /// The CAR file, for messages.
    path: &'a str,
    did: &'a str,
    author: EntityId,
    /// Who may see what is in it: it is public, unless the profile asks otherwise.
    audience: Audience,
    /// Posts of this repository, for references between them.
    posts: FxHashSet<EntityId>,
    blobs: &'a Blobs,
}
