//! Encoded answers, kept by unit or total and request shape together with the versions of what they show.
//!
//! Nothing is ever invalidated: an answer is given again only where the snapshot shows the very versions it
//! was made from, so a stale one cannot be given. A request for many units is put together from them.

use std::ops::Range as Span;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::Unit;

use super::coding::Coding;
use super::reading::Shape;

/// Entries that the cache is laid out for; it is bounded by bytes.
const ENTRIES: usize = 16_384;
/// What an entry takes beside its text.
const ENTRY_BYTES: usize = 512;

/// Whose answer, to which request: two requests of one key ask for the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) whose: Subject,
    pub(crate) kind: Kind,
    pub(crate) provider: Provider,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) shape: Shape,
    /// Name of the zone of civil days.
    pub(crate) civil_zone: Option<Box<str>>,
    pub(crate) completeness: Option<u64>,
    pub(crate) measure: Measure,
    /// Name of the zone in which instants are written; none: UTC.
    pub(crate) clock_zone: Option<Box<str>>,
    pub(crate) details: bool,
    pub(crate) normalized: bool,
}

/// Whose answer it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A unit's own values.
    Unit(Unit),
    /// The sum of a unit's plants, shown as the unit's.
    SumOf(Unit),
    /// A total.
    Total(Total),
}

/// The epochs that published what an answer shows, in the order of its reading.
pub(crate) type Versions = Box<[Option<Epoch>]>;

/// An encoded answer.
#[derive(Debug)]
pub(crate) struct Fragment {
    versions: Versions,
    /// The whole body, envelope included.
    body: Bytes,
    /// Where the elements lie in it.
    elements: Span<usize>,
    pub(crate) tag: blake3::Hash,
    coded: [OnceLock<Bytes>; 2],
    made: tokio::time::Instant,
}

impl Fragment {
    /// The answer with those `elements`, JSON objects between commas.
    pub(crate) fn new(elements: &str, versions: Versions) -> Fragment {
        let (head, tail) = (r#"{"statusCode":200,"isError":false,"message":"OK","data":["#, "]}");
        let body = [head, elements, tail].concat();
        Fragment {
            versions,
            tag: blake3::hash(body.as_bytes()),
            body: Bytes::from(body),
            elements: head.len()..head.len() + elements.len(),
            coded: Default::default(),
            made: tokio::time::Instant::now(),
        }
    }

    /// How long ago it was made.
    pub(crate) fn age(&self) -> std::time::Duration {
        self.made.elapsed()
    }

    /// The elements alone.
    pub(crate) fn elements(&self) -> &str {
        // It was put together from texts.
        str::from_utf8(&self.body[self.elements.clone()]).unwrap_or_default()
    }

    /// The body in that coding, and whether it is: one that fails to code is given as it is.
    pub(crate) fn body(&self, coding: Option<Coding>) -> (Bytes, Option<Coding>) {
        let Some(coding) = coding else { return (self.body.clone(), None) };
        let place = match coding {
            Coding::Gzip => &self.coded[0],
            Coding::Zstd => &self.coded[1],
        };
        // Coding into memory does not fail; if it did, the plain body is as good.
        let coded = place.get_or_init(|| coding.encode(&self.body).unwrap_or_default().into());
        if coded.is_empty() { (self.body.clone(), None) } else { (coded.clone(), Some(coding)) }
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Fragment>> for Weight {
    fn weight(&self, _: &Key, fragment: &Arc<Fragment>) -> u64 {
        // Coded forms come later and are a tenth of it each.
        (fragment.body.len() * 5 / 4 + fragment.versions.len() * 16 + ENTRY_BYTES) as u64
    }
}

/// The encoded answers that are kept, and how often that helped.
pub(crate) struct Fragments {
    cache: Cache<Key, Arc<Fragment>, Weight>,
}

impl Fragments {
    /// A cache of at most `bytes`.
    pub(crate) fn new(bytes: u64) -> Fragments {
        Fragments { cache: Cache::with_weighter(ENTRIES, bytes, Weight) }
    }

    /// The answer to `key` made from `versions`, with its age.
    pub(crate) fn find(
        &self,
        key: &Key,
        versions: &Versions,
    ) -> Option<(Arc<Fragment>, std::time::Duration)> {
        let found = self.cache.get(key).filter(|fragment| fragment.versions == *versions)?;
        let age = found.age();
        Some((found, age))
    }

    /// Keeps an answer in the place of an older one.
    pub(crate) fn keep(&self, key: Key, fragment: &Arc<Fragment>) {
        self.cache.insert(key, Arc::clone(fragment));
    }

    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}

/// The name of a zone by which two requests may share an answer.
pub(crate) fn zone_name(zone: &Zone) -> Option<Box<str>> {
    zone.name().map(Box::from)
}
