//! Registers, endorsements, and the log as a file.

use rhizome_identity::{
    Endpoint, IdentityError, Inserted, KemKey, Log, MAX_WAITING, Operation, Role, Service,
};

use crate::oracle::Key;
use crate::proposals::{done, head, log_of, member, numbers, public};
use crate::twin::{device, signing};

fn pod(url: &str) -> Endpoint {
    Endpoint {
        kind: "RhizomePod".into(),
        endpoint: url.into(),
    }
}

#[test]
fn registers() {
    let mut log = log_of(&[1, 2]);
    let one = log.set_service(&public(1), "pod", Some(pod("https://one.example/")));
    let two = log.set_service(&public(2), "pod", Some(pod("https://two.example/")));
    let blog = log.set_service(&public(2), "blog", Some(pod("https://blog.example/")));
    let names = log.set_aka(&public(1), vec!["https://me.example/".into()]);
    let kem = log.update_device(&public(2), KemKey::X25519([77; 32]));
    done(&mut log, one, &[1]);
    done(&mut log, two, &[2]);
    done(&mut log, blog, &[2]);
    done(&mut log, names, &[1]);
    done(&mut log, kem, &[2]);
    let now = log.resolve();
    let names: Vec<&str> = now.services.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(names, ["blog", "pod"]);
    assert_eq!(now.also_known_as, ["https://me.example/"]);
    assert_eq!(now.devices[1].device.kem, KemKey::X25519([77; 32]));
    assert_eq!(now.devices[0].device, device(1));
    // Of the two at one height one has won; whoever has seen both has the last word.
    let last = log.set_service(&public(1), "pod", Some(pod("https://last.example/")));
    done(&mut log, last, &[1]);
    let gone = log.set_service(&public(1), "blog", None);
    done(&mut log, gone, &[1]);
    let service = Service {
        id: "pod".into(),
        kind: "RhizomePod".into(),
        endpoint: "https://last.example/".into(),
    };
    assert_eq!(log.resolve().services, [service]);
    let bad = log.set_aka(&public(1), vec!["no uri".into()]);
    assert!(matches!(bad, Err(IdentityError::Operation(_))));
}

/// 2 adds 8 and is removed concurrently; 8 stays if the senior vouches for it, and so does what it added.
#[test]
fn an_endorsed_device_stays_although_its_adder_is_removed() {
    let mut log = log_of(&[1, 2]);
    let at = |log: &Log, key| log.resolve().device(&public(key)).unwrap().incarnation;
    let two = at(&log, 2);
    let removal = log.remove_device(&public(1), two, vec![]);
    let add = log.add_device(&public(2), device(8));
    let add = done(&mut log, add, &[2, 8]);
    let add_nine = log.add_device(&public(8), member(9));
    done(&mut log, add_nine, &[8, 9]);
    assert_eq!(numbers(&log), [1, 2, 8, 9]);
    done(&mut log, removal, &[1]);
    assert_eq!(numbers(&log), [1]);
    let endorse = log.endorse(&public(1), add.id());
    let endorse = done(&mut log, endorse, &[1]);
    assert_eq!(numbers(&log), [1, 8, 9]);
    assert_eq!(log.resolve().devices[2].device.role, Role::Member);
    // A junior's word would not do: 8 cannot vouch for one more senior than itself, nor for itself.
    let junior = log.endorse(&public(8), add.id());
    let junior = done(&mut log, junior, &[8]);
    let mut without = Log::new(log.genesis().clone()).unwrap();
    for operation in log.operations() {
        if ![endorse.id(), junior.id()].contains(&operation.id()) {
            without.insert(operation.clone()).unwrap();
        }
    }
    assert_eq!(numbers(&without), [1]);
    // The endorsed device can still be removed.
    let eight = at(&log, 8);
    let removal = log.remove_device(&public(1), eight, vec![head(20, 4)]);
    done(&mut log, removal, &[1]);
    assert_eq!(numbers(&log), [1, 9]);
}

