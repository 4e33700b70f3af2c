//! All layers of layers.toml in one index.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::cells::MOST_LAYERS;
use crate::cells::build::{self, Built, Choice, Features, LayerZones, Ring};
use crate::config::{LayerConfig, LayersConfig};
use crate::error::RegionError;
use crate::file::{Description, IndexFile, LayerDescription, NULL_TEXT, Section, hex, settings_sha256};
use crate::layer::{Layer, SetId};
use crate::reader::{self, Origin};
use crate::regions::{Region, Regions};

/// The combination of regions of all layers that hold a place: a small dense number (0 = in no region of any layer).
///
/// Numbers are given in the order of the layers' [`SetId`]s; the same layers give the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ZoneId(u32);

impl ZoneId {
    /// In no region of any layer.
    pub const NONE: ZoneId = ZoneId(0);

    /// The zone at a place among all zones, of which there are [`Index::zone_count`].
    ///
    /// # Panics
    /// If there cannot be so many.
    pub fn from_index(index: usize) -> Self {
        ZoneId(u32::try_from(index).expect("fewer zones than u32 can number"))
    }

    /// Its place among all zones: less than [`Index::zone_count`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The layers, ready to answer.
///
/// ```
/// use bisonflow_region::{Coordinate, FieldValue, Index, LayersConfig, Position, SetId, ZoneId};
///
/// let config = LayersConfig::parse(
///     r#"
///     [[layer]]
///     name = "field"
///     source = "fields.geojson"
///     vintage = "2024"
///     scale = "1:24000"
///     id = "number"
///     fields = { field_name = "name" }
///     "#,
///     &[],
/// )?;
/// let file = br#"{"type": "FeatureCollection", "features": [{
///     "type": "Feature", "properties": {"number": 7, "name": "East"},
///     "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]}
/// }]}"#;
/// let index = Index::build(&config, |_| Ok(file.to_vec()))?;
/// let layer = &index.layers()[0];
///
/// // Many places at once; what is not a place on the earth is in no zone.
/// let mut zones = [ZoneId::NONE; 3];
/// index.locate(&[1.5, 3.0, f64::NAN], &[0.5, 0.5, 0.5], &mut zones);
/// let set = index.set_of(0, zones[0]);
/// assert_eq!(layer.value(0, set), FieldValue::One("East"));
/// assert_eq!(layer.ids(set), ["7"]);
/// assert_eq!(zones[1..], [ZoneId::NONE; 2]);
///
/// // One place. A step east of the eastern border is outside.
/// let corner = layer.position(Coordinate::new(2.0, 1.0)?);
/// assert_eq!(corner, Position::OnBoundary(SetId::NONE));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Index {
    file: Arc<IndexFile>,
    layers: Vec<Layer>,
}

impl fmt::Debug for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Index").field("layers", &self.layers).finish_non_exhaustive()
    }
}

impl Index {
    /// Reads and indexes every layer, in the order of `config`, on all processors. `load` gives the bytes of a file
    /// that layers.toml names; for what goes wrong there is [`RegionError::load`].
    ///
    /// # Errors
    /// [`RegionError`]: which layer, which file and what is wrong with it.
    pub fn build(
        config: &LayersConfig,
        load: impl FnMut(&str) -> Result<Vec<u8>, RegionError>,
    ) -> Result<Self, RegionError> {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Index::build_on(threads, config, load)
    }

    /// [`Index::build`] on so many threads. The index does not depend on their number.
    ///
    /// # Errors
    /// As [`Index::build`].
    pub fn build_on(
        threads: NonZeroUsize,
        config: &LayersConfig,
        mut load: impl FnMut(&str) -> Result<Vec<u8>, RegionError>,
    ) -> Result<Self, RegionError> {
        if config.layers.len() > MOST_LAYERS {
            return Err(RegionError::Setting {
                place: "layer".into(),
                expected: format!("at most {MOST_LAYERS} layers"),
                found: format!("{} layers", config.layers.len()),
            });
        }
        let mut layers = Vec::new();
        for layer in &config.layers {
            let origin = Origin { layer: &layer.name, file: &layer.source };
            let bytes = load(&layer.source).map_err(|error| match error {
                RegionError::Load { reason, .. } => origin.unreadable(reason),
                error => error,
            })?;
            let sha256 = hex(&Sha256::digest(&bytes));
            let wanted: Vec<&str> = layer.attributes().collect();
            let table = reader::read(origin, bytes, &wanted)?;
            layers.push((Regions::new(layer, origin, table)?, sha256));
        }
        let features = features(config, &layers);
        let built = build::build(&features, threads).map_err(|crowded| {
            let [lon, lat] = crowded.place.map(|degrees| degrees.to_string());
            RegionError::Crowded { limit: crowded.limit, found: crowded.found, lon, lat }
        })?;
        drop(features);
        for (regions, _) in &mut layers {
            regions.features.iter_mut().for_each(|(rings, _)| *rings = Vec::new());
        }
        Ok(Index::from_file(assemble(config, layers, built)?))
    }

