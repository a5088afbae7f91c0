//! Rules of `latest`.
