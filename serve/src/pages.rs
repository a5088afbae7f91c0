//! A vector whose versions share what they have in common: a change copies one page and its branch.
//!
//! Two levels of [`FAN`] entries over pages of [`FAN`]: with a million elements a version costs a root of
//! 244 handles, and a change two copies of 64. Clones are cheap and never change.

use std::sync::Arc;

/// Entries of a page and of a branch: small enough to copy on every change, large enough for few levels.
const FAN: usize = 64;

type Page<T> = Arc<Vec<T>>;
type Branch<T> = Arc<Vec<Page<T>>>;

/// A persistent vector.
#[derive(Clone, Debug)]
pub(crate) struct Pages<T> {
    branches: Vec<Branch<T>>,
    len: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { branches: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Pages<T> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The element at `index`, if there is one.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.branches.get(index / (FAN * FAN))?.get(index / FAN % FAN)?.get(index % FAN)
    }

    /// Replaces the element at `index`, which there is, or adds one when `index` is the length.
    pub(crate) fn set(&mut self, index: usize, element: T) {
        if index == self.len {
            self.len += 1;
            if index.is_multiple_of(FAN * FAN) {
                self.branches.push(Arc::default());
            }
        }
        let branch = Arc::make_mut(&mut self.branches[index / (FAN * FAN)]);
        if branch.len() == index / FAN % FAN {
            branch.push(Arc::new(Vec::with_capacity(FAN)));
        }
        let page = Arc::make_mut(&mut branch[index / FAN % FAN]);
        if page.len() == index % FAN {
            page.push(element);
        } else {
            page[index % FAN] = element;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_keeps_what_later_ones_change() {
        let mut pages = Pages::default();
        let count = 2 * FAN * FAN + 3;
        for index in 0..count {
            pages.set(index, index);
        }
        let before = pages.clone();
        for index in (0..count).step_by(97) {
            pages.set(index, index + count);
        }
        pages.set(count, 0);
        assert_eq!((before.len(), pages.len()), (count, count + 1));
        for index in 0..count {
            let changed = if index % 97 == 0 { index + count } else { index };
            assert_eq!((before.get(index), pages.get(index)), (Some(&index), Some(&changed)));
        }
        assert_eq!((before.get(count), pages.get(count)), (None, Some(&0)));
        let shared = |page: usize| Arc::ptr_eq(&before.branches[0][page], &pages.branches[0][page]);
        assert!(!shared(0) && (1..64).any(shared), "untouched pages are shared");
    }
}
