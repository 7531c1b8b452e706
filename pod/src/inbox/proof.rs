//! Whether the owner of a pod ever gave somebody something. That is all that is asked: a delegation that is over or was revoked shows it
//! too, for no right is used.

use std::sync::Arc;

use rhizome_capability::{Command, Container, Delegation, Principal, container::Limits};
use rhizome_identity::{Resolution, Role};
use rhizome_ipld::PublicKey;

use super::InboxError;

/// What a proof may have.
const LIMITS: Limits = Limits {
    bytes: 64 << 10,
    tokens: 32,
};
/// What somebody was given something of.
const TUPLES: &str = "/pod/tuple";

/// Whether a key signs for those whose log this is: as a device that is not a guest's. `once`: or was one.
pub(super) fn signs(log: &Resolution, key: &PublicKey, once: bool) -> bool {
    match log.device(key) {
        Some(active) => matches!(active.device.role, Role::Admin | Role::Member),
        None => once && log.was_listed(key),
    }
}

/// Whether a container of delegations has a chain that begins with one by a device of `to` and ends at `from`. `once`: the device may have
/// been taken out since.
pub(super) fn check(
    proof: &[u8],
    to: &Resolution,
    from: &Resolution,
    once: bool,
) -> Result<(), InboxError> {
    let Container {
        invocations,
        proofs,
    } = Container::decode(proof, LIMITS)?;
    let wrong = |why| Err(InboxError::Proof(why));
    if !invocations.is_empty() {
        return wrong("there is something else than delegations in it");
    }
    let (owner, sender) = (to.did.to_string(), from.did.to_string());
    let resolve = |did: &str, fragment: &str| -> Option<PublicKey> {
        let key: PublicKey = fragment.parse().ok()?;
        let known =
            (did == owner && signs(to, &key, once)) || (did == sender && signs(from, &key, false));
        known.then_some(key)
    };
    let tuples: Command = TUPLES.parse()?;
    let related = |d: &Delegation| tuples.covers(d.command()) || d.command().covers(&tuples);
    let about = |d: &Delegation| d.subject().map(Principal::did) == Some(owner.as_str());
    let all: Vec<&Arc<Delegation>> = proofs.iter().filter(|d| related(d)).collect();
    let begins = |d: &Delegation| d.issuer().did() == owner && about(d);
    if !all.iter().any(|d| begins(d)) {
        return wrong("none of its delegations is the owner's, of the pod's own tuples");
    }
    let mut reached: Vec<usize> = Vec::new();
    let mut seen = vec![false; all.len()];
    let mut unsigned = false;
    let mut visit = |n: usize, d: &Delegation, reached: &mut Vec<usize>| {
        if !std::mem::replace(&mut seen[n], true) {
            if d.verify_signature(&resolve).is_ok() {
                reached.push(n);
            } else {
                unsigned = true;
            }
        }
    };
    for (n, d) in all.iter().enumerate().filter(|(_, d)| begins(d)) {
        visit(n, d, &mut reached);
    }
    let mut at = 0;
    while let Some(here) = reached.get(at).and_then(|n| all.get(*n)) {
        if here.audience().did() == sender {
            return Ok(());
        }
        for (n, next) in all.iter().enumerate() {
            let passed_on = next.issuer() == here.audience()
                && here.command().covers(next.command())
                && (next.subject().is_none() || about(next));
            if passed_on {
                visit(n, next, &mut reached);
            }
        }
        at += 1;
    }
    if unsigned {
        return wrong("a delegation in it is not signed by a device of its issuer");
    }
    wrong("it ends at somebody else")
}
