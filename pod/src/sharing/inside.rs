//! A group as a page shows it: since when each is in it, and what there is, with who wrote it last.

use std::collections::{BTreeMap, HashMap};

use rhizome_identity::{Did, Role};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Eid, Fact, Snapshot, key};
use rhizome_tuple::Hlc;
use rhizome_view::{Guests, Note, notes};
use serde_json::{Value as Json, json};

use super::Group;
use crate::{Pod, PodError, View, entity, home::now_ms};

/// Entities that are answered at most.
const MOST: usize = 1000;

impl Pod {
    /// A group as JSON, with since when each is in it, or invited to it.
    ///
    /// # Errors
    /// As [`Pod::group`].
    pub fn group_shown(&self, group: &Group) -> Result<Json, PodError> {
        let view = self.group_view(&group.did)?;
        let since = since(&view)?;
        let mut out = group.to_json();
        if let Some(members) = out["members"].as_array_mut() {
            for (shown, member) in members.iter_mut().zip(&group.members) {
                let at = since.at(&member.did, member.invited);
                shown["since_ms"] = at.map(|at| at.display_ms(now_ms())).into();
            }
        }
        Ok(out)
    }

    /// What is in a group, the newest first: `{"entities": [{"id", "state", "by", "at_ms"}…], "more"}`. `by` is the DID of who wrote there last, if he has shown who he is.
    ///
    /// # Errors
    /// As [`Pod::group`].
    pub fn in_group(&self, group: &Did, limit: usize) -> Result<Json, PodError> {
        let view = self.group_view(group)?;
        let now = view.replica()?.snapshot();
        let mut people = People {
            guests: view.guests()?,
            known: HashMap::new(),
        };
        let limit = limit.clamp(1, MOST);
        let mut entities = Vec::new();
        let mut more = false;
        // numbers are given in the order in which entities came here
        for e in (0..now.entity_count()).rev().map(Eid) {
            let Some(id) = now.entity_id(e) else { continue };
            let Some(state) = entity::state(&now, &id)? else {
                continue;
            };
            if entities.len() == limit {
                more = true;
                break;
            }
            let last = last_written(&now, e)?;
            let by = last.and_then(|(_, author)| people.who(&author));
            let at = last.map(|(at, _)| at.display_ms(now_ms()));
            entities.push(json!({ "id": id.to_string(), "state": state, "by": by, "at_ms": at }));
        }
        now.fault()?;
        Ok(json!({ "entities": entities, "more": more }))
    }
}

/// When the newest of its tuples was written, and by which key.
fn last_written(now: &Snapshot, e: Eid) -> Result<Option<(Hlc, PublicKey)>, PodError> {
    let mut last: Option<(Hlc, PublicKey)> = None;
    let (lo, hi) = key::eav_e(e);
    for k in now.eav().range(lo, hi) {
        let fact: Fact = key::un_eav(k);
        if let Some(by) = now.provenance(fact)?
            && last.is_none_or(|(at, _)| at < by.hlc)
        {
            last = Some((by.hlc, by.author));
        }
    }
    Ok(last)
}

/// Whose the keys are, each looked up once.
struct People {
    guests: Guests,
    known: HashMap<PublicKey, Option<String>>,
}

impl People {
    fn who(&mut self, author: &PublicKey) -> Option<String> {
        let guests = &self.guests;
        let found = || {
            let did = guests.claimed(author)?;
            let shown = guests.shown(did).any(|key| key == author);
            shown.then(|| did.to_owned())
        };
        self.known.entry(*author).or_insert_with(found).clone()
    }
}

/// When somebody was invited, and when he came, by the clocks of those who let him in.
#[derive(Default)]
struct Since {
    began: Option<Hlc>,
    invited: BTreeMap<String, Hlc>,
    came: BTreeMap<String, Hlc>,
}

impl Since {
    fn at(&self, did: &str, invited: bool) -> Option<Hlc> {
        if invited {
            return self.invited.get(did).copied();
        }
        self.came.get(did).copied().or(self.began)
    }
}

fn since(view: &View) -> Result<Since, PodError> {
    let writers = view.member()?.trust().set().writers();
    let now = view.replica()?.snapshot();
    let mut out = Since::default();
    // the oldest first: who came back is there since then
    for left in notes(&view.did().to_string(), &now)? {
        let admin = writers.get(&left.author);
        if !left.by_owner || admin.is_none_or(|writer| writer.role != Role::Admin) {
            continue;
        }
        match left.note {
            Note::Group(_) => {
                out.began.get_or_insert(left.hlc);
            }
            Note::Grant(bytes) => {
                if let Ok(delegation) = rhizome_capability::Delegation::decode(&bytes) {
                    let to = delegation.audience().did().to_owned();
                    out.invited.insert(to, left.hlc);
                }
            }
            Note::Key(handed) => {
                out.came.insert(handed.to, left.hlc);
            }
            _ => (),
        }
    }
    Ok(out)
}
