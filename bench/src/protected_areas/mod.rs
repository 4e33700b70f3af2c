//! A synthetic layer with the burdens of PAD-US, the Protected Areas Database of the United States: hundreds of
//! thousands of units of very different sizes, tens of millions of vertices, units within units, exact
//! duplicates, neighbours that share their borders, and outlines that are wrong in every way seen in practice.
//!
//! The same seed makes the same file. Memory does not grow with the number of units.

mod shape;
mod unit;

use std::collections::VecDeque;
use std::error::Error;
use std::f64::consts::TAU;
use std::path::Path;

use crate::random::Random;
use shape::{Ring, Site};
use unit::{Unit, UnitWriter};

/// What layer to make.
#[derive(Clone, Copy, Debug)]
pub struct ProtectedAreas {
    /// How many units.
    pub polygons: u64,
    /// How many vertices at least, all units together.
    pub vertices: u64,
    /// Another seed makes another layer.
    pub seed: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Units written.
    pub polygons: u64,
    /// Rings of all units.
    pub rings: u64,
    /// Vertices of all rings, the repeated first one included.
    pub vertices: u64,
    /// Units that have the outline of an earlier one.
    pub duplicates: u64,
    /// Units whose outline was spoiled.
    pub spoiled: u64,
}

/// Of a thousand units: exact duplicates of an earlier one.
const DUPLICATES: usize = 132;
/// Of a thousand units: those that lie within an earlier one.
const NESTED: usize = 150;
/// Of a thousand units: corridors.
const CORRIDORS: usize = 30;
/// Of a thousand units: beginnings of a block of neighbours, or of surveyed sections.
const BLOCKS: usize = 5;
/// A block is this many units on each side.
const BLOCK_SIDE: usize = 4;
/// The greatest share of vertices in the heavy tail of sizes.
const LARGEST: f64 = 10_000.0;
/// The exponent of the heavy tail: the number of units with more than n vertices falls with this power of n.
const TAIL: f64 = 1.1;
/// As many earlier units are remembered for duplicates and nesting.
const REMEMBERED: usize = 64;

impl ProtectedAreas {
    /// Writes the layer as a zipped shapefile.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, out: &Path) -> Result<Made, Box<dyn Error>> {
        let mut writer = UnitWriter::create(out)?;
        let mut attributes = Random::new(self.seed ^ 0xA77);
        let mut units = Units::new(*self);
        let mut made = Made::default();
        while let Some(unit) = units.next(&mut made) {
            made.polygons += 1;
            made.rings += unit.rings.len() as u64;
            made.vertices += unit.vertices();
            writer.write(&mut attributes, made.polygons, &unit)?;
        }
        writer.finish(out)?;
        Ok(made)
    }

    /// The weight of a unit: its share of the vertices. Drawn anew from its number, so that none is kept.
    fn weight(&self, number: u64) -> f64 {
        let unit = Random::new(self.seed.wrapping_add(number.wrapping_mul(0xD134_2543_DE82_EF95))).unit();
        (1.0 - unit).powf(-1.0 / TAIL).min(LARGEST)
    }
}

/// The units one after the other.
struct Units {
    plan: ProtectedAreas,
    random: Random,
    towns: Vec<[f64; 2]>,
    number: u64,
    weight_left: f64,
    /// Of a block that was begun.
    pending: VecDeque<Unit>,
    earlier: VecDeque<(Site, Unit)>,
}

impl Units {
    fn new(plan: ProtectedAreas) -> Units {
        let mut random = Random::new(plan.seed);
        let towns = (0..400).map(|_| anywhere(&mut random)).collect();
        let weight_left = (0..plan.polygons).map(|number| plan.weight(number)).sum();
        Units {
            plan,
            random,
            towns,
            number: 0,
            weight_left,
            pending: VecDeque::new(),
            earlier: VecDeque::with_capacity(REMEMBERED),
        }
    }

    fn next(&mut self, made: &mut Made) -> Option<Unit> {
        if self.number == self.plan.polygons {
            return None;
        }
        let weight = self.plan.weight(self.number);
        self.number += 1;
        // What is left of the vertices goes by weight to the units that are left.
        let vertices_left = self.plan.vertices.saturating_sub(made.vertices) as f64;
        let share = (vertices_left * weight / self.weight_left).ceil();
        self.weight_left = (self.weight_left - weight).max(f64::MIN_POSITIVE);
        if let Some(unit) = self.pending.pop_front() {
            return Some(unit);
        }
        let last = self.number == self.plan.polygons;
        let vertices = if last { vertices_left } else { share }.max(6.0) as usize;
        Some(self.draw(made, vertices, last))
    }

