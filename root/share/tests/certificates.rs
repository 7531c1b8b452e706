//! What a set of certificates says: who writes, who reads.

use crate::world::*;
use rhizome_identity::{
    Action, DeviceRemove, DeviceUpdate, IdentityError, Proposal, RecoveryWords, Role, Secret,
};
use rhizome_share::{Added, Certificate, Certificates, Epoch, Key, Plan, ShareError};
use std::collections::{BTreeMap, BTreeSet};

fn words() -> RecoveryWords {
    RecoveryWords::from_entropy(Secret::take(&mut [42; 32]))
}

fn current(set: &Certificates) -> [u8; 32] {
    set.current().unwrap().commitment
}

#[test]
fn a_device_that_joins_reads_what_was_and_one_that_left_not_what_comes() {
    let (mut laptop, mut phone, mut tablet) = (Machine::new(1), Machine::new(2), Machine::new(3));
    let mut set = pod(&mut laptop, &words());
    let first = current(&set);
    assert!(laptop.owed(&set, 1).is_none());

    join(&mut set, &laptop, &phone, Role::Member);
    phone.open(&set);
    assert!(phone.secrets.is_empty());
    let now = set.current().unwrap();
    assert_eq!((now.commitment, now.fresh), (first, true));
    assert_eq!(now.lacking.len(), 1);
    let wrap = laptop.owed(&set, 2).unwrap();
    add_epoch(&mut set, wrap);
    assert!(laptop.owed(&set, 3).is_none());
    phone.open(&set);
    assert_eq!(phone.secrets.keys().collect::<Vec<_>>(), [&first]);
    // a member cannot make epochs
    let refused = set.plan(&phone.public(), None, None);
    assert!(matches!(refused, Err(ShareError::NotAnAdmin)));

    remove(&mut set, &laptop, &phone);
    let now = set.current().unwrap();
    assert_eq!((now.commitment, now.fresh), (first, false));
    let next = laptop.owed(&set, 4).unwrap();
    add_epoch(&mut set, next);
    let second = current(&set);
    assert_ne!(second, first);
    assert!(laptop.owed(&set, 5).is_none());
    laptop.open(&set);
    phone.open(&set);
    assert_eq!((laptop.secrets.len(), phone.secrets.len()), (2, 1));

    // who joins now gets one wrap, and with it all that came before
    join(&mut set, &laptop, &tablet, Role::Admin);
    let wrap = laptop.owed(&set, 6).unwrap();
    assert_eq!(wrap.wraps.len(), 1);
    add_epoch(&mut set, wrap);
    tablet.open(&set);
    assert_eq!(
        tablet.secrets.keys().collect::<BTreeSet<_>>(),
        [&first, &second].into()
    );

    // and so do the recovery words
    let mut found = BTreeMap::new();
    assert_eq!(set.open(&[Key::Words(&words().kem())], &mut found), 2);
}

#[test]
fn a_removed_admin_cannot_name_an_epoch() {
    let (mut laptop, mut thief) = (Machine::new(1), Machine::new(2));
    let mut set = pod(&mut laptop, &words());
    join(&mut set, &laptop, &thief, Role::Admin);
    let wrap = laptop.owed(&set, 1).unwrap();
    add_epoch(&mut set, wrap);
    thief.open(&set);
    let old = set.plan(&thief.public(), None, None).unwrap();
    remove(&mut set, &laptop, &thief);
    let next = laptop.owed(&set, 2).unwrap();
    add_epoch(&mut set, next);
    let good = current(&set);
    // back-dated, following everything, in the name of a device that is gone
    let mut plans: Vec<Plan> = vec![old.clone(), old.clone()];
    plans[1].before = set
        .ids()
        .map(serde_bytes::ByteArray::new)
        .take(60)
        .collect();
    plans[1].log = set.log().heads();
    for (i, plan) in plans.into_iter().enumerate() {
        let secret = Secret::take(&mut [i as u8; 32]);
        let forged = Epoch::sign(plan, &secret, &[], &thief.key, &mut random(7)).unwrap();
        add_epoch(&mut set, forged);
        assert_eq!(current(&set), good);
        assert!(set.current().unwrap().fresh);
    }
    // a certificate by nobody of this pod is not kept
    let stranger = Machine::new(9);
    let forged = Epoch::sign(
        old,
        &Secret::take(&mut [3; 32]),
        &[],
        &stranger.key,
        &mut random(7),
    )
    .unwrap();
    let refused = set.add(Certificate::Epoch(Box::new(forged)));
    assert!(matches!(
        refused,
        Err(ShareError::Identity(IdentityError::NotADevice { .. }))
    ));
}

