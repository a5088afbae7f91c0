//! The bytes of a file by pages, so that a file that was only made long costs nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Bytes that reach a disk together.
pub(crate) const PAGE: u64 = 4_096;
const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// The content of a file. Pages of zeros are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    size: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    pub(crate) fn read(path: &Path) -> io::Result<Content> {
        /// Pages read at once.
        const RUN: u64 = 64;
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut content = Content { size, pages: BTreeMap::new() };
        let mut bytes = vec![0; (RUN * PAGE) as usize];
        for first in (0..size.div_ceil(PAGE)).step_by(RUN as usize) {
            let run = (size - first * PAGE).min(RUN * PAGE) as usize;
            file.read_exact(&mut bytes[..run])?;
            for (index, page) in (first..).zip(bytes[..run].chunks(PAGE as usize)) {
                content.set_page(index, page);
            }
        }
        Ok(content)
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.set_len(self.size)?;
        for (index, page) in &self.pages {
            let start = index * PAGE;
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&page[..(self.size - start).min(PAGE) as usize])?;
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Writes `data` at `offset`, as a call does.
    pub(crate) fn put(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let (index, start) = (at / PAGE, (at % PAGE) as usize);
            let (now, later) = rest.split_at(rest.len().min(PAGE as usize - start));
            let mut page = self.page(index).to_vec();
            page[start..start + now.len()].copy_from_slice(now);
            self.set_page(index, &page);
            at += now.len() as u64;
            rest = later;
        }
        self.size = self.size.max(at);
    }

    /// Makes it as long as `size`.
    pub(crate) fn resize(&mut self, size: u64) {
        self.size = size;
        let (last, kept) = (size / PAGE, (size % PAGE) as usize);
        drop(self.pages.split_off(&size.div_ceil(PAGE)));
        if kept > 0 && self.pages.contains_key(&last) {
            let mut page = self.page(last).to_vec();
            page[kept..].fill(0);
            self.set_page(last, &page);
        }
    }

    /// The bytes of a page; zeros where nothing was written.
    pub(crate) fn page(&self, index: u64) -> &[u8] {
        self.pages.get(&index).map_or(&ZEROS[..], Vec::as_slice)
    }

    /// Sets a page; what `bytes` lacks of one is zero.
    pub(crate) fn set_page(&mut self, index: u64, bytes: &[u8]) {
        if bytes == &ZEROS[..bytes.len()] {
            self.pages.remove(&index);
        } else {
            let mut page = bytes.to_vec();
            page.resize(PAGE as usize, 0);
            self.pages.insert(index, page);
        }
    }

    /// Pages that are not zeros in one of the two.
    pub(crate) fn pages_with(&self, other: &Content) -> Vec<u64> {
        let mut pages: Vec<u64> = self.pages.keys().chain(other.pages.keys()).copied().collect();
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// How many bytes of `data` stand at `offset`.
    pub(crate) fn agrees(&self, offset: u64, data: &[u8]) -> usize {
        let there = self.size.saturating_sub(offset);
        let same = |(at, byte): &(u64, &u8)| {
            *at < offset + there && self.page(at / PAGE)[(at % PAGE) as usize] == **byte
        };
        (offset..).zip(data).take_while(same).count()
    }
}
