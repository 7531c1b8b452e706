//! How far what devices write counts.

use std::sync::Arc;

use rhizome_identity::{
    Device, Enrol, IdentityError, Incarnation, KeyStore, Log, Operation, Recovery, SealedHead,
    Standing,
};
use rhizome_ipld::{SigningKey, Verified};

use crate::oracle::Key;
use crate::proposals::{done, done_by, head, log_of, public};
use crate::random;
use crate::twin::{device, policies, shown, signing};

fn at(log: &Log, key: Key) -> Incarnation {
    log.resolve().device(&public(key)).unwrap().incarnation
}

fn enrol(log: &Log, by: Incarnation, process: Key) -> Verified<Enrol> {
    let device = signing(crate::twin::number(by.key));
    Enrol::sign(
        log.did(),
        device,
        Some(by.add),
        public(process),
        &mut random(1),
    )
    .unwrap()
}

fn within(seals: &[&[SealedHead]]) -> Standing {
    Standing::Within(seals.iter().map(|seal| Arc::from(*seal)).collect())
}

fn recover(log: &Log, secret: u64, devices: &[Key], seal: &[SealedHead]) -> Operation {
    let (reveals, keys) = shown(secret);
    let mut proposal = log
        .recover(Recovery {
            index: usize::from(secret == 200),
            reveals,
            devices: devices.iter().map(|k| device(*k)).collect::<Vec<Device>>(),
            policies: log.resolve().policies,
            seal: seal.to_vec(),
        })
        .unwrap();
    let keys = keys.iter().chain(devices.iter().map(|k| signing(*k)));
    keys.for_each(|key: &SigningKey| proposal.sign(key).unwrap());
    proposal.complete().unwrap()
}

#[test]
fn enrolments_name_an_incarnation() {
    let mut log = log_of(&[1]);
    let add = log.add_device(&public(1), device(2));
    done(&mut log, add, &[1, 2]);
    let (one, two) = (at(&log, 1), at(&log, 2));
    let now = log.resolve();
    let first = enrol(&log, one, 20);
    assert_eq!(first.add, None, "the genesis is left out");
    assert_eq!(now.admit(&first).unwrap(), Standing::Whole);
    assert_eq!(log.genesis().admit(&first).unwrap(), ());
    let joined = enrol(&log, two, 21);
    assert_eq!(joined.incarnation(), Some(two));
    assert_eq!(now.admit(&joined).unwrap(), Standing::Whole);
    assert!(log.genesis().admit(&joined).is_err());
    // A device under an operation that did not add it.
    let wrong = Incarnation {
        key: two.key,
        add: one.add,
    };
    assert!(matches!(
        now.admit(&enrol(&log, wrong, 22)),
        Err(IdentityError::NotADevice { .. })
    ));
    // Before the operation arrives.
    assert!(log_of(&[1]).resolve().admit(&joined).is_err());
    assert!(matches!(
        now.admit(&enrol(&log, one, 2)),
        Err(IdentityError::Enrolment(_))
    ));
    // The genesis written out is a second spelling.
    let mut twice = first.clone().into_payload();
    twice.add = Some(one.add);
    assert!(twice.check().is_err());
}

#[test]
fn a_removal_cuts_off_what_is_beyond_its_seal() {
    let mut log = log_of(&[1, 2, 3]);
    let (two, three) = (at(&log, 2), at(&log, 3));
    let seal = [head(20, 5), head(21, 0)];
    let removal = log.remove_device(&public(1), three, vec![seal[1], seal[0], seal[0]]);
    let mut sorted = seal;
    sorted.sort_unstable();
    let second = log.remove_device(&public(2), three, vec![head(20, 2)]);
    done(&mut log, removal, &[1]);
    assert_eq!(log.resolve().standing(&three), Some(&within(&[&sorted])));
    assert_eq!(
        log.resolve().admit(&enrol(&log, three, 20)).unwrap(),
        within(&[&sorted])
    );
    // Two removals: within both seals.
    done(&mut log, second, &[2]);
    let Some(Standing::Within(seals)) = log.resolve().standing(&three).cloned() else {
        panic!("cut off");
    };
    assert_eq!(seals.len(), 2);
    // The second remover is himself removed, concurrently: his removal cuts off nothing, and 3 stays out.
    let before = log_of(&[1, 2, 3]);
    let remove_two = before.remove_device(&public(1), two, vec![]);
    done(&mut log, remove_two, &[1]);
    assert_eq!(log.resolve().standing(&three), Some(&within(&[&sorted])));
    assert_eq!(log.resolve().standing(&two), Some(&within(&[&[]])));
    // Added again, 3 is another incarnation.
    let again = log.add_device(&public(1), device(3));
    done(&mut log, again, &[1, 3]);
    let now = log.resolve();
    assert_eq!(now.standing(&at(&log, 3)), Some(&Standing::Whole));
    assert_eq!(now.standing(&three), Some(&within(&[&sorted])));
}

