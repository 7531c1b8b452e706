//! Which cells a short id is in: an endless walk whose density falls off as ρ(i) = 2 / (i + 2), in integers only.

/// Cells a table may have. The walk ends there, so that every product fits 64 bits.
pub const MAX_CELLS: usize = 1 << 17;

const LIMIT: u64 = MAX_CELLS as u64;

/// The indexes of the cells of one item, ascending, from 0.
///
/// From cell i the next one lies beyond J with probability (i+1)(i+2) / ((J+1)(J+2)), which is the product of 1 − ρ(k) over i < k ≤ J; so
/// with r uniform in 1..=2²⁹ it is the smallest j with (j+1)(j+2) · r > (i+1)(i+2) · 2²⁹.
pub(super) struct Walk {
    state: u64,
    at: u64,
}

impl Walk {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, at: 0 }
    }

    /// Where it stands.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    /// One step on. Past the end it stays there.
    #[inline]
    pub(super) fn step(&mut self) {
        if self.at >= LIMIT {
            return;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let r = (scramble(self.state) >> 35) + 1;
        let t = (((self.at + 1) * (self.at + 2)) << 29) / r;
        self.at = if t >= LIMIT * (LIMIT + 1) {
            LIMIT
        } else {
            // the largest y with y(y+1) <= t is floor((isqrt(4t+1) - 1) / 2), and j is it
            ((4 * t + 1).isqrt() - 1) / 2
        };
    }
}

/// The finaliser of `SplitMix64`.
#[inline]
fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_cell_is_the_smallest_that_the_rule_allows() {
        for seed in 0..200u64 {
            let mut walk = Walk::new(seed.wrapping_mul(0x1234_5678_9abc_def1));
            let mut state = walk.state;
            loop {
                let i = walk.at as u128;
                walk.step();
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let r = u128::from((scramble(state) >> 35) + 1);
                let enough = |j: u128| (j + 1) * (j + 2) * r > ((i + 1) * (i + 2)) << 29;
                if walk.at == LIMIT {
                    assert!(!enough(u128::from(LIMIT) - 1));
                    break;
                }
                let j = u128::from(walk.at);
                assert!(j > i && enough(j) && !enough(j - 1), "{i} → {j}");
            }
        }
    }

    #[test]
    fn known_walks() {
        let sets = &crate::answers()["sets"];
        let material: Vec<u8> = (0..32).collect();
        assert_eq!(crate::hex(&sets["material"]), material);
        let material: [u8; 32] = material.try_into().expect("32 bytes");
        let key = super::super::SetKey::new(&material, 0);
        for known in sets["walks"].as_array().expect("a list") {
            let mut walk = Walk::new(key.trace(known["short"].as_u64().expect("a number")).seed);
            for cell in known["cells"].as_array().expect("a list") {
                assert_eq!(Some(walk.at), cell.as_u64());
                walk.step();
            }
            assert_eq!(walk.at, LIMIT);
        }
    }

    #[test]
    fn a_cell_holds_the_share_of_items_that_the_density_says() {
        const ITEMS: u64 = 200_000;
        const CELLS: usize = 4096;
        let mut hits = vec![0u64; CELLS];
        for seed in 0..ITEMS {
            let mut walk = Walk::new(scramble(seed ^ 0x5eed));
            while walk.at() < CELLS {
                hits[walk.at()] += 1;
                walk.step();
            }
        }
        assert_eq!(hits[0], ITEMS);
        let mut chi = 0.0;
        for (i, &n) in hits.iter().enumerate().skip(1) {
            let rho = 2.0 / (i as f64 + 2.0);
            let (mean, var) = (ITEMS as f64 * rho, ITEMS as f64 * rho * (1.0 - rho));
            let z = (n as f64 - mean) / var.sqrt();
            assert!(z.abs() < 5.0, "cell {i}: {n} items, {mean} expected");
            chi += z * z;
        }
        // a sum of 4,095 squares of standard normals: 4,095 ± 90
        assert!((chi - 4095.0).abs() < 450.0, "{chi}");
    }
}
