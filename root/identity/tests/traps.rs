//! Stories: mutual removal, theft, recovery, dispute; among them the three traps that the rule has to keep out of.

use std::collections::BTreeSet;

use crate::oracle::{Act, Inc, Key};
use crate::twin::Twin;

/// Devices 1, 2, 3; the friends (100) are stronger than the words (200).
fn three() -> Twin {
    Twin::new(&[1, 2, 3], &[100, 200], 0)
}

fn set(keys: &[Key]) -> BTreeSet<Key> {
    keys.iter().copied().collect()
}

/// The first trap. A thief holds the words and device 1: he removes the others, adds his own, and when the owner recovers with the
/// words, recovers too.
#[test]
fn while_contested_the_devices_of_the_thief_do_not_come_back() {
    let mut twin = three();
    let root = twin.root();
    let one = twin.first(1);
    let a = twin.does(one, Act::Remove(twin.first(2)), [root]);
    let b = twin.does(one, Act::Remove(twin.first(3)), [a]);
    let c = twin.does(one, Act::Add(66), [b]);
    assert_eq!(twin.state().devices, set(&[1, 66]));

    let owner = twin.recover(1, 200, &[2, 3, 7], &[100, 201], [root]);
    assert_eq!(twin.state().devices, set(&[2, 3, 7]));
    twin.does(one, Act::Add(67), [b]);
    assert_eq!(
        twin.state().devices,
        set(&[2, 3, 7]),
        "the old epoch is over"
    );

    twin.recover(1, 200, &[66, 3], &[100, 900], [c]).unwrap();
    let state = twin.state();
    assert!(state.contested);
    assert_eq!(state.devices, set(&[3]), "only whom both list");
    twin.does(one, Act::Add(68), [b]);
    assert_eq!(twin.state().devices, set(&[3]), "nobody may change the log");

    twin.recover(0, 100, &[2, 7], &[101, 202], owner).unwrap();
    let state = twin.state();
    assert!(!state.contested);
    assert_eq!(state.devices, set(&[2, 7]));
    assert_eq!(state.policies, [101, 202]);
}

/// The second trap.
#[test]
fn a_backdated_self_removal_does_not_erase_earlier_writes() {
    let mut twin = three();
    let root = twin.root();
    let three = twin.first(3);
    let set_service = twin.does(three, Act::Service(7), [root]);
    let added = twin.does(three, Act::Add(8), [set_service]);
    twin.does(three, Act::Remove(three), [root]);
    let state = twin.state();
    assert_eq!(state.service, Some(7));
    assert_eq!(state.devices, set(&[1, 2, 8]));
    assert!(state.incs.contains(&Inc { key: 8, by: added }));
}

/// The third trap. 3 adds 8, which removes 9. Concurrently 2 removes 3, and is itself removed by 1. So 3 is out (a removal counts even
/// if its author is removed) and 8 is void; 9 must stay out all the same, or whoever holds a removed device could bring others back.
#[test]
fn voiding_the_adder_of_a_remover_does_not_resurrect_the_removed() {
    let mut twin = three();
    let root = twin.root();
    let (one, two, three) = (twin.first(1), twin.first(2), twin.first(3));
    let add = twin.does(three, Act::Add(8), [root]);
    let eight = Inc { key: 8, by: add };
    let nine = Inc {
        key: 9,
        by: twin.does(one, Act::Add(9), [add]),
    };
    twin.does(eight, Act::Remove(nine), [nine.by]);
    assert_eq!(twin.state().devices, set(&[1, 2, 3, 8]));
    twin.does(two, Act::Remove(three), [root]);
    assert_eq!(
        twin.state().devices,
        set(&[1, 2, 9]),
        "8 never was a member"
    );
    twin.does(one, Act::Remove(two), [root]);
    assert_eq!(twin.state().devices, set(&[1]), "9 does not come back");
}

#[test]
fn of_two_that_remove_each_other_the_senior_stays() {
    let mut twin = three();
    let root = twin.root();
    let (one, two) = (twin.first(1), twin.first(2));
    twin.does(one, Act::Remove(two), [root]);
    twin.does(two, Act::Remove(one), [root]);
    assert_eq!(twin.state().devices, set(&[1, 3]));
}

#[test]
fn what_a_stolen_device_adds_concurrently_with_its_removal_is_void() {
    let mut twin = three();
    let root = twin.root();
    let (one, three) = (twin.first(1), twin.first(3));
    twin.does(one, Act::Remove(three), [root]);
    let add = twin.does(three, Act::Add(9), [root]);
    twin.does(Inc { key: 9, by: add }, Act::Service(666), [add]);
    let state = twin.state();
    assert_eq!(state.devices, set(&[1, 2]));
    assert_eq!(state.service, None);
}

#[test]
fn a_device_that_is_added_again_is_out_of_reach_of_old_removals() {
    let mut twin = three();
    let root = twin.root();
    let (one, two, three) = (twin.first(1), twin.first(2), twin.first(3));
    twin.does(one, Act::Remove(two), [root]);
    twin.does(two, Act::Remove(three), [root]);
    assert_eq!(twin.state().devices, set(&[1]), "a removal counts even so");
    let heads = twin.heads();
    twin.does(one, Act::Add(3), heads);
    assert_eq!(twin.state().devices, set(&[1, 3]));
    let service = twin.does(two, Act::Service(1), [root]);
    twin.does(two, Act::Remove(three), [service]);
    assert_eq!(twin.state().devices, set(&[1, 3]));
}

/// Strangers cannot make the log longer, and what they send is without effect.
#[test]
fn the_door() {
    let mut twin = three();
    let root = twin.root();
    let two = twin.first(2);
    let stranger = Inc { key: 99, by: root };
    assert_eq!(twin.act(Some(stranger), Act::Add(98), [root].into()), None);
    let before = twin.does(two, Act::Service(1), [root]);
    let add = twin.does(two, Act::Add(8), [before]);
    let eight = Inc { key: 8, by: add };
    // 8 acts in a past in which nobody has added it.
    assert_eq!(
        twin.act(Some(eight), Act::Service(2), [before].into()),
        None
    );
    assert_eq!(twin.act(Some(two), Act::Remove(eight), [root].into()), None);
    // A policy that the identity never had; and too few friends.
    assert_eq!(twin.recover(1, 201, &[5], &[100, 201], [root]), None);
    assert_eq!(twin.recover(0, 200, &[5], &[100, 200], [root]), None);
    assert_eq!(twin.recover(1, 200, &[5], &[101, 200], [root]), None);
    assert_eq!(twin.log.len(), 3);
}
