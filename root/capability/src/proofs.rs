//! Delegations at hand: by name, and by whom they are for.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ipld_core::ipld::Ipld;
use rhizome_ipld::Cid;

use crate::{Command, Context, Delegation, MAX_CHAIN, Principal};

/// Most delegations that one search looks at.
const MAX_SEARCH: usize = 1 << 16;

/// Delegations in memory. Holding one means nothing: signatures, times and policies are asked when it is used.
#[derive(Debug, Clone, Default)]
pub struct Proofs {
    by_cid: HashMap<Cid, Arc<Delegation>>,
    by_audience: HashMap<String, Vec<Arc<Delegation>>>,
}

/// What a chain is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Who wants to do it.
    pub invoker: &'a Principal,
    /// Whose things these are.
    pub subject: &'a Principal,
    /// What to do.
    pub command: &'a Command,
    /// With which arguments, a map. `None`: whatever the policies say.
    pub arguments: Option<&'a Ipld>,
}

impl Proofs {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a delegation; `false` if it is there already.
    pub fn insert(&mut self, delegation: impl Into<Arc<Delegation>>) -> bool {
        let delegation = delegation.into();
        if self.by_cid.contains_key(delegation.cid()) {
            return false;
        }
        let audience = delegation.audience().did().to_owned();
        self.by_audience
            .entry(audience)
            .or_default()
            .push(Arc::clone(&delegation));
        self.by_cid.insert(*delegation.cid(), delegation);
        true
    }

    /// The delegation of this name.
    pub fn get(&self, cid: &Cid) -> Option<&Arc<Delegation>> {
        self.by_cid.get(cid)
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Delegation>> {
        self.by_cid.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_cid.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_cid.is_empty()
    }

    /// Forgets those whose time is over.
    pub fn remove_expired(&mut self, now: u64) {
        let valid = |delegation: &Delegation| delegation.expires().is_none_or(|end| now <= end);
        self.by_cid.retain(|_, delegation| valid(delegation));
        self.by_audience.retain(|_, delegations| {
            delegations.retain(|delegation| valid(delegation));
            !delegations.is_empty()
        });
    }

    /// A shortest chain that allows what is wanted, root first, ready for [`crate::InvocationBuilder::proofs`]. It is empty for the
    /// subject itself; `None` if there is none, or none was found among the first 65,536 delegations looked at.
    ///
    /// It goes from the invoker towards the subject, breadth first. Where it stands is a principal, the command needed from there on,
    /// and who must not stand before it because he revoked something on the way. It never stands at the same place twice, so
    /// principals that delegate to each other in a circle do not keep it, and a shortest chain has no proof twice.
    pub fn search(
        &self,
        wanted: &Wanted<'_>,
        context: &Context<'_>,
    ) -> Option<Vec<Arc<Delegation>>> {
        if wanted.invoker == wanted.subject {
            return Some(Vec::new());
        }
        let mut places = vec![Place {
            holder: wanted.invoker.did(),
            command: wanted.command,
            against: BTreeSet::new(),
            came: None,
            depth: 0,
        }];
        let mut seen = HashSet::new();
        let mut looked = 0;
        let mut at = 0;
        while let Some(here) = places.get(at) {
            let candidates = self.by_audience.get(here.holder);
            let mut next = Vec::new();
            for proof in candidates.into_iter().flatten() {
                looked += 1;
                if looked > MAX_SEARCH {
                    return None;
                }
                let useful = proof.subject().is_none_or(|of| of == wanted.subject)
                    && proof.command().covers(here.command)
                    && proof.check_time(context.now).is_ok()
                    && wanted
                        .arguments
                        .is_none_or(|args| proof.policy().matches(args));
                if !useful {
                    continue;
                }
                let mut against = here.against.clone();
                if let Some(revocations) = context.revocations {
                    against.extend(revocations.revokers(proof));
                }
                let issuer = proof.issuer().did();
                if against.contains(issuer) || proof.verify_signature(context.resolver).is_err() {
                    continue;
                }
                if proof.subject().is_some() && proof.issuer() == wanted.subject {
                    let mut chain = vec![Arc::clone(proof)];
                    let mut came = here.came;
                    while let Some((proof, from)) = came {
                        chain.push(Arc::clone(proof));
                        came = places.get(from).and_then(|place| place.came);
                    }
                    return Some(chain);
                }
                if here.depth + 1 < MAX_CHAIN
                    && seen.insert((issuer, proof.command(), against.clone()))
                {
                    next.push(Place {
                        holder: issuer,
                        command: proof.command(),
                        against,
                        came: Some((proof, at)),
                        depth: here.depth + 1,
                    });
                }
            }
            places.append(&mut next);
            at += 1;
        }
        None
    }
}

/// Where a search stands.
struct Place<'a> {
    /// Who needs a proof from here on.
    holder: &'a str,
    /// What the proof must cover.
    command: &'a Command,
    /// Who must not issue any proof from here on.
    against: BTreeSet<&'a str>,
    /// The delegation that led here, and from which place; `None` at the invoker.
    came: Option<(&'a Arc<Delegation>, usize)>,
    /// How many delegations led here.
    depth: usize,
}

impl Extend<Delegation> for Proofs {
    fn extend<I: IntoIterator<Item = Delegation>>(&mut self, delegations: I) {
        for delegation in delegations {
            self.insert(delegation);
        }
    }
}

impl FromIterator<Delegation> for Proofs {
    fn from_iter<I: IntoIterator<Item = Delegation>>(delegations: I) -> Self {
        let mut proofs = Self::new();
        proofs.extend(delegations);
        proofs
    }
}
