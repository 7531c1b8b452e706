//! What an app may write.

use std::collections::BTreeMap;

use rhizome_ipld::Cid;
use rhizome_replica::{Edit, Snapshot};
use rhizome_tuple::{Attribute, EntityId, Value};
use rhizome_view::{Power, is_private, is_reserved, matches};

use super::Scope;
use crate::PodError;

fn no(what: impl Into<String>) -> PodError {
    PodError::NotGranted(what.into())
}

/// The values that an edit asserts.
fn told(edit: &Edit) -> &[Value] {
    match edit {
        Edit::Assert(_, _, v) | Edit::Insert(_, _, v) | Edit::List(_, _, v, _) => {
            std::slice::from_ref(v)
        }
        Edit::SetList(_, _, all) => all,
        Edit::Add(..) | Edit::Retract(..) | Edit::Erase(_) | Edit::Create(..) => &[],
    }
}

/// Whether an entity is made here and is one that the app may write once all of this was said. What decides that is said once, or added to and never taken back: else it
/// could match on the way alone, and what is left would lie outside of what the app was given.
fn is_made(edits: &[&Edit], scope: &Scope) -> bool {
    let about = |wanted: &Attribute| {
        let about = edits.iter().filter(|edit| edit.attribute() == Some(wanted));
        about.copied().collect::<Vec<&Edit>>()
    };
    let stays = |name: &Attribute| {
        let about = about(name);
        let all = |kind: fn(&Edit) -> bool| about.iter().all(|edit| kind(edit));
        about.len() < 2
            || all(|edit| matches!(edit, Edit::Insert(..)))
            || all(|edit| matches!(edit, Edit::List(..)))
    };
    let of = |wanted: &Attribute| {
        let about = about(wanted);
        about.iter().flat_map(|edit| told(edit)).collect::<Vec<_>>()
    };
    let mut conditions = scope.predicate.conditions().into_iter();
    conditions.all(|(name, _)| stays(name)) && scope.predicate.holds(&of)
}

/// What does not need the pod to be refused. `seen` is what the app sees, `own` says whether it brought a file itself.
///
/// An entity that the app does not see is refused before the pod is asked: whether there is one cannot be told by how long the answer takes.
pub(super) fn may_say(
    seen: &Snapshot,
    edits: &[Edit],
    own: &dyn Fn(&Cid) -> bool,
) -> Result<(), PodError> {
    for edit in edits {
        if matches!(edit, Edit::Erase(_)) {
            return Err(no(
                "an app does not erase: it may retract what it may write",
            ));
        }
        let name = edit.attribute().map(Attribute::as_str).unwrap_or_default();
        if is_reserved(name) || is_private(name) {
            return Err(no(format!("{name} is what only the pod itself says")));
        }
        for value in told(edit) {
            if let Value::Blob(cid) = value
                && !super::view::names_blob(seen, cid)
                && !own(cid)
            {
                return Err(no(format!(
                    "the file {cid} is none that you see or have brought: `POST /blob` first"
                )));
            }
        }
        let entity = edit.entity();
        let made = edits
            .iter()
            .any(|edit| matches!(edit, Edit::Create(e, _) if e == entity));
        let is_seen = || {
            seen.eid(entity)
                .is_some_and(|e| !rhizome_view::values(seen, e).is_empty())
        };
        if !made && !is_seen() {
            return Err(not_shared(entity));
        }
    }
    Ok(())
}

fn not_shared(entity: &EntityId) -> PodError {
    no(format!("{entity} is none that you may change"))
}

/// Whether all of it is within these scopes, by what the pod says at this moment.
pub(super) fn may_write(pod: &Snapshot, scopes: &[Scope], edits: &[Edit]) -> Result<(), PodError> {
    let mut groups: BTreeMap<&EntityId, Vec<&Edit>> = BTreeMap::new();
    for edit in edits {
        groups.entry(edit.entity()).or_default().push(edit);
    }
    let scopes: Vec<&Scope> = scopes.iter().filter(|s| s.power == Power::Write).collect();
    if scopes.is_empty() {
        return Err(no(
            "you may look, not write: ask again for a scope with \"can\": \"write\", or propose",
        ));
    }
    for (entity, edits) in groups {
        if edits.iter().any(|edit| matches!(edit, Edit::Create(..))) {
            if !scopes.iter().any(|scope| is_made(&edits, scope)) {
                return Err(no(
                    "a new entity has to match what you may write: give it the attributes that decide that in the same transaction, each once",
                ));
            }
            continue;
        }
        let matching: Vec<&&Scope> = scopes
            .iter()
            .filter(|scope| matches(pod, &scope.predicate, entity))
            .collect();
        if matching.is_empty() {
            return Err(not_shared(entity));
        }
        let decides = |scope: &Scope, name: &Attribute| {
            let conditions = scope.predicate.conditions();
            conditions.iter().any(|(a, _)| *a == name)
        };
        let free = matching.iter().any(|scope| {
            let mut names = edits.iter().filter_map(|edit| edit.attribute());
            !names.any(|name| decides(scope, name))
        });
        if !free {
            return Err(no(format!(
                "this would change what decides whether {entity} is given to you: that is for the owner to change"
            )));
        }
    }
    Ok(())
}
