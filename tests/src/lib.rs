//! Conformance and end-to-end tests of the workflow.
//!
//! What the tests share: where the files of the repository are ([`repo`]), the state machine's definition
//! ([`Definition`]), the stack's template ([`Template`]), the steps as the tests know them ([`STEPS`]) and the
//! golden files ([`golden`]).

pub mod definition;
pub mod golden;
pub mod input_schema;
pub mod repo;
pub mod source;
pub mod steps;
pub mod template;

pub use definition::Definition;
pub use steps::{STEPS, Step};
pub use template::Template;
