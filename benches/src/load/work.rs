//! What is requested: reads whose every byte is known, or saves that say something new each time.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::scene::{Scene, VARIANTS};
use crate::wire::Line;

/// What is requested.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// `GET …/latest` of each plant in turn.
    Reads {
        scene: Scene,
        /// Folder of the bodies that must come, by plant.
        bodies: PathBuf,
        /// What `X-Cache-Level` must say, of the service.
        level: Option<String>,
        /// Whether each request asks for a range that nobody has asked for before.
        is_fresh: bool,
    },
    /// A save of each plant in turn.
    Saves {
        scene: Scene,
        /// Whether the service answers, or something that only counts.
        is_service: bool,
    },
}

/// What is requested, made ready.
pub(crate) enum Requests {
    Reads {
        paths: Vec<String>,
        bodies: Vec<Vec<u8>>,
        level: Option<String>,
        /// Paths up to the seconds of the end of the range.
        fresh: Option<Vec<String>>,
    },
    Saves {
        scene: Scene,
        bodies: Vec<Vec<Vec<u8>>>,
        is_service: bool,
    },
}

/// A save that is acknowledged.
pub(crate) struct Done {
    pub(crate) plant: u64,
    pub(crate) variant: u64,
    pub(crate) sequence: u64,
    pub(crate) epoch: u64,
}

impl Work {
    /// Makes everything that can be made before.
    pub(crate) fn prepare(&self) -> Result<Requests> {
        Ok(match self {
            Work::Reads { scene, bodies, level, is_fresh } => {
                let body = |plant| {
                    let path = bodies.join(plant_file(plant));
                    fs::read(&path).with_context(|| format!("{}", path.display()))
                };
                Requests::Reads {
                    paths: (1..=scene.plants).map(|plant| scene.latest(plant)).collect(),
                    bodies: (1..=scene.plants).map(body).collect::<Result<_>>()?,
                    level: level.as_ref().map(|level| format!("x-cache-level: {level}\r\n")),
                    fresh: is_fresh
                        .then(|| (1..=scene.plants).map(|plant| scene.latest_to(plant)).collect()),
                }
            }
            Work::Saves { scene, is_service } => {
                Requests::Saves { scene: *scene, bodies: scene.bodies(), is_service: *is_service }
            }
        })
    }
}

impl Requests {
    /// Makes request `index` and looks at the answer.
    pub(crate) fn make(&self, line: &mut Line, index: u64) -> Result<Option<Done>> {
        match self {
            Requests::Reads { paths, bodies, level, fresh } => {
                let place = (index % paths.len() as u64) as usize;
                let answer = match fresh {
                    Some(fresh) => line.get(&fresh_path(&fresh[place], index)),
                    None => line.get(&paths[place]),
                };
                let answer = answer?.success()?;
                ensure!(
                    answer.body == bodies[place],
                    "another body than before for {}",
                    paths[place]
                );
                if let Some(level) = level {
                    ensure!(answer.head_says(level), "not `{}`, request {index}", level.trim());
                }
                Ok(None)
            }
            Requests::Saves { scene, bodies, is_service } => {
                let (plant, variant) = (index % scene.plants + 1, index / scene.plants % VARIANTS);
                let body = &bodies[Scene::class(plant) as usize][variant as usize];
                let answer = line.post(&Scene::path(plant), body)?.success()?;
                let saved = answer.number("savedCount")?;
                ensure!(saved == scene.slots, "{saved} of {} values saved", scene.slots);
                if !is_service {
                    return Ok(None);
                }
                let (sequence, epoch) = (answer.number("sequence")?, answer.number("epoch")?);
                Ok(Some(Done { plant, variant, sequence, epoch }))
            }
        }
    }
}

/// The file of a plant's body.
pub(crate) fn plant_file(plant: u64) -> String {
    format!("{plant}.json")
}

/// A range that ends another microsecond after the last slot has begun: the same slots, another request.
fn fresh_path(upto_seconds: &str, index: u64) -> String {
    let micros = index + 1;
    format!("{upto_seconds}{:02}.{:06}Z", micros / 1_000_000 % 60, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_ends_its_range_elsewhere() {
        assert_eq!(fresh_path("to=2099-06-01T23:45:", 0), "to=2099-06-01T23:45:00.000001Z");
        assert_eq!(fresh_path("to=2099-06-01T23:45:", 1_999_999), "to=2099-06-01T23:45:02.000000Z");
    }
}
