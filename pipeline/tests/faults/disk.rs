//! A disk that fills.
