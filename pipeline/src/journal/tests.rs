//! Rules of the journal.
