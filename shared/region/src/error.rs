//! What can be wrong with layers.toml and with the files of the layers.

use bisonflow_contract::StepError;
use thiserror::Error;

/// Something is wrong with the reference data: it stops the run before any record is annotated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegionError {
    /// layers.toml is not TOML, lacks a key or has one too many.
    #[error("layers.toml: {reason}")]
    Syntax {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A setting of layers.toml has a value that it cannot have.
    #[error("layers.toml, {place}: expected {expected}, found {found}")]
    Setting {
        /// Layer or summary, and the key.
        place: String,
        /// What the key may say.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Two layers write one column.
    #[error(
        "layers.toml: column {column} is written by layer {first} and by layer {second}; rename it in one of them"
    )]
    ColumnTwice {
        /// The column.
        column: String,
        /// The layer that comes first.
        first: String,
        /// The layer that comes later.
        second: String,
    },
    /// An option names a layer that layers.toml does not have.
    #[error("options.layers: expected names of layers.toml ({known}), found {found}")]
    UnknownLayer {
        /// The name that was asked for.
        found: String,
        /// The names there are.
        known: String,
    },
    /// The bytes of a file could not be had.
    #[error("{file} cannot be had: {reason}")]
    Load {
        /// The file, as layers.toml names it.
        file: String,
        /// Why.
        reason: String,
    },
    /// The file of a layer is missing, damaged or of a kind that we do not read.
    #[error("layer {layer}, {file}: cannot be read: {reason}")]
    Unreadable {
        /// The layer.
        layer: String,
        /// Its file.
        file: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The features of a layer lack an attribute that layers.toml uses.
    #[error("layer {layer}, {file}: expected an attribute {attribute}, found {known}")]
    MissingAttribute {
        /// The layer.
        layer: String,
        /// Its file.
        file: String,
        /// The attribute that layers.toml names.
        attribute: String,
        /// The attributes there are.
        known: String,
    },
    /// The coordinates of a layer are not degrees of longitude and latitude.
    #[error(
        "layer {layer}, {file}: expected degrees of longitude and latitude, found {found}; reproject the file, \
         for example with ogr2ogr -t_srs EPSG:4269 (or EPSG:4326)"
    )]
    NotDegrees {
        /// The layer.
        layer: String,
        /// Its file.
        file: String,
        /// The coordinate reference system, or a coordinate that shows it.
        found: String,
    },
    /// A feature cannot be used as it is.
    #[error("layer {layer}, {file}, feature {feature}: expected {expected}, found {found}")]
    Feature {
        /// The layer.
        layer: String,
        /// Its file.
        file: String,
        /// Which feature, counted from 1 in the order of the file.
        feature: usize,
        /// What a feature must have.
        expected: String,
        /// What it has.
        found: String,
    },
    /// More borders run beside each other, nearer than doubles can tell apart, than the index can hold. Borders that
    /// lie on one line, or meet in one vertex, are not too many, however many they are.
    #[error(
        "expected at most {limit} different borders within rounding error of each other, found {found} near \
         longitude {lon}, latitude {lat}; simplify the overlapping features there"
    )]
    Crowded {
        /// How many it can tell apart.
        limit: usize,
        /// How many there are.
        found: usize,
        /// Degrees east, as text.
        lon: String,
        /// Degrees north, as text.
        lat: String,
    },
    /// The index would be larger than its numbers can say.
    #[error(
        "expected layers whose index takes at most 8 GB, found {found_bytes} bytes; use fewer or simpler layers"
    )]
    TooLarge {
        /// What it would take.
        found_bytes: u64,
    },
    /// A file is no region index at all.
    #[error(
        "{file}: expected a region index, found another kind of file; build one with `bisonflow regions build`"
    )]
    NotAnIndex {
        /// The file.
        file: String,
    },
    /// A region index was written by another version.
    #[error(
        "{file}: expected a region index of format version {expected}, found {found}; build it again with \
         `bisonflow regions build`"
    )]
    IndexVersion {
        /// The file.
        file: String,
        /// The version that is read.
        expected: u32,
        /// The version of the file.
        found: u32,
    },
    /// The end of a region index is missing.
    #[error(
        "{file}: expected {expected_bytes} bytes, found {found_bytes}; copy or build the region index again"
    )]
    IndexCut {
        /// The file.
        file: String,
        /// Its length when it was written.
        expected_bytes: u64,
        /// Its length now.
        found_bytes: u64,
    },
    /// The bytes of a region index are not as they were written.
    #[error("{file}: the region index is damaged: {reason}; copy or build it again")]
    IndexDamaged {
        /// The file.
        file: String,
        /// How that shows.
        reason: String,
    },
    /// A region index is not of the layers of layers.toml: it is stale, or of others.
    #[error(
        "region index, layer {layer}: expected {expected}, found {found}; build it again with \
         `bisonflow regions build`"
    )]
    OtherLayers {
        /// The layer.
        layer: String,
        /// What layers.toml or its files say.
        expected: String,
        /// What the index says.
        found: String,
    },
}

impl RegionError {
    /// [`RegionError::Load`], for whoever fetches the files of the layers.
    pub fn load(file: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        RegionError::Load { file: file.into(), reason: reason.to_string() }
    }
}

impl From<RegionError> for StepError {
    fn from(error: RegionError) -> Self {
        match error {
            RegionError::UnknownLayer { .. } => StepError::InvalidInput(error.to_string()),
            _ => StepError::BadReferenceData(error.to_string()),
        }
    }
}
