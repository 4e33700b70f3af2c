//! Resolving the register's names: which taxon of a checklist each row speaks of.
//!
//! A taxon key means nothing without its checklist, and the register's own keys are those of the Backbone. To
//! be matched with records of another checklist (or to be corrected for its own), every name of the register is
//! put to GBIF's species match service, once per name, and its answer is judged here. Nothing is sent or stored
//! by this module: [`Sheet`] says what to ask ([`NameQuery`]), [`parse`] reads what came back, [`decide`]
//! judges it, and [`Sheet::write`] makes the resolved register and the list of what needs a person's eye.
//!
//! ```
//! use bisonflow_riis::resolve::{Api, Finding, NameQuery, Rules, decide, parse};
//!
//! let asked = NameQuery::new("Phragmites australis ssp. australis", "", "Subspecies", "Plantae").unwrap();
//! let answer = parse(Api::V2, br#"{
//!     "usage": {"key": "7226752", "name": "Phragmites australis subsp. australis", "rank": "SUBSPECIES", "status": "SYNONYM"},
//!     "acceptedUsage": {"key": "5290149", "name": "Phragmites australis (Cav.) Steud.", "rank": "SPECIES", "status": "ACCEPTED"},
//!     "classification": [{"key": "6", "name": "Plantae", "rank": "KINGDOM"}],
//!     "diagnostics": {"matchType": "EXACT", "confidence": 99}, "synonym": true
//! }"#)?;
//! let decision = decide(&asked, &answer, &Rules::default());
//! // The checklist has no such subspecies: the status of it is not that of the whole species.
//! assert_eq!(decision.finding, Finding::BroaderSynonym);
//! assert_eq!(decision.taken.unwrap().key, "7226752");
//! # Ok::<(), bisonflow_riis::resolve::Nonsense>(())
//! ```

mod answer;
mod decision;
mod query;
mod rank;
mod sheet;
#[cfg(test)]
mod tests;
mod write;

pub use answer::{Accepted, Answer, MatchType, Nonsense, Usage, parse, parse_usage};
pub use decision::{Decision, Finding, Rules, decide};
pub use query::{Api, NameQuery};
pub use sheet::Sheet;
pub use write::{Reply, Resolved, file_names};