#[test]
fn who_resigns_takes_nothing_back() {
    let mut log = log_of(&[1, 2]);
    let two = at(&log, 2);
    let resign = log.remove_device(&public(2), two, vec![]);
    done(&mut log, resign, &[2]);
    assert_eq!(log.resolve().standing(&two), Some(&Standing::Whole));
}

#[test]
fn what_was_never_validly_added_counts_for_nothing() {
    let mut log = log_of(&[1, 2]);
    let two = at(&log, 2);
    let removal = log.remove_device(&public(1), two, vec![]);
    let add = log.add_device(&public(2), device(8));
    done(&mut log, add, &[2, 8]);
    let eight = at(&log, 8);
    assert_eq!(log.resolve().standing(&eight), Some(&Standing::Whole));
    done(&mut log, removal, &[1]);
    assert_eq!(log.resolve().standing(&eight), Some(&Standing::Never));
    assert_eq!(
        log.resolve().admit(&enrol(&log, eight, 20)).unwrap(),
        Standing::Never
    );
}

#[test]
fn a_recovery_keeps_devices_wholly_and_cuts_off_the_others() {
    let mut log = log_of(&[1, 2, 3]);
    let (one, two, three) = (at(&log, 1), at(&log, 2), at(&log, 3));
    // 1 is stolen: it removes 2 and adds 66.
    let removal = log.remove_device(&public(1), two, vec![]);
    done(&mut log, removal, &[1]);
    let add = log.add_device(&public(1), device(66));
    done(&mut log, add, &[1, 66]);
    let thief = at(&log, 66);
    assert_eq!(log.resolve().standing(&two), Some(&within(&[&[]])));
    let seal = [head(20, 7)];
    log.insert(recover(&log, 200, &[2, 3, 7], &seal)).unwrap();
    let now = log.resolve();
    for kept in [two, three, at(&log, 2), at(&log, 3), at(&log, 7)] {
        assert_eq!(now.standing(&kept), Some(&Standing::Whole));
    }
    for gone in [one, thief] {
        assert_eq!(now.standing(&gone), Some(&within(&[&seal])));
    }
    // Removed under its new membership, 3 is cut off under the old one too.
    let three_now = at(&log, 3);
    assert_ne!(three_now, three);
    let removal = log.remove_device(&public(2), three_now, vec![head(23, 1)]);
    done(&mut log, removal, &[2]);
    for incarnation in [three, three_now] {
        let standing = within(&[&[head(23, 1)]]);
        assert_eq!(log.resolve().standing(&incarnation), Some(&standing));
    }
    // A second recovery that keeps neither 7 nor 1, and takes 3 back.
    let seven = at(&log, 7);
    let second = [head(27, 2)];
    log.insert(recover(&log, 100, &[2, 3], &second)).unwrap();
    let now = log.resolve();
    assert_eq!(
        now.standing(&one),
        Some(&within(&[&second])),
        "the friends overruled the words"
    );
    assert_eq!(now.standing(&seven), Some(&within(&[&second])));
    assert_eq!(now.standing(&three), Some(&Standing::Whole));
}

/// The words recover, change, and recover again: two steps, and what the first cut off is cut off by the second too. With unchanged
/// words the second takes the place of the first.
#[test]
fn one_recovery_after_the_other() {
    for changed in [true, false] {
        let mut log = log_of(&[1, 2]);
        let one = at(&log, 1);
        let (first, second) = ([head(20, 9)], [head(20, 3)]);
        let secret = if changed { 201 } else { 200 };
        let step = |log: &mut Log, shows: u64, new: u64, devices: &[Key], seal: &[SealedHead]| {
            let (reveals, keys) = shown(shows);
            let proposal = log.recover(Recovery {
                index: 1,
                reveals,
                devices: devices.iter().map(|k| device(*k)).collect(),
                policies: policies(&[100, new]),
                seal: seal.to_vec(),
            });
            let keys = keys.iter().chain(devices.iter().map(|k| signing(*k)));
            done_by(log, proposal, &keys.collect::<Vec<_>>());
        };
        step(&mut log, 200, secret, &[7], &first);
        let seven = at(&log, 7);
        assert_eq!(log.resolve().standing(&one), Some(&within(&[&first])));
        assert_eq!(log.resolve().standing(&seven), Some(&Standing::Whole));
        step(&mut log, secret, secret, &[8], &second);
        let now = log.resolve();
        assert_eq!(now.epoch, if changed { 2 } else { 1 });
        let both: &[&[SealedHead]] = if changed {
            &[&first, &second]
        } else {
            &[&second]
        };
        assert_eq!(now.standing(&one), Some(&within(both)));
        assert_eq!(now.standing(&seven), Some(&within(&[&second])));
    }
}

