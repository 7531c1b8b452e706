//! Operations arrive one by one, in any order: after each, the log is what it would be had it been made from scratch. And what it
//! costs.

use std::time::Instant;

use rhizome_identity::{
    Action, AkaSet, Deactivate, Device, DeviceAdd, DeviceRemove, DeviceUpdate, Endorse, Endpoint,
    Incarnation, Inserted, KemKey, Log, Operation, PolicySet, Recover, Role, ServiceSet,
};
use rhizome_ipld::{Cid, SigningKey};

use crate::oracle::Key;
use crate::proposals::{done, head, log_of, member};
use crate::twin::{Dice, cid, device, digest, number, policies, sealed, shown, signing};

/// A log with operations of every kind, at random places of its history.
fn any_log(dice: &mut Dice, length: u64) -> Log {
    let mut log = log_of(&[1, 2, 3]);
    let genesis = log.genesis().operation().id();
    let mut members: Vec<(Incarnation, Role)> = (1..4)
        .map(|key| Incarnation {
            key: signing(key).public(),
            add: genesis,
        })
        .map(|incarnation| (incarnation, Role::Admin))
        .collect();
    let mut adds: Vec<Cid> = Vec::new();
    let mut next: Key = 40;
    for step in 0..length {
        let ids: Vec<Cid> = log.operations().map(Operation::id).collect();
        let (by, _) = dice.pick(&members);
        let (target, _) = dice.pick(&members);
        let mut prev = if dice.percent(60) {
            log.heads()
        } else {
            vec![dice.pick(&ids), dice.pick(&ids)]
        };
        prev.push(by.add);
        let mut listed: Vec<Device> = Vec::new();
        let mut secret = 0;
        let mut action = match dice.roll(24) {
            0..6 => {
                next += 1;
                let new = if dice.percent(70) {
                    device(next)
                } else {
                    member(next)
                };
                listed.push(new.clone());
                Action::DeviceAdd(DeviceAdd {
                    prev,
                    by,
                    device: new,
                })
            }
            6..11 => {
                prev.push(target.add);
                Action::DeviceRemove(DeviceRemove {
                    prev,
                    by,
                    target,
                    seal: vec![head(20, dice.roll(4))],
                })
            }
            11..13 => Action::DeviceUpdate(DeviceUpdate {
                prev,
                by,
                kem: KemKey::X25519([step as u8; 32]),
            }),
            13..15 => Action::ServiceSet(ServiceSet {
                prev,
                by,
                id: format!("s{}", dice.roll(2)),
                service: dice.percent(70).then(|| Endpoint {
                    kind: "Test".into(),
                    endpoint: format!("x:{step}"),
                }),
            }),
            15 => Action::AkaSet(AkaSet {
                prev,
                by,
                aka: vec![format!("x:{step}")],
            }),
            16..20 if !adds.is_empty() => {
                let target = dice.pick(&adds);
                prev.push(target);
                Action::Endorse(Endorse { prev, by, target })
            }
            20..22 => {
                secret = dice.pick(&[100, 200, 200, 201]);
                next += 1;
                listed = vec![device(1), device(next)];
                Action::Recover(Recover {
                    prev,
                    index: u8::from(secret >= 200),
                    reveals: shown(secret).0,
                    devices: listed.clone(),
                    policies: policies(&[100, dice.pick(&[200, 201])]),
                    seal: vec![head(21, dice.roll(4))],
                })
            }
            22 if dice.percent(20) => {
                secret = 100;
                let reveals = shown(secret).0;
                Action::Deactivate(Deactivate { prev, reveals })
            }
            _ => {
                secret = dice.pick(&[100, 200, 201]);
                Action::PolicySet(PolicySet {
                    prev,
                    index: u8::from(secret >= 200),
                    reveals: shown(secret).0,
                    policies: policies(&[100, dice.pick(&[200, 201])]),
                })
            }
        };
        let prev = match &mut action {
            Action::DeviceAdd(a) => &mut a.prev,
            Action::DeviceRemove(a) => &mut a.prev,
            Action::DeviceUpdate(a) => &mut a.prev,
            Action::ServiceSet(a) => &mut a.prev,
            Action::AkaSet(a) => &mut a.prev,
            Action::PolicySet(a) => &mut a.prev,
            Action::Recover(a) => &mut a.prev,
            Action::Endorse(a) => &mut a.prev,
            Action::Deactivate(a) => &mut a.prev,
            Action::Create(_) => unreachable!(),
        };
        prev.sort_unstable();
        prev.dedup();
        prev.truncate(32);
        let friends = if secret > 0 { shown(secret).1 } else { vec![] };
        let mut keys: Vec<&SigningKey> = friends.iter().collect();
        keys.extend(action.by().map(|by| signing(number(by.key))));
        keys.extend(listed.iter().map(|d| signing(number(d.key))));
        let operation = sealed(action, &keys);
        let id = operation.id();
        if matches!(log.insert(operation), Ok(Inserted::Added(_))) {
            let new = listed.iter().map(|d| {
                let incarnation = Incarnation {
                    key: d.key,
                    add: id,
                };
                (incarnation, d.role)
            });
            members.extend(new);
            if secret == 0 && !listed.is_empty() {
                adds.push(id);
            }
        }
    }
    log
}

fn from_scratch(log: &Log, dice: &mut Dice) -> Log {
    let mut operations: Vec<Operation> = log.operations().cloned().collect();
    dice.shuffle(&mut operations);
    let mut scratch = Log::new(log.genesis().clone()).unwrap();
    for operation in operations {
        scratch.insert(operation).unwrap();
    }
    scratch
}

