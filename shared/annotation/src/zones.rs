//! What is known of each zone, so that a record needs its zone only.

use bisonflow_region::{Index, ZoneId};
use bisonflow_riis::Standing;

use crate::regions::{LayerColumns, SetValues};

/// By zone: its standing, the set that it is in for each layer, and the text of each column of the layers.
pub(crate) struct ZoneTable {
    /// As places in [`Standing::ALL`].
    standings: Vec<u8>,
    pub(crate) sets: Vec<Vec<u32>>,
    /// By layer and column; empty for lists.
    pub(crate) codes: Vec<Vec<Vec<u32>>>,
}

impl ZoneTable {
    /// `state` is the layer and the column that say the state.
    pub(crate) fn new(index: &Index, layers: &[LayerColumns], state: Option<(usize, usize)>) -> Self {
        let sets_of = |place| {
            let sets = (0..index.zone_count()).map(|zone| index.set_of(place, ZoneId::from_index(zone)));
            sets.map(|set| set.index() as u32).collect()
        };
        let sets: Vec<Vec<u32>> = (0..layers.len()).map(sets_of).collect();
        let codes = layers.iter().zip(&sets).map(|(layer, sets)| {
            let of_column = |values: &SetValues| match values {
                SetValues::Texts { codes, .. } => sets.iter().map(|&set| codes[set as usize]).collect(),
                SetValues::Lists(_) => Vec::new(),
            };
            layer.columns.iter().map(|column| of_column(&column.values)).collect()
        });
        let codes = codes.collect();
        let standing = |zone: usize| {
            let state = state.and_then(|(layer, column)| {
                layers[layer].columns[column].values.text(sets[layer][zone] as usize)
            });
            let standing = Standing::of_state(state);
            let place = Standing::ALL.iter().position(|&known| known == standing);
            place.expect("ALL has every standing") as u8
        };
        let standings = (0..index.zone_count()).map(standing).collect();
        ZoneTable { standings, sets, codes }
    }

    /// The standing of a zone, as a place in [`Standing::ALL`].
    pub(crate) fn standing(&self, zone: u32) -> u8 {
        self.standings[zone as usize]
    }
}
