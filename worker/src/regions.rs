//! `regions`: the index of the layers as one file, what is in it, and where one place lies.

use std::path::{Path, PathBuf};

use bisonflow_cloud::Store;
use bisonflow_cloud::reference::{self, Files};
use bisonflow_contract::StepError;
use bisonflow_contract::input::Options;
use bisonflow_region::{Coordinate, FieldValue, Index, Layer, LayersConfig, Position};
use tokio::runtime::Handle;

use crate::whole_file;

/// Where the layers come from.
pub struct LayersFrom {
    /// layers.toml, its sources beside it; absent for the default.
    pub layers: Option<PathBuf>,
    /// An index built of them before.
    pub index: Option<PathBuf>,
}

impl LayersFrom {
    /// The settings and the index of the layers: built, or mapped from the file and compared with the settings.
    ///
    /// # Errors
    /// [`StepError::BadReferenceData`] naming file and field.
    fn open(&self, handle: &Handle) -> Result<(LayersConfig, Index), StepError> {
        let all = Options::default();
        let files = Files { layers_toml: self.layers.as_deref(), ..Files::default() };
        let pinned = reference::pin_files(&files, &all)?;
        let here = Store::folder(Path::new("."))?;
        let config = handle.block_on(reference::pinned_layers(&here, &pinned, &all))?;
        let index = match &self.index {
            None => handle.block_on(reference::build_index(&here, &config, &pinned))?,
            Some(path) => reference::open_index(path, &config, &pinned)?,
        };
        Ok((config, index))
    }
}

/// Builds the index and writes it to `out`, whole or not at all; what it is made of, in lines.
///
/// # Errors
/// As [`check`], [`StepError::InvalidInput`] if there is no such folder, and
/// [`StepError::Internal`] if the file cannot be written.
pub fn build(from: &LayersFrom, out: &Path, handle: &Handle) -> Result<Vec<String>, StepError> {
    let folder = std::path::absolute(out).ok().and_then(|out| Some(out.parent()?.to_owned()));
    if out.is_dir() || !folder.is_some_and(|folder| folder.is_dir()) {
        let found = format!("found {}, expected a file in a folder that exists", out.display());
        return Err(StepError::invalid("--out", found));
    }
    let (config, index) = from.open(handle)?;
    whole_file::write(out, index.as_bytes())?;
    let mut lines = told(&config, &index);
    lines.push(format!("index     {} ({} bytes)", out.display(), index.as_bytes().len()));
    Ok(lines)
}

/// What the layers are made of and what is wrong with them, in lines.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming layer, file and field.
pub fn check(from: &LayersFrom, handle: &Handle) -> Result<Vec<String>, StepError> {
    let (config, index) = from.open(handle)?;
    let mut lines = told(&config, &index);
    if let Some(path) = &from.index {
        lines.push(format!("index     {} is of these layers and their sources", path.display()));
    }
    Ok(lines)
}

/// Which regions one place lies in, layer by layer, in words. Degrees.
///
/// # Errors
/// As [`check`], and [`StepError::InvalidInput`] if there is no such place.
pub fn locate(from: &LayersFrom, lon: f64, lat: f64, handle: &Handle) -> Result<Vec<String>, StepError> {
    let coordinate = Coordinate::new(lon, lat).map_err(|error| StepError::invalid("LON LAT", error))?;
    let (config, index) = from.open(handle)?;
    let mut lines = Vec::new();
    for (layer, settings) in index.layers().iter().zip(&config.layers) {
        let (set, side) = match layer.position(coordinate) {
            Position::Outside => {
                lines.push(format!("{}: in no region", layer.name()));
                continue;
            }
            Position::Inside(set) => (set, "inside"),
            Position::OnBoundary(set) => (set, "on a border; a step east, then north it lies in"),
        };
        let ids = layer.ids(set);
        let ids = if ids.is_empty() { "no region".to_owned() } else { ids.join(", ") };
        lines.push(format!("{}: {side} {ids}", layer.name()));
        for (place, column) in settings.fields.keys().enumerate() {
            match layer.value(place, set) {
                FieldValue::Null => lines.push(format!("  {column} = null")),
                FieldValue::One(text) => lines.push(format!("  {column} = {text}")),
                FieldValue::Many(texts) => {
                    let texts: Vec<&str> = texts.map(|text| text.unwrap_or("null")).collect();
                    lines.push(format!("  {column} = [{}]", texts.join(", ")));
                }
            }
        }
    }
    Ok(lines)
}

fn told(config: &LayersConfig, index: &Index) -> Vec<String> {
    let mut lines: Vec<String> = index.layers().iter().flat_map(of_layer).collect();
    if lines.is_empty() {
        lines.push("warning   there is no layer: records get no region".to_owned());
    }
    lines.push(match &config.riis_region_from {
        Some(column) => format!("register  the column {column} says which of its regions a record lies in"),
        None => {
            "register  cannot be used: no riis_region_from says in which column the state stands".to_owned()
        }
    });
    let summaries = config.summaries.iter();
    lines.extend(summaries.map(|summary| format!("summary   {} by {}", summary.name, summary.by.join(", "))));
    lines.push(format!("zones     {} combinations of regions", index.zone_count()));
    lines
}

fn of_layer(layer: &Layer) -> Vec<String> {
    let report = layer.report();
    let mut lines = vec![
        format!("layer     {} ({}, {}, {})", layer.name(), layer.source(), layer.vintage(), layer.scale()),
        format!("  regions {} of {} features", report.regions, report.features - report.filtered),
        format!("  rings   {} with {} vertices", report.rings, report.vertices),
    ];
    if let Some(bounds) = layer.bounds() {
        lines.push(format!(
            "  bounds  longitude {} to {}, latitude {} to {}",
            bounds.west, bounds.east, bounds.south, bounds.north
        ));
    }
    let overlaps = layer.set_ids().map(|set| layer.ids(set)).filter(|ids| ids.len() > 1).count();
    let told = [
        (report.filtered, "features are left out by `where`"),
        (report.repeated_ids, "features are further parts of a region of the same id"),
        (report.dropped_rings, "rings are left out: a vertex is no finite number"),
        (report.skipped_geometries, "points and lines are left out"),
        (overlaps as u64, "combinations of regions overlap"),
    ];
    lines.extend(
        told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("  note    {count} {what}")),
    );
    let without = layer.ids_without_area();
    if !without.is_empty() {
        lines.push(format!(
            "  warning {} regions hold no place, as their rings have no area: {}",
            without.len(),
            without.join(", ")
        ));
    }
    lines
}
