//! Reference data: layers.toml, the layers' sources and the index that was built of them, the register; pinned when
//! a run is planned, and from then on read in exactly that version.
//!
//! What lies under `reference/` in the bucket wins, file by file, over the defaults that the binary carries. An index
//! is of use only with the very layers and files that it was built of; without one, it is built when it is needed.

mod index;
mod push;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use bisonflow_contract::document::{Pin, Plan, Reference};
use bisonflow_contract::id::hex;
use bisonflow_contract::input::{Options, RiisChoice};
use bisonflow_contract::layout::{LAYERS_TOML, PARTITION_KEY, REFERENCE, REGIONS_INDEX, RIIS_CSV};
use bisonflow_contract::{S3Uri, StepError};
use bisonflow_occurrence::schema;
use bisonflow_region::{LayersConfig, SummaryConfig};
use bisonflow_riis::Register;
use bisonflow_summary::SummarySpec;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::Store;
pub use index::{build_index, index, open_index};
pub use push::{Pushed, push};

/// The scheme of what the binary carries.
const DEFAULT: &str = "default:";
/// What the binary carries, by name.
const DEFAULTS: &[(&str, &[u8])] = &[
    ("layers.toml", include_bytes!("../../../../reference/layers.toml")),
    ("us_county_2017_10m.topojson", include_bytes!("../../../../reference/us_county_2017_10m.topojson")),
];

/// The columns that annotating adds after the fields of the layers: no layer may write them.
const STATUS_COLUMNS: [&str; 6] = [
    "riis_region",
    "riis_occurrence_id",
    "riis_assessment",
    "riis_matched_key",
    "riis_reason",
    "taxonkey_species",
];

/// Pins the reference data of a run with these options: the bucket's, else the binary's.
///
/// # Errors
/// [`StepError::BadReferenceData`] if something is nowhere, with what to do; else as [`Store::get`].
pub async fn pin(store: &Store, options: &Options) -> Result<Reference, StepError> {
    let layers_toml = match pin_object(store, LAYERS_TOML).await? {
        Some(pin) => pin,
        None => pin_default("layers.toml").ok_or_else(|| absent(store, LAYERS_TOML))?,
    };
    let config = parse_layers(&layers_toml.uri, &read(store, &layers_toml).await?, options)?;
    let mut layer_sources = BTreeMap::new();
    for layer in &config.layers {
        let key = format!("{REFERENCE}{}", layer.source);
        let pin = match pin_object(store, &key).await? {
            Some(pin) => pin,
            None => pin_default(&layer.source).ok_or_else(|| {
                StepError::BadReferenceData(format!(
                    "{}, layer {}, source: there is no {}; upload it, or leave the layer out with options.layers",
                    layers_toml.uri,
                    layer.name,
                    store.uri_of(&key)
                ))
            })?,
        };
        layer_sources.insert(layer.source.clone(), pin);
    }
    let index = pin_object(store, REGIONS_INDEX).await?;
    let riis = pin_register(store, options).await?;
    Ok(Reference { layers_toml, layer_sources, index, riis, riis_resolved_from: None })
}

async fn pin_register(store: &Store, options: &Options) -> Result<Option<Pin>, StepError> {
    match &options.riis {
        Some(RiisChoice::None) => Ok(None),
        Some(RiisChoice::At(uri)) => {
            let (store, key) = store_of(store, uri)?;
            let pin = pin_object(&store, key).await?;
            pin.map(Some).ok_or_else(|| {
                StepError::BadReferenceData(format!(
                    "options.riis: there is no {uri}; upload the register there, or set options.riis to \"none\""
                ))
            })
        }
        None => pin_object(store, RIIS_CSV).await?.map(Some).ok_or_else(|| {
            StepError::BadReferenceData(format!(
                "there is no register at {}; upload one there, or set options.riis to \"none\"",
                store.uri_of(RIIS_CSV)
            ))
        }),
    }
}

/// Files of this machine that hold reference data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    /// layers.toml, the sources beside it; the defaults without one.
    pub layers_toml: Option<&'a Path>,
    /// The index that was built of these layers; built when needed without one.
    pub index: Option<&'a Path>,
    /// The register; a run does without if there is none.
    pub register: Option<&'a Path>,
}

