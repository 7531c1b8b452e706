//! One who executes invocations: everything that has to be asked, in one call.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use rhizome_ipld::{Cid, cid_sha256};

use crate::container::{Limits, Token};
use crate::{
    CapabilityError, Context, Delegation, DidKeys, Invocation, Principal, Proofs, Replays,
    Resolver, Revocation, Revocations, container,
};

/// Most proofs that are kept from one invocation to the next.
const KEPT: usize = 1024;

/// An invocation that may be executed, once, now. Only an [`Executor`] makes one.
#[derive(Debug)]
pub struct Authorized {
    invocation: Invocation,
    chain: Vec<Cid>,
}

impl Authorized {
    /// What was asked.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The names of the proofs, from the root on.
    pub fn chain(&self) -> &[Cid] {
        &self.chain
    }

    /// The name of the delegation by the subject with which the chain begins; `None` if the subject itself asked.
    pub fn root(&self) -> Option<&Cid> {
        self.chain.first()
    }
}

/// One who executes invocations: knows its own name, what was revoked and what it has executed.
pub struct Executor<R = DidKeys> {
    me: Principal,
    resolver: R,
    limits: Limits,
    revocations: Revocations,
    replays: Replays,
    kept: HashMap<Cid, Arc<Delegation>>,
    /// In the order in which they came.
    order: VecDeque<Cid>,
}

impl Executor {
    /// An executor that takes invocations addressed to `me`, in containers of at most 64 KiB.
    pub fn new(me: Principal) -> Self {
        Self::with_resolver(me, DidKeys)
    }
}

impl<R: Resolver> Executor<R> {
    /// An executor that knows more DIDs than `did:key`.
    pub fn with_resolver(me: Principal, resolver: R) -> Self {
        Self {
            me,
            resolver,
            limits: Limits {
                bytes: 64 << 10,
                tokens: 64,
            },
            revocations: Revocations::default(),
            replays: Replays::default(),
            kept: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Other limits for containers.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another memory of what was executed.
    #[must_use]
    pub fn with_replays(mut self, replays: Replays) -> Self {
        self.replays = replays;
        self
    }

    /// What was revoked.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// What was revoked, to add what is known from elsewhere (a database at the start).
    pub fn revocations_mut(&mut self) -> &mut Revocations {
        &mut self.revocations
    }

    /// Judges a container of one invocation and its proofs, about what belongs to this executor itself. What comes back may be executed,
    /// and is not let in again.
    ///
    /// # Errors
    /// Why not. An invocation that is refused may come again.
    pub fn admit(&mut self, container: &[u8], now: u64) -> Result<Authorized, CapabilityError> {
        let me = self.me.clone();
        self.admit_for(|subject| *subject == me, container, now)
    }

    /// The same for an executor who works for others: `serves` says for whom. Everybody may do everything to himself, so an executor
    /// that took any subject would let everybody in.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub fn admit_for(
        &mut self,
        serves: impl FnOnce(&Principal) -> bool,
        container: &[u8],
        now: u64,
    ) -> Result<Authorized, CapabilityError> {
        let (invocation, proofs) = self.open(container)?;
        if *invocation.audience() != self.me {
            return Err(CapabilityError::Audience);
        }
        if !serves(invocation.subject()) {
            return Err(CapabilityError::ForeignSubject);
        }
        let chain = self.context(now).verify(&invocation, &proofs)?;
        self.replays.insert(&invocation, now)?;
        self.keep(&chain, &proofs);
        Ok(Authorized { invocation, chain })
    }

    /// Takes a revocation, in a container with the delegation it revokes, those before it up to one that this executor issued as the
    /// subject, and the proofs of the revocation if it has any. Other revocations would have no effect here; who executes for other
    /// subjects judges them with [`Revocation::verify`] and adds them to [`revocations_mut`](Self::revocations_mut).
    ///
    /// # Errors
    /// [`CapabilityError::Standing`], [`CapabilityError::Full`], those of [`Revocation::verify`].
    pub fn revoke(&mut self, container: &[u8], now: u64) -> Result<Revocation, CapabilityError> {
        let (invocation, proofs) = self.open(container)?;
        let mut revocation = Revocation::verify(&invocation, &proofs, &self.context(now))?;
        let revoked = proofs
            .get(revocation.token())
            .ok_or(CapabilityError::Standing)?;
        revoked.verify_signature(&self.resolver)?;
        let before = self.before(revoked, &proofs);
        if !before.contains(revocation.revoker()) || !before.contains(self.me.did()) {
            return Err(CapabilityError::Standing);
        }
        revocation.complete(revoked);
        self.revocations.insert(&revocation)?;
        Ok(revocation)
    }

    fn context(&self, now: u64) -> Context<'_> {
        Context {
            now,
            resolver: &self.resolver,
            revocations: Some(&self.revocations),
        }
    }

    /// The issuers of `last` and of all that may stand before it in a chain of my own.
    fn before(&self, last: &Delegation, proofs: &Proofs) -> BTreeSet<String> {
        let mut issuers = BTreeSet::from([last.issuer().did().to_owned()]);
        let about_me = |proof: &Delegation| proof.subject().is_none_or(|of| *of == self.me);
        if !about_me(last) {
            return BTreeSet::new();
        }
        loop {
            let known = issuers.len();
            for proof in proofs.iter() {
                if issuers.contains(proof.audience().did())
                    && about_me(proof)
                    && proof.verify_signature(&self.resolver).is_ok()
                {
                    issuers.insert(proof.issuer().did().to_owned());
                }
            }
            if issuers.len() == known {
                return issuers;
            }
        }
    }

    /// The one invocation and the proofs of a container; proofs that were in a chain before are those in memory, with their signatures
    /// checked.
    fn open(&self, container: &[u8]) -> Result<(Invocation, Proofs), CapabilityError> {
        let mut proofs = Proofs::new();
        let mut invocation = None;
        for bytes in container::read(container, self.limits)? {
            if let Some(kept) = self.kept.get(&cid_sha256(&bytes)) {
                proofs.insert(Arc::clone(kept));
                continue;
            }
            match Token::decode(&bytes)? {
                Token::Delegation(delegation) => {
                    proofs.insert(*delegation);
                }
                Token::Invocation(one) if invocation.is_none() => invocation = Some(*one),
                Token::Invocation(_) => return Err(CapabilityError::OneInvocation),
            }
        }
        let invocation = invocation.ok_or(CapabilityError::OneInvocation)?;
        Ok((invocation, proofs))
    }

    fn keep(&mut self, chain: &[Cid], proofs: &Proofs) {
        for cid in chain {
            if let Some(proof) = proofs.get(cid)
                && self.kept.insert(*cid, Arc::clone(proof)).is_none()
            {
                self.order.push_back(*cid);
            }
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.kept.remove(&oldest);
            }
        }
    }
}
