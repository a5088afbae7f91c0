//! Forecasts are worse the further ahead they look, and providers differ.

use std::collections::BTreeMap;

use smartpulse_operators::change::Change;
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;

use crate::{MINUTE, Units, changes, values};

/// Sum of errors in shares of installed power, of their magnitudes, and their count.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    bias: f64,
    magnitude: f64,
    count: f64,
}

impl Score {
    fn mean(self) -> f64 {
        self.magnitude / self.count
    }
}

/// By plant type, provider and lead time in blocks of six hours.
fn scores(changes: &[Change]) -> BTreeMap<(String, String, i64), Score> {
    let units = Units::of(changes);
    let mut actual: BTreeMap<(Unit, Instant), i64> = BTreeMap::new();
    let saves = || {
        changes.iter().filter_map(|change| match change {
            Change::Save(save) => Some(save),
            _ => None,
        })
    };
    for save in saves().filter(|save| save.entries[0].kind == Kind::Actual) {
        actual.extend(values(save).into_iter().map(|(unit, _, at, value)| ((unit, at), value)));
    }
    let mut scores: BTreeMap<(String, String, i64), Score> = BTreeMap::new();
    for save in saves().filter(|save| save.entries[0].kind == Kind::Forecast) {
        for (unit, minutes, start, value) in values(save) {
            // The quarter in the middle of the slot stands for it.
            let middle = Instant(start.0 + i64::from(minutes) / 30 * 15 * MINUTE);
            let Some(metered) = actual.get(&(unit, middle)).filter(|metered| **metered != NULL)
            else {
                continue;
            };
            let lead = (start.0 - save.batch.valid_after.0) / MINUTE / 360;
            if value == NULL || lead < 0 {
                continue;
            }
            let installed = units.at(unit, start).installed_power.unwrap().0 as f64;
            let error = (value - metered) as f64 / installed;
            let key =
                (units.plant_type(unit).to_owned(), save.batch.provider.key().to_owned(), lead);
            let score = scores.entry(key).or_default();
            score.bias += error;
            score.magnitude += error.abs();
            score.count += 1.0;
        }
    }
    scores
}

#[test]
fn errors_grow_with_lead_time_and_differ_by_provider() {
    let changes: Vec<Change> = changes("fleet:7:days=14").collect();
    let scores = scores(&changes);
    let of = |plant_type: &str, provider: &str, lead: i64| {
        scores[&(plant_type.to_owned(), provider.to_owned(), lead)].mean()
    };
    let words: Vec<String> = scores
        .iter()
        .map(|(key, score)| format!("{key:?} {:.3} {:+.3}", score.mean(), score.bias / score.count))
        .collect();
    let words = words.join("\n");
    for (plant_type, provider, leads) in [
        ("wind", "MeteoNord", [0, 3, 7]),
        ("wind", "FinalForecast", [0, 2, 4]),
        ("hydro", "MeteoNord", [0, 3, 7]),
    ] {
        let means = leads.map(|lead| of(plant_type, provider, lead));
        assert!(means.is_sorted(), "{plant_type} {provider} {means:?}\n{words}");
        assert!(means[2] > means[0] * 1.2, "{plant_type} {provider} {means:?}\n{words}");
    }
    assert!(of("wind", "WindCast", 1) > of("wind", "WindCast", 0), "{words}");
    // Of the next hours the specialist knows most, the person least; a day ahead the final forecast is best.
    let soon = ["WindCast", "FinalForecast", "MeteoNord"].map(|provider| of("wind", provider, 0));
    assert!(soon.is_sorted() && soon[2] > soon[0] * 1.3, "{soon:?}\n{words}");
    let later = ["FinalForecast", "MeteoNord"].map(|provider| of("wind", provider, 4));
    assert!(later.is_sorted(), "{later:?}\n{words}");
    assert!((0.03..0.12).contains(&soon[0]) && (0.06..0.25).contains(&later[1]), "{words}");
    let bias = |provider: &str| {
        let all = scores.iter().filter(|((kind, by, _), _)| kind == "wind" && by == provider);
        all.map(|(_, score)| score.bias).sum::<f64>()
    };
    assert!(bias("MeteoNord") > 0.0 && bias("UserForecast") < 0.0, "{words}");
    let sun = ["SunFlow", "UserForecast"].map(|provider| {
        let all = scores.iter().filter(|((kind, by, _), _)| kind == "solar" && by == provider);
        let (sum, count) = all.fold((0.0, 0.0), |(sum, count), (_, score)| {
            (sum + score.magnitude, count + score.count)
        });
        sum / count
    });
    assert!(sun[0] < sun[1] && (0.01..0.08).contains(&sun[0]), "{sun:?}\n{words}");
}