#[test]
fn an_endorsement_by_a_removed_device_is_void() {
    let mut log = log_of(&[1, 2, 3]);
    let at = |log: &Log, key| log.resolve().device(&public(key)).unwrap().incarnation;
    let (two, three) = (at(&log, 2), at(&log, 3));
    let remove_three = log.remove_device(&public(1), three, vec![]);
    let add = log.add_device(&public(3), device(8));
    let add = done(&mut log, add, &[3, 8]);
    let endorse = log.endorse(&public(2), add.id());
    done(&mut log, remove_three, &[1]);
    assert_eq!(numbers(&log), [1, 2]);
    done(&mut log, endorse, &[2]);
    assert_eq!(numbers(&log), [1, 2, 8]);
    // Concurrently with the endorsement 2 is removed.
    let before = log.version(&add.id()).unwrap();
    let remove_two = before.remove_device(&public(1), two, vec![]);
    done(&mut log, remove_two, &[1]);
    assert_eq!(numbers(&log), [1]);
}

#[test]
fn one_log_one_file() {
    let mut log = log_of(&[1, 2]);
    for key in 3..9 {
        let add = log.add_device(&public(1), device(key));
        done(&mut log, add, &[1, key]);
    }
    let aka = log.set_aka(&public(1), vec!["did:web:me.example".into()]);
    let service = log.set_service(&public(2), "pod", Some(pod("https://one.example/")));
    done(&mut log, aka, &[1]);
    done(&mut log, service, &[2]);
    let car = log.to_car().unwrap();
    let read = Log::from_car(&car).unwrap();
    assert_eq!(read.did(), log.did());
    assert_eq!(read.resolve(), log.resolve());
    assert_eq!(read.heads(), log.heads());
    assert_eq!(read.to_car().unwrap(), car);
    for at in 0..car.len() {
        let mut bad = car.clone();
        bad[at] ^= 1;
        assert!(Log::from_car(&bad).is_err(), "byte {at}");
        assert!(Log::from_car(&car[..at]).is_err(), "cut at {at}");
    }
    assert!(matches!(
        Log::from_car(&[&car[..], &[0]].concat()),
        Err(IdentityError::Car(_))
    ));
}

/// An operation whose signatures are of another payload, or stripped, makes no second operation.
#[test]
fn signatures_do_not_make_operations() {
    let log = log_of(&[1, 2]);
    let mut proposal = log.set_aka(&public(1), vec![]).unwrap();
    proposal.sign(signing(1)).unwrap();
    let operation = proposal.complete().unwrap();
    let mut other = log.set_aka(&public(2), vec![]).unwrap();
    other.sign(signing(2)).unwrap();
    let other = other.complete().unwrap();
    assert_ne!(operation.id(), other.id(), "who acts is in the payload");
    assert!(
        Operation::verify(operation.payload_bytes(), &other.signature_block().unwrap()).is_err()
    );
}

#[test]
fn orphans_wait_within_bounds() {
    let whole = {
        let mut log = log_of(&[1]);
        for i in 0..MAX_WAITING + 2 {
            let aka = log.set_aka(&public(1), vec![format!("x:{i}")]);
            done(&mut log, aka, &[1]);
        }
        log
    };
    let mut log = log_of(&[1]);
    let operations: Vec<&Operation> = whole.operations().collect();
    for (i, operation) in operations.iter().skip(2).enumerate() {
        let result = log.insert((*operation).clone());
        if i < MAX_WAITING {
            assert_eq!(result.unwrap(), Inserted::Waiting);
        } else {
            assert!(matches!(result, Err(IdentityError::LogFull(_))), "{i}");
        }
    }
    assert_eq!(log.waiting(), MAX_WAITING);
    assert_eq!(log.missing(), [operations[1].id()]);
    let Inserted::Added(added) = log.insert(operations[1].clone()).unwrap() else {
        panic!("the first lets in all");
    };
    assert_eq!(added.len(), MAX_WAITING + 1);
    assert_eq!(log.waiting(), 0);
    assert_eq!(log.insert(operations[1].clone()).unwrap(), Inserted::Known);
}

/// What follows a refused operation does not wait for ever.
#[test]
fn what_follows_a_refused_operation_is_forgotten() {
    let mut thief = log_of(&[1]);
    let key: Key = 1;
    let mut elsewhere = log_of(&[1, 2]);
    let add = elsewhere.add_device(&public(key), device(3));
    let add = done(&mut elsewhere, add, &[1, 3]);
    assert_eq!(thief.insert(add).unwrap(), Inserted::Waiting, "another log");
    assert_eq!(
        thief
            .insert(elsewhere.genesis().operation().clone())
            .unwrap_err()
            .to_string(),
        "the operation does not belong to this device log: it makes an identity of its own"
    );
    assert_eq!(thief.waiting(), 0);
}
