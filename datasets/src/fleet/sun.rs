//! Where the sun stands, and what a clear sky lets through: days are longer in summer, earlier in the east.

use super::fixed::Fixed;

/// A place on the globe, with what of it the sun's path needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    latitude_sine: Fixed,
    latitude_cosine: Fixed,
    /// Minutes by which the sun's time is ahead of UTC.
    pub(super) solar_offset: i64,
}

/// Minutes in a day.
const DAY: i64 = 1_440;
/// 2026-01-01T00:00Z in minutes since 1970; the calendar is counted from it.
const NEW_YEAR: i64 = 29_453_760;
/// A year in minutes.
const YEAR: i64 = 525_949;
/// The tilt of the earth's axis, 23.44°, in turns.
const TILT: Fixed = Fixed::ratio(2_344, 36_000);

impl Site {
    /// The place at hundredths of a degree, north and east positive.
    pub(super) fn new(latitude: i64, longitude: i64) -> Site {
        let turns = Fixed::ratio(latitude, 36_000);
        Site {
            latitude_sine: turns.sine_of_turns(),
            latitude_cosine: turns.cosine_of_turns(),
            // Four minutes a degree.
            solar_offset: longitude * 4 / 100,
        }
    }

    /// Sine of the sun's elevation at `minute` (since 1970, UTC); negative at night.
    pub(super) fn elevation_sine(&self, minute: i64) -> Fixed {
        let of_year = (minute - NEW_YEAR).rem_euclid(YEAR);
        // The sun stands lowest ten days before the new year.
        let season = Fixed::ratio(of_year + 10 * DAY, YEAR);
        let declination = -(TILT * season.cosine_of_turns());
        let hour_angle =
            Fixed::ratio(minute + self.solar_offset + equation_of_time(of_year) - DAY / 2, DAY);
        self.latitude_sine * declination.sine_of_turns()
            + self.latitude_cosine * declination.cosine_of_turns() * hour_angle.cosine_of_turns()
    }

    /// Irradiance on level ground under a clear sky, as a share of 1 kW/m²; zero at night.
    pub(super) fn clear_sky(&self, minute: i64) -> Fixed {
        let sine = self.elevation_sine(minute);
        if sine <= Fixed::ZERO {
            return Fixed::ZERO;
        }
        // Haurwitz: 1.098 · sine · exp(−0.057 / sine), the power of e by the start of its series.
        let square = sine * sine;
        let through = square.over(
            square
                + sine * Fixed::ratio(57, 1_000)
                + Fixed::ratio(16, 10_000)
                + Fixed::from_bits(1),
        );
        Fixed::ratio(1_098, 1_000) * sine * through
    }
}

/// Minutes by which the sun is ahead of an even clock.
fn equation_of_time(minute_of_year: i64) -> i64 {
    let turns = Fixed::ratio(minute_of_year - 80 * DAY, YEAR);
    let double = (turns + turns).sine_of_turns();
    let parts = Fixed::ratio(987, 100) * double
        - Fixed::ratio(753, 100) * turns.cosine_of_turns()
        - Fixed::ratio(150, 100) * turns.sine_of_turns();
    parts.of(1)
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::time::Instant;

    use super::*;

    fn minute(text: &str) -> i64 {
        Instant::parse(text).unwrap().0 / 60_000_000
    }

    /// Minutes of the day from `text` on in which the sun shines.
    fn light(site: &Site, text: &str) -> usize {
        let start = minute(text);
        (start..start + DAY).filter(|minute| site.clear_sky(*minute) > Fixed::ZERO).count()
    }

    #[test]
    fn days_are_as_long_as_almanacs_say() {
        let ankara = Site::new(3_993, 3_286);
        // 14 h 54 min, 9 h 14 min and 12 h 20 min with refraction, which is left out here.
        assert!((14 * 60 + 35..14 * 60 + 60).contains(&light(&ankara, "2026-06-21T00:00+03:00")));
        assert!((9 * 60..9 * 60 + 25).contains(&light(&ankara, "2026-12-21T00:00+03:00")));
        assert!((12 * 60..12 * 60 + 30).contains(&light(&ankara, "2026-03-25T00:00+03:00")));
        let lord_howe = Site::new(-3_155, 15_908);
        assert!(light(&lord_howe, "2026-12-21T00:00+11:00") > 13 * 60 + 45);
    }

    #[test]
    fn the_sun_is_highest_at_noon_and_earlier_in_the_east() {
        let highest = |longitude| {
            let site = Site::new(3_900, longitude);
            let start = minute("2026-03-25T00:00Z");
            (start..start + DAY).max_by_key(|minute| site.elevation_sine(*minute)).unwrap() - start
        };
        // Ankara 12:55 on the clock of +03:00.
        assert!((9 * 60 + 50..10 * 60).contains(&highest(3_286)), "{}", highest(3_286));
        assert!((highest(2_641) - highest(4_338) - 68).abs() < 6);
        let noon = Site::new(3_993, 3_286).clear_sky(minute("2026-06-21T09:50Z"));
        assert!(noon > Fixed::ratio(95, 100) && noon < Fixed::ratio(105, 100), "{noon:?}");
    }
}