#[test]
fn two_admins_who_renew_at_once_agree_afterwards() {
    let (mut laptop, mut tablet, phone) = (Machine::new(1), Machine::new(2), Machine::new(3));
    let mut set = pod(&mut laptop, &words());
    join(&mut set, &laptop, &tablet, Role::Admin);
    join(&mut set, &laptop, &phone, Role::Member);
    let wrap = laptop.owed(&set, 1).unwrap();
    add_epoch(&mut set, wrap);
    tablet.open(&set);
    // each removes the phone and makes an epoch without knowing of the other
    let mut theirs = shuffled(&set, &mut |n| n - 1);
    remove(&mut set, &laptop, &phone);
    remove(&mut theirs, &tablet, &phone);
    let ours = laptop.owed(&set, 2).unwrap();
    add_epoch(&mut set, ours);
    let other = tablet.owed(&theirs, 3).unwrap();
    add_epoch(&mut theirs, other);
    for (from, to) in [
        (&theirs.ids().collect::<Vec<_>>(), true),
        (&set.ids().collect::<Vec<_>>(), false),
    ] {
        for id in from {
            if to {
                let _ = set.add(theirs.get(id).unwrap()).unwrap();
            } else {
                let _ = theirs.add(set.get(id).unwrap()).unwrap();
            }
        }
    }
    assert_eq!(set.current(), theirs.current());
    assert!(set.current().unwrap().fresh);
    laptop.open(&set);
    tablet.open(&set);
    assert_eq!(laptop.secrets.len(), 3);
    assert_eq!(tablet.secrets.len(), 3);
    // the next epoch follows both
    let plan = set.plan(&laptop.public(), None, None).unwrap();
    assert_eq!(plan.before.len(), 2);
    assert_eq!(plan.recovery, [words().kem().public()]);
}

#[test]
fn words_alone_give_back_what_is_read_and_cut_off_what_was_stolen() {
    let (mut laptop, mut new) = (Machine::new(1), Machine::new(2));
    let mut set = pod(&mut laptop, &words());
    let enrol = laptop.enrol(set.log(), 50);
    set.add(Certificate::Enrol(Box::new(enrol))).unwrap();
    let proposal = set
        .log()
        .recover_with_words(&words(), vec![new.device(Role::Admin)], vec![])
        .unwrap();
    add_operation(&mut set, signed(proposal, &[&words().key(), &new.key]));
    assert!(set.open(&[Key::Words(&words().kem())], &mut new.secrets) == 1);
    assert!(!set.current().is_some_and(|c| c.fresh));
    let next = new.owed(&set, 1).unwrap();
    add_epoch(&mut set, next);
    assert!(set.current().unwrap().fresh);
    new.open(&set);
    laptop.open(&set);
    assert_eq!((new.secrets.len(), laptop.secrets.len()), (2, 1));
    // the next loss of all devices is no end either
    assert_eq!(
        set.open(&[Key::Words(&words().kem())], &mut BTreeMap::new()),
        2
    );
    let writers = set.writers();
    assert_eq!(writers.len(), 1);
    let writer = writers.values().next().unwrap();
    assert_eq!(writer.terms.len(), 1);
    assert_eq!(writer.terms[0].len(), 1, "sealed by the recovery");
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    for seed in 0..60u64 {
        let mut n = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = move |below: usize| {
            n ^= n << 13;
            n ^= n >> 7;
            n ^= n << 17;
            (n % below as u64) as usize
        };
        let mut machines: Vec<Machine> = (1..=4).map(Machine::new).collect();
        let mut set = pod(&mut machines[0], &words());
        for step in 0..8u8 {
            let who = roll(machines.len());
            let now = set.resolution().clone();
            let is_admin = now.is_admin(&machines[who].public());
            match roll(4) {
                0 if is_admin => {
                    let new = roll(machines.len());
                    if now.device(&machines[new].public()).is_none() {
                        let role = if roll(2) == 0 {
                            Role::Admin
                        } else {
                            Role::Member
                        };
                        join(&mut set, &machines[who], &machines[new], role);
                    }
                }
                1 if is_admin => {
                    let gone = roll(machines.len());
                    if let Some(target) = now.device(&machines[gone].public())
                        && let Ok(p) = set.log().remove_device(
                            &machines[who].public(),
                            target.incarnation,
                            vec![],
                        )
                    {
                        add_operation(&mut set, signed(p, &[&machines[who].key]));
                    }
                }
                2 if is_admin => {
                    if let Some(epoch) = machines[who].owed(&set, step) {
                        add_epoch(&mut set, epoch);
                    }
                }
                _ if now.device(&machines[who].public()).is_some() => {
                    let enrol = machines[who].enrol(set.log(), 100 + step);
                    set.add(Certificate::Enrol(Box::new(enrol))).unwrap();
                }
                _ => (),
            }
        }
        for _ in 0..3 {
            let other = shuffled(&set, &mut roll);
            assert_eq!(other.current(), set.current(), "seed {seed}");
            assert_eq!(other.writers(), set.writers(), "seed {seed}");
            assert_eq!(other.ids().collect::<BTreeSet<_>>(), set.ids().collect());
        }
    }
}

