//! Connections that wait for the next request.

use std::sync::{Mutex, PoisonError};

use crate::line::Line;

/// Connections kept for later; more are closed after their answer. Streams have their own and are not
/// among them.
const KEPT: usize = 16;

/// Connections that wait for the next request, the last used on top.
#[derive(Default)]
pub(crate) struct Lines {
    free: Mutex<Vec<Line>>,
}

impl Lines {
    /// One that the server has not ended as far as anybody knows; none: a new one is needed.
    pub(crate) async fn take(&self) -> Option<Line> {
        loop {
            let mut line = self.pop()?;
            if line.is_free().await {
                return Some(line);
            }
        }
    }

    /// Keeps one whose answer is through.
    pub(crate) async fn keep(&self, mut line: Line) {
        if line.is_free().await {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT {
                free.push(line);
            }
        }
    }

    fn pop(&self) -> Option<Line> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
