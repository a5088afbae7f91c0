//! Shares and speeds as fixed-point numbers: the same bits on every machine, which the sines and powers of
//! a machine's own floats do not promise.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// Bits behind the point.
const BITS: u32 = 16;

/// A number in steps of 2^-16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fixed(i64);

impl Fixed {
    pub(super) const ZERO: Fixed = Fixed(0);
    pub(super) const ONE: Fixed = Fixed(1 << BITS);

    /// `numerator / denominator`, cut towards zero.
    pub(super) const fn ratio(numerator: i64, denominator: i64) -> Fixed {
        Fixed((numerator << BITS) / denominator)
    }

    pub(super) const fn thousandths(count: i64) -> Fixed {
        Fixed::ratio(count, 1_000)
    }

    pub(super) const fn from_bits(bits: i64) -> Fixed {
        Fixed(bits)
    }

    pub(super) const fn bits(self) -> i64 {
        self.0
    }

    /// This share of an amount, cut downwards.
    pub(super) const fn of(self, amount: i64) -> i64 {
        (amount * self.0) >> BITS
    }

    /// `self / divisor`; zero for a divisor of zero.
    pub(super) const fn over(self, divisor: Fixed) -> Fixed {
        if divisor.0 == 0 { Fixed::ZERO } else { Fixed((self.0 << BITS) / divisor.0) }
    }

    pub(super) fn within_unit(self) -> Fixed {
        self.clamp(Fixed::ZERO, Fixed::ONE)
    }

    /// From 0 at `from` to 1 at `to`, with level ends; `from` and `to` may stand either way round.
    pub(super) fn step(self, from: Fixed, to: Fixed) -> Fixed {
        (self - from).over(to - from).eased()
    }

    /// `3x² − 2x³` of a share, level at both ends.
    pub(super) fn eased(self) -> Fixed {
        let share = self.within_unit();
        share * share * (Fixed(3 << BITS) - share - share)
    }

    /// The sine of so many turns, to about 1/5000.
    pub(super) fn sine_of_turns(self) -> Fixed {
        let turn = self.0 & (Fixed::ONE.0 - 1);
        // Quarters of a turn, folded into the rising quarter.
        let quarters = turn * 4;
        let (folded, negative) = match quarters >> BITS {
            0 => (quarters, false),
            1 => ((2 << BITS) - quarters, false),
            2 => (quarters - (2 << BITS), true),
            _ => ((4 << BITS) - quarters, true),
        };
        let x = Fixed(folded);
        let square = x * x;
        // The minimax polynomial of the sine of a quarter turn.
        let sine = x
            * (Fixed::ratio(15_706_268, 10_000_000)
                - square
                    * (Fixed::ratio(6_432_292, 10_000_000)
                        - square * Fixed::ratio(727_102, 10_000_000)));
        if negative { -sine } else { sine }
    }

    pub(super) fn cosine_of_turns(self) -> Fixed {
        (self + Fixed::ratio(1, 4)).sine_of_turns()
    }
}

impl Add for Fixed {
    type Output = Fixed;
    fn add(self, other: Fixed) -> Fixed {
        Fixed(self.0 + other.0)
    }
}

impl AddAssign for Fixed {
    fn add_assign(&mut self, other: Fixed) {
        self.0 += other.0;
    }
}

impl Sub for Fixed {
    type Output = Fixed;
    fn sub(self, other: Fixed) -> Fixed {
        Fixed(self.0 - other.0)
    }
}

impl Neg for Fixed {
    type Output = Fixed;
    fn neg(self) -> Fixed {
        Fixed(-self.0)
    }
}

impl Mul for Fixed {
    type Output = Fixed;
    fn mul(self, other: Fixed) -> Fixed {
        Fixed((self.0 * other.0) >> BITS)
    }
}

impl std::iter::Sum for Fixed {
    fn sum<I: Iterator<Item = Fixed>>(parts: I) -> Fixed {
        parts.fold(Fixed::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_that_of_mathematics() {
        for step in -2_000..2_000_i64 {
            let sine = Fixed::ratio(step, 700).sine_of_turns().0 as f64 / 65_536.0;
            let exact = (step as f64 / 700.0 * std::f64::consts::TAU).sin();
            assert!((sine - exact).abs() < 3e-4, "{step}: {sine} {exact}");
        }
    }

    #[test]
    fn a_step_rises_or_falls_between_its_ends() {
        let at = |tenths| Fixed::ratio(tenths, 10);
        assert_eq!(at(1).step(at(2), at(4)), Fixed::ZERO);
        assert_eq!(at(9).step(at(2), at(4)), Fixed::ONE);
        assert_eq!(at(1).step(at(4), at(2)), Fixed::ONE);
        let middle = at(3).step(at(2), at(4)).0 - (1 << (BITS - 1));
        assert!(middle.abs() < 10, "{middle}");
    }
}
