//! The exports as a reader of their files finds them.
#![allow(clippy::unwrap_used, reason = "what a test cannot do ends it")]

mod fixture;
mod folder;
mod large;
mod views;
