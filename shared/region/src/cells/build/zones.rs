//! Zones get their numbers: by what they are, not by who found them first.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::states::Zones;
use super::{Features, Row};
use crate::cells::cell;
use crate::cells::lookup::PAYLOAD;

/// What a layer makes of the zones.
pub(crate) struct LayerZones {
    /// The regions of each set, in order; the first set is empty.
    pub(crate) sets: Vec<Vec<u32>>,
    /// The set of each zone.
    pub(crate) set_of: Vec<u32>,
}

/// Numbers the sets of each layer and the zones, and writes these numbers into the pieces.
pub(super) fn number(
    features: &Features<'_>,
    found: &[Zones],
    rows: &mut [Row],
    threads: NonZeroUsize,
) -> (Vec<LayerZones>, usize) {
    // By layer, then by thread: from the thread's number to the regions, then to the set.
    let mut layers: Vec<LayerZones> = Vec::new();
    let mut set_of: Vec<Vec<Vec<u32>>> = Vec::new();
    for (layer, choice) in features.layers.iter().enumerate() {
        let regions = |zones: &Zones, number: u32| -> Vec<u32> {
            match number {
                0 => Vec::new(),
                number if choice.is_list => zones.lists[layer][number as usize - 1].clone(),
                number => vec![number - 1],
            }
        };
        let used: Vec<BTreeSet<u32>> = found
            .iter()
            .map(|zones| zones.tuples.iter().map(|tuple| tuple[layer]).chain([0]).collect())
            .collect();
        let mut sets: Vec<Vec<u32>> = found
            .iter()
            .zip(&used)
            .flat_map(|(zones, used)| used.iter().map(|&number| regions(zones, number)))
            .collect();
        sets.sort_unstable();
        sets.dedup();
        let of_thread = |(zones, used): (&Zones, &BTreeSet<u32>)| {
            let most = used.last().copied().unwrap_or(0) as usize;
            let mut of_number = vec![0; most + 1];
            for &number in used {
                let own = regions(zones, number);
                of_number[number as usize] = sets.partition_point(|known| *known < own) as u32;
            }
            of_number
        };
        set_of.push(found.iter().zip(&used).map(of_thread).collect());
        layers.push(LayerZones { sets, set_of: Vec::new() });
    }

    let tuple = |thread: usize, local: &[u32]| -> Vec<u32> {
        local.iter().zip(&set_of).map(|(&number, of_layer)| of_layer[thread][number as usize]).collect()
    };
    let of_thread = |(thread, zones): (usize, &Zones)| -> Vec<Vec<u32>> {
        zones.tuples.iter().map(|local| tuple(thread, local)).collect()
    };
    let tuples: Vec<Vec<Vec<u32>>> = found.iter().enumerate().map(of_thread).collect();
    let mut all: Vec<&Vec<u32>> = tuples.iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    for (layer, zones) in layers.iter_mut().enumerate() {
        zones.set_of = all.iter().map(|tuple| tuple[layer]).collect();
    }
    let number_of: Vec<Vec<u32>> = tuples
        .iter()
        .map(|tuples| tuples.iter().map(|tuple| all.partition_point(|known| *known < tuple) as u32).collect())
        .collect();

    let share = rows.len().div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        for rows in rows.chunks_mut(share) {
            scope.spawn(|| rows.iter_mut().for_each(|row| renumber(row, &number_of[row.thread])));
        }
    });
    (layers, all.len())
}

fn renumber(row: &mut Row, number_of: &[u32]) {
    for entry in row.roots.iter_mut().chain(&mut row.nodes) {
        if *entry <= PAYLOAD {
            *entry = number_of[*entry as usize];
        }
    }
    let mut rest = row.cells.as_mut_slice();
    while !rest.is_empty() {
        let len = cell::renumber(rest, |zone| number_of[zone as usize]);
        rest = &mut rest[len..];
    }
}
