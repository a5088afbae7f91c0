//! Rules of `block`.
