//! Reference data: layers.toml, the layers' sources, the register; pinned when a run is planned, and from then
//! on read in exactly that version.
//!
//! What lies under `reference/` in the bucket wins, file by file, over the defaults that the binary carries.

use std::collections::BTreeMap;
use std::path::Path;

use bisonflow_contract::document::{Pin, Plan, Reference};
use bisonflow_contract::id::hex;
use bisonflow_contract::input::{Options, RiisChoice};
use bisonflow_contract::layout::{LAYERS_TOML, PARTITION_KEY, REFERENCE, RIIS_CSV};
use bisonflow_contract::{S3Uri, StepError};
use bisonflow_occurrence::schema;
use bisonflow_region::{FieldValue, Index, Layer, LayerConfig, LayersConfig, RegionError, SummaryConfig};
use bisonflow_riis::{Register, RiisRegion};
use bisonflow_summary::SummarySpec;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::Store;

/// The scheme of what the binary carries.
const DEFAULT: &str = "default:";
/// What the binary carries, by name.
const DEFAULTS: &[(&str, &[u8])] = &[
    ("layers.toml", include_bytes!("../../../reference/layers.toml")),
    ("us_county_2017_10m.topojson", include_bytes!("../../../reference/us_county_2017_10m.topojson")),
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
    let riis = pin_register(store, options).await?;
    Ok(Reference { layers_toml, layer_sources, riis, riis_resolved_from: None })
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

/// Pins files of this machine: layers.toml and the sources beside it, or the defaults without one; and a register.
///
/// # Errors
/// [`StepError::BadReferenceData`] if a file cannot be read, with where it is named.
pub fn pin_files(
    layers_toml: Option<&Path>,
    register: Option<&Path>,
    options: &Options,
) -> Result<Reference, StepError> {
    let (pinned, content, folder) = match layers_toml {
        Some(path) => {
            let (pin, content) = pin_file(path, "layers.toml")?;
            let folder = Path::new(&pin.uri).parent().map(Path::to_owned);
            (pin, content, folder)
        }
        None => {
            let name = "layers.toml";
            let lacks = || StepError::Internal(format!("this program was built without its default {name}"));
            let (pin, content) = pin_default(name).zip(default(name)).ok_or_else(lacks)?;
            (pin, content.to_vec(), None)
        }
    };
    let config = parse_layers(&pinned.uri, &content, options)?;
    let mut layer_sources = BTreeMap::new();
    for layer in &config.layers {
        let named_in = format!("{}, layer {}, source", pinned.uri, layer.name);
        let beside = match &folder {
            Some(folder) => pin_file(&folder.join(&layer.source), &named_in).map(|(pin, _)| pin),
            None => Err(StepError::BadReferenceData(format!("{named_in}: no default has this name"))),
        };
        let pin = beside.or_else(|error| pin_default(&layer.source).ok_or(error))?;
        layer_sources.insert(layer.source.clone(), pin);
    }
    let riis = register.map(|path| pin_file(path, "register")).transpose()?.map(|(pin, _)| pin);
    Ok(Reference { layers_toml: pinned, layer_sources, riis, riis_resolved_from: None })
}

/// Reads exactly what was pinned.
///
/// # Errors
/// [`StepError::BadReferenceData`] if that version is gone or its content is another; else as [`Store::get`].
pub async fn read(store: &Store, pin: &Pin) -> Result<Bytes, StepError> {
    let gone = || {
        StepError::BadReferenceData(format!(
            "{}{}: it was there when the run was planned, but is gone; start the run again",
            pin.uri,
            pin.version_id.as_ref().map(|version| format!(" (version {version})")).unwrap_or_default()
        ))
    };
    let own = pin.uri.strip_prefix(store.uri()).and_then(|rest| rest.strip_prefix('/'));
    let content = if let Some(name) = pin.uri.strip_prefix(DEFAULT) {
        Bytes::from_static(default(name).ok_or_else(gone)?)
    } else if let Some(key) = own {
        store.get_version(key, pin.version_id.as_deref()).await?.ok_or_else(gone)?
    } else if pin.uri.starts_with("s3://") {
        let uri: S3Uri = pin.uri.parse()?;
        let store = Store::bucket(uri.bucket())?;
        store.get_version(uri.key(), pin.version_id.as_deref()).await?.ok_or_else(gone)?
    } else {
        std::fs::read(&pin.uri).map_err(|_| gone())?.into()
    };
    let sha256 = hex(&Sha256::digest(&content));
    if sha256 != pin.sha256 {
        return Err(StepError::BadReferenceData(format!(
            "{}: its SHA-256 is {sha256}, but {} was planned with: it was changed meanwhile; start the run again",
            pin.uri, pin.sha256
        )));
    }
    Ok(content)
}

/// The layers of a run: layers.toml, of which the options may have chosen some.
///
/// # Errors
/// [`StepError::BadReferenceData`] if layers.toml is not what it should be; else as [`read`].
pub async fn layers_config(store: &Store, plan: &Plan) -> Result<LayersConfig, StepError> {
    let pin = &plan.reference.layers_toml;
    parse_layers(&pin.uri, &read(store, pin).await?, plan.options())
}

/// The index of the layers of a run.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming layer, file and field; else as [`read`].
pub async fn index(store: &Store, plan: &Plan) -> Result<Index, StepError> {
    Layers::read(store, &plan.reference, plan.options()).await?.build()
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

/// Reads everything that is pinned, so that bad reference data ends a run before it costs anything.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming file and field; else as [`read`].
pub async fn validate(store: &Store, reference: &Reference, options: &Options) -> Result<(), StepError> {
    let layers = Layers::read(store, reference, options).await?;
    for spec in summary_specs(&layers.config) {
        spec.check()?;
    }
    let index = layers.build()?;
    if read_register(store, reference).await?.is_some() {
        check_register_region(&reference.layers_toml.uri, &layers.config, &index)?;
    }
    Ok(())
}

/// Whether the layers can say in which region of the register a record lies; without that a register is of no
/// use, and every record would be `not_assessed`.
fn check_register_region(uri: &str, config: &LayersConfig, index: &Index) -> Result<(), StepError> {
    let advice = "name the column with the state's postal code there, or do without a register (\"none\")";
    let Some(column) = &config.riis_region_from else {
        return Err(StepError::BadReferenceData(format!(
            "{uri}: found no riis_region_from among the layers that are used, but a register; {advice}"
        )));
    };
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
        "{uri}: riis_region_from names {column}, which holds no postal code of a state (such as KS); {advice}"
    )))
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

