//! Searching sorted keys from a guess: one or two cache lines are touched where a binary search touches one for every other halving.

/// The first index below `len` for which `before` is false, or `len`. `before` must be true up to some index and false from there on.
///
/// Looks near `guess` first and never asks more than some four times as often as a binary search would.
pub(crate) fn partition_near(len: usize, guess: usize, before: impl Fn(usize) -> bool) -> usize {
    if len == 0 {
        return 0;
    }
    let guess = guess.min(len - 1);
    // between `low` and `high` lies what is asked for, both included
    let (mut low, mut high);
    let mut step = 1;
    if before(guess) {
        (low, high) = (guess + 1, len);
        while low < len {
            let probe = low + step - 1;
            if probe >= len {
                break;
            }
            if !before(probe) {
                high = probe;
                break;
            }
            low = probe + 1;
            step *= 4;
        }
    } else {
        (low, high) = (0, guess);
        while step <= high {
            let probe = high - step;
            if before(probe) {
                low = probe + 1;
                break;
            }
            high = probe;
            step *= 4;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_guess_finds_what_a_binary_search_finds(
            mut keys in prop::collection::vec(any::<u16>(), 0..300),
            key in any::<u16>(),
            wrong in 0usize..400,
        ) {
            keys.sort_unstable();
            let expected = keys.partition_point(|k| *k < key);
            prop_assert_eq!(partition_near(keys.len(), wrong, |i| keys[i] < key), expected);
        }
    }
}
