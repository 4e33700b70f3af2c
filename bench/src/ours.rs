//! Our own software as the oracle and the benches use it: the one place that knows its interface.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use bisonflow_annotation::{Annotator, Columns, OnePass, Order, annotate_file};
use bisonflow_contract::input::Options;
use bisonflow_occurrence::Filters;
use bisonflow_region::{Index, RegionError, SetId, ZoneId};
use bisonflow_riis::Register;
use bisonflow_summary::SummarySpec;

use crate::layers::{self, BenchLayer};

/// The index of some layers.
pub struct Ours {
    index: Index,
}

impl Ours {
    /// Reads and indexes the layers. With `all`, every region of a place counts.
    ///
    /// # Errors
    /// [`RegionError`]: which layer, which file and what is wrong with it.
    pub fn build(layers: &[BenchLayer], all: bool) -> Result<Ours, RegionError> {
        let config = layers::config(layers, all)?;
        let read =
            |name: &str| std::fs::read(Path::new(name)).map_err(|error| RegionError::load(name, error));
        Ok(Ours { index: Index::build(&config, read)? })
    }

    /// The zone of each place (degrees): a number for the regions of all layers that it lies in.
    pub fn zones(&self, lon: &[f64], lat: &[f64]) -> Vec<ZoneId> {
        let mut zones = vec![ZoneId::NONE; lon.len()];
        self.index.locate(lon, lat, &mut zones);
        zones
    }

    /// The same, on so many threads, each a share of the places.
    pub fn zones_on(&self, threads: usize, lon: &[f64], lat: &[f64], zones: &mut [ZoneId]) {
        let share = lon.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for ((lon, lat), zones) in lon.chunks(share).zip(lat.chunks(share)).zip(zones.chunks_mut(share)) {
                scope.spawn(move || self.index.locate(lon, lat, zones));
            }
        });
    }

    /// For each place the set of regions in each layer, one array per layer.
    pub fn sets_of(&self, zones: &[ZoneId]) -> Vec<Vec<u32>> {
        let layers = 0..self.index.layers().len();
        let of = |layer| zones.iter().map(|&zone| self.index.set_of(layer, zone).index() as u32).collect();
        layers.map(of).collect()
    }

    /// Bytes of the index, in memory as in its file.
    pub fn bytes(&self) -> u64 {
        self.index.as_bytes().len() as u64
    }

    /// How many pairs of place and region these answers are.
    pub fn pairs(&self, answers: &[Vec<u32>]) -> u64 {
        let layers = answers.iter().enumerate();
        let of_layer = layers.map(|(layer, sets)| {
            let sizes: Vec<u64> = self.sets(layer).iter().map(|set| set.len() as u64).collect();
            sets.iter().map(|&set| sizes[set as usize]).sum::<u64>()
        });
        of_layer.sum()
    }

    /// The ids of the regions of each set of a layer, by the set's number.
    pub fn sets(&self, layer: usize) -> Vec<Vec<&str>> {
        let layer = &self.index.layers()[layer];
        layer.set_ids().map(|set: SetId| layer.ids(set)).collect()
    }

    /// The ids of all regions of a layer, in order.
    pub fn region_ids(&self, layer: usize) -> Vec<&str> {
        self.index.layers()[layer].region_ids().collect()
    }
}

/// The bytes of a layer's file.
fn read(name: &str) -> Result<Vec<u8>, RegionError> {
    std::fs::read(Path::new(name)).map_err(|error| RegionError::load(name, error))
}

/// The record path: filters, regions, register, counts.
pub struct Annotating {
    annotator: Annotator,
    summaries: Vec<SummarySpec>,
}

/// What a pass over a file read and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Records read.
    pub read: u64,
    /// Records that passed the filters.
    pub annotated: u64,
}

impl Annotating {
    /// Reads the layers and the register, if there is one.
    ///
    /// # Errors
    /// What is wrong with the layers or the register.
    pub fn new(layers: &[BenchLayer], register: Option<&Path>) -> Result<Annotating, Box<dyn Error>> {
        let config = layers::annotation_config(layers)?;
        let index = Index::build(&config, read)?;
        let register = match register {
            Some(path) => Some(Register::read(&path.display().to_string(), &std::fs::read(path)?)?),
            None => None,
        };
        let summaries = config
            .summaries
            .iter()
            .map(|summary| SummarySpec { name: summary.name.clone(), by: summary.by.clone() })
            .collect();
        let annotator = Annotator::new(Filters::new(&Options::default()), &config, index, register)?;
        Ok(Annotating { annotator, summaries })
    }

    /// Reads a file of text or Parquet, counts, and writes the annotated records to `out`, if that is said; of the
    /// source's columns only `columns`.
    ///
    /// # Errors
    /// What reading, annotating, counting or writing say.
    pub fn pass(
        &self,
        source: &Path,
        out: Option<&Path>,
        columns: &[&str],
    ) -> Result<Passed, Box<dyn Error>> {
        let columns: Columns = columns.join(",").parse()?;
        let out = match out {
            Some(path) => Some((File::create(path)?, "annotated.parquet")),
            None => None,
        };
        let order = Order {
            out,
            row_group_records: 1_000_000,
            summaries: &self.summaries,
            counts_datasets: false,
            finds_earliest: false,
            run_year: 2026,
        };
        let OnePass { done, .. } = annotate_file(&self.annotator, source, &columns, order)?;
        Ok(Passed { read: done.tally.records, annotated: done.tally.annotated })
    }
}
