//! The US Register of Introduced and Invasive Species (RIIS): reading it, asking it about a record, and
//! resolving its names.
//!
//! ```
//! use bisonflow_riis::{Assessment, MatchedKey, Register};
//!
//! let csv = "locality,GBIF taxonKey,Introduced or Invasive,occurrenceID\n\
//!            L48,2882337,Invasive,USRIIS-L48-Plantae1\n";
//! let register = Register::read("riis.csv", csv.as_bytes())?;
//!
//! let kansas = register.assess(Some("KS"), None, Some("2882337"), None);
//! assert_eq!(kansas.assessment, Assessment::Invasive);
//! assert_eq!(kansas.matched_key, Some(MatchedKey::Taxon));
//! assert_eq!(kansas.occurrence_id, Some("USRIIS-L48-Plantae1"));
//!
//! let hawaii = register.assess(Some("HI"), None, Some("2882337"), None);
//! assert_eq!(hawaii.assessment, Assessment::NotListed); // which does not mean native
//! # Ok::<(), bisonflow_riis::RiisError>(())
//! ```

mod assessment;
mod error;
mod outcome;
mod region;
mod register;
pub mod resolve;
mod table;

pub use assessment::Assessment;
pub use error::RiisError;
pub use outcome::{MatchedKey, Outcome, Reason, assess_without_register};
pub use region::{RiisRegion, Standing};
pub use register::{Listing, Register, SharedKey};
