//! Oracles and benches: the product compared with other software, and the data to do it on.

pub mod annotate_bench;
pub mod land_bench;
pub mod land_stages;
pub mod layers;
pub mod measure;
pub mod oracle;
pub mod ours;
pub mod overlap;
pub mod points;
pub mod process;
pub mod protected_areas;
pub mod random;
pub mod report;
pub mod text_data;
