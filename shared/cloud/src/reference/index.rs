//! The index of a run's layers: mapped from the file that was pinned, or built of the layers' sources.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use bisonflow_contract::StepError;
use bisonflow_contract::document::{Pin, Plan, Reference};
use bisonflow_contract::id::hex;
use bisonflow_region::{FieldValue, Index, IndexHead, Layer, LayerConfig, LayersConfig, RegionError};
use bisonflow_riis::RiisRegion;
use sha2::{Digest, Sha256};

use super::{Place, check_sha256, gone, layers_config, read};
use crate::Store;

/// The index of the layers of a run. One that was pinned is copied to a file of this machine, unless it is one, and
/// mapped into memory; else the index is built.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming layer, file and field; else as [`read`].
pub async fn index(store: &Store, plan: &Plan) -> Result<Index, StepError> {
    let (config, reference) = (layers_config(store, plan).await?, &plan.reference);
    let index = match &reference.index {
        Some(pin) => open_pinned(store, pin, &config, reference).await?,
        None => build_index(store, &config, reference).await?,
    };
    if reference.riis.is_some() {
        check_register_region(&reference.layers_toml.uri, &config, &index)?;
    }
    Ok(index)
}

/// Builds the index of these layers of their pinned sources.
///
/// # Errors
/// As [`index`].
pub async fn build_index(
    store: &Store,
    config: &LayersConfig,
    reference: &Reference,
) -> Result<Index, StepError> {
    let mut sources = BTreeMap::new();
    for (name, pin) in &reference.layer_sources {
        sources.insert(name.as_str(), read(store, pin).await?);
    }
    let load = |name: &str| {
        let content = sources.get(name).map(|content| content.to_vec());
        content.ok_or_else(|| RegionError::load(name, "the run was planned without it"))
    };
    Ok(Index::build(config, load)?)
}

/// Maps an index that was built of these layers before.
///
/// # Errors
/// [`StepError::BadReferenceData`] if it is none, damaged, or of other settings or sources.
pub fn open_index(path: &Path, config: &LayersConfig, reference: &Reference) -> Result<Index, StepError> {
    let index = Index::open(path)?.select(config)?;
    for (place, layer) in config.layers.iter().enumerate() {
        if let Some(pin) = reference.layer_sources.get(&layer.source) {
            index.check_source(place, &pin.sha256)?;
        }
    }
    Ok(index)
}

async fn open_pinned(
    store: &Store,
    pin: &Pin,
    config: &LayersConfig,
    reference: &Reference,
) -> Result<Index, StepError> {
    let (store, key) = match Place::of(store, pin)? {
        Place::Object(store, key) => (store, key),
        // Whether it is whole and of these layers it says itself.
        Place::File(path) => {
            return open_index(path, config, reference).map_err(|error| what_to_do(pin, error));
        }
        Place::Default(_) => return Err(gone(pin)),
    };
    let unwritten = |error: std::io::Error| {
        StepError::SourceUnavailable(format!("{}: copying it to a temporary file: {error}", pin.uri))
    };
    // The map keeps the file when its name is gone.
    let mut file = tempfile::NamedTempFile::new().map_err(unwritten)?;
    let mut hash = Sha256::new();
    let take = |piece: &[u8]| {
        hash.update(piece);
        file.write_all(piece).map_err(unwritten)
    };
    store.get_pieces(&key, pin.version_id.as_deref(), pin.bytes, take).await?;
    check_sha256(pin, &hex(&hash.finalize()))?;
    file.flush().map_err(unwritten)?;
    open_index(file.path(), config, reference).map_err(|error| what_to_do(pin, error))
}

/// Checks by the beginning of an index that it is of these layers.
pub(super) async fn check_beginning(
    store: &Store,
    pin: &Pin,
    config: &LayersConfig,
    reference: &Reference,
) -> Result<(), StepError> {
    let bytes = IndexHead::BYTES.min(pin.bytes).max(1);
    let beginning = match Place::of(store, pin)? {
        Place::Default(_) => return Err(gone(pin)),
        Place::Object(store, key) => {
            let beginning = store.beginning(&key, pin.version_id.as_deref(), bytes).await?;
            beginning.ok_or_else(|| gone(pin))?.to_vec()
        }
        Place::File(path) => {
            let mut beginning = Vec::new();
            let file = std::fs::File::open(path).map_err(|_| gone(pin))?;
            file.take(bytes).read_to_end(&mut beginning).map_err(|_| gone(pin))?;
            beginning
        }
    };
    let sha256_of = |name: &str| reference.layer_sources.get(name).map(|pin| pin.sha256.as_str());
    IndexHead::read("the region index", &beginning, pin.bytes)
        .and_then(|head| head.check(config, sha256_of))
        .map_err(|error| what_to_do(pin, error.into()))
}

/// The error of an index that is of no use, with what can be done for a run.
fn what_to_do(pin: &Pin, error: StepError) -> StepError {
    let advice = if pin.uri.starts_with("s3://") {
        "the whole reference data goes up again with `bisonflow reference push`; without an index, workers build it \
         of the layers' sources"
    } else {
        "make it with `bisonflow regions build`, or leave it out: then it is built of the layers' sources"
    };
    StepError::from_name(error.name(), format!("{}: {error}; {advice}", pin.uri))
}

/// The column that says in which state a record lies; without one a register is of no use.
pub(super) fn register_column<'a>(uri: &str, config: &'a LayersConfig) -> Result<&'a str, StepError> {
    config.riis_region_from.as_deref().ok_or_else(|| {
        StepError::BadReferenceData(format!(
            "{uri}: found no riis_region_from among the layers that are used, but a register; {REGISTER_ADVICE}"
        ))
    })
}

const REGISTER_ADVICE: &str =
    "name the column with the state's postal code there, or do without a register (\"none\")";

/// Whether the layers can say in which region of the register a record lies; without that every record would be
/// `not_assessed`.
pub(super) fn check_register_region(
    uri: &str,
    config: &LayersConfig,
    index: &Index,
) -> Result<(), StepError> {
    let column = register_column(uri, config)?;
    let says_a_state = |(layer, built): (&LayerConfig, &Layer)| {
        let Some(field) = layer.fields.keys().position(|name| name == column) else { return false };
        built.set_ids().any(|set| match built.value(field, set) {
            FieldValue::One(text) => RiisRegion::from_state(text).is_some(),
            FieldValue::Null | FieldValue::Many(_) => false,
        })
    };
    if config.layers.iter().zip(index.layers()).any(says_a_state) {
        return Ok(());
    }
    Err(StepError::BadReferenceData(format!(
        "{uri}: riis_region_from names {column}, which holds no postal code of a state (such as KS); \
         {REGISTER_ADVICE}"
    )))
}