    fn from_file(file: IndexFile) -> Self {
        let file = Arc::new(file);
        let layers = (0..file.description.layers.len()).map(|place| Layer::new(Arc::clone(&file), place));
        Index { layers: layers.collect(), file }
    }

    /// The bytes of its file, for [`Index::open`]. The same files and settings give the same bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.file.bytes()
    }

    /// Maps a file of [`Index::as_bytes`] into memory, which nobody may change meanwhile. All of it is read once for its checksum (CRC-32).
    /// Whether it is the index of certain layers is for [`Index::select`] to say.
    ///
    /// # Errors
    /// [`RegionError::Load`] if there is no such file, [`RegionError::NotAnIndex`], [`RegionError::IndexVersion`],
    /// [`RegionError::IndexCut`] or [`RegionError::IndexDamaged`] if it is not a whole index of this version.
    pub fn open(path: &Path) -> Result<Self, RegionError> {
        Ok(Index::from_file(IndexFile::open(path)?))
    }

    /// The same from bytes in memory, which are copied; `file` is their name in errors.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, RegionError> {
        Ok(Index::from_file(IndexFile::from_bytes(file, bytes)?))
    }

    /// The index of the layers of `config` only, in its order: a view of this one, whose zones stay the same.
    ///
    /// # Errors
    /// [`RegionError::OtherLayers`] if a layer is not in the index, or was indexed with other settings: the index is
    /// stale.
    pub fn select(&self, config: &LayersConfig) -> Result<Self, RegionError> {
        let layer = |config: &LayerConfig| {
            let place = self.file.description.place(config)?;
            Ok(Layer::new(Arc::clone(&self.file), place))
        };
        let layers = config.layers.iter().map(layer).collect::<Result<_, _>>()?;
        Ok(Index { file: Arc::clone(&self.file), layers })
    }

    /// Checks that a layer was made of this very file, given by the SHA-256 of its bytes in hexadecimal digits.
    ///
    /// # Errors
    /// [`RegionError::OtherLayers`] if it was made of another one.
    pub fn check_source(&self, layer: usize, sha256: &str) -> Result<(), RegionError> {
        self.layers[layer].description().check_source(sha256)
    }

    /// The zone of each place, given by longitudes and latitudes in degrees. What is out of range or not a number is in
    /// no zone.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn locate(&self, lon: &[f64], lat: &[f64], zones: &mut [ZoneId]) {
        assert!(
            lon.len() == lat.len() && lon.len() == zones.len(),
            "expected as many zones as places, found {} longitudes, {} latitudes, {} zones",
            lon.len(),
            lat.len(),
            zones.len()
        );
        let zone_count = self.file.description.zones;
        self.file.cells().locate(lon, lat, zones, |zone| ZoneId(if zone < zone_count { zone } else { 0 }));
    }

    /// How many zones there are; some may hold no place.
    pub fn zone_count(&self) -> usize {
        self.file.description.zones as usize
    }

    /// The set of a layer, given by its place in [`Index::layers`], that a zone lies in.
    pub fn set_of(&self, layer: usize, zone: ZoneId) -> SetId {
        SetId(self.layers[layer].set_of()[zone.index()])
    }

    /// The layers in the order of layers.toml.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

/// The rings of all layers, and who they belong to.
fn features<'a>(config: &LayersConfig, layers: &'a [(Regions, String)]) -> Features<'a> {
    let mut features =
        Features { rings: Vec::new(), layer_of: Vec::new(), region_of: Vec::new(), layers: Vec::new() };
    for (place, (config, (regions, _))) in config.layers.iter().zip(layers).enumerate() {
        for (rings, region) in &regions.features {
            let feature = features.layer_of.len() as u32;
            features.layer_of.push(place as u8);
            features.region_of.push(*region);
            features.rings.extend(rings.iter().map(|vertices| Ring { vertices, feature }));
        }
        features.layers.push(Choice { is_list: config.is_list(), ranks: regions.ranks.clone() });
    }
    features
}

