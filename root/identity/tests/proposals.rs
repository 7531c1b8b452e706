//! Operations made on a log: who may, and how several sign.

use rhizome_identity::{
    Action, Create, Device, Genesis, IdentityError, Inserted, KemSecret, Log, Operation, Policy,
    Proposal, Recovery, RecoveryWords, Reveal, Role, SealedHead, Secret,
};
use rhizome_ipld::SigningKey;

use crate::oracle::Key;
use crate::twin::{device, policy, shown, signing};

/// A log of devices that have numbers; friends (100, two of three) before words (200).
pub fn log_of(devices: &[Key]) -> Log {
    let create = Create {
        devices: devices.iter().map(|k| device(*k)).collect(),
        policies: vec![policy(100), policy(200)],
        services: vec![],
        nonce: [1; 16],
    };
    let keys: Vec<&SigningKey> = devices.iter().map(|k| signing(*k)).collect();
    Log::new(Genesis::create(create, &keys).unwrap()).unwrap()
}

pub fn public(key: Key) -> rhizome_ipld::PublicKey {
    signing(key).public()
}

pub fn member(key: Key) -> Device {
    Device {
        role: Role::Member,
        ..device(key)
    }
}

/// Signs with devices that have numbers, and takes it into the log.
pub fn done(log: &mut Log, proposal: Result<Proposal, IdentityError>, keys: &[Key]) -> Operation {
    let keys: Vec<&SigningKey> = keys.iter().map(|k| signing(*k)).collect();
    done_by(log, proposal, &keys)
}

pub fn done_by(
    log: &mut Log,
    proposal: Result<Proposal, IdentityError>,
    keys: &[&SigningKey],
) -> Operation {
    let mut proposal = proposal.unwrap();
    for key in keys {
        proposal.sign(key).unwrap();
    }
    let operation = proposal.complete().unwrap();
    let id = operation.id();
    assert_eq!(id, proposal.id());
    let added = log.insert(operation.clone()).unwrap();
    assert_eq!(added, Inserted::Added(vec![id]));
    operation
}

pub fn numbers(log: &Log) -> Vec<Key> {
    let now = log.resolve();
    let numbers = now
        .devices
        .iter()
        .map(|a| crate::twin::number(a.device.key));
    numbers.collect()
}

pub fn head(process: Key, seq: u64) -> SealedHead {
    SealedHead {
        process: public(process),
        seq,
        commit: [seq as u8; 32],
    }
}

#[test]
fn a_device_joins_by_its_own_signature_too() {
    let mut log = log_of(&[1]);
    let mut proposal = log.add_device(&public(1), device(2)).unwrap();
    assert_eq!(proposal.missing().count(), 2);
    proposal.sign(signing(1)).unwrap();
    assert!(matches!(
        proposal.complete(),
        Err(IdentityError::Signature(_))
    ));
    assert!(matches!(
        proposal.sign(signing(3)),
        Err(IdentityError::NotASigner(_))
    ));
    // To the new device and back.
    let sent = proposal.to_bytes().unwrap();
    let mut there = Proposal::from_bytes(&sent).unwrap();
    assert_eq!(there, proposal);
    assert!(matches!(there.action(), Action::DeviceAdd(add) if add.device == device(2)));
    there.sign(signing(2)).unwrap();
    let back = Proposal::from_bytes(&there.to_bytes().unwrap()).unwrap();
    proposal.merge(&back).unwrap();
    assert_eq!(proposal.missing().next(), None);
    log.insert(proposal.complete().unwrap()).unwrap();
    assert_eq!(numbers(&log), [1, 2]);
}

#[test]
fn a_proposal_with_a_wrong_signature_is_refused() {
    let log = log_of(&[1]);
    let mut proposal = log.add_device(&public(1), device(2)).unwrap();
    proposal.sign(signing(2)).unwrap();
    let good = proposal.to_bytes().unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(Proposal::from_bytes(&bad).is_err(), "byte {at}");
    }
    assert!(Proposal::from_bytes(&vec![0; Proposal::MAX_LEN + 1]).is_err());
    let other = log.add_device(&public(1), device(3)).unwrap();
    assert!(proposal.merge(&other).is_err());
}

/// Three friends, two of whom are enough: each signs a copy of his own.
#[test]
fn friends_sign_one_after_the_other_or_apart() {
    let mut log = log_of(&[1]);
    let (reveals, friends) = shown(100);
    let recovery = Recovery {
        index: 0,
        reveals: reveals.clone(),
        devices: vec![device(7)],
        policies: log.resolve().policies,
        seal: vec![],
    };
    let too_few = Recovery {
        reveals: reveals[..1].to_vec(),
        ..recovery.clone()
    };
    assert!(matches!(
        log.recover(too_few),
        Err(IdentityError::NotAllowed(_))
    ));
    let proposal = log.recover(recovery).unwrap();
    let bytes = proposal.to_bytes().unwrap();
    let mut whole = proposal;
    for key in [signing(7), &friends[0], &friends[1]] {
        let mut copy = Proposal::from_bytes(&bytes).unwrap();
        copy.sign(key).unwrap();
        whole.merge(&copy).unwrap();
    }
    log.insert(whole.complete().unwrap()).unwrap();
    assert_eq!(numbers(&log), [7]);
    assert_eq!(log.resolve().epoch, 1);
}

