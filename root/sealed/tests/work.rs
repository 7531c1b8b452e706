//! What happens to a sealed peer with several pods, and what it must still have afterwards.

use crate::world::*;
use rhizome_identity::Role;
use rhizome_ipld::PublicKey;
use rhizome_sealed::{Sealed, SealedError, SealedStore};
use rhizome_storage::conformance::Random;
use rhizome_sync::{CertificateFate, Fate, Refusal, Store, set::Id};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// Pods and what may happen to them. The same seed makes the same things.
pub struct Work {
    pub owners: Vec<Owner>,
    pub said: Vec<Vec<Said>>,
    late: Vec<Vec<u8>>,
}

/// What a peer has confirmed.
#[derive(Clone, Default, Debug)]
pub struct Confirmed {
    pub commits: BTreeSet<(usize, Id)>,
    pub certificates: BTreeSet<(usize, Id)>,
    pub forgotten: BTreeMap<(usize, Id), BTreeSet<u32>>,
}

impl Work {
    pub fn new(pods: u64, commits: u64) -> Self {
        let mut out = Self {
            owners: vec![],
            said: vec![],
            late: vec![],
        };
        for n in 0..pods {
            let mut owner = Owner::new(500 + n);
            let phone = Machine::new(600 + n);
            owner.join(&phone, Role::Admin);
            owner.enrol_own(1);
            owner.enrol(&phone, 2);
            let did = owner.did();
            let mut said: Vec<Said> = Vec::new();
            let mut last: BTreeMap<PublicKey, (u64, rhizome_tuple::CommitId)> = BTreeMap::new();
            for i in 0..commits {
                let who = 1 + (i % 2) as u8;
                let key = process(who).public();
                let at = last.get(&key).map_or((0, None), |l| (l.0 + 1, Some(l.1)));
                let texts: Vec<String> = (0..=i % 5)
                    .map(|l| format!("{i} {l} {}", "z".repeat(600)))
                    .collect();
                let one = say(&did, who, at, &texts, n << 32 | i);
                last.insert(key, (one.seq, one.id));
                said.push(one);
            }
            // the removal counts the first half of what the phone wrote
            let of_phone: Vec<&Said> = said
                .iter()
                .filter(|s| s.key == process(2).public())
                .collect();
            let head = of_phone[of_phone.len() / 2];
            let before = owner.certificates();
            let seal = vec![rhizome_identity::SealedHead {
                process: head.key,
                seq: head.seq,
                commit: head.id.0,
            }];
            out.late.push(owner.remove(&phone, seal));
            drop(before);
            out.owners.push(owner);
            out.said.push(said);
        }
        out
    }

    pub fn genesis(&self, n: usize) -> rhizome_identity::Log {
        rhizome_identity::Log::new(self.owners[n].set.log().genesis().clone()).unwrap()
    }

    pub fn early(&self, n: usize) -> Vec<Vec<u8>> {
        let mut all = self.owners[n].certificates();
        all.retain(|c| *c != self.late[n]);
        all
    }

    /// Does something; notes what was confirmed.
    pub fn step(
        &self,
        sealed: &Sealed,
        r: &mut Random,
        confirmed: &mut Confirmed,
        report: &mut dyn FnMut(u8, usize, &Id),
    ) -> Result<(), String> {
        let text = |e: SealedError| e.to_string();
        let n = r.below(self.owners.len());
        let did = self.owners[n].set.did();
        let Some(pod) = sealed.pod(&did).map_err(text)? else {
            sealed.host(&self.genesis(n), 1 << 30, 1).map_err(text)?;
            return Ok(());
        };
        let mut store: SealedStore = pod.store(r.next_u64() >> 1);
        match r.below(20) {
            0 => {
                let all = if r.one_in(6) {
                    vec![self.late[n].clone()]
                } else {
                    self.early(n)
                };
                for fate in store.take_certificates(all).map_err(|e| e.to_string())? {
                    if let CertificateFate::Taken(id) = fate {
                        confirmed.certificates.insert((n, id));
                        report(b'Z', n, &id);
                    }
                }
            }
            1 => {
                let said = &self.said[n][r.below(self.said[n].len())];
                let devices = [self.owners[n].laptop.public()];
                let only = Bound::Included(said.id.0);
                // the first leaf for good, the second now and then
                let second = said.commit().leaves.len() > 1 && r.one_in(2);
                let places = (0..=u32::from(second)).collect();
                let erased = BTreeMap::from([(said.id.0, places)]);
                match pod.set_erased(&devices[0], (only, only), &erased, 9) {
                    // it is not here, or was forgotten already
                    Ok(0) => {}
                    Ok(_) => {
                        let places = confirmed.forgotten.entry((n, said.id.0)).or_default();
                        places.insert(0);
                        report(b'F', n, &said.id.0);
                    }
                    Err(e) => return Err(text(e)),
                }
            }
            2 => {
                let said = &self.said[n][r.below(self.said[n].len())];
                let bytes = (0..)
                    .zip(&said.commit().leaves)
                    .filter_map(|(i, l)| match l {
                        rhizome_sync::Leaf::Sealed(b) => Some((i, b.clone())),
                        rhizome_sync::Leaf::Erased(_) => None,
                    })
                    .collect();
                store
                    .take_leaves(&said.key, &said.id.0, bytes)
                    .map_err(|e| e.to_string())?;
            }
            _ => {
                let first = r.below(self.said[n].len());
                let some = self.said[n][first..].iter().take(1 + r.below(12));
                let batch: Vec<_> = some
                    .map(|s| {
                        if r.one_in(5) {
                            commit(&s.without(&[0]))
                        } else {
                            s.commit()
                        }
                    })
                    .collect();
                for fate in store.take_commits(batch).map_err(|e| e.to_string())? {
                    match fate {
                        Fate::Taken { name, .. } => {
                            confirmed.commits.insert((n, name.id));
                            report(b'C', n, &name.id);
                        }
                        Fate::Known(_)
                        | Fate::Refused {
                            why: Refusal::UnknownAuthor | Refusal::NoAuthority,
                            ..
                        } => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        Ok(())
    }

    /// Everything that was confirmed is there, and all is well.
    pub fn check(&self, sealed: &Sealed, confirmed: &Confirmed) -> u64 {
        let mut commits = 0;
        for (n, owner) in self.owners.iter().enumerate() {
            let of = |(i, _): &&(usize, Id)| *i == n;
            let Some(pod) = sealed.pod(&owner.set.did()).unwrap() else {
                assert!(!confirmed.commits.iter().any(|c| of(&c)));
                continue;
            };
            let audit = pod.audit().unwrap();
            assert_eq!(audit.findings, [""; 0]);
            commits += audit.commits;
            let store = pod.store(0);
            let by_id: BTreeMap<Id, &Said> = self.said[n].iter().map(|s| (s.id.0, s)).collect();
            for (_, id) in confirmed.commits.iter().filter(of) {
                assert!(
                    store.holds(&by_id[id].key, id).unwrap(),
                    "a confirmed commit is lost"
                );
            }
            for (_, id) in confirmed.certificates.iter().filter(of) {
                assert!(
                    store.certificate(id).unwrap().is_some(),
                    "a confirmed certificate is lost"
                );
            }
            for (i, id) in confirmed.forgotten.keys() {
                if *i == n {
                    let leaf = &store.leaves(&by_id[id].key, id, 0, 1).unwrap()[0];
                    assert!(
                        matches!(leaf, rhizome_sync::Leaf::Erased(_)),
                        "it was to be forgotten"
                    );
                }
            }
        }
        commits
    }
}
