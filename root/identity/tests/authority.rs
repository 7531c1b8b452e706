//! What policies decide beyond recoveries: new policies, the end, and disputes about them.

use rhizome_identity::{IdentityError, Log, Operation, Proposal, Recovery};
use rhizome_ipld::SigningKey;

use crate::oracle::Key;
use crate::proposals::{done, done_by, log_of, numbers, public};
use crate::twin::{device, policies, shown, signing};

fn set_policies(log: &Log, index: usize, secret: u64, new: &[u64]) -> Operation {
    let (reveals, keys) = shown(secret);
    let proposal = log.set_policies(index, reveals, policies(new)).unwrap();
    signed(proposal, &keys, &[])
}

fn recover(log: &Log, index: usize, secret: u64, devices: &[Key], new: &[u64]) -> Operation {
    let (reveals, keys) = shown(secret);
    let proposal = log
        .recover(Recovery {
            index,
            reveals,
            devices: devices.iter().map(|k| device(*k)).collect(),
            policies: policies(new),
            seal: vec![],
        })
        .unwrap();
    signed(proposal, &keys, devices)
}

fn signed(mut proposal: Proposal, keys: &[SigningKey], devices: &[Key]) -> Operation {
    keys.iter()
        .chain(devices.iter().map(|k| signing(*k)))
        .for_each(|key| proposal.sign(key).unwrap());
    proposal.complete().unwrap()
}

#[test]
fn new_policies_leave_the_devices_alone() {
    let mut log = log_of(&[1, 2]);
    let add = log.add_device(&public(1), device(3));
    done(&mut log, add, &[1, 3]);
    let new = set_policies(&log, 1, 200, &[100, 201, 202]);
    // Concurrently a device acts; it goes on counting.
    let aka = log.set_aka(&public(3), vec!["x:1".into()]);
    log.insert(new).unwrap();
    done(&mut log, aka, &[3]);
    let now = log.resolve();
    assert_eq!(numbers(&log), [1, 2, 3]);
    assert_eq!(now.also_known_as, ["x:1"]);
    assert_eq!(now.policies, policies(&[100, 201, 202]));
    assert_eq!(now.epoch, 0);
    let add = log.add_device(&public(3), device(4));
    done(&mut log, add, &[3, 4]);
    // The old words are of no use any more, the new ones are.
    let (reveals, _) = shown(200);
    let old = log.set_policies(1, reveals, policies(&[100, 200]));
    assert!(matches!(old, Err(IdentityError::NotAllowed(_))));
    log.insert(recover(&log, 1, 201, &[7], &[100, 201]))
        .unwrap();
    assert_eq!(numbers(&log), [7]);
    assert_eq!(log.resolve().epoch, 1);
}

/// Two changes one after the other by one policy: the later one is made on top of the earlier.
#[test]
fn one_change_of_policies_after_the_other() {
    let mut log = log_of(&[1]);
    log.insert(set_policies(&log, 0, 100, &[100, 201])).unwrap();
    log.insert(set_policies(&log, 0, 100, &[100, 201, 300]))
        .unwrap();
    assert_eq!(log.resolve().policies, policies(&[100, 201, 300]));
    log.insert(set_policies(&log, 1, 201, &[100, 202])).unwrap();
    assert_eq!(log.resolve().policies, policies(&[100, 202]));
    let (reveals, _) = shown(202);
    let stronger = log.set_policies(1, reveals, policies(&[101, 202]));
    assert!(
        stronger.is_err(),
        "a stronger policy is not theirs to change"
    );
}

/// New policies after a recovery by the same policy, whose keys did not change: the recovery stays. (By the policies of the genesis
/// both are its heirs, and the later one is the last word.)
#[test]
fn new_policies_do_not_undo_the_recovery_before_them() {
    for (index, secret) in [(0, 100), (1, 200)] {
        let mut log = log_of(&[1, 2]);
        log.insert(recover(&log, index, secret, &[2, 7], &[100, 200]))
            .unwrap();
        let add = log.add_device(&public(7), device(8));
        done(&mut log, add, &[7, 8]);
        let before = log.clone();
        for new in [300, 301, 302] {
            log.insert(set_policies(&log, index, secret, &[100, 200, new]))
                .unwrap();
            assert_eq!(numbers(&log), [2, 7, 8]);
            assert_eq!(log.resolve().epoch, 1);
            assert_eq!(log.resolve().policies, policies(&[100, 200, new]));
        }
        // Nor what they had not seen of the devices.
        let add = before.add_device(&public(8), device(9));
        done(&mut log, add, &[8, 9]);
        assert_eq!(numbers(&log), [2, 7, 8, 9]);
        // In a dispute their list is the one their author saw.
        let thief = log_of(&[1, 2]);
        log.insert(recover(&thief, index, secret, &[2, 66], &[100, 900]))
            .unwrap();
        assert!(log.resolve().contested);
        assert_eq!(numbers(&log), [2]);
        assert_eq!(log.resolve().epoch, 0);
        // New policies alone would bring back the devices of before the dispute: whoever settles it says who stays.
        let (reveals, _) = shown(secret);
        let refused = log.set_policies(index, reveals, policies(&[100, 200]));
        assert!(matches!(refused, Err(IdentityError::NotAllowed(_))));
        log.insert(recover(&log, index, secret, &[2, 7], &[100, 200]))
            .unwrap();
        assert_eq!(numbers(&log), [2, 7]);
    }
}

