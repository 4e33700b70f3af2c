//! Our own software as the oracle and the benches use it: the one place that knows its interface.

use std::error::Error;
use std::path::Path;

use bisonflow_region::{Coordinate, Index, RegionError, SetId};

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

    /// For each place (degrees) the set of regions in each layer, one array per layer.
    ///
    /// # Errors
    /// A place that is not on Earth.
    pub fn locate(&self, lon: &[f64], lat: &[f64]) -> Result<Vec<Vec<u32>>, Box<dyn Error>> {
        let places = || lon.iter().zip(lat);
        self.index
            .layers()
            .iter()
            .map(|layer| {
                places()
                    .map(|(&lon, &lat)| Ok(layer.locate(Coordinate::new(lon, lat)?).index() as u32))
                    .collect()
            })
            .collect()
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