/// Pins files of this machine.
///
/// # Errors
/// [`StepError::BadReferenceData`] if a file cannot be read, with where it is named.
pub fn pin_files(files: &Files<'_>, options: &Options) -> Result<Reference, StepError> {
    let (pinned, content) = match files.layers_toml {
        Some(path) => {
            let pin = pin_file(path, "layers.toml")?;
            let content = std::fs::read(&pin.uri).map_err(|error| unreadable("layers.toml", path, &error))?;
            (pin, content)
        }
        None => {
            let name = "layers.toml";
            let lacks = || StepError::Internal(format!("this program was built without its default {name}"));
            let (pin, content) = pin_default(name).zip(default(name)).ok_or_else(lacks)?;
            (pin, content.to_vec())
        }
    };
    let folder = files.layers_toml.and_then(|_| Path::new(&pinned.uri).parent());
    let config = parse_layers(&pinned.uri, &content, options)?;
    let mut layer_sources = BTreeMap::new();
    for layer in &config.layers {
        let named_in = format!("{}, layer {}, source", pinned.uri, layer.name);
        let beside = match folder {
            Some(folder) => pin_file(&folder.join(&layer.source), &named_in),
            None => Err(StepError::BadReferenceData(format!("{named_in}: no default has this name"))),
        };
        let pin = beside.or_else(|error| pin_default(&layer.source).ok_or(error))?;
        layer_sources.insert(layer.source.clone(), pin);
    }
    let index = files.index.map(|path| pin_file(path, "index")).transpose()?;
    let riis = files.register.map(|path| pin_file(path, "register")).transpose()?;
    Ok(Reference { layers_toml: pinned, layer_sources, index, riis, riis_resolved_from: None })
}

