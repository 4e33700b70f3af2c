//! TopoJSON: rings stitched from shared arcs, so that neighbours share their border to the last bit.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{FeatureTable, Origin, Vertex, tabulate};
use crate::error::RegionError;

#[derive(Deserialize)]
struct Topology {
    arcs: Vec<Vec<Vec<f64>>>,
    transform: Option<Transform>,
    objects: IndexMap<String, Object>,
}

/// Quantized positions are differences; times `scale`, plus `translate`, they are degrees.
#[derive(Deserialize)]
struct Transform {
    scale: [f64; 2],
    translate: [f64; 2],
}

#[derive(Deserialize)]
struct Object {
    #[serde(flatten)]
    geometry: Geometry,
    id: Option<Value>,
    properties: Option<Map<String, Value>>,
}

/// Arcs are numbered from 0; `!n` (that is −n − 1) is arc n from its end to its start.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Polygon {
        arcs: Vec<Vec<i64>>,
    },
    MultiPolygon {
        arcs: Vec<Vec<Vec<i64>>>,
    },
    #[serde(rename = "GeometryCollection")]
    Collection {
        geometries: Vec<Object>,
    },
    #[serde(other)]
    Other,
}

pub(super) fn read(origin: Origin<'_>, bytes: &[u8], wanted: &[&str]) -> Result<FeatureTable, RegionError> {
    let topology: Topology = serde_json::from_slice(bytes).map_err(|error| origin.unreadable(error))?;
    let arcs = decode(&topology)
        .ok_or_else(|| origin.unreadable("an arc has a position of fewer than two numbers"))?;
    let object = the_object(origin, topology.objects)?;
    let features = match object {
        Object { geometry: Geometry::Collection { geometries }, .. } => geometries,
        single => vec![single],
    };
    let mut all_rings = Vec::with_capacity(features.len());
    let mut rows = Vec::with_capacity(features.len());
    let mut skipped = 0;
    for (number, feature) in features.into_iter().enumerate() {
        let mut rings = Vec::new();
        add_rings(origin, number, &feature.geometry, &arcs, &mut rings, &mut skipped)?;
        all_rings.push(rings);
        rows.push((feature.id, feature.properties));
    }
    Ok(tabulate(rows, all_rings, skipped, wanted))
}

/// The object that is the layer: the only one, or the one of the layer's name.
fn the_object(origin: Origin<'_>, mut objects: IndexMap<String, Object>) -> Result<Object, RegionError> {
    let names = objects.keys().cloned().collect::<Vec<_>>().join(", ");
    let object = if objects.len() == 1 {
        objects.pop().map(|(_, object)| object)
    } else {
        objects.swap_remove(origin.layer)
    };
    object.ok_or_else(|| {
        origin.unreadable(format!("expected one object, or one that is called like the layer, found {names}"))
    })
}

fn decode(topology: &Topology) -> Option<Vec<Vec<Vertex>>> {
    let position = |position: &Vec<f64>| match position.as_slice() {
        [x, y, ..] => Some([*x, *y]),
        _ => None,
    };
    let arc = |arc: &Vec<Vec<f64>>| -> Option<Vec<Vertex>> {
        let Some(Transform { scale, translate }) = &topology.transform else {
            return arc.iter().map(position).collect();
        };
        let mut sum = [0.0, 0.0];
        let next = |difference: &Vec<f64>| {
            let [x, y] = position(difference)?;
            sum = [sum[0] + x, sum[1] + y];
            Some([sum[0] * scale[0] + translate[0], sum[1] * scale[1] + translate[1]])
        };
        arc.iter().map(next).collect()
    };
    topology.arcs.iter().map(arc).collect()
}

fn add_rings(
    origin: Origin<'_>,
    number: usize,
    geometry: &Geometry,
    arcs: &[Vec<Vertex>],
    rings: &mut Vec<Vec<Vertex>>,
    skipped: &mut u64,
) -> Result<(), RegionError> {
    let mut add = |indices: &Vec<i64>| -> Result<(), RegionError> {
        let mut ring: Vec<Vertex> = Vec::new();
        for &index in indices {
            let place = if index < 0 { !index } else { index };
            let found = || format!("arc {index} of {}", arcs.len());
            let arc = usize::try_from(place).ok().and_then(|place| arcs.get(place));
            let arc = arc.ok_or_else(|| origin.feature(number, "arcs that the topology has", found()))?;
            // The first position of an arc repeats the last one of the arc before it.
            let skip = usize::from(!ring.is_empty());
            if index < 0 {
                ring.extend(arc.iter().rev().skip(skip));
            } else {
                ring.extend(arc.iter().skip(skip));
            }
        }
        rings.push(ring);
        Ok(())
    };
    match geometry {
        Geometry::Polygon { arcs } => arcs.iter().try_for_each(&mut add),
        Geometry::MultiPolygon { arcs } => arcs.iter().flatten().try_for_each(&mut add),
        Geometry::Collection { geometries } => geometries
            .iter()
            .try_for_each(|part| add_rings(origin, number, &part.geometry, arcs, rings, skipped)),
        Geometry::Other => {
            *skipped += 1;
            Ok(())
        }
    }
}
