//! The report of a run: one self-contained HTML page.
//!
//! [`Report`] holds what the page tells, taken from the run's documents and tables; [`Report::page`] lays it out. The
//! maps are inline SVG made of the layers' own geometry, the tables are plain HTML that a small script sorts and
//! searches, and nothing is loaded from anywhere: the page opens from a disk as from S3. Texts from outside are
//! escaped, and the page's own policy (`Content-Security-Policy`) lets no other script or style run than its own.
//!
//! Every number on the page says which document or table it comes from (`data-from`, `data-table`, `data-column`), so
//! that it can be traced by a program. Nothing here reads or writes anything.

mod data;
mod flow;
mod map;
mod markup;
mod page;
mod projection;
mod scale;
mod shape;

pub use data::{
    Backdrop, DatasetLicences, Diversity, FileLink, LayerNote, LicenceCount, Map, MapShape, NewSpeciesRow,
    RegionRow, Register, Report, SpeciesRow, Summary, TopSpecies,
};