/// Where something that is pinned lies.
enum Place<'a> {
    Default(&'static [u8]),
    Object(Store, String),
    File(&'a Path),
}

impl<'a> Place<'a> {
    fn of(store: &Store, pin: &'a Pin) -> Result<Place<'a>, StepError> {
        let own = pin.uri.strip_prefix(store.uri()).and_then(|rest| rest.strip_prefix('/'));
        Ok(if let Some(name) = pin.uri.strip_prefix(DEFAULT) {
            Place::Default(default(name).ok_or_else(|| gone(pin))?)
        } else if let Some(key) = own {
            Place::Object(store.clone(), key.to_owned())
        } else if pin.uri.starts_with("s3://") {
            let uri: S3Uri = pin.uri.parse()?;
            Place::Object(Store::bucket(uri.bucket())?, uri.key().to_owned())
        } else {
            Place::File(Path::new(&pin.uri))
        })
    }
}

fn gone(pin: &Pin) -> StepError {
    StepError::BadReferenceData(format!(
        "{}{}: it was there when the run was planned, but is gone; start the run again",
        pin.uri,
        pin.version_id.as_ref().map(|version| format!(" (version {version})")).unwrap_or_default()
    ))
}

/// Whether this is the SHA-256 of what was pinned.
fn check_sha256(pin: &Pin, sha256: &str) -> Result<(), StepError> {
    if sha256 == pin.sha256 {
        return Ok(());
    }
    Err(StepError::BadReferenceData(format!(
        "{}: its SHA-256 is {sha256}, but {} was planned with: it was changed meanwhile; start the run again",
        pin.uri, pin.sha256
    )))
}

/// Reads exactly what was pinned.
///
/// # Errors
/// [`StepError::BadReferenceData`] if that version is gone or its content is another; else as [`Store::get`].
pub async fn read(store: &Store, pin: &Pin) -> Result<Bytes, StepError> {
    let content = match Place::of(store, pin)? {
        Place::Default(content) => Bytes::from_static(content),
        Place::Object(store, key) => {
            store.get_version(&key, pin.version_id.as_deref()).await?.ok_or_else(|| gone(pin))?
        }
        Place::File(path) => std::fs::read(path).map_err(|_| gone(pin))?.into(),
    };
    check_sha256(pin, &hex(&Sha256::digest(&content)))?;
    Ok(content)
}

/// The layers of a run: layers.toml, of which the options may have chosen some.
///
/// # Errors
/// [`StepError::BadReferenceData`] if layers.toml is not what it should be; else as [`read`].
pub async fn layers_config(store: &Store, plan: &Plan) -> Result<LayersConfig, StepError> {
    pinned_layers(store, &plan.reference, plan.options()).await
}

/// The same of pinned reference data.
///
/// # Errors
/// As [`layers_config`].
pub async fn pinned_layers(
    store: &Store,
    reference: &Reference,
    options: &Options,
) -> Result<LayersConfig, StepError> {
    let pin = &reference.layers_toml;
    parse_layers(&pin.uri, &read(store, pin).await?, options)
}

/// The register of a run; none if it does without.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming file and field; else as [`read`].
pub async fn register(store: &Store, plan: &Plan) -> Result<Option<Register>, StepError> {
    read_register(store, &plan.reference).await
}

/// The summaries of these layers, as the counting needs them.
pub fn summary_specs(config: &LayersConfig) -> Vec<SummarySpec> {
    config.summaries.iter().map(summary_spec).collect()
}

/// A summary, as the counting needs it.
pub fn summary_spec(summary: &SummaryConfig) -> SummarySpec {
    SummarySpec { name: summary.name.clone(), by: summary.by.clone() }
}

/// Looks at everything that is pinned, so that bad reference data ends a run before it costs anything. Of an index only
/// the beginning is read, and then nothing of the layers' sources.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming file and field; else as [`read`].
pub async fn validate(store: &Store, reference: &Reference, options: &Options) -> Result<(), StepError> {
    let config = pinned_layers(store, reference, options).await?;
    for spec in summary_specs(&config) {
        spec.check()?;
    }
    let has_register = read_register(store, reference).await?.is_some();
    match &reference.index {
        Some(pin) => {
            index::check_beginning(store, pin, &config, reference).await?;
            if has_register {
                index::register_column(&reference.layers_toml.uri, &config)?;
            }
        }
        None => {
            let index = build_index(store, &config, reference).await?;
            if has_register {
                index::check_register_region(&reference.layers_toml.uri, &config, &index)?;
            }
        }
    }
    Ok(())
}

/// layers.toml, of which the options may have chosen some layers.
fn parse_layers(uri: &str, content: &[u8], options: &Options) -> Result<LayersConfig, StepError> {
    let text = std::str::from_utf8(content)
        .map_err(|error| StepError::BadReferenceData(format!("{uri}: not UTF-8: {error}")))?;
    let fixed = schema::columns().iter().map(|column| column.name).chain(STATUS_COLUMNS);
    let extra: Vec<String> = options.columns.iter().map(|name| name.to_lowercase()).collect();
    let reserved: Vec<&str> = fixed.chain(extra.iter().map(String::as_str)).collect();
    let config = LayersConfig::parse(text, &reserved)?;
    match &options.layers {
        Some(names) => Ok(config.select(names)?),
        None => Ok(config),
    }
}

/// Whether the columns that a landing kept beyond the schema leave the annotation fields their names. What
/// `options.columns` names is looked at when the run is planned; this is for what `all` turned out to be.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming the column.
pub fn check_extra_columns(config: &LayersConfig, extra: &[String]) -> Result<(), StepError> {
    let fields = config.annotation_fields();
    let taken = fields.iter().map(|field| field.name.as_str()).chain(STATUS_COLUMNS).chain([PARTITION_KEY]);
    match taken.into_iter().find(|name| extra.iter().any(|column| column == name)) {
        None => Ok(()),
        Some(name) => Err(StepError::BadReferenceData(format!(
            "column {name}: the download has it, and the annotated records need the name; rename the layer's \
             field in layers.toml, or leave the column out of options.columns"
        ))),
    }
}

async fn read_register(store: &Store, reference: &Reference) -> Result<Option<Register>, StepError> {
    let Some(pin) = &reference.riis else { return Ok(None) };
    Ok(Some(Register::read(&pin.uri, &read(store, pin).await?)?))
}

/// The store that holds an object, and its key there.
fn store_of<'a>(own: &Store, uri: &'a S3Uri) -> Result<(Store, &'a str), StepError> {
    let is_own = own.uri() == format!("s3://{}", uri.bucket());
    let store = if is_own { own.clone() } else { Store::bucket(uri.bucket())? };
    Ok((store, uri.key()))
}

/// Pins an object as it is now; absent is `None`. All of it is read only if whoever wrote it did not leave its SHA-256
/// beside it, as [`push`] does; what is wrong with that shows when it is used.
///
/// # Errors
/// As [`Store::get`].
pub async fn pin_object(store: &Store, key: &str) -> Result<Option<Pin>, StepError> {
    let Some(stat) = store.stat(key).await? else { return Ok(None) };
    let (version_id, bytes) = (stat.meta.version, stat.meta.size);
    let sha256 = match stat.sha256 {
        Some(sha256) => sha256,
        None => {
            let mut hash = Sha256::new();
            let take = |piece: &[u8]| {
                hash.update(piece);
                Ok(())
            };
            store.get_pieces(key, version_id.as_deref(), bytes, take).await?;
            hex(&hash.finalize())
        }
    };
    Ok(Some(Pin { uri: store.uri_of(key), version_id, sha256, bytes }))
}

fn unreadable(named_in: &str, path: &Path, error: &dyn std::fmt::Display) -> StepError {
    StepError::BadReferenceData(format!("{named_in}: {} cannot be read: {error}", path.display()))
}

fn pin_file(path: &Path, named_in: &str) -> Result<Pin, StepError> {
    let bad = |error: &dyn std::fmt::Display| unreadable(named_in, path, error);
    let found = path.canonicalize().map_err(|error| bad(&error))?;
    let uri = found.to_str().ok_or_else(|| bad(&"its path is not UTF-8"))?.to_owned();
    let mut file = std::fs::File::open(&found).map_err(|error| bad(&error))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer).map_err(|error| bad(&error))? {
            0 => return Ok(Pin { uri, version_id: None, sha256: hex(&hash.finalize()), bytes }),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn pin_default(name: &str) -> Option<Pin> {
    default(name).map(|content| Pin {
        uri: format!("{DEFAULT}{name}"),
        version_id: None,
        sha256: hex(&Sha256::digest(content)),
        bytes: content.len() as u64,
    })
}

fn default(name: &str) -> Option<&'static [u8]> {
    DEFAULTS.iter().find(|(have, _)| *have == name).map(|(_, content)| *content)
}

fn absent(store: &Store, key: &str) -> StepError {
    StepError::BadReferenceData(format!("there is no {}; upload it", store.uri_of(key)))
}
