//! Chains and their search, against the oracle.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rhizome_capability::{
    Context, Delegation, DelegationBuilder, DidKeys, Invocation, Policy, Proofs, Revocation,
    Revocations, Signer, Wanted,
};

use crate::oracle::{Call, Plain, allows, reachable};
use crate::{NOW, did, key};

const COMMANDS: [&str; 4] = ["/", "/a", "/a/b", "/ab"];

fn command() -> impl Strategy<Value = &'static str> {
    prop::sample::select(COMMANDS.to_vec())
}

/// Mostly valid now.
fn time(
    valid: std::ops::Range<u64>,
    not: std::ops::Range<u64>,
) -> impl Strategy<Value = Option<u64>> {
    option::weighted(0.4, prop_oneof![5 => valid, 1 => not])
}

fn plain() -> impl Strategy<Value = Plain> {
    let who = (
        1..5_u8,
        1..5_u8,
        option::weighted(0.75, prop_oneof![4 => Just(1_u8), 1 => Just(2)]),
    );
    let begin = time(NOW - 5..NOW + 1, NOW + 1..NOW + 5);
    let end = time(NOW..NOW + 5, NOW - 5..NOW);
    (
        who,
        prop_oneof![3 => Just("/"), 2 => command()],
        prop_oneof![4 => Just(9), 1 => 0..3_i64],
        begin,
        end,
    )
        .prop_map(|((from, to, subject), command, most, begin, end)| Plain {
            from,
            to,
            subject,
            command,
            most,
            begin,
            end,
        })
}

fn call() -> impl Strategy<Value = Call> {
    (
        1..5_u8,
        prop_oneof![4 => Just(1_u8), 1 => Just(2)],
        command(),
        0..3_i64,
    )
        .prop_map(|(by, subject, command, n)| Call {
            by,
            subject,
            command,
            n,
        })
}

fn mint(plain: &Plain, nonce: u8) -> Delegation {
    let builder = Delegation::to(did(plain.to), plain.command.parse().unwrap())
        .policy(Policy::new().at_most(".n", plain.most).unwrap());
    let builder = match plain.subject {
        Some(subject) => builder.subject(did(subject)),
        None => builder.powerline(),
    };
    let builder = plain
        .begin
        .into_iter()
        .fold(builder, DelegationBuilder::not_before);
    let builder = plain
        .end
        .into_iter()
        .fold(builder, DelegationBuilder::expires);
    builder.sign(&key(plain.from), &[nonce]).unwrap()
}

fn invoke(call: &Call, proofs: &[&Delegation]) -> Invocation {
    Invocation::on(did(call.subject), call.command.parse().unwrap())
        .argument("n", call.n)
        .proofs(crate::names(proofs.iter().copied()))
        .sign(&key(call.by), &[0])
        .unwrap()
}

struct World {
    tokens: Vec<Delegation>,
    proofs: Proofs,
    revocations: Revocations,
}

impl World {
    fn new(plain: &[Plain], revoked: &[(u8, usize)]) -> Self {
        let mint = || {
            plain
                .iter()
                .zip(0..)
                .map(|(plain, nonce)| mint(plain, nonce))
        };
        let tokens: Vec<Delegation> = mint().collect();
        let mut proofs = Proofs::new();
        proofs.extend(mint());
        let mut revocations = Revocations::default();
        for (who, what) in revoked {
            let revocation = Revocation::sign(&tokens[*what], &key(*who)).unwrap();
            let context = Context::at(NOW);
            let revocation = Revocation::verify(&revocation, &proofs, &context).unwrap();
            revocations.insert(&revocation).unwrap();
        }
        Self {
            tokens,
            proofs,
            revocations,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: NOW,
            resolver: &DidKeys,
            revocations: Some(&self.revocations),
        }
    }
}

/// Who revoked which of `n`.
fn revoked(n: usize) -> impl Strategy<Value = Vec<(u8, usize)>> {
    vec((1..5_u8, 0..n), 0..2)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any list of proofs: mostly wrong ones.
    #[test]
    fn any_chain(
        plain in vec(plain(), 4),
        revoked in revoked(4),
        call in call(),
        chain in vec(0..4_usize, 0..4),
    ) {
        let world = World::new(&plain, &revoked);
        let proofs: Vec<&Delegation> = chain.iter().map(|at| &world.tokens[*at]).collect();
        let verdict = world.context().verify(&invoke(&call, &proofs), &world.proofs);
        prop_assert_eq!(verdict.is_ok(), allows(&plain, &revoked, &call, &chain, NOW), "{:?}", verdict);
    }

    /// A line from the subject on with one thing changed at random: half of them right.
    #[test]
    fn nearly_right_chains(
        line in vec(plain(), 1..4),
        spoil in (0..4_usize, plain(), any::<bool>()),
        revoked in revoked(1),
        call in call(),
    ) {
        let mut plain = line;
        let len = plain.len();
        for (at, proof) in plain.iter_mut().enumerate() {
            proof.from = at as u8 + 1;
            proof.to = at as u8 + 2;
            proof.subject = if at == 0 { Some(1) } else { proof.subject.map(|_| 1) };
            if at + 1 < len {
                proof.command = "/";
            }
        }
        let call = Call { by: len as u8 + 1, subject: 1, ..call };
        if let (at, other, true) = spoil && at < len {
            plain[at] = other;
        }
        let chain: Vec<usize> = (0..len).collect();
        let world = World::new(&plain, &revoked);
        let proofs: Vec<&Delegation> = world.tokens.iter().collect();
        let verdict = world.context().verify(&invoke(&call, &proofs), &world.proofs);
        prop_assert_eq!(verdict.is_ok(), allows(&plain, &revoked, &call, &chain, NOW), "{:?}", verdict);
    }

    /// The search finds a chain exactly if there is one, and what it finds is valid.
    #[test]
    fn the_search_finds_what_there_is(
        plain in vec(plain(), 6),
        revoked in revoked(6),
        call in call(),
    ) {
        let world = World::new(&plain, &revoked);
        let empty = invoke(&call, &[]);
        let found = world.proofs.search(
            &Wanted {
                invoker: &key(call.by).issuer(),
                subject: &did(call.subject),
                command: &call.command.parse().unwrap(),
                arguments: Some(empty.arguments()),
            },
            &world.context(),
        );
        prop_assert_eq!(found.is_some(), reachable(&plain, &revoked, &call, NOW));
        if let Some(chain) = found {
            let proofs: Vec<&Delegation> = chain.iter().map(|proof| &**proof).collect();
            let verdict = world.context().verify(&invoke(&call, &proofs), &world.proofs);
            prop_assert!(verdict.is_ok(), "{:?}", verdict);
        }
    }
}
