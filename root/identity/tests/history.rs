//! Random adversarial histories: the log equals the model, and keeps its promises P1 to P7.

use std::collections::BTreeSet;

use rhizome_identity::Log;

use crate::oracle::{Act, Id, Inc, Key, Op};
use crate::twin::{Dice, Twin};

/// Some acts by random members, at random places of the history. The authors and targets are incarnations in the past of the act,
/// as the door demands; whether they are members there is left to chance.
fn play(twin: &mut Twin, dice: &mut Dice, first: Key, incs: &mut Vec<Inc>) {
    let mut next = 50;
    for _ in 0..3 + dice.roll(19) {
        let ids = twin.ids();
        let mut prevs: BTreeSet<Id> = if dice.percent(50) {
            twin.heads()
        } else {
            (0..=dice.roll(2)).map(|_| dice.pick(&ids)).collect()
        };
        let author = dice.pick(incs);
        prevs.insert(author.by);
        let act = match dice.roll(10) {
            0..4 => {
                next += 1;
                let again = 1 + dice.roll(u64::from(first)) as Key;
                Act::Add(if dice.percent(20) { again } else { next })
            }
            4..8 => {
                let target = dice.pick(incs);
                prevs.insert(target.by);
                Act::Remove(target)
            }
            _ => Act::Service(dice.roll(1 << 40)),
        };
        let key = match act {
            Act::Add(key) => Some(key),
            _ => None,
        };
        if let Some(id) = twin.act(Some(author), act, prevs) {
            let inc = key.map(|key| Inc { key, by: id });
            incs.extend(inc.filter(|inc| !incs.contains(inc)));
        }
    }
}

fn history(seed: u64) {
    let mut dice = Dice(seed);
    let first = 2 + dice.roll(3) as Key;
    let devices: Vec<Key> = (1..=first).collect();
    let mut twin = Twin::new(&devices, &[100, 200], seed);
    let mut incs: Vec<Inc> = devices.iter().map(|k| twin.first(*k)).collect();
    play(&mut twin, &mut dice, first, &mut incs);
    let state = twin.state();

    any_order_gives_the_same(&twin, &mut dice);
    // P2: the most senior of the first devices is removed by nobody but itself.
    let top = twin.first(1);
    let resigns = |op: &Op| op.author == Some(top) && op.act == Act::Remove(top);
    let has_resigned = twin.model.ops.values().any(resigns);
    assert!(has_resigned || state.incs.contains(&top), "seed {seed}");
    if !has_resigned {
        back_dating_is_in_vain(&mut twin, &mut dice, top, &incs, seed);
    }
    recovery_wins(&mut twin, &mut dice, &incs, seed);
}

/// P1.
fn any_order_gives_the_same(twin: &Twin, dice: &mut Dice) {
    let mut operations: Vec<_> = twin.log.operations().cloned().collect();
    dice.shuffle(&mut operations);
    let mut log = Log::new(twin.log.genesis().clone()).unwrap();
    for operation in operations {
        log.insert(operation).unwrap();
    }
    assert_eq!(log.waiting(), 0);
    assert_eq!(log.resolve(), twin.log.resolve());
    assert_eq!(log.to_car().unwrap(), twin.log.to_car().unwrap());
}

