//! Middle and tail of a set of timings.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50_us: f64,
    pub p99_us: f64,
    pub calls: usize,
}

impl Quantiles {
    /// `None` without timings.
    pub fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let at = |share: usize| {
            times
                .get((times.len() * share / 100).min(times.len().checked_sub(1)?))
                .copied()
        };
        Some(Self {
            p50_us: rounded(at(50)?),
            p99_us: rounded(at(99)?),
            calls: times.len(),
        })
    }
}

/// Two digits after the point: more would be noise.
pub fn rounded(us: f64) -> f64 {
    (us * 100.0).round() / 100.0
}

/// The geometric mean; `None` of nothing.
pub fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    if ratios.is_empty() {
        return None;
    }
    Some((ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let times: Vec<f64> = (0..200).rev().map(f64::from).collect();
        let expected = Quantiles {
            p50_us: 100.0,
            p99_us: 198.0,
            calls: 200,
        };
        assert_eq!(Quantiles::of(times), Some(expected));
        assert_eq!(Quantiles::of(vec![]), None);
        assert_eq!(Quantiles::of(vec![3.0]).map(|q| q.p99_us), Some(3.0));
    }

    #[test]
    fn a_geometric_mean_treats_twice_and_half_alike() {
        assert!((geometric_mean(&[2.0, 0.5]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(geometric_mean(&[]), None);
    }
}
