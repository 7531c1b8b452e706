//! The row of a hosted pod: all that it costs while nobody uses it.

use crate::{
    SealedError,
    keys::{PodNo, u32_at, u64_at},
};

/// What the store says about a pod as a whole. Written with every batch of the pod, so that the figures are exact whatever happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PodRow {
    pub number: PodNo,
    pub quota: u64,
    pub since: u64,
    pub last_activity: u64,
    pub commits: u64,
    pub commit_bytes: u64,
    pub certificates: u64,
    pub certificate_bytes: u64,
    pub next_commit: u64,
    pub next_author: u32,
}

const LEN: usize = 76;

impl PodRow {
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let numbers = [
            self.number.0,
            self.quota,
            self.since,
            self.last_activity,
            self.commits,
            self.commit_bytes,
            self.certificates,
            self.certificate_bytes,
            self.next_commit,
        ];
        for (place, number) in out.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        out[72..].copy_from_slice(&self.next_author.to_be_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, SealedError> {
        if bytes.len() != LEN {
            return Err(SealedError::Corrupt("the row of a pod is malformed"));
        }
        let at = |n: usize| u64_at(bytes, n * 8);
        Ok(Self {
            number: PodNo(at(0)),
            quota: at(1),
            since: at(2),
            last_activity: at(3),
            commits: at(4),
            commit_bytes: at(5),
            certificates: at(6),
            certificate_bytes: at(7),
            next_commit: at(8),
            next_author: u32_at(bytes, 72),
        })
    }

    /// What counts against the quota.
    pub fn used(&self) -> u64 {
        self.commit_bytes.saturating_add(self.certificate_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let row = PodRow {
            number: PodNo(1),
            quota: 2,
            since: 3,
            last_activity: 4,
            commits: 5,
            commit_bytes: 6,
            certificates: 7,
            certificate_bytes: u64::MAX,
            next_commit: 9,
            next_author: 10,
        };
        assert_eq!(PodRow::decode(&row.encode()).ok(), Some(row));
        assert!(PodRow::decode(&row.encode()[1..]).is_err());
    }
}
