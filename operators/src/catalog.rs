//! Numbers for series: dense ids in the order in which the journal first names them, so that the same
//! journal gives the same ids.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::series::{Series, SeriesId};

/// Every series ever named in a data folder.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    series: Vec<Arc<Series>>,
    ids: HashMap<Arc<Series>, SeriesId, FixedState>,
}

impl Catalog {
    /// A catalog of `series` with ids 0, 1, ….
    #[must_use]
    pub fn from_series(series: Vec<Arc<Series>>) -> Catalog {
        let ids =
            series.iter().zip(0..).map(|(known, id)| (Arc::clone(known), SeriesId(id))).collect();
        Catalog { series, ids }
    }

    /// The id of `series`, given now if it has none.
    pub fn id(&mut self, series: &Series) -> SeriesId {
        if let Some(id) = self.ids.get(series) {
            return *id;
        }
        let id = SeriesId(self.series.len() as u32);
        let shared = Arc::new(series.clone());
        self.series.push(Arc::clone(&shared));
        self.ids.insert(shared, id);
        id
    }

    /// The series of that id.
    #[must_use]
    pub fn series(&self, id: SeriesId) -> &Arc<Series> {
        &self.series[id.0 as usize]
    }

    /// All series in order of their ids.
    #[must_use]
    pub fn all(&self) -> &[Arc<Series>] {
        &self.series
    }
}
