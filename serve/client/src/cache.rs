//! Answers kept by their tag, within bounds: the one used longest ago goes first.

use std::collections::BTreeMap;

use crate::answer::Read;

/// Bytes an entry takes beside its body: names, tag, tree nodes.
const ENTRY_BYTES: usize = 512;

/// Answers kept by path and query.
#[derive(Debug)]
pub(crate) struct Cache {
    held: BTreeMap<String, Held>,
    /// Paths by when they were last used.
    by_use: BTreeMap<u64, String>,
    uses: u64,
    bytes: usize,
    most_entries: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Held {
    read: Read,
    used: u64,
}

impl Cache {
    pub(crate) fn new(most_entries: usize, most_bytes: usize) -> Cache {
        let (held, by_use) = (BTreeMap::new(), BTreeMap::new());
        Cache { held, by_use, uses: 0, bytes: 0, most_entries, most_bytes }
    }

    /// The answer kept for `path`, used now.
    pub(crate) fn get(&mut self, path: &str) -> Option<Read> {
        let held = self.held.get_mut(path)?;
        self.uses += 1;
        let name = self.by_use.remove(&held.used)?;
        held.used = self.uses;
        self.by_use.insert(self.uses, name);
        Some(held.read.clone())
    }

    /// Keeps an answer that has a tag, in place of an earlier one, and lets go of others if it must.
    pub(crate) fn put(&mut self, path: &str, read: &Read) {
        self.remove(path);
        let size = size(path, read);
        if read.etag.is_none() || size > self.most_bytes || self.most_entries == 0 {
            return;
        }
        while self.held.len() >= self.most_entries || self.bytes + size > self.most_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.forget(&oldest);
        }
        self.uses += 1;
        self.bytes += size;
        self.by_use.insert(self.uses, path.to_owned());
        self.held.insert(path.to_owned(), Held { read: read.clone(), used: self.uses });
    }

    fn remove(&mut self, path: &str) {
        if let Some(used) = self.held.get(path).map(|held| held.used) {
            self.by_use.remove(&used);
            self.forget(path);
        }
    }

    fn forget(&mut self, path: &str) {
        if let Some(held) = self.held.remove(path) {
            self.bytes -= size(path, &held.read);
        }
    }
}

fn size(path: &str, read: &Read) -> usize {
    ENTRY_BYTES + 2 * path.len() + read.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(etag: Option<&str>, bytes: usize) -> Read {
        Read {
            body: vec![b'x'; bytes].into(),
            epoch: None,
            known_at: None,
            cache_level: None,
            etag: etag.map(str::to_owned),
            is_revalidated: false,
        }
    }

    #[test]
    fn the_one_used_longest_ago_goes_first() {
        let mut cache = Cache::new(2, 1 << 20);
        cache.put("/a", &read(Some("1"), 10));
        cache.put("/b", &read(Some("2"), 10));
        assert!(cache.get("/a").is_some());
        cache.put("/c", &read(Some("3"), 10));
        assert!(cache.get("/b").is_none());
        assert_eq!(cache.get("/a").unwrap().etag.unwrap(), "1");
        cache.put("/a", &read(Some("4"), 20));
        assert_eq!(cache.get("/a").unwrap().etag.unwrap(), "4");
        assert_eq!((cache.held.len(), cache.by_use.len()), (2, 2));
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let room = 2 * (ENTRY_BYTES + 4 + 100);
        let mut cache = Cache::new(100, room);
        for path in ["/a", "/b", "/c"] {
            cache.put(path, &read(Some("1"), 100));
        }
        assert_eq!((cache.held.len(), cache.bytes), (2, room));
        cache.put("/d", &read(Some("1"), room));
        assert_eq!(cache.held.len(), 2, "what does not fit at all takes nobody's place");
        cache.put("/c", &read(None, 1));
        assert!(cache.get("/c").is_none(), "an answer without a tag replaces one that had one");
        cache.remove("/b");
        assert_eq!((cache.held.len(), cache.by_use.len(), cache.bytes), (0, 0, 0));
    }

    #[test]
    fn none_are_kept_where_none_may_be() {
        let mut cache = Cache::new(0, 1 << 20);
        cache.put("/a", &read(Some("1"), 1));
        assert!(cache.get("/a").is_none());
    }
}