/// The words decide, unaware of what the friends decide at the same time: the friends' word stands, in whatever order it comes.
#[test]
fn the_stronger_policy_wins_over_a_concurrent_weaker_one() {
    let before = log_of(&[1, 2]);
    let by_friends = set_policies(&before, 0, 100, &[100, 201]);
    let by_words = recover(&before, 1, 200, &[66], &[100, 900]);
    for order in [[&by_friends, &by_words], [&by_words, &by_friends]] {
        let mut log = before.clone();
        for operation in order {
            log.insert(operation.clone()).unwrap();
        }
        let now = log.resolve();
        assert!(!now.contested);
        assert_eq!(numbers(&log), [1, 2]);
        assert_eq!(now.policies, policies(&[100, 201]));
    }
}

/// Two holders of the words change the policies concurrently. Nobody may change the log; devices are those that were there for both,
/// without those removed since: a stolen device that was removed does not come back by a dispute.
#[test]
fn a_dispute_about_policies() {
    let mut log = log_of(&[1, 2, 3]);
    let early = log.clone();
    let three = log.resolve().devices[2].incarnation;
    let removal = log.remove_device(&public(1), three, vec![]);
    done(&mut log, removal, &[1]);
    let add = log.add_device(&public(1), device(4));
    done(&mut log, add, &[1, 4]);
    log.insert(set_policies(&log, 1, 200, &[100, 201])).unwrap();
    let add = log.add_device(&public(1), device(5));
    done(&mut log, add, &[1, 5]);
    assert_eq!(numbers(&log), [1, 2, 4, 5]);
    // The thief, from the very start.
    log.insert(set_policies(&early, 1, 200, &[100, 900]))
        .unwrap();
    let now = log.resolve();
    assert!(now.contested);
    assert_eq!(numbers(&log), [1, 2]);
    assert_eq!(now.policies, policies(&[100, 200]));
    assert!(now.services.is_empty());
    assert!(!now.is_admin(&public(1)));
    let refused = log.set_aka(&public(1), vec![]);
    assert!(matches!(refused, Err(IdentityError::NotAllowed(_))));
    // The friends decide; the devices are what they were.
    log.insert(set_policies(&log, 0, 100, &[101, 202])).unwrap();
    assert_eq!(numbers(&log), [1, 2, 4, 5]);
    assert_eq!(log.resolve().policies, policies(&[101, 202]));
}

#[test]
fn a_recovery_against_new_policies_is_a_dispute() {
    let mut log = log_of(&[1, 2]);
    let early = log.clone();
    log.insert(set_policies(&log, 1, 200, &[100, 201])).unwrap();
    log.insert(recover(&early, 1, 200, &[2, 66], &[100, 900]))
        .unwrap();
    let now = log.resolve();
    assert!(now.contested);
    assert_eq!(numbers(&log), [2]);
    // As much authority decides if it has seen both.
    log.insert(recover(&log, 1, 200, &[1], &[100, 202]))
        .unwrap();
    assert_eq!(numbers(&log), [1]);
    assert!(!log.resolve().contested);
}

#[test]
fn the_end() {
    let mut log = log_of(&[1, 2]);
    let service = log.set_service(
        &public(1),
        "pod",
        Some(rhizome_identity::Endpoint {
            kind: "RhizomePod".into(),
            endpoint: "https://pod.example/".into(),
        }),
    );
    done(&mut log, service, &[1]);
    let alive = log.clone();
    let (weaker, _) = shown(200);
    assert!(matches!(
        log.deactivate(weaker),
        Err(IdentityError::NotAllowed(_))
    ));
    let (reveals, keys) = shown(100);
    let end = log.deactivate(reveals);
    let end = done_by(&mut log, end, &keys.iter().collect::<Vec<_>>());
    let now = log.resolve();
    assert!(now.deactivated && !now.contested);
    assert!(now.devices.is_empty() && now.services.is_empty());
    let act = log.set_aka(&public(1), vec![]);
    assert!(matches!(act, Err(IdentityError::NotADevice { .. })));
    // Nothing comes after the end, not even by the friends themselves.
    let after = {
        let (reveals, keys) = shown(100);
        let mut action = match recover(&alive, 0, 100, &[9], &[100]).action() {
            rhizome_identity::Action::Recover(recover) => recover.clone(),
            _ => unreachable!(),
        };
        action.prev = vec![end.id()];
        action.reveals = reveals;
        let keys: Vec<&SigningKey> = keys.iter().chain([signing(9)]).collect();
        Operation::sign(rhizome_identity::Action::Recover(action), &keys).unwrap()
    };
    log.insert(after).unwrap();
    assert!(log.resolve().deactivated);
    // A weaker policy that did not know.
    log.insert(recover(&alive, 1, 200, &[66], &[100, 200]))
        .unwrap();
    assert!(log.resolve().deactivated);
    // The same friends at the same time: contested for good, with no device.
    log.insert(recover(&alive, 0, 100, &[7], &[100])).unwrap();
    let now = log.resolve();
    assert!(now.contested && now.devices.is_empty());
}
