//! Who may begin a connection, before anything about him is known but where he comes from.
//!
//! A handshake costs the listener a few tenths of a millisecond of processor time, and whoever dials may be anybody. So while many come,
//! a source has to show that packets reach it, and may begin only so many connections that come to nothing. Those that a handler
//! [welcomes](crate::Link::welcome) cost it nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many connections may be begun, where they come to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshakes {
    /// In a row, by one source: an IPv4 address, 64 bits of an IPv6 address, a key behind a relay.
    pub burst: u32,
    /// In a second, by one source, for long.
    pub per_second: u32,
    /// In a second, by all together, before they have to show that packets reach them.
    pub unproven_per_second: u32,
}

impl Default for Handshakes {
    /// 64, then 4 a second; from 100 a second on everybody has to show that packets reach him.
    fn default() -> Self {
        Self {
            burst: 64,
            per_second: 4,
            unproven_per_second: 100,
        }
    }
}

/// Where somebody comes from, as far as one is told apart from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
    /// A key, as a relay says.
    Relayed([u8; 32]),
}

impl Source {
    pub fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What to do with somebody who begins a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Enter,
    /// Let him show that packets reach him.
    Prove,
    Refuse,
    /// Nothing: he has been told.
    Ignore,
}

/// Sources that are told apart at a time. Past them all others share what one has.
const MAX_SOURCES: usize = 1 << 16;

/// Something that is used up and comes back with time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(burst: u32, now: Instant) -> Self {
        Self {
            left: f64::from(burst),
            at: now,
        }
    }

    fn fill(&mut self, burst: u32, per_second: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * f64::from(per_second)).min(f64::from(burst));
        self.at = now;
    }

    /// Takes one; what is left then, below zero if there was none. It does not go further below than it could be above.
    fn take(&mut self, burst: u32, per_second: u32, now: Instant) -> f64 {
        self.fill(burst, per_second, now);
        self.left = (self.left - 1.0).max(-f64::from(burst));
        self.left
    }
}

pub(crate) struct Door {
    limits: Handshakes,
    /// For those who have not shown anything.
    unproven: Bucket,
    sources: HashMap<Source, Bucket>,
    others: Bucket,
    pruned: Instant,
}

impl Door {
    pub fn new(limits: Handshakes, now: Instant) -> Self {
        Self {
            limits,
            unproven: Bucket::full(limits.unproven_per_second, now),
            sources: HashMap::new(),
            others: Bucket::full(limits.burst, now),
            pruned: now,
        }
    }

    /// Somebody comes. `proven` if packets are known to reach him; `busy` if all have to show that.
    pub fn knock(&mut self, source: Source, proven: bool, busy: bool, now: Instant) -> Verdict {
        let Handshakes {
            burst,
            per_second,
            unproven_per_second: rate,
        } = self.limits;
        if !proven {
            // who only claims to come from there must not use up what that one has
            self.unproven.left = self.unproven.left.max(0.0);
            return if !busy && self.unproven.take(rate, rate, now) >= 0.0 {
                Verdict::Enter
            } else {
                Verdict::Prove
            };
        }
        match self.bucket(source, now).take(burst, per_second, now) {
            left if left >= 0.0 => Verdict::Enter,
            left if left > -f64::from(burst) => Verdict::Refuse,
            // an answer costs too, and who dials again at once does not read it
            _ => Verdict::Ignore,
        }
    }

    /// What he came for was something.
    pub fn welcome(&mut self, source: Source, now: Instant) {
        let burst = f64::from(self.limits.burst);
        let bucket = self.bucket(source, now);
        bucket.left = (bucket.left + 1.0).min(burst);
    }

    fn bucket(&mut self, source: Source, now: Instant) -> &mut Bucket {
        let burst = self.limits.burst;
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            let full = f64::from(burst) / f64::from(self.limits.per_second.max(1));
            let full = Duration::from_secs_f64(full);
            if now.saturating_duration_since(self.pruned) >= Duration::from_secs(1) {
                self.pruned = now;
                // their buckets are full again
                self.sources
                    .retain(|_, b| now.saturating_duration_since(b.at) < full);
            }
            if self.sources.len() >= MAX_SOURCES {
                return &mut self.others;
            }
        }
        self.sources
            .entry(source)
            .or_insert_with(|| Bucket::full(burst, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> Source {
        Source::of(SocketAddr::from((n.to_be_bytes(), 9)))
    }

    fn door(now: Instant) -> Door {
        let limits = Handshakes {
            burst: 3,
            per_second: 1,
            unproven_per_second: 5,
        };
        Door::new(limits, now)
    }

    #[test]
    fn one_that_comes_to_nothing_is_refused_and_harms_no_other() {
        let now = Instant::now();
        let mut door = door(now);
        for _ in 0..3 {
            assert_eq!(door.knock(source(1), true, false, now), Verdict::Enter);
        }
        for _ in 0..2 {
            assert_eq!(door.knock(source(1), true, false, now), Verdict::Refuse);
        }
        for _ in 0..9 {
            assert_eq!(door.knock(source(1), true, false, now), Verdict::Ignore);
        }
        assert_eq!(door.knock(source(2), true, false, now), Verdict::Enter);
        // three that were beyond count for those that come back first
        let later = now + Duration::from_secs(4);
        assert_eq!(door.knock(source(1), true, false, later), Verdict::Enter);
        assert_eq!(door.knock(source(1), true, false, later), Verdict::Refuse);
    }

    #[test]
    fn who_is_welcome_comes_as_often_as_he_likes() {
        let now = Instant::now();
        let mut door = door(now);
        for _ in 0..1000 {
            assert_eq!(door.knock(source(1), true, false, now), Verdict::Enter);
            door.welcome(source(1), now);
        }
    }

    #[test]
    fn while_many_come_everybody_shows_that_packets_reach_him() {
        let now = Instant::now();
        let mut door = door(now);
        for n in 0..5 {
            assert_eq!(door.knock(source(n), false, false, now), Verdict::Enter);
        }
        // forged senders use up nothing of those whose addresses they use
        for _ in 0..1000 {
            assert_eq!(door.knock(source(7), false, false, now), Verdict::Prove);
        }
        assert_eq!(door.knock(source(7), true, false, now), Verdict::Enter);
        let later = now + Duration::from_secs(1);
        assert_eq!(door.knock(source(7), false, true, later), Verdict::Prove);
        assert_eq!(door.knock(source(7), false, false, later), Verdict::Enter);
    }

    #[test]
    fn what_is_kept_of_sources_is_bounded() {
        let now = Instant::now();
        let mut door = door(now);
        for n in 0..MAX_SOURCES as u32 + 10 {
            let _ = door.knock(source(n), true, false, now);
        }
        assert_eq!(door.sources.len(), MAX_SOURCES);
        let later = now + Duration::from_mins(1);
        assert_eq!(
            door.knock(source(u32::MAX), true, false, later),
            Verdict::Enter
        );
        assert_eq!(door.sources.len(), 1);
    }
}
