//! A simulation from its seed.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rhizome_identity::IdentityError;
use rhizome_member::{Member, MemberError, found};

use crate::{
    Counts, Dice,
    node::{Life, Node},
    world::{Event, World},
};

/// Milliseconds of trouble.
const TROUBLE_MS: u64 = 6_000;
/// Milliseconds after which all must be equal.
const CALM_MS: u64 = 60_000;

/// What came of a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What happened.
    pub counts: Counts,
    /// A hash of every event, every message and the state in the end: equal if the seed was replayed exactly.
    pub trace: [u8; 32],
}

fn start(seed: u64, traced: bool) -> Result<World, MemberError> {
    let mut dice = Dice::new(seed);
    let devices = 3 + dice.below(4) as usize;
    let sealed = dice.below(3) as usize;
    let lies = seed.is_multiple_of(3);
    let mut nodes = Vec::new();
    for n in 0..devices + sealed {
        let is_sealed = n >= devices;
        let node_lies = lies && n + 1 == devices;
        nodes.push(Node::new(is_sealed, node_lies, dice.split())?);
    }
    let first = &mut nodes[0];
    let mut keys = first.keys()?;
    found(&mut keys, &first.entropy())?;
    let did = keys.did().ok_or(IdentityError::NoIdentity)?;
    let member = Member::create(first.kv(), keys, first.entropy())?;
    first.life = Life::Device(Arc::new(member));
    let mut world = World::new(seed, did, nodes, dice, traced);
    world.counts.liars += u64::from(lies);
    world.counts.sealed += u64::from(sealed > 0);
    let n = world.nodes.len();
    for a in 0..n {
        if world.nodes[a].sealed {
            world.later(0, Event::Restart(a));
        } else {
            let when = if world.dice.one_in(2) { 5 } else { 4_000 };
            world.soon(when, Event::Join(a));
            world.soon(100, Event::Write(a));
            world.soon(1_000, Event::Sync(a));
        }
        if world.nodes[a].lies {
            world.soon(600, Event::Lie(a));
        }
        world.soon(4_000, Event::Crash(a));
        world.soon(3_000, Event::Fault(a));
        for b in a + 1..n {
            world.soon(100, Event::Dial(a, b));
            world.soon(2_000, Event::Partition(a, b));
        }
    }
    world.soon(5_000, Event::Remove);
    Ok(world)
}

fn run(world: &mut World) {
    while world.now < TROUBLE_MS {
        world.step();
    }
    world.calm = true;
    world.note(|| "calm".into());
    world.parted.clear();
    world.holes.clear();
    for at in 0..world.nodes.len() {
        world.nodes[at].disk.mend();
        world.nodes[at].seen.lock().strips = None;
        let open: Vec<u64> = world.nodes[at].sessions.keys().copied().collect();
        for on in open {
            world.close(at, on);
        }
        if world.nodes[at].disk.is_off() {
            world.crash(at);
        }
        world.restart(at);
        if let Some(member) = world.nodes[at].member().filter(|_| world.nodes[at].lies) {
            drop(member.settle());
        }
    }
    let deadline = world.now + CALM_MS;
    loop {
        for _ in 0..64 {
            world.step();
        }
        match world.is_equal() {
            Ok(()) => break,
            Err(why) => assert!(
                world.now < deadline,
                "seed {}: no convergence: {why}",
                world.seed
            ),
        }
    }
    if let Err(why) = world.check() {
        panic!("seed {}: {why}", world.seed);
    }
    if let Some(member) = world.nodes[0].member()
        && let Ok(digest) = member.replica().snapshot().digest()
    {
        world.hash.update(&digest);
    }
    world.gather();
}

/// Runs a seed and says what came of it.
///
/// # Errors
/// What was violated.
pub fn simulate(seed: u64) -> Result<Outcome, String> {
    attempt(seed, false).0
}

/// Runs a seed again and tells everything that happened, a line for each event.
pub fn replay(seed: u64) -> (Result<Outcome, String>, Vec<String>) {
    attempt(seed, true)
}

fn attempt(seed: u64, traced: bool) -> (Result<Outcome, String>, Vec<String>) {
    let mut world = match start(seed, traced) {
        Ok(world) => world,
        Err(error) => return (Err(format!("seed {seed}: {error}")), Vec::new()),
    };
    let done = catch_unwind(AssertUnwindSafe(|| run(&mut world)));
    let outcome = match done {
        Ok(()) => Ok(Outcome {
            counts: world.counts,
            trace: *world.hash.finalize().as_bytes(),
        }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("seed {seed}: {}", text.unwrap_or("it panicked")))
        }
    };
    (outcome, world.trace())
}
