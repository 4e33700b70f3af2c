//! Oracles and benches: the product compared with other software, and the data to do it on.

pub mod layers;
pub mod oracle;
pub mod ours;
pub mod protected_areas;
pub mod random;
