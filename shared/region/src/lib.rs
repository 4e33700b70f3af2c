//! Region layers and the exact point to region index.
//!
//! [`LayersConfig`] is layers.toml: files of polygons, the columns they write, the summaries by them. [`Index`] reads
//! the files and answers which regions a place lies in, exactly for the supplied geometry.
//!
//! # The rule
//! A feature holds a place by the even-odd rule over all its rings: holes and several polygons need nothing special,
//! and the direction of a ring means nothing. A place exactly on a border is where it would lie after an
//! infinitesimal step east, then north. So a border between two regions belongs to exactly one of them, whatever the
//! order of features. A place lies in no region or in some; where several overlap, [`Overlap`] says which count.
//!
//! Coordinates are degrees, longitude before latitude; 180° is −180°. They are used as they are, NAD83 like WGS84.

mod cells;
mod config;
mod coordinate;
mod error;
mod file;
mod index;
mod layer;
mod outline;
mod reader;
mod regions;
mod rows;
mod values;

pub use config::{
    AnnotationField, COARSEST_SCALE_DENOMINATOR, Filter, LayerConfig, LayersConfig, Overlap, Precedence,
    SigmaOf, SummaryConfig, Template,
};
pub use coordinate::{Bounds, Coordinate, NotLocatable};
pub use error::RegionError;
pub use file::IndexHead;
pub use index::{Index, ZoneId};
pub use layer::{Layer, LayerReport, Position, SetId};
pub use outline::{Outline, outlines};
#[doc(hidden)]
pub use reader::fuzzing;
pub use values::{FieldValue, Texts};
