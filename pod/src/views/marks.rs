//! What tells that nothing is new, without a session and without opening anything.

use std::collections::BTreeMap;

use rhizome_ipld::PublicKey;
use serde_bytes::ByteArray;

/// Stands for all that a peer has of a view at some moment. It means nothing to others, and is another one when that changes.
pub(crate) type Mark = ByteArray<16>;

/// A number on the list of who watches, and its mark.
pub(crate) type Watched = (u32, Mark);

/// The mark of these figures.
pub(crate) fn mark(of: &str, figures: &[u64]) -> Mark {
    let mut hash = blake3::Hasher::new_derive_key("rhizome view mark v1");
    hash.update(of.as_bytes());
    for figure in figures {
        hash.update(&figure.to_be_bytes());
    }
    let mut out = [0; 16];
    hash.finalize_xof().fill(&mut out);
    ByteArray::new(out)
}

/// What the peers of a view had when they had the same as was here, and what was here then.
#[derive(Default)]
pub(super) struct Marks(BTreeMap<PublicKey, (Mark, u64)>);

impl Marks {
    /// As they were when the view was closed.
    pub fn of(list: Vec<(PublicKey, Mark)>) -> Self {
        Self(
            list.into_iter()
                .map(|(key, mark)| (key, (mark, 0)))
                .collect(),
        )
    }

    /// Nothing is new on either side.
    pub fn are(&self, peer: &PublicKey, mark: &Mark, generation: u64) -> bool {
        self.0.get(peer) == Some(&(*mark, generation))
    }

    pub fn note(&mut self, peer: PublicKey, mark: Mark, generation: u64) {
        self.0.insert(peer, (mark, generation));
    }

    /// Those that hold now.
    pub fn now(&self, generation: u64) -> Vec<(PublicKey, Mark)> {
        let now = self.0.iter().filter(|(_, (_, g))| *g == generation);
        now.map(|(key, (mark, _))| (*key, *mark)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_ipld::SigningKey;

    #[test]
    fn marks_hold_until_something_happens_on_either_side() {
        let peer = SigningKey::from_seed([1; 32]).public();
        let (one, two) = (mark("a", &[1]), mark("a", &[2]));
        assert!(one != two && one != mark("b", &[1]));
        let mut marks = Marks::default();
        marks.note(peer, one, 3);
        assert!(marks.are(&peer, &one, 3));
        assert!(!marks.are(&peer, &two, 3) && !marks.are(&peer, &one, 4));
        assert!(marks.now(4).is_empty());
        let again = Marks::of(marks.now(3));
        assert!(again.are(&peer, &one, 0));
    }
}
