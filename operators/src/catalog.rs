//! Numbers for series and their subjects: dense ids in the order in which the journal first names them, so
//! that the same journal gives the same ids.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{Equivalent, HashMap};

use crate::series::{Kind, Provider, Series, SeriesId, Subject, SubjectId, VoiceId};
use crate::time::Period;
use crate::unit::Unit;

/// Every series ever named in a data folder.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    series: Vec<Arc<Series>>,
    ids: HashMap<Arc<Series>, SeriesId, FixedState>,
    /// By series id.
    subjects: Vec<Arc<Subject>>,
    by_name: HashMap<(Kind, Unit, Provider), Arc<Subject>, FixedState>,
    voices: HashMap<(Kind, Provider), VoiceId, FixedState>,
}

/// A series by its parts. Hashes as the series it names does: the same fields in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesRef<'r> {
    /// Forecast or actual.
    pub kind: Kind,
    /// Whose.
    pub unit: Unit,
    /// From whom.
    pub provider: &'r Provider,
    /// Slot length.
    pub period: Period,
}

impl SeriesRef<'_> {
    fn to_owned(self) -> Series {
        let SeriesRef { kind, unit, provider, period } = self;
        Series { kind, unit, provider: provider.clone(), period }
    }
}

impl Equivalent<Arc<Series>> for SeriesRef<'_> {
    fn equivalent(&self, series: &Arc<Series>) -> bool {
        let Series { kind, unit, provider, period } = &**series;
        *self == SeriesRef { kind: *kind, unit: *unit, provider, period: *period }
    }
}

impl Catalog {
    /// A catalog of `series` with ids 0, 1, ….
    #[must_use]
    pub fn from_series(series: &[Arc<Series>]) -> Catalog {
        let mut catalog = Catalog::default();
        for known in series {
            catalog.add(Arc::clone(known));
        }
        catalog
    }

    /// The id of a series, given now if it has none.
    pub fn id(&mut self, series: SeriesRef<'_>) -> SeriesId {
        match self.ids.get(&series) {
            Some(id) => *id,
            None => self.add(Arc::new(series.to_owned())),
        }
    }

    /// The series of that id.
    #[must_use]
    pub fn series(&self, id: SeriesId) -> &Arc<Series> {
        &self.series[id.0 as usize]
    }

    /// The subject of the series of that id.
    #[must_use]
    pub fn subject(&self, id: SeriesId) -> &Arc<Subject> {
        &self.subjects[id.0 as usize]
    }

    /// All series in order of their ids.
    #[must_use]
    pub fn all(&self) -> &[Arc<Series>] {
        &self.series
    }

    fn add(&mut self, series: Arc<Series>) -> SeriesId {
        let id = SeriesId(self.series.len() as u32);
        let Series { kind, unit, provider, .. } = &*series;
        let number = SubjectId(self.by_name.len() as u32);
        let next_voice = VoiceId(self.voices.len() as u32);
        let voice = *self.voices.entry((*kind, provider.clone())).or_insert(next_voice);
        let subject = self.by_name.entry((*kind, *unit, provider.clone())).or_insert_with(|| {
            let (kind, unit, provider) = (*kind, *unit, provider.clone());
            Arc::new(Subject { id: number, voice, kind, unit, provider })
        });
        self.subjects.push(Arc::clone(subject));
        self.ids.insert(Arc::clone(&series), id);
        self.series.push(series);
        id
    }
}
