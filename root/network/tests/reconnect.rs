//! When a peer is dialled again.

use proptest::prelude::*;
use rhizome_network::{Mode, Reconnect};

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Time passes, and if the peer is due it is dialled: it answers or not, after so long.
    Dial {
        answers: bool,
        after: u64,
    },
    /// The connection is lost, if there is one.
    Lost,
    Seen,
    Changed,
    Mode(Mode),
    Pass(u64),
}

fn modes() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Normal, Mode::Metered, Mode::Battery])
}

fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let event = prop_oneof![
        4 => (any::<bool>(), 0..20_000_u64).prop_map(|(answers, after)| Event::Dial { answers, after }),
        2 => Just(Event::Lost),
        1 => Just(Event::Seen),
        1 => Just(Event::Changed),
        1 => modes().prop_map(Event::Mode),
        3 => (0..400_000_u64).prop_map(Event::Pass),
    ];
    prop::collection::vec((event, any::<u64>()), 0..200)
}

proptest! {
    /// Whatever happens: attempts keep their distance, waits have an end, and nothing overflows.
    #[test]
    fn attempts_keep_their_distance(mode in modes(), events in events()) {
        let mut mode = mode;
        let mut now = 0_u64;
        let mut peer = Reconnect::new(mode, now);
        let mut last: Option<u64> = None;
        for (event, random) in events {
            let before = peer.due();
            match event {
                Event::Dial { answers, after } => {
                    let Some(due) = peer.due() else { continue };
                    now = now.max(due);
                    if let Some(last) = last {
                        // Set when the wait began, so of the mode at that time; half a second is the least of all.
                        prop_assert!(now - last >= Mode::Normal.waits().least);
                    }
                    last = Some(now);
                    peer.dialling(now);
                    prop_assert_eq!(peer.due(), None);
                    now += after;
                    if answers {
                        peer.connected(now);
                        prop_assert_eq!(peer.due(), None);
                    } else {
                        let failures = peer.failures();
                        peer.failed(now, random);
                        prop_assert_eq!(peer.failures(), failures + 1);
                    }
                }
                Event::Lost => {
                    peer.failed(now, random);
                    prop_assert!(peer.due().is_some());
                }
                Event::Seen => {
                    let failures = peer.failures();
                    peer.peer_seen(now);
                    prop_assert_eq!(peer.failures(), failures);
                }
                Event::Changed => {
                    peer.network_changed(now);
                    prop_assert_eq!(peer.failures(), 0);
                }
                Event::Mode(next) => {
                    mode = next;
                    peer.set_mode(mode, now);
                }
                Event::Pass(time) => now += time,
            }
            // Good news never makes it later (but for the least distance in a dearer mode).
            if let (Event::Seen | Event::Changed, Some(before), Some(after)) = (event, before, peer.due()) {
                prop_assert!(after <= before.max(last.unwrap_or(0) + mode.waits().least));
            }
            if let Some(due) = peer.due() {
                let most = now.max(last.unwrap_or(0)) + Mode::Battery.waits().longest;
                prop_assert!(due <= most, "{} at {}", due, now);
            }
        }
    }

    /// The wait after n failures lies between half of its longest and its longest, which doubles up to a bound.
    #[test]
    fn waits_double_up_to_a_bound(mode in modes(), randoms in prop::collection::vec(any::<u64>(), 1..80)) {
        let waits = mode.waits();
        let mut now = 1_000_000_u64;
        let mut peer = Reconnect::new(mode, now);
        for (n, random) in randoms.into_iter().enumerate() {
            peer.dialling(now);
            now += 20_000; // longer than the least distance
            peer.failed(now, random);
            let longest = (u128::from(waits.first) << n.min(60)).min(u128::from(waits.longest)) as u64;
            let wait = peer.due().unwrap() - now;
            prop_assert!(wait >= longest / 2 && wait <= longest, "{wait} of {longest}");
            now += wait;
        }
    }

    /// In an hour nobody is dialled more often than the waits allow, however many peers claim to be seen.
    #[test]
    fn sightings_do_not_make_a_flood(mode in modes(), every in 1..2000_u64) {
        let mut peer = Reconnect::new(mode, 0);
        let (mut now, mut attempts) = (0, 0_u64);
        while now < 3_600_000 {
            if peer.due().is_some_and(|due| due <= now) {
                attempts += 1;
                peer.dialling(now);
                peer.failed(now, u64::MAX);
            }
            peer.peer_seen(now);
            now += every;
        }
        prop_assert!(attempts <= 3_600_000 / mode.waits().least + 1);
        prop_assert!(attempts > 1);
    }
}

#[test]
fn a_connection_that_lasted_is_a_success_and_a_short_one_is_not() {
    let waits = Mode::Normal.waits();
    let mut peer = Reconnect::new(Mode::Normal, 0);
    let mut now = 0;
    for failures in 1..=5 {
        now = now.max(peer.due().unwrap());
        peer.dialling(now);
        peer.connected(now);
        now += waits.lasting - 1;
        peer.failed(now, 7);
        assert_eq!(peer.failures(), failures);
    }
    now = now.max(peer.due().unwrap());
    peer.dialling(now);
    peer.connected(now);
    now += waits.lasting;
    peer.failed(now, u64::MAX);
    assert_eq!(peer.failures(), 1);
    assert_eq!(peer.due(), Some(now + waits.first));
}

#[test]
fn a_cheaper_network_cuts_a_long_wait() {
    let mut peer = Reconnect::new(Mode::Battery, 0);
    peer.dialling(0);
    peer.failed(20_000, u64::MAX);
    assert_eq!(peer.due(), Some(50_000));
    peer.set_mode(Mode::Normal, 21_000);
    assert_eq!(peer.due(), Some(22_000));
    // A dearer one does not make it later.
    peer.set_mode(Mode::Battery, 21_000);
    assert_eq!(peer.due(), Some(22_000));
}

#[test]
fn randomness_spreads_the_attempts() {
    let due = |random| {
        let mut peer = Reconnect::new(Mode::Normal, 0);
        peer.dialling(0);
        for _ in 0..8 {
            peer.failed(10_000, random);
            peer.dialling(10_000);
        }
        peer.failed(10_000, random);
        peer.due().unwrap()
    };
    let spread: std::collections::BTreeSet<_> = (0..100).map(|i| due(i << 57)).collect();
    assert!(spread.len() > 90, "{}", spread.len());
}
