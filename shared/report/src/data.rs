//! What the page tells.

use bisonflow_contract::document::{Ledger, NewInRun, RiisCounts};
use bisonflow_contract::drift::Drift;

use crate::projection::Point;

/// What the report of a run tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// The ledger.
    pub ledger: Ledger,
    /// When the run was planned, as a date: `2026-11-23`.
    pub planned_on: String,
    /// The version of bisonflow.
    pub version: String,
    /// The filters, in the order in which they are applied: name, and what passes.
    pub filters: Vec<(String, String)>,
    /// The layers.
    pub layers: Vec<LayerNote>,
    /// The register; none if the run does without.
    pub register: Option<Register>,
    /// What changed against the run published before.
    pub drift: Drift,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// The summaries, in the order of layers.toml.
    pub summaries: Vec<Summary>,
    /// The place among `summaries` of the one by the states that decide the register's region; none if there is none.
    pub states: Option<usize>,
    /// The regions of the layer that names the states: drawn in grey behind the maps of other layers.
    pub backdrop: Option<Backdrop>,
    /// The species with most records.
    pub top_species: Option<TopSpecies>,
    /// Datasets and licences; none where they were not counted.
    pub licences: Option<DatasetLicences>,
    /// The files of the run.
    pub files: Vec<FileLink>,
}

/// A layer of the run.
#[derive(Clone, Debug)]
pub struct LayerNote {
    /// Its name.
    pub name: String,
    /// Its file.
    pub source: String,
    /// Which edition of the regions it is.
    pub vintage: String,
    /// The scale for which its lines were drawn.
    pub scale: String,
    /// Whether its lines are too coarse for more than a demonstration.
    pub is_coarse: bool,
    /// SHA-256 of its file, in hexadecimal digits.
    pub sha256: String,
}

/// The register of the run.
#[derive(Clone, Debug)]
pub struct Register {
    /// Where it was.
    pub uri: String,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
    /// Rows that have no key and can match nothing.
    pub rows_without_key: u64,
}

/// A summary and its regions.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// The columns that describe a region: the key, then its labels.
    pub by: Vec<String>,
    /// The layer that the key comes from.
    pub layer: String,
    /// Whether a record may lie in several regions and counts in each.
    pub is_list: bool,
    /// The regions with records, in the order of the tables; the last may be the records outside the layer.
    pub regions: Vec<RegionRow>,
    /// The statistics of its site × species matrix: of the table `<name>_diversity`.
    pub diversity: Vec<Diversity>,
    /// What is new in the run.
    pub new_in_run: NewInRun,
    /// The first rows of the table `<name>_x_new_in_run`.
    pub new_species: Vec<NewSpeciesRow>,
    /// Its map.
    pub map: Map,
}

/// A species that is new in a region, and the earliest record of it there.
#[derive(Clone, Debug, Default)]
pub struct NewSpeciesRow {
    /// The key of the region.
    pub region: String,
    /// What the region is called: its first label, else its key.
    pub region_name: String,
    /// The key of the species.
    pub specieskey: String,
    /// Its name.
    pub species: Option<String>,
    /// Its most severe status in the region.
    pub riis_assessment: String,
    /// Whether the record is of the run's year or the two before.
    pub recent: bool,
    /// `eventdate` of the record.
    pub eventdate: Option<String>,
    /// `gbifid` of the record.
    pub gbifid: Option<String>,
    /// `decimallatitude` and `decimallongitude`, degrees.
    pub coordinates: [Option<f64>; 2],
    /// `coordinateuncertaintyinmeters`.
    pub uncertainty_m: Option<f64>,
    /// `basisofrecord` of the record.
    pub basisofrecord: Option<String>,
    /// `datasetkey` of the record.
    pub datasetkey: Option<String>,
    /// `issue` of the record.
    pub issue: Option<String>,
}

/// A region, of the tables `<name>_counts`, `<name>_riis_summary` and `<name>_x_riis_counts`.
#[derive(Clone, Debug, Default)]
pub struct RegionRow {
    /// Its key and labels; a null key is for the records outside the layer.
    pub by: Vec<Option<String>>,
    /// Records.
    pub occ_count: i64,
    /// Species.
    pub species_count: i64,
    /// Species that the register can say something about.
    pub species_assessed: i64,
    /// Species introduced or established.
    pub species_introduced: i64,
    /// Species invasive or widespread invasive.
    pub species_invasive: i64,
    /// Both, in per cent of `species_assessed`; none where that is 0.
    pub pct_species_nonnative: Option<f64>,
    /// Records of introduced, established, invasive or widespread invasive species.
    pub occ_nonnative: i64,
    /// Records by status.
    pub occ_by_status: RiisCounts,
}

/// A statistic of a matrix.
#[derive(Clone, Debug)]
pub struct Diversity {
    /// The column of the table.
    pub column: String,
    /// What it is.
    pub comment: String,
    /// Its value; none where it is not defined.
    pub value: Option<f64>,
}

/// The map of a summary.
#[derive(Clone, Debug)]
pub enum Map {
    /// Drawn of these shapes.
    Of {
        /// The regions of the layer.
        shapes: Vec<MapShape>,
        /// Whether regions may overlap; if not, those of one key are drawn as one.
        overlapping: bool,
    },
    /// Not drawn, and why.
    NotDrawn(String),
}

/// What is drawn behind maps for orientation.
#[derive(Clone, Debug)]
pub struct Backdrop {
    /// The layer that the shapes are of; its own maps need none.
    pub layer: String,
    /// Those of one key are drawn as one.
    pub shapes: Vec<MapShape>,
}

/// A region of a layer, to be drawn.
#[derive(Clone, Debug)]
pub struct MapShape {
    /// The key under which the summary counts it; regions without one are not drawn.
    pub key: Option<String>,
    /// What to call it where it has no records.
    pub label: String,
    /// Its rings: `[lon, lat]` in degrees, inside by the even-odd rule.
    pub rings: std::sync::Arc<Vec<Vec<Point>>>,
}

/// The species with most records, of the table `<summary>_x_species_list`.
#[derive(Clone, Debug)]
pub struct TopSpecies {
    /// The table.
    pub table: String,
    /// All species of the run.
    pub species: u64,
    /// The first of them, by their records.
    pub rows: Vec<SpeciesRow>,
}

/// A species and its records.
#[derive(Clone, Debug, Default)]
pub struct SpeciesRow {
    /// Its key.
    pub specieskey: String,
    /// Its name.
    pub species: Option<String>,
    /// Records.
    pub occ_count: i64,
    /// Records where it is introduced, established, invasive or widespread invasive.
    pub occ_nonnative: i64,
    /// The first year of a record.
    pub first_year: Option<i32>,
    /// The last year of a record.
    pub last_year: Option<i32>,
}

/// The datasets and licences of the annotated records, of the table `dataset_counts`.
#[derive(Clone, Debug)]
pub struct DatasetLicences {
    /// Datasets with annotated records.
    pub datasets: u64,
    /// By licence, the most records first.
    pub licences: Vec<LicenceCount>,
}

/// The annotated records under a licence.
#[derive(Clone, Debug)]
pub struct LicenceCount {
    /// As GBIF writes it; none is unknown.
    pub license: Option<String>,
    /// Annotated records.
    pub annotated: i64,
}

/// A file of the run.
#[derive(Clone, Debug)]
pub struct FileLink {
    /// What it is.
    pub name: String,
    /// Where it is, relative to the page.
    pub href: String,
    /// Its rows, for a table.
    pub rows: Option<u64>,
}