/// The layers of a run: their settings, and the files that these name.
pub struct Layers {
    /// The settings.
    pub config: LayersConfig,
    sources: BTreeMap<String, Bytes>,
}

impl Layers {
    /// Reads what is pinned; of layers.toml the layers that the options chose.
    ///
    /// # Errors
    /// [`StepError::BadReferenceData`] naming layer, file and field; else as [`read`].
    pub async fn read(store: &Store, reference: &Reference, options: &Options) -> Result<Layers, StepError> {
        let pin = &reference.layers_toml;
        let config = parse_layers(&pin.uri, &read(store, pin).await?, options)?;
        let mut sources = BTreeMap::new();
        for (name, pin) in &reference.layer_sources {
            sources.insert(name.clone(), read(store, pin).await?);
        }
        Ok(Layers { config, sources })
    }

    /// Builds the index.
    ///
    /// # Errors
    /// [`StepError::BadReferenceData`] naming layer, file and field.
    pub fn build(&self) -> Result<Index, StepError> {
        let load = |name: &str| {
            let content = self.sources.get(name).map(|content| content.to_vec());
            content.ok_or_else(|| RegionError::load(name, "the run was planned without it"))
        };
        Ok(Index::build(&self.config, load)?)
    }

    /// Maps an index that was built before.
    ///
    /// # Errors
    /// [`StepError::BadReferenceData`] if it is none, damaged, or of other settings or files.
    pub fn open(&self, path: &Path) -> Result<Index, StepError> {
        let index = Index::open(path)?.select(&self.config)?;
        for (place, layer) in self.config.layers.iter().enumerate() {
            if let Some(content) = self.sources.get(&layer.source) {
                index.check_source(place, &hex(&Sha256::digest(content)))?;
            }
        }
        Ok(index)
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

/// Pins an object as it is now; absent is `None`.
///
/// # Errors
/// As [`Store::get`].
pub async fn pin_object(store: &Store, key: &str) -> Result<Option<Pin>, StepError> {
    let Some(meta) = store.head(key).await? else { return Ok(None) };
    let Some(content) = store.get_version(key, meta.version.as_deref()).await? else { return Ok(None) };
    Ok(Some(pin_content(store.uri_of(key), meta.version, &content)))
}

fn pin_file(path: &Path, named_in: &str) -> Result<(Pin, Vec<u8>), StepError> {
    let bad = |error: &dyn std::fmt::Display| {
        StepError::BadReferenceData(format!("{named_in}: {} cannot be read: {error}", path.display()))
    };
    let path = path.canonicalize().map_err(|error| bad(&error))?;
    let content = std::fs::read(&path).map_err(|error| bad(&error))?;
    let uri = path.to_str().ok_or_else(|| bad(&"its path is not UTF-8"))?;
    Ok((pin_content(uri.to_owned(), None, &content), content))
}

fn pin_default(name: &str) -> Option<Pin> {
    default(name).map(|content| pin_content(format!("{DEFAULT}{name}"), None, content))
}

fn default(name: &str) -> Option<&'static [u8]> {
    DEFAULTS.iter().find(|(have, _)| *have == name).map(|(_, content)| *content)
}

fn pin_content(uri: String, version_id: Option<String>, content: &[u8]) -> Pin {
    Pin { uri, version_id, sha256: hex(&Sha256::digest(content)), bytes: content.len() as u64 }
}

fn absent(store: &Store, key: &str) -> StepError {
    StepError::BadReferenceData(format!("there is no {}; upload it", store.uri_of(key)))
}