/// P3: once the most senior has removed a device, having seen everything, then neither it nor what it adds gains anything by further
/// acts with any past. P4: what such acts still hit, can be added again, and is out of their reach.
fn back_dating_is_in_vain(twin: &mut Twin, dice: &mut Dice, top: Inc, incs: &[Inc], seed: u64) {
    let members: Vec<Inc> = twin
        .state()
        .incs
        .into_iter()
        .filter(|i| *i != top)
        .collect();
    if members.is_empty() || twin.heads().len() > 32 {
        return;
    }
    let thief = dice.pick(&members);
    let before = twin.ids();
    let heads = twin.heads();
    twin.does(top, Act::Remove(thief), heads);
    let then = twin.state();
    assert!(!then.incs.contains(&thief), "seed {seed}");
    let mut his = vec![thief];
    for k in 0..6 {
        let author = dice.pick(&his);
        let mut prevs = BTreeSet::from([dice.pick(&before), dice.pick(&before), author.by]);
        let act = match dice.roll(3) {
            0 => Act::Add(90 + k),
            1 => Act::Service(0xbad),
            _ => {
                let target = dice.pick(incs);
                prevs.insert(target.by);
                Act::Remove(target)
            }
        };
        let is_add = matches!(act, Act::Add(_));
        if let Some(by) = twin.act(Some(author), act, prevs)
            && is_add
        {
            his.push(Inc { key: 90 + k, by });
        }
    }
    let now = twin.state();
    assert!(
        now.incs.is_subset(&then.incs),
        "a thief gained members, seed {seed}"
    );
    assert_eq!(
        now.service, then.service,
        "a thief set a register, seed {seed}"
    );
    assert!(
        !now.incs.contains(&thief) && now.incs.contains(&top),
        "seed {seed}"
    );

    let mut again = Vec::new();
    for lost in then.incs.difference(&now.incs) {
        let heads = twin.heads();
        if heads.len() > 32 {
            return;
        }
        let by = twin.does(top, Act::Add(lost.key), heads);
        again.push(Inc { key: lost.key, by });
    }
    for _ in 0..6 {
        let (author, target) = (dice.pick(&his), dice.pick(incs));
        let prevs = [dice.pick(&before), author.by, target.by];
        twin.act(Some(author), Act::Remove(target), prevs.into());
    }
    let now = twin.state();
    assert!(
        again.iter().all(|inc| now.incs.contains(inc)),
        "seed {seed}"
    );
}

fn recovery_wins(twin: &mut Twin, dice: &mut Dice, incs: &[Inc], seed: u64) {
    // P5: a recovery wins over all that devices do, wherever it starts.
    let before = twin.ids();
    let fork = dice.pick(&before);
    twin.recover(1, 200, &[150, 151], &[100, 201], [fork])
        .unwrap();
    let recovered = twin.state();
    assert_eq!(recovered.devices, BTreeSet::from([150, 151]));
    assert_eq!(recovered.epoch, 1);
    for k in 0..6 {
        let author = dice.pick(incs);
        let prevs = [dice.pick(&before), author.by];
        twin.act(Some(author), Act::Add(170 + k), prevs.into());
    }
    assert_eq!(twin.state(), recovered, "seed {seed}");

    friends_decide(twin.clone(), dice, incs, seed);
    // P6: a weaker policy does not replace a stronger one.
    let heads = twin.heads().into_iter().take(32);
    assert_eq!(twin.recover(1, 201, &[66], &[777, 202], heads), None);
    assert_eq!(twin.state(), recovered);
}

/// P7: a thief has the secret of the weaker policy, those that follow it, and all devices. The friends, who are the stronger policy,
/// decide once. Then he can do nothing.
fn friends_decide(mut twin: Twin, dice: &mut Dice, incs: &[Inc], seed: u64) {
    let ids = twin.ids();
    for k in 0..4 {
        let prevs = [dice.pick(&ids), dice.pick(&ids)];
        let secret = dice.pick(&[200, 201]);
        twin.recover(1, secret, &[160 + k], &[100, 900 + u64::from(k)], prevs);
    }
    assert_eq!(twin.state().policies[0], 100);
    let heads = twin.heads().into_iter().take(32);
    twin.recover(0, 100, &[180], &[101, 300], heads).unwrap();
    let decided = twin.state();
    assert_eq!(decided.devices, BTreeSet::from([180]), "seed {seed}");
    assert!(!decided.contested);
    for k in 0..8 {
        let ids = twin.ids();
        let (one, two) = (dice.pick(&ids), dice.pick(&ids));
        if dice.percent(60) {
            let secret = dice.pick(&[200, 201, 900, 901, 902, 903]);
            let strongest = dice.pick(&[100, 101]);
            twin.recover(1, secret, &[167], &[strongest, 990 + k], [one, two]);
        } else {
            let author = dice.pick(incs);
            twin.act(Some(author), Act::Add(177), [one, two, author.by].into());
        }
    }
    assert_eq!(
        twin.state(),
        decided,
        "a thief changed something, seed {seed}"
    );
}

/// `RHIZOME_DID_HISTORIES` says how many.
#[test]
fn random_histories_equal_the_model() {
    let count = std::env::var("RHIZOME_DID_HISTORIES").ok();
    let count: u64 = count.map_or(200, |n| n.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (thread..count).step_by(threads as usize).for_each(history));
        }
    });
    println!("{count} histories");
}