/// Puts the index together.
fn assemble(
    config: &LayersConfig,
    mut layers: Vec<(Regions, String)>,
    mut built: Built,
) -> Result<IndexFile, RegionError> {
    let mut has_edges = built.has_edges.iter();
    let mut tables = Vec::new();
    let mut set_of = Vec::new();
    let mut descriptions = Vec::new();
    for ((config, (regions, sha256)), zones) in config.layers.iter().zip(&mut layers).zip(&built.zones) {
        let mut has_area = vec![0u8; regions.regions.len()];
        for ((_, region), has_edges) in regions.features.iter().zip(&mut has_edges) {
            has_area[*region as usize] |= u8::from(*has_edges);
        }
        regions.report.without_area = has_area.iter().filter(|has_area| **has_area == 0).count() as u64;
        set_of.extend(&zones.set_of);
        tables.push(Tables::new(config, &regions.regions, zones, has_area)?);
        descriptions.push(LayerDescription {
            name: config.name.clone(),
            source: config.source.clone(),
            vintage: config.vintage.clone(),
            scale: config.scale.clone(),
            source_sha256: std::mem::take(sha256),
            settings_sha256: settings_sha256(config),
            is_list: config.is_list(),
            fields: config.fields.len() as u32,
            regions: regions.regions.len() as u32,
            sets: zones.sets.len() as u32,
            report: regions.report,
        });
    }
    drop(layers);
    let description = Description { root: built.root, zones: built.zone_count as u32, layers: descriptions };
    let len = |of: fn(&build::Row) -> usize| built.rows.iter().map(of).sum::<usize>();
    let mut sections = vec![
        Section::Later(4 + 4 * len(|row| row.roots.len())),
        Section::Later(4 * len(|row| row.nodes.len())),
        Section::Later(8 * len(|row| row.cells.len())),
        Section::Words(&set_of),
    ];
    for table in &tables {
        sections.extend([
            Section::Words(&table.set_starts),
            Section::Words(&table.set_regions),
            Section::Words(&table.texts),
            Section::Bytes(&table.pool),
            Section::Doubles(&table.boxes),
            Section::Bytes(&table.has_area),
        ]);
    }
    let rows = std::mem::take(&mut built.rows);
    build::check_size(&rows).map_err(|found| RegionError::TooLarge { found_bytes: found })?;
    Ok(IndexFile::assemble(description, &sections, |later| build::join(rows, later)))
}

/// The tables of a layer as the file has them.
struct Tables {
    set_starts: Vec<u32>,
    set_regions: Vec<u32>,
    texts: Vec<u32>,
    pool: Vec<u8>,
    boxes: Vec<f64>,
    has_area: Vec<u8>,
}

impl Tables {
    fn new(
        config: &LayerConfig,
        regions: &[Region],
        zones: &LayerZones,
        has_area: Vec<u8>,
    ) -> Result<Self, RegionError> {
        let mut tables = Tables {
            set_starts: vec![0],
            set_regions: Vec::new(),
            texts: Vec::new(),
            pool: Vec::new(),
            boxes: Vec::new(),
            has_area,
        };
        for set in &zones.sets {
            tables.set_regions.extend(set);
            tables.set_starts.push(tables.set_regions.len() as u32);
        }
        let mut known = rustc_hash::FxHashMap::default();
        for region in regions {
            let id = Some(region.id.as_str());
            for text in [id].into_iter().chain(region.fields.iter().map(|field| field.as_deref())) {
                let entry = match text {
                    None => [NULL_TEXT, 0],
                    Some(text) => *known.entry(text).or_insert_with(|| {
                        let entry = [tables.pool.len() as u32, text.len() as u32];
                        tables.pool.extend(text.as_bytes());
                        entry
                    }),
                };
                tables.texts.extend(entry);
            }
            let nowhere = [f64::NAN; 4];
            let of = region
                .bounds
                .map_or(nowhere, |bounds| [bounds.west, bounds.south, bounds.east, bounds.north]);
            tables.boxes.extend(of);
        }
        // Where a text begins is a number of 32 bits.
        if tables.pool.len() >= NULL_TEXT as usize {
            let origin = Origin { layer: &config.name, file: &config.source };
            return Err(
                origin.unreadable("expected less than 4 GB of texts in its fields; write fewer fields")
            );
        }
        Ok(tables)
    }
}
