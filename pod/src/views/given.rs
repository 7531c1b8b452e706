//! Which files a home gives to others in a view.
//!
//! A tuple that names a file opens it to everybody in the view, and anybody who writes there can name any hash. So a home gives those alone that its own person named there, and those that came to
//! it by that very view: what else lies in its store is nobody's business, whoever names it.

use std::collections::BTreeSet;

use rhizome_ipld::{Cid, PublicKey};
use rhizome_member::Member;
use rhizome_replica::{Fact, key, tag};
use rhizome_tuple::Value;

use super::View;
use crate::PodError;

/// The files that a view names, by what may be done with them.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// All of them, each once.
    pub named: BTreeSet<Cid>,
    /// Those that this home gives.
    pub gives: BTreeSet<Cid>,
}

impl View {
    /// What its current tuples name.
    pub(crate) fn files(&self, member: &Member) -> Result<Given, PodError> {
        let now = member.replica().snapshot();
        let own = self.processes(member);
        let mut out = Given::default();
        for k in now.eav().range(0, u128::MAX) {
            let fact: Fact = key::un_eav(k);
            if fact.v.tag != tag::BLOB {
                continue;
            }
            let Some(Value::Blob(cid)) = now.value(fact.v) else {
                continue;
            };
            let by = now.provenance(fact)?;
            if by.is_some_and(|by| own.contains(&by.author)) {
                out.gives.insert(cid);
            }
            out.named.insert(cid);
        }
        now.fault()?;
        let came = self.came()?;
        out.gives.extend(out.named.intersection(&came).copied());
        Ok(out)
    }

    /// The keys that write for this home's person, as far as that is sure: of a view of somebody else's those of this home, whatever it acted by. Who else has an invitation may enrol keys too.
    fn processes(&self, member: &Member) -> BTreeSet<PublicKey> {
        let mut out: BTreeSet<PublicKey> = self.before().iter().copied().collect();
        out.extend(member.processes().into_iter().map(|(_, key)| key));
        if self.is_owner() {
            let own = self.key();
            let trust = member.trust();
            let enrolled = trust.set().enrolments().filter(|e| e.device == own);
            out.extend(enrolled.map(|enrol| enrol.process));
        }
        out
    }
}
