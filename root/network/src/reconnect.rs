//! When to dial a peer again: a policy without clock or randomness of its own. Time is milliseconds of any clock that does not run
//! backwards.

/// What dialling costs at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Mains and a network that costs nothing: soon, and often.
    #[default]
    Normal,
    /// A network that is paid by the byte: later, and less often.
    Metered,
    /// A battery: rarely. Wakes are what costs.
    Battery,
}

/// How long to wait after failures, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// After the first failure. It doubles with every further one.
    pub first: u64,
    /// Never longer than this.
    pub longest: u64,
    /// Between the beginnings of two attempts there is at least this, whatever happens.
    pub least: u64,
    /// A connection that lasted this long counts as success; a shorter one counts as one more failure, so that a peer that takes
    /// connections only to drop them is not dialled in a circle.
    pub lasting: u64,
}

impl Mode {
    /// The waits of this mode.
    pub const fn waits(self) -> Waits {
        const SECOND: u64 = 1000;
        const MINUTE: u64 = 60 * SECOND;
        match self {
            Self::Normal => Waits {
                first: SECOND,
                longest: 5 * MINUTE,
                least: SECOND / 2,
                lasting: MINUTE / 2,
            },
            Self::Metered => Waits {
                first: 5 * SECOND,
                longest: 30 * MINUTE,
                least: 5 * SECOND,
                lasting: MINUTE,
            },
            Self::Battery => Waits {
                first: 30 * SECOND,
                longest: 60 * MINUTE,
                least: 15 * SECOND,
                lasting: 2 * MINUTE,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Dial at this time.
    Waiting { until: u64 },
    /// An attempt is under way.
    Dialling,
    /// Connected since.
    Connected { since: u64 },
}

/// When to dial one peer again.
///
/// ```
/// use rhizome_network::{Mode, Reconnect};
///
/// let mut peer = Reconnect::new(Mode::Normal, 0);
/// assert_eq!(peer.due(), Some(0));               // at once
/// peer.dialling(0);
/// peer.failed(2_000, 12345);                     // a random number, fresh for each call
/// let due = peer.due().unwrap();
/// assert!((2_500..=3_000).contains(&due));       // between half a second and a second later
/// peer.network_changed(2_100);                   // another Wi-Fi: what failed there may work here
/// assert_eq!(peer.due(), Some(2_100));
/// ```
#[derive(Debug, Clone)]
pub struct Reconnect {
    mode: Mode,
    failures: u32,
    state: State,
    /// When the last attempt began.
    last: Option<u64>,
}

impl Reconnect {
    /// A peer that is to be dialled at once.
    pub fn new(mode: Mode, now: u64) -> Self {
        Self {
            mode,
            failures: 0,
            state: State::Waiting { until: now },
            last: None,
        }
    }

    /// When to dial; `None` while an attempt is under way or the peer is connected. May lie in the past.
    pub fn due(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Dialling | State::Connected { .. } => None,
        }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt begins. To be told also of one that was not due.
    pub fn dialling(&mut self, now: u64) {
        self.last = Some(now);
        self.state = State::Dialling;
    }

    /// The peer is connected, whoever dialled.
    pub fn connected(&mut self, now: u64) {
        self.state = State::Connected { since: now };
    }

    /// The attempt failed, or the connection was lost. `random` has to be fresh and even over all 64 bits: without it all devices that
    /// lost the same peer would come back in the same moment, every time.
    pub fn failed(&mut self, now: u64, random: u64) {
        let waits = self.mode.waits();
        match self.state {
            State::Connected { since } if now.saturating_sub(since) >= waits.lasting => {
                self.failures = 0;
            }
            State::Waiting { .. } => return, // told twice
            _ => {}
        }
        self.failures = self.failures.saturating_add(1);
        let wait = jitter(longest_wait(&waits, self.failures), random);
        self.wait_until(now.saturating_add(wait));
    }

    /// The network is another one: what is known of failures does not hold any more.
    pub fn network_changed(&mut self, now: u64) {
        self.failures = 0;
        self.sooner(now);
    }

    /// The peer was heard, for example on the local network. It is dialled now, but failures are not forgotten: anybody can claim to be
    /// there.
    pub fn peer_seen(&mut self, now: u64) {
        self.sooner(now);
    }

    /// What dialling costs has changed. On a cheaper network a long wait is cut to what it would have been there; on a dearer one
    /// nothing becomes due later than it was, but for the distance that attempts keep.
    pub fn set_mode(&mut self, mode: Mode, now: u64) {
        self.mode = mode;
        if let State::Waiting { until } = self.state
            && self.failures > 0
        {
            let longest = now.saturating_add(longest_wait(&mode.waits(), self.failures));
            self.wait_until(until.min(longest));
        }
    }

    fn sooner(&mut self, now: u64) {
        if let State::Waiting { until } = self.state {
            self.wait_until(until.min(now));
        }
    }

    /// Waits until `at`, or a little longer if the last attempt is not long ago.
    fn wait_until(&mut self, at: u64) {
        let least = self.mode.waits().least;
        let earliest = self.last.map_or(0, |last| last.saturating_add(least));
        self.state = State::Waiting {
            until: at.max(earliest),
        };
    }
}

/// The longest wait after so many failures in a row.
fn longest_wait(waits: &Waits, failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1).min(32);
    waits
        .first
        .saturating_mul(1 << doublings)
        .min(waits.longest)
}

/// Something from half of `longest` up to all of it.
fn jitter(longest: u64, random: u64) -> u64 {
    let half = longest / 2;
    let span = u128::from(longest - half) + 1;
    half + ((u128::from(random) * span) >> 64) as u64
}