/// One friend in two hiding places of a policy counts once.
#[test]
fn one_key_does_not_count_twice() {
    let friend = signing(90);
    let reveal = |salt| Reveal {
        salt: [salt; 32],
        key: friend.public(),
    };
    let both = [reveal(1), reveal(2)];
    let create = Create {
        policies: vec![Policy::of(2, &both)],
        devices: vec![device(1)],
        services: vec![],
        nonce: [1; 16],
    };
    let log = Log::new(Genesis::create(create, &[signing(1)]).unwrap()).unwrap();
    let mut recovery = Recovery {
        index: 0,
        reveals: both.to_vec(),
        devices: vec![device(7)],
        policies: vec![],
        seal: vec![],
    };
    assert!(log.recover(recovery.clone()).is_err());
    recovery.reveals.truncate(1);
    assert!(log.recover(recovery).is_err());
}

#[test]
fn words_alone_recover() {
    let words = RecoveryWords::from_entropy(Secret::take(&mut [5; 32]));
    let create = Create {
        policies: vec![policy(100), words.policy()],
        devices: vec![device(1)],
        services: vec![],
        nonce: [1; 16],
    };
    let mut log = Log::new(Genesis::create(create, &[signing(1)]).unwrap()).unwrap();
    let other = RecoveryWords::from_entropy(Secret::take(&mut [6; 32]));
    assert!(matches!(
        log.recover_with_words(&other, vec![device(7)], vec![]),
        Err(IdentityError::OtherWords)
    ));
    let proposal = log.recover_with_words(&words, vec![device(7)], vec![head(20, 3)]);
    done_by(&mut log, proposal, &[&words.key(), signing(7)]);
    assert_eq!(numbers(&log), [7]);
    // And once more, with the same words.
    let proposal = log.recover_with_words(&words, vec![device(8)], vec![]);
    done_by(&mut log, proposal, &[&words.key(), signing(8)]);
    assert_eq!(numbers(&log), [8]);
    let kem = words.kem().public();
    assert_ne!(kem, other.kem().public());
    assert_ne!(
        kem,
        KemSecret::from_seed(Secret::take(&mut [5; 32])).public()
    );
}

#[test]
fn who_may_do_what() {
    let mut log = log_of(&[1, 2]);
    let add = log.add_device(&public(1), member(3));
    done(&mut log, add, &[1, 3]);
    let stranger = log.set_aka(&public(9), vec![]);
    assert!(matches!(stranger, Err(IdentityError::NotADevice { .. })));
    for refused in [
        log.set_aka(&public(3), vec![]),
        log.add_device(&public(3), device(4)),
        log.set_service(&public(3), "pod", None),
    ] {
        assert!(matches!(refused, Err(IdentityError::NotAllowed(_))));
    }
    let at = |log: &Log, key| log.resolve().device(&public(key)).unwrap().incarnation;
    let (one, three) = (at(&log, 1), at(&log, 3));
    let junior = log.remove_device(&public(2), one, vec![]);
    assert!(matches!(junior, Err(IdentityError::NotAllowed(_))));
    let by_member = log.remove_device(&public(3), one, vec![]);
    assert!(matches!(by_member, Err(IdentityError::NotAllowed(_))));
    // A member resigns.
    let resign = log.remove_device(&public(3), three, vec![]);
    done(&mut log, resign, &[3]);
    assert_eq!(numbers(&log), [1, 2]);
    let gone = log.remove_device(&public(1), three, vec![]);
    assert!(matches!(gone, Err(IdentityError::NotADevice { .. })));
}

#[test]
fn a_member_that_acts_as_an_admin_is_refused_at_the_door() {
    let mut log = log_of(&[1]);
    let add = log.add_device(&public(1), member(3));
    done(&mut log, add, &[1, 3]);
    // It makes the operation by hand.
    let by = log.resolve().device(&public(3)).unwrap().incarnation;
    let action = Action::AkaSet(rhizome_identity::AkaSet {
        prev: log.heads(),
        by,
        aka: vec![],
    });
    let operation = Operation::sign(action, &[signing(3)]).unwrap();
    assert!(matches!(
        log.insert(operation),
        Err(IdentityError::Refused(_))
    ));
}
