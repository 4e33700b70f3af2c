//! The layers that are compared and timed, and where their files are.

use std::error::Error;
use std::path::{Path, PathBuf};

use bisonflow_region::{LayersConfig, RegionError};

use crate::protected_areas::ProtectedAreas;

/// A layer: a name, a file, the attribute that identifies a region.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BenchLayer {
    /// Its name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The attribute that identifies a region.
    pub id: String,
}

/// The folder of real data that may lie beside a checkout.
fn real_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data")
}

/// The real file of this name, if the folder of real data is there. `BISONFLOW_DATA` names another folder.
pub fn real_file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BISONFLOW_DATA").map_or_else(real_data, PathBuf::from);
    let path = folder.join(name);
    path.exists().then_some(path)
}

/// Counties, states and American Indian areas if the real files are there, else the counties of the repository;
/// and in words, which of the two.
pub fn census_layers() -> (Vec<BenchLayer>, String) {
    let real = [
        ("county", "regions/us_county_2017_10m.zip"),
        ("state", "regions/cb_2020_us_state_500k.zip"),
        ("aiannh", "regions/cb_2021_us_aiannh_500k.zip"),
    ];
    let layers: Option<Vec<BenchLayer>> = real
        .iter()
        .map(|(name, file)| {
            Some(BenchLayer { name: (*name).to_owned(), path: real_file(file)?, id: "GEOID".to_owned() })
        })
        .collect();
    match layers {
        Some(layers) => {
            let said = "counties 1:10 M, states 1:500 k and AIANNH areas 1:500 k of ../shared/data";
            (layers, said.to_owned())
        }
        None => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference/us_county_2017_10m.topojson");
            let counties = BenchLayer { name: "county".to_owned(), path, id: "GEOID".to_owned() };
            (vec![counties], "the repository's counties only, as ../shared/data is not there".to_owned())
        }
    }
}

/// The name of the synthetic layer.
pub const PROTECTED_AREA: &str = "protected_area";

/// The synthetic layer like PAD-US, made in `folder` unless it is there.
///
/// # Errors
/// What the file system says.
pub fn protected_areas(folder: &Path, plan: ProtectedAreas) -> Result<BenchLayer, Box<dyn Error>> {
    let ProtectedAreas { polygons, vertices, seed } = plan;
    let path = folder.join(format!("protected-areas-{polygons}-{vertices}-{seed}.zip"));
    if !path.exists() {
        std::fs::create_dir_all(folder)?;
        eprintln!("making {}", path.display());
        let unfinished = path.with_extension("unfinished");
        plan.write(&unfinished)?;
        std::fs::rename(unfinished, &path)?;
    }
    Ok(BenchLayer { name: PROTECTED_AREA.to_owned(), path, id: "Unit_ID".to_owned() })
}

/// layers.toml for these layers. With `all`, every region of a place counts.
///
/// # Errors
/// [`RegionError`] if the layers do not fit together.
pub fn config(layers: &[BenchLayer], all: bool) -> Result<LayersConfig, RegionError> {
    let overlap = if all { "overlap = \"all\"\n" } else { "" };
    let text: String = layers
        .iter()
        .map(|BenchLayer { name, path, id }| {
            format!(
                "[[layer]]\nname = \"{name}\"\nsource = {:?}\nvintage = \"1\"\nscale = \"1:500k\"\nid = \"{id}\"\n\
                 fields = {{ {name}_id = \"{id}\" }}\n{overlap}",
                path.display().to_string()
            )
        })
        .collect();
    LayersConfig::parse(&text, &[])
}

/// layers.toml for annotating: each layer with the columns that a run has.
///
/// # Errors
/// [`RegionError`] if the layers do not fit together.
pub fn annotation_config(layers: &[BenchLayer]) -> Result<LayersConfig, RegionError> {
    let text: String = layers
        .iter()
        .map(|BenchLayer { name, path, id }| {
            let (fields, by, more) = match name.as_str() {
                "county" => (
                    "census_state = \"STUSPS\", census_county = \"NAMELSAD\", state_county = \"{STUSPS} {NAMELSAD}\", \
                     county_geoid = \"GEOID\"",
                    "\"county_geoid\", \"state_county\"",
                    "",
                ),
                "state" => ("state_name = \"NAME\", state_geoid = \"GEOID\"", "\"state_geoid\", \"state_name\"", ""),
                "aiannh" => {
                    ("aiannh_name = \"NAMELSAD\", aiannh_geoid = \"GEOID\"", "\"aiannh_geoid\", \"aiannh_name\"", "")
                }
                _ => (
                    "pa_unit = \"Unit_ID\", pa_name = \"Unit_Nm\", pa_gap_status = \"GAP_Sts\"",
                    "\"pa_unit\", \"pa_name\"",
                    "overlap = { lowest = [\"GAP_Sts\", \"GIS_Acres\"] }\nwhere = \"Category != 'Proclamation'\"\n",
                ),
            };
            format!(
                "[[layer]]\nname = \"{name}\"\nsource = {:?}\nvintage = \"1\"\nscale = \"1:500k\"\nid = \"{id}\"\n\
                 fields = {{ {fields} }}\n{more}[[summary]]\nname = \"{name}\"\nby = [{by}]\n",
                path.display().to_string()
            )
        })
        .collect();
    LayersConfig::parse(&format!("riis_region_from = \"census_state\"\n{text}"), &[])
}
