//! The crate as its users see it: layers.toml and files in, regions of places out.

mod borders;
mod config;
mod drawing;
mod files;
mod overlaps;
mod real_data;