/// In a dispute what counted before goes on counting, unless all contenders cut it off; what only one of them brings is pending.
#[test]
fn in_a_dispute() {
    let mut log = log_of(&[1, 2, 3]);
    let early = log.clone();
    let (one, two, three) = (at(&log, 1), at(&log, 2), at(&log, 3));
    let (owner, thief) = ([head(20, 5)], [head(20, 6), head(30, 1)]);
    log.insert(recover(&early, 200, &[2, 7], &owner)).unwrap();
    let seven = at(&log, 7);
    assert_eq!(log.resolve().standing(&seven), Some(&Standing::Whole));
    log.insert(recover(&early, 200, &[2, 3, 66], &thief))
        .unwrap();
    let now = log.resolve();
    assert!(now.contested);
    assert_eq!(now.standing(&two), Some(&Standing::Whole), "both keep it");
    assert_eq!(now.standing(&three), Some(&Standing::Whole), "one keeps it");
    let mut any = [owner[0], thief[0], thief[1]];
    any.sort_unstable();
    assert_eq!(
        now.standing(&one),
        Some(&within(&[&any])),
        "neither keeps it"
    );
    assert_eq!(now.standing(&seven), Some(&Standing::Never), "pending");
    assert_eq!(now.devices.len(), 1);
}

#[test]
fn a_key_store_of_a_device_that_joined() {
    let home = tempfile::TempDir::new().unwrap();
    let keys = home.path().join("keys");
    let mut store = KeyStore::create(&keys, "", &mut random(5)).unwrap();
    let mut log = log_of(&[1]);
    assert!(matches!(
        store.join(&log),
        Err(IdentityError::NotADevice { .. })
    ));
    let new = Device {
        key: store.device().public(),
        ..device(9)
    };
    let join = |log: &mut Log, store: &mut KeyStore| {
        let mut proposal = log.add_device(&public(1), new.clone()).unwrap();
        proposal.sign(signing(1)).unwrap();
        proposal.sign(&store.device()).unwrap();
        log.insert(proposal.complete().unwrap()).unwrap();
        store.join(log).unwrap();
    };
    join(&mut log, &mut store);
    let process = store.enrol("cli", &mut random(6)).unwrap();
    assert_eq!(process.enrol.incarnation(), store.incarnation());
    assert_eq!(
        log.resolve().admit(&process.enrol).unwrap(),
        Standing::Whole
    );
    store.save(&mut random(7)).unwrap();
    let mut store = KeyStore::open(&keys, "").unwrap();
    let incarnation = store.incarnation().unwrap();
    assert_ne!(incarnation.add, log.genesis().operation().id());
    assert_eq!(store.did(), Some(log.did()));
    assert_eq!(store.process("cli").unwrap().enrol, process.enrol);
    // Removed and added again: new processes, or what was cut off would count again.
    let removal = log.remove_device(&public(1), incarnation, vec![]);
    done(&mut log, removal, &[1]);
    assert!(store.join(&log).is_err());
    join(&mut log, &mut store);
    assert_ne!(store.incarnation(), Some(incarnation));
    assert!(store.process("cli").is_none());
    let again = store.enrol("cli", &mut random(8)).unwrap();
    assert_ne!(again.enrol.process, process.enrol.process);
    assert_eq!(log.resolve().admit(&again.enrol).unwrap(), Standing::Whole);
    assert_eq!(log.resolve().admit(&process.enrol).unwrap(), within(&[&[]]));
    let elsewhere = log_of(&[2]);
    assert!(matches!(
        store.join(&elsewhere),
        Err(IdentityError::OtherDid { .. })
    ));
}
