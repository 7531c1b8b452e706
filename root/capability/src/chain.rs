//! Whether a chain of proofs allows an invocation.

use rhizome_ipld::Cid;

use crate::{CapabilityError, Command, DidKeys, Invocation, Proofs, Resolver, Revocations};

/// Most proofs in one chain.
pub const MAX_CHAIN: usize = 32;

/// What an invocation is judged by. All of it is passed in: there is no clock here and no network.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Seconds since 1970.
    pub now: u64,
    /// Knows the keys of DIDs.
    pub resolver: &'a dyn Resolver,
    /// What was revoked.
    pub revocations: Option<&'a Revocations>,
}

impl Context<'_> {
    /// A context in which there is nothing but `did:key` and nothing was revoked.
    pub const fn at(now: u64) -> Self {
        Self {
            now,
            resolver: &DidKeys,
            revocations: None,
        }
    }

    /// Whether `invocation` is allowed, and by which chain: the CIDs of its proofs from the root on, none if the issuer is the subject.
    ///
    /// Everything is asked anew except the arithmetic of signatures, which is done once for each token in memory; so proofs that are
    /// kept are cheap to use again. Neither the audience of the invocation nor whether it was executed
    /// before is asked here, see [`crate::Executor`].
    ///
    /// # Errors
    /// The first reason why not; [`CapabilityError::kind`] has the names of the official vectors.
    pub fn verify(
        &self,
        invocation: &Invocation,
        proofs: &Proofs,
    ) -> Result<Vec<Cid>, CapabilityError> {
        invocation.check_time(self.now)?;
        // Before the rest, so that nobody else learns what is wrong with it.
        invocation.verify_signature(self.resolver)?;
        let subject = invocation.subject();
        if invocation.proofs().is_empty() && invocation.issuer() != subject {
            return Err(CapabilityError::NoProof);
        }
        let mut chain = Vec::with_capacity(invocation.proofs().len());
        for cid in invocation.proofs() {
            let proof = proofs
                .get(cid)
                .ok_or_else(|| CapabilityError::UnavailableProof(Box::new(*cid)))?;
            chain.push(&**proof);
        }
        // Who must have issued the next token, and the command it must stay under.
        let mut holder = subject;
        let mut command = None;
        for (place, proof) in chain.iter().enumerate() {
            let cid = || Box::new(*proof.cid());
            if invocation
                .proofs()
                .iter()
                .take(place)
                .any(|earlier| earlier == proof.cid())
            {
                return Err(CapabilityError::RepeatedProof(cid()));
            }
            proof.check_time(self.now)?;
            match proof.subject() {
                Some(of) if of == subject => {}
                Some(_) => return Err(CapabilityError::Subject(cid())),
                None if place == 0 => return Err(CapabilityError::RootPowerline),
                None => {}
            }
            if proof.issuer() != holder {
                return Err(if place == 0 {
                    CapabilityError::RootIssuer
                } else {
                    CapabilityError::Alignment
                });
            }
            within(command, proof.command())?;
            (holder, command) = (proof.audience(), Some(proof.command()));
            if !proof.policy().matches(invocation.arguments()) {
                return Err(CapabilityError::PolicyMismatch(cid()));
            }
            let stands_before = |did: &str| {
                let mut before = chain.iter().take(place + 1);
                before.any(|proof| proof.issuer().did() == did)
            };
            if let Some(revocations) = self.revocations
                && revocations.contains(proof, stands_before)
            {
                return Err(CapabilityError::Revoked(cid()));
            }
        }
        if invocation.issuer() != holder {
            return Err(CapabilityError::Alignment);
        }
        within(command, invocation.command())?;
        for proof in chain {
            proof.verify_signature(self.resolver)?;
        }
        Ok(invocation.proofs().to_vec())
    }
}

fn within(above: Option<&Command>, command: &Command) -> Result<(), CapabilityError> {
    if above.is_none_or(|above| above.covers(command)) {
        Ok(())
    } else {
        Err(CapabilityError::Escalation(command.to_string()))
    }
}
