//! What can be summed: a total is named by its dimension and a key.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A set of plants whose winners are summed. The order is that of the exports: dimension, then key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Total {
    /// Every known plant.
    All,
    /// Plants of the company of that number.
    Company(u64),
    /// Plants of the group of that number, by whatever path.
    Group(u64),
    /// Plants of that type.
    PlantType(Arc<str>),
    /// Plants in that region.
    Region(Arc<str>),
}

impl Total {
    /// Words of all dimensions.
    pub const DIMENSIONS: [&'static str; 5] = ["all", "company", "group", "plant_type", "region"];

    /// The total of that dimension (in any case) and key; none where the words name none.
    #[must_use]
    pub fn parse(dimension: &str, key: &str) -> Option<Total> {
        let number = || key.trim().parse::<u64>().ok().filter(|number| *number > 0);
        match dimension.trim().to_ascii_lowercase().as_str() {
            "all" => key.eq_ignore_ascii_case("all").then_some(Total::All),
            "company" => number().map(Total::Company),
            "group" => number().map(Total::Group),
            "plant_type" => Some(Total::PlantType(key.into())),
            "region" => Some(Total::Region(key.into())),
            _ => None,
        }
    }

    /// The word of the dimension.
    #[must_use]
    pub fn dimension(&self) -> &'static str {
        match self {
            Total::All => "all",
            Total::Company(_) => "company",
            Total::Group(_) => "group",
            Total::PlantType(_) => "plant_type",
            Total::Region(_) => "region",
        }
    }

    /// The key as text; `all` for all.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Total::All => "all".to_owned(),
            Total::Company(number) | Total::Group(number) => number.to_string(),
            Total::PlantType(text) | Total::Region(text) => text.to_string(),
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.dimension(), self.key())
    }
}