#[test]
fn certificates_come_back_from_their_bytes_and_twice_is_once() {
    let mut laptop = Machine::new(1);
    let mut set = pod(&mut laptop, &words());
    let enrol = laptop.enrol(set.log(), 50);
    set.add(Certificate::Enrol(Box::new(enrol))).unwrap();
    assert_eq!(set.len(), 3);
    for id in set.ids().collect::<Vec<_>>() {
        let bytes = set.get(&id).unwrap().to_bytes().unwrap();
        let again = Certificate::from_bytes(&bytes).unwrap();
        assert_eq!(again.id(), id);
        assert_eq!(again.to_bytes().unwrap(), bytes);
        assert_eq!(set.add(again).unwrap(), Added::Known);
        for at in (0..bytes.len()).step_by(7) {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert!(Certificate::from_bytes(&broken).is_err(), "byte {at}");
            assert!(Certificate::from_bytes(&bytes[..at]).is_err());
        }
    }
    assert!(set.get(&[0; 32]).is_none());
}

/// Everybody may have a follower's key: what is signed by it is refused, whatever it is.
#[test]
fn a_follower_reads_and_nothing_of_his_is_taken() {
    let (mut laptop, mut follower) = (Machine::new(1), Machine::new(2));
    let mut set = pod(&mut laptop, &words());
    join(&mut set, &laptop, &follower, Role::Follower);
    let wrap = laptop.owed(&set, 1).unwrap();
    add_epoch(&mut set, wrap);
    follower.open(&set);
    assert_eq!(follower.secrets.len(), 1);
    assert!(set.resolution().only_follows(&follower.public()));
    assert!(!set.resolution().only_follows(&laptop.public()));
    let before = set.len();

    // a process of his
    let enrol = Certificate::Enrol(Box::new(follower.enrol(set.log(), 9)));
    let refused = set.add(enrol.clone());
    assert!(matches!(refused, Err(ShareError::Follows(key)) if key == follower.public()));
    assert!(set.writers().is_empty());
    // an epoch, or more inside one
    assert!(set.owed(&follower.public(), &follower.secrets).is_none());
    let plan = set.plan(&follower.public(), Some(vec![]), None);
    assert!(matches!(plan, Err(ShareError::NotAnAdmin)));
    let own = set.resolution().device(&follower.public()).unwrap();
    let by = own.incarnation;
    let mut plan = set.plan(&laptop.public(), Some(vec![]), None).unwrap();
    plan.add = by.add;
    let secret = Secret::random(&mut random(7));
    let epoch = Epoch::sign(plan, &secret, &[], &follower.key, &mut random(8)).unwrap();
    let refused = set.add(Certificate::Epoch(Box::new(epoch)));
    assert!(matches!(refused, Err(ShareError::Follows(_))));
    // operations of the device log: his own removal, and a key of his own for secrets
    let log = set.log();
    let polite = log.remove_device(&follower.public(), by, vec![]);
    assert!(matches!(polite, Err(IdentityError::NotAllowed(_))));
    let prev = log.heads();
    let target = by;
    let lies = [
        Action::DeviceRemove(DeviceRemove {
            prev: prev.clone(),
            by,
            target,
            seal: vec![],
        }),
        Action::DeviceUpdate(DeviceUpdate {
            prev,
            by,
            kem: laptop.kem.public(),
        }),
    ];
    for lie in lies {
        let lie = signed(Proposal::new(lie).unwrap(), &[&follower.key]);
        let refused = set.add(Certificate::Operation(Box::new(lie)));
        assert!(matches!(
            refused,
            Err(ShareError::Identity(IdentityError::Refused(_)))
        ));
    }
    assert_eq!((set.len(), set.resolution().devices.len()), (before, 2));

    // an admin takes him out, lets him in again, and he is no more than before
    remove(&mut set, &laptop, &follower);
    assert!(!set.resolution().only_follows(&follower.public()));
    assert!(set.add(enrol.clone()).is_err());
    join(&mut set, &laptop, &follower, Role::Follower);
    assert!(set.add(enrol).is_err() && set.writers().is_empty());
    // the same key as a member is another membership: then that counts, and nothing of before
    join(&mut set, &laptop, &follower, Role::Member);
    assert!(!set.resolution().only_follows(&follower.public()));
}

#[test]
fn what_follows_something_that_is_not_there_is_not_due() {
    let (mut laptop, phone, tablet) = (Machine::new(1), Machine::new(2), Machine::new(3));
    let mut set = pod(&mut laptop, &words());
    let mut ahead = shuffled(&set, &mut |_| 0);
    join(&mut ahead, &laptop, &phone, Role::Member);
    join(&mut ahead, &laptop, &tablet, Role::Member);
    let operations: Vec<Certificate> = ahead
        .ids()
        .filter_map(|id| ahead.get(&id))
        .filter(|c| matches!(c, Certificate::Operation(_)))
        .collect();
    let [_, first, second] = &operations[..] else {
        panic!("three operations");
    };
    assert!(set.is_due(first) && !set.is_due(second));
    set.add(first.clone()).unwrap();
    assert!(set.is_due(second));
}