    fn draw(&mut self, made: &mut Made, vertices: usize, last: bool) -> Unit {
        let random = &mut self.random;
        let kind = random.below(1000);
        let mut bound = DUPLICATES;
        if kind < bound && !last && !self.earlier.is_empty() {
            made.duplicates += 1;
            return self.earlier[random.below(self.earlier.len())].1.clone();
        }
        let mut site = site(random, &self.towns, vertices);
        bound += NESTED;
        if kind < bound && !self.earlier.is_empty() {
            let parent = self.earlier[random.below(self.earlier.len())].0;
            let angle = random.between(0.0, TAU);
            site = parent.within(angle, random.between(0.0, 0.5), random.between(0.05, 0.5));
        }
        bound += CORRIDORS;
        if (bound - CORRIDORS..bound).contains(&kind) && !last {
            return Unit::solid(vec![shape::corridor(random, site, vertices)]);
        }
        bound += BLOCKS;
        if (bound - BLOCKS..bound).contains(&kind) && !last {
            let cells = if random.chance(0.6) {
                shape::neighbours(random, site, BLOCK_SIDE, (vertices / 4).clamp(2, 2_000))
            } else {
                shape::sections(random, site, BLOCK_SIDE * BLOCK_SIDE)
            };
            self.pending = cells.into_iter().map(|ring| Unit::solid(vec![ring])).collect();
            return self.pending.pop_front().expect("a block has cells");
        }
        let mut unit = plain(random, site, vertices);
        if random.chance(0.006) {
            made.spoiled += 1;
            shape::spoil(random, &mut unit.rings);
            unit.holes.resize(unit.rings.len(), false);
        }
        // Units that are copied are of middling size, so that few of them do not hold most of the vertices.
        if unit.vertices() < 5_000 {
            if self.earlier.len() == REMEMBERED {
                self.earlier.pop_front();
            }
            self.earlier.push_back((site, unit.clone()));
        }
        unit
    }
}

/// One outline, some with holes, some in several parts.
fn plain(random: &mut Random, site: Site, vertices: usize) -> Unit {
    let parts = if random.chance(0.15) && vertices > 40 { 2 + random.below(6) } else { 1 };
    let holes = if random.chance(0.3) && vertices > 200 { 1 + random.below(5) } else { 0 };
    let each = |share: f64| ((vertices as f64 * share) as usize).max(5);
    let mut rings: Vec<Ring> = Vec::with_capacity(parts + holes);
    let in_parts = 0.8 / parts as f64;
    let in_holes = if holes == 0 { 0.0 } else { 0.2 };
    for part in 0..parts {
        // Side by side, so far apart that they do not touch.
        let shifted =
            Site { center: [site.center[0] + 5.0 * site.radius * part as f64, site.center[1]], ..site };
        let count = each(if holes == 0 { in_parts / 0.8 } else { in_parts });
        rings.push(shape::blob(random, shifted, count));
    }
    for hole in 0..holes {
        let inner = site.within(TAU * hole as f64 / 5.0, 0.35, 0.1);
        rings.push(shape::blob(random, inner, each(in_holes / holes as f64)));
    }
    if random.chance(0.4) {
        // Many sources have six decimals.
        rings.iter_mut().flatten().flatten().for_each(|degrees| *degrees = (*degrees * 1e6).round() / 1e6);
    }
    let is_hole = (0..rings.len()).map(|ring| ring >= parts).collect();
    Unit { rings, holes: is_hole }
}

/// Where a unit lies, and how large it is for so many vertices.
fn site(random: &mut Random, towns: &[[f64; 2]], vertices: usize) -> Site {
    let radius = 0.006 * (vertices as f64 / 20.0).powf(0.55) * (0.3 * random.normal()).exp();
    let center = if random.chance(0.5) {
        let town = random.of(towns);
        [town[0] + random.normal() * 0.6, town[1] + random.normal() * 0.5]
    } else {
        anywhere(random)
    };
    Site { center, radius: radius.min(1.2) }
}

/// A place in the conterminous United States, rarely in Alaska or Hawaii.
pub(crate) fn anywhere(random: &mut Random) -> [f64; 2] {
    let [west, south, east, north] = match random.below(100) {
        0..5 => [-165.0, 58.0, -142.0, 69.0],
        5..6 => [-159.5, 19.0, -155.0, 22.0],
        // A few at the end of the Aleutians, west and east of 180°.
        6 if random.chance(0.1) => [-179.8, 51.3, -178.0, 51.9],
        6 if random.chance(0.1) => [177.0, 51.5, 179.5, 52.5],
        6..30 => [-123.0, 33.0, -115.0, 48.8],
        30..60 => [-115.0, 31.5, -103.0, 48.8],
        60..80 => [-103.0, 30.0, -90.0, 48.5],
        _ => [-90.0, 30.0, -75.0, 45.0],
    };
    [random.between(west, east), random.between(south, north)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(polygons: u64, vertices: u64, seed: u64) -> (Made, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("layer.zip");
        let made = ProtectedAreas { polygons, vertices, seed }.write(&out).unwrap();
        (made, std::fs::read(out).unwrap())
    }

    #[test]
    fn the_same_seed_makes_the_same_layer_of_the_size_asked_for() {
        let (made, bytes) = layer(3_000, 300_000, 1);
        assert_eq!(made.polygons, 3_000);
        assert!((300_000..330_000).contains(&made.vertices), "{made:?}");
        assert!(made.duplicates > 250 && made.spoiled > 5 && made.rings > 3_300, "{made:?}");
        assert_eq!(layer(3_000, 300_000, 1), (made, bytes));
        assert_ne!(layer(3_000, 300_000, 2).0, made);
    }
}
