//! Sums of floats that do not depend on the order of the summands: exact inside, rounded once at the end.
//!
//! A float is an integer times a power of two between 2⁻¹⁰⁷⁴ and 2⁹⁷¹, so any sum of floats fits a fixed-point number of 2,100 bits
//! and a few more for the carries (Kulisch's long accumulator). Taking a summand away again leaves no trace.

/// 32 bits each, the lowest first, with room for carries above.
const LIMBS: usize = 68;
/// Additions before carries must be moved up.
const BUDGET: u32 = 1 << 30;

/// An exact sum of floats.
#[derive(Clone, Debug)]
pub struct Sum {
    limbs: Box<[i64; LIMBS]>,
    budget: u32,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            limbs: Box::new([0; LIMBS]),
            budget: BUDGET,
        }
    }
}

impl Sum {
    /// Adds a finite float.
    pub fn add(&mut self, x: f64) {
        self.accumulate(x, x < 0.0);
    }

    /// Takes back a float that was added.
    pub fn subtract(&mut self, x: f64) {
        self.accumulate(x, x >= 0.0);
    }

    fn accumulate(&mut self, x: f64, negative: bool) {
        let bits = x.to_bits();
        let exponent = (bits >> 52 & 0x7FF) as usize;
        let fraction = bits & ((1 << 52) - 1);
        // places from the lowest bit, 2^-1074
        let (mantissa, shift) = match exponent {
            0 => (fraction, 0),
            e => (fraction | 1 << 52, e - 1),
        };
        let (limb, offset) = (shift / 32, shift % 32);
        let wide = u128::from(mantissa) << offset;
        for i in 0..3 {
            let part = (wide >> (32 * i)) as u32 as i64;
            if let Some(l) = self.limbs.get_mut(limb + i) {
                *l += if negative { -part } else { part };
            }
        }
        self.budget -= 1;
        if self.budget == 0 {
            self.carry();
        }
    }

    fn carry(&mut self) {
        let mut carry = 0i64;
        let top = LIMBS - 1;
        for l in &mut self.limbs[..top] {
            let x = *l + carry;
            *l = x & 0xFFFF_FFFF;
            carry = x >> 32;
        }
        self.limbs[top] += carry;
        self.budget = BUDGET;
    }

    /// The sum, rounded to the nearest float, ties to even.
    pub fn value(&self) -> f64 {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            sum.limbs.iter_mut().for_each(|l| *l = -*l);
            sum.carry();
        }
        let magnitude = sum.limbs;
        let Some(top) = magnitude.iter().rposition(|l| *l != 0) else {
            return 0.0;
        };
        let highest = top * 32 + 63 - magnitude[top].leading_zeros() as usize;
        let bit = |i: usize| magnitude[i / 32] >> (i % 32) & 1 == 1;
        // the 53 bits from the highest down, or all there are
        let lowest = highest.saturating_sub(52);
        let mut mantissa = (lowest..=highest)
            .rev()
            .fold(0u64, |m, i| m << 1 | u64::from(bit(i)));
        if lowest > 0 && bit(lowest - 1) {
            let below = (0..lowest - 1).any(bit);
            mantissa += u64::from(below || mantissa & 1 == 1);
        }
        // mantissa × 2^(lowest − 1074), in two exact steps
        let x = mantissa as f64 * power(lowest as i32 - 1074);
        if negative { -x } else { x }
    }
}

/// 2^e for −1074 ≤ e ≤ 1023; infinity above.
fn power(e: i32) -> f64 {
    match e {
        ..=-1023 => f64::from_bits(1 << (e + 1074).max(0)),
        -1022..=1023 => f64::from_bits(((e + 1023) as u64) << 52),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    fn sum(all: &[f64]) -> f64 {
        let mut s = Sum::default();
        for x in all {
            s.add(*x);
        }
        s.value()
    }

    #[track_caller]
    fn same(all: &[f64], expected: f64) {
        assert_eq!(sum(all).to_bits(), expected.to_bits(), "{all:?}");
    }

    #[test]
    fn one_float_is_itself() {
        let mut seed = 1u64;
        for _ in 0..20_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let x = f64::from_bits(seed);
            if x.is_finite() {
                same(&[x], x);
                same(&[x, 1.0, -1.0, 1e300, -1e300], x);
            }
        }
        for x in [0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -5e-324] {
            same(&[x], x);
        }
    }

    #[test]
    fn sums_are_rounded_once() {
        let (one, half) = (1.0 + f64::EPSILON, f64::EPSILON / 2.0);
        same(&[0.1; 10], 1.0);
        same(&[1e100, 1.0, -1e100, 1.0], 2.0);
        same(&[f64::MAX, f64::MAX, -f64::MAX], f64::MAX);
        same(&[f64::MAX, f64::MAX], f64::INFINITY);
        // ties go to the even neighbour, and the smallest bit below decides otherwise
        same(&[1.0, half], 1.0);
        same(&[1.0, half, 5e-324], one);
        same(&[one, half], one + f64::EPSILON);
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace() {
        let mut s = Sum::default();
        s.add(0.1);
        let alone = s.value();
        for i in 1..1000 {
            s.add(1e10 / f64::from(i));
        }
        for i in 1..1000 {
            s.subtract(1e10 / f64::from(i));
        }
        assert_eq!(s.value().to_bits(), alone.to_bits());
        s.subtract(0.1);
        assert_eq!(s.value().to_bits(), 0);
    }
}
