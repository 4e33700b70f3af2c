//! What an index says of itself, which stands at the beginning of its file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{LINE, damaged, head, le_u64};
use crate::cells::Root;
use crate::config::{LayerConfig, LayersConfig};
use crate::error::RegionError;
use crate::layer::LayerReport;

/// What an index says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) root: Root,
    pub(crate) zones: u32,
    pub(crate) layers: Vec<LayerDescription>,
}

/// What an index says of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerDescription {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) vintage: String,
    pub(crate) scale: String,
    /// SHA-256 of the file.
    pub(crate) source_sha256: String,
    /// SHA-256 of the settings of layers.toml.
    pub(crate) settings_sha256: String,
    pub(crate) is_list: bool,
    pub(crate) fields: u32,
    pub(crate) regions: u32,
    pub(crate) sets: u32,
    pub(crate) report: LayerReport,
}

impl Description {
    /// The place of a layer that was indexed with these settings.
    pub(crate) fn place(&self, config: &LayerConfig) -> Result<usize, RegionError> {
        let other = |expected: String, found: String| RegionError::OtherLayers {
            layer: config.name.clone(),
            expected,
            found,
        };
        let place = self.layers.iter().position(|layer| layer.name == config.name).ok_or_else(|| {
            let names: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
            other(format!("a layer {}", config.name), format!("the layers {}", names.join(", ")))
        })?;
        let known = &self.layers[place];
        if known.settings_sha256 == settings_sha256(config) {
            return Ok(place);
        }
        let about = |source: &str, vintage: &str, scale: &str| format!("{source}, {vintage}, {scale}");
        let expected = about(&config.source, &config.vintage, &config.scale);
        let found = about(&known.source, &known.vintage, &known.scale);
        let found = if found == expected { "other id, fields, overlap or where".to_owned() } else { found };
        Err(other(expected, found))
    }
}

impl LayerDescription {
    /// Whether the layer was made of the file with this SHA-256.
    pub(crate) fn check_source(&self, sha256: &str) -> Result<(), RegionError> {
        if self.source_sha256 == sha256.to_ascii_lowercase() {
            return Ok(());
        }
        Err(RegionError::OtherLayers {
            layer: self.name.clone(),
            expected: format!("{} with SHA-256 {sha256}", self.source),
            found: format!("one with SHA-256 {}", self.source_sha256),
        })
    }
}

/// The beginning of an index file: which version wrote it, and of which layers and files it was made. It is had
/// without the rest of the file, which may be a gigabyte.
///
/// Whether the rest is whole only [`crate::Index::open`] can tell.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexHead {
    description: Description,
}

impl IndexHead {
    /// So many bytes of a file's beginning hold all that is needed.
    pub const BYTES: u64 = 256 << 10;

    /// Reads the beginning of a file: its first [`IndexHead::BYTES`], or all of it if it is shorter. `length` is that
    /// of the whole file in bytes, `file` its name in errors.
    ///
    /// # Errors
    /// [`RegionError::NotAnIndex`], [`RegionError::IndexVersion`], [`RegionError::IndexCut`] or
    /// [`RegionError::IndexDamaged`] if it is not the beginning of an index of this version and length.
    pub fn read(file: &str, beginning: &[u8], length: u64) -> Result<Self, RegionError> {
        head(file, beginning, length)?;
        let place = |at: usize| {
            let number = beginning.get(LINE + at..LINE + at + 8).map(le_u64)?;
            usize::try_from(number).ok()
        };
        let json = place(0).zip(place(8)).and_then(|(start, len)| Some(start..start.checked_add(len)?));
        let description = json
            .and_then(|range| beginning.get(range))
            .and_then(|json| serde_json::from_slice(json).ok())
            .ok_or_else(|| damaged(file, "its description cannot be read"))?;
        Ok(IndexHead { description })
    }

    /// Checks that the index holds the layers of `config`, made with the same settings, of files whose SHA-256 in
    /// hexadecimal digits `sha256_of` tells by their names in layers.toml; of a file that it does not know nothing is
    /// checked.
    ///
    /// # Errors
    /// [`RegionError::OtherLayers`] if it does not: the index is stale, or of other layers.
    pub fn check<'a>(
        &self,
        config: &LayersConfig,
        sha256_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(), RegionError> {
        for layer in &config.layers {
            let known = &self.description.layers[self.description.place(layer)?];
            if let Some(sha256) = sha256_of(&layer.source) {
                known.check_source(sha256)?;
            }
        }
        Ok(())
    }
}

/// What of layers.toml an index depends on.
pub(crate) fn settings_sha256(config: &LayerConfig) -> String {
    hex(&Sha256::digest(format!("{config:?}")))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