#[test]
fn after_every_arrival_the_log_is_as_if_made_from_scratch() {
    let count = std::env::var("RHIZOME_DID_ARRIVALS").ok();
    let count: u64 = count.map_or(12, |n| n.parse().unwrap());
    let (mut contested, mut ended, mut recovered, mut cut) = (0, 0, 0, 0);
    for seed in 0..count {
        let mut dice = Dice(seed ^ 0xa11);
        let whole = any_log(&mut dice, 30);
        let mut operations: Vec<Operation> = whole.operations().cloned().collect();
        dice.shuffle(&mut operations);
        let mut log = Log::new(whole.genesis().clone()).unwrap();
        for operation in operations {
            let before = log.resolve();
            let inserted = log.insert(operation).unwrap();
            let now = log.resolve();
            if !matches!(inserted, Inserted::Added(_)) {
                assert_eq!(now, before, "seed {seed}");
                continue;
            }
            let scratch = from_scratch(&log, &mut dice);
            assert_eq!(now, scratch.resolve(), "seed {seed}");
            assert_eq!(log.heads(), scratch.heads(), "seed {seed}");
            contested += u64::from(now.contested);
            ended += u64::from(now.deactivated);
            recovered += u64::from(now.epoch > 0);
            cut += now
                .standings()
                .filter(|(_, s)| matches!(s, rhizome_identity::Standing::Within(_)))
                .count();
        }
        assert_eq!(log.waiting(), 0);
        assert_eq!(log.resolve(), whole.resolve(), "seed {seed}");
        assert_eq!(
            Log::from_car(&whole.to_car().unwrap()).unwrap().resolve(),
            whole.resolve()
        );
        // The version that an operation has seen is the log of its past.
        let some = dice.pick(&whole.operations().map(Operation::id).collect::<Vec<_>>());
        let version = whole.version(&some).unwrap();
        assert_eq!(version.heads(), [some]);
    }
    println!(
        "states: {contested} contested, {ended} ended, {recovered} recovered; {cut} memberships cut off"
    );
    assert!(
        contested > 0 && recovered > 0 && cut > 0,
        "the histories are too tame"
    );
}

/// A log of 1,000 operations, of which a third add or remove devices. Not a benchmark: only a hundred times too slow would fail.
#[test]
fn a_thousand_operations_resolve_quickly() {
    let mut log = log_of(&[1]);
    let one = signing(1).public();
    let start = Instant::now();
    let mut thieves = Vec::new();
    for i in 0..1000_u64 {
        match i % 6 {
            0 => {
                let key = 10 + (i / 6) as Key;
                let add = Action::DeviceAdd(DeviceAdd {
                    prev: log.heads(),
                    by: Incarnation {
                        key: one,
                        add: log.genesis().operation().id(),
                    },
                    device: device(key),
                });
                let add = Operation::sign(add, &[signing(1), signing(key)]).unwrap();
                thieves.push(Incarnation {
                    key: signing(key).public(),
                    add: add.id(),
                });
                log.insert(add).unwrap();
            }
            3 => {
                let target = thieves.pop().unwrap();
                let removal = log.remove_device(&one, target, vec![head(20, i)]);
                done(&mut log, removal, &[1]);
            }
            _ => {
                let set = Action::AkaSet(AkaSet {
                    prev: log.heads(),
                    by: Incarnation {
                        key: one,
                        add: log.genesis().operation().id(),
                    },
                    aka: vec![format!("x:{i}")],
                });
                log.insert(Operation::sign(set, &[signing(1)]).unwrap())
                    .unwrap();
            }
        }
    }
    let made = start.elapsed();
    assert_eq!(log.len(), 1001);
    let start = Instant::now();
    let now = log.resolve();
    let took = start.elapsed();
    assert_eq!(now.devices.len(), 1 + thieves.len());
    let car = log.to_car().unwrap();
    let start = Instant::now();
    let read = Log::from_car(&car).unwrap();
    println!(
        "1,000 operations: signed and inserted in {made:?}, resolved in {took:?}, read from {} bytes and verified in {:?}",
        car.len(),
        start.elapsed()
    );
    assert_eq!(read.resolve(), now);
    assert!(took.as_millis() < 1000, "{took:?}");
}

/// Whoever was removed can write for ever; he gets no more room than the others, and no recovery is kept out.
#[test]
fn a_full_log_can_be_recovered() {
    let mut log = log_of(&[1, 2]);
    let by = Incarnation {
        key: signing(2).public(),
        add: log.genesis().operation().id(),
    };
    let mut spam = 0_u64;
    let full = loop {
        let set = Action::AkaSet(AkaSet {
            prev: vec![by.add],
            by,
            aka: vec![format!("x:{spam}")],
        });
        spam += 1;
        match log.insert(Operation::sign(set, &[signing(2)]).unwrap()) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(full.to_string().contains("recover the identity"), "{full}");
    assert!(spam > 4000);
    let (reveals, keys) = shown(200);
    let recovery = rhizome_identity::Recovery {
        index: 1,
        reveals,
        devices: vec![device(1)],
        policies: policies(&[100, 200]),
        seal: vec![],
    };
    let proposal = log.recover(recovery);
    crate::proposals::done_by(&mut log, proposal, &[&keys[0], signing(1)]);
    let service = log.set_aka(&signing(1).public(), vec!["x:free".into()]);
    done(&mut log, service, &[1]);
    let start = Instant::now();
    assert_eq!(log.resolve().also_known_as, ["x:free"]);
    println!("{} operations resolved in {:?}", log.len(), start.elapsed());
    // Names of operations are what the tests call them.
    assert_eq!(cid(&digest(&by.add)), by.add);
}
