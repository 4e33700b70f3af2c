//! GBIF's species match service: asking it about names, politely, and keeping what it says.
//!
//! [`SpeciesMatch`] asks about one name; [`resolve_names`] about all of a register, through an [`AnswerCache`]
//! that keeps every answer the moment it is there. Whoever is interrupted, by a kill, by a deadline or by a
//! service that has had enough, goes on where it was.

mod cache;
mod pace;
mod resolve;
mod service;
pub mod stand_in;

pub use cache::AnswerCache;
pub use resolve::{Progress, resolve_names};
pub use service::{Settings, SpeciesMatch};
