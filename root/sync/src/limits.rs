//! Every bound has a name. What a peer exceeds ends the session; what the store is too small for is refused, commit by commit.

/// Bytes of one message, at most.
pub const MAX_MESSAGE: usize = 1 << 20;
/// Bytes of one certificate.
pub const MAX_CERTIFICATE: usize = 512 << 10;
/// Bytes of the envelope of a commit.
pub const MAX_ENVELOPE: usize = 128 << 10;
/// Leaves of one commit.
pub const MAX_LEAVES: usize = 1 << 16;
/// Bytes of one leaf: 4 MiB of plaintext and its seal.
pub const MAX_LEAF: usize = (4 << 20) + 128;
/// Bytes of one ephemeral message.
pub const MAX_EPHEMERAL: usize = 64 << 10;
/// Chains in which one round can find a difference. What is beyond waits for the next round.
pub const MAX_CHAINS: usize = 1 << 16;
/// Runs of one chain that are described one by one; a chain in more pieces is reconciled by its ids.
pub const MAX_RUNS: usize = 64;
/// Questions that may be open at a time.
pub const MAX_OPEN_QUESTIONS: usize = 16;
/// Ids, or certificates, in one message.
pub const MAX_IDS: usize = 1 << 14;
/// Ids offered for one chain in one round. What is beyond waits for the next round.
pub const MAX_OFFERED: usize = 1 << 16;
/// Commits with one place in a chain that are sent for a question about places. Others are found by reconciling ids.
pub const MAX_SIBLINGS: usize = 16;
/// Commits whose leaves are asked for in one round because the store lacks bytes of them.
pub const MAX_FILLS: usize = 256;
/// Local commits and certificates that wait to be pushed. Past them the queue is given up for a new round.
pub const MAX_WAITING: usize = 4096;
/// Certificates and commits that were refused by the peer and are told to the caller one by one, in one round.
pub const MAX_REFUSED: usize = 1024;
/// Rounds that a session starts by itself in succession because something was left over.
pub const MAX_FOLLOWING_ROUNDS: u32 = 64;
/// Commits given to the store at once.
pub const MAX_BATCH: usize = 4096;
/// Bytes that a message of commits is filled up to.
pub const GOOD_MESSAGE: usize = 256 << 10;

/// What one session may use. All but the last are bytes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Answers under way to us: the peer has leave to send this much, and gets more when some has arrived.
    pub window: usize,
    /// Commits gathered before they go to the store together.
    pub batch: usize,
    /// Pushed commits under way to the peer that it has not yet confirmed.
    pub live_window: usize,
    /// The largest commit that is taken, leaves included. It is held in memory until it is complete; a larger one is refused.
    pub commit: usize,
    /// Of a chain that is far behind, so many of the newest commits are asked for before the others, and at most one in 16. 0: in order.
    pub newest_first: u64,
    /// Milliseconds that the peer may be silent while something is expected from it.
    pub silence_ms: u64,
}

impl Default for Limits {
    /// For a device: 8 MiB under way, batches of 1 MiB, commits of 256 MiB, at most 64 of the newest commits first, 30 s.
    fn default() -> Self {
        Self {
            window: 8 << 20,
            batch: 1 << 20,
            live_window: 2 << 20,
            commit: 256 << 20,
            newest_first: 64,
            silence_ms: 30_000,
        }
    }
}
