//! Outlines of units: wiggly as rivers and ridges are, or straight as surveyed land is.

use std::f64::consts::TAU;

use crate::random::Random;

/// A ring of vertices, longitude before latitude in degrees; the first is not repeated.
pub(super) type Ring = Vec<[f64; 2]>;

/// A place and what it measures there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) center: [f64; 2],
    /// Half the width, degrees of latitude.
    pub(super) radius: f64,
}

impl Site {
    /// The point at this angle and distance (in radii), drawn out in longitude as the latitude asks.
    fn at(&self, angle: f64, distance: f64) -> [f64; 2] {
        let stretch = 1.0 / self.center[1].to_radians().cos();
        let reach = self.radius * distance;
        [self.center[0] + reach * stretch * angle.cos(), self.center[1] + reach * angle.sin()]
    }

    /// A smaller site within this one.
    pub(super) fn within(&self, angle: f64, distance: f64, size: f64) -> Site {
        Site { center: self.at(angle, distance), radius: self.radius * size }
    }
}

/// How far an outline may come in and go out, in radii.
const INNERMOST: f64 = 0.6;
const OUTERMOST: f64 = 1.7;

/// A closed outline seen whole from its centre, rough at every scale: its radius is a random walk refined by
/// midpoint displacement (Fournier, Fussell & Carpenter 1982).
pub(super) fn blob(random: &mut Random, site: Site, vertices: usize) -> Ring {
    let roughness = displacements(random, vertices, 0.45);
    let turn = random.unit();
    let step = 1.0 / vertices as f64;
    (0..vertices)
        .map(|place| {
            let angle = TAU * (turn + step * (place as f64 + random.between(-0.4, 0.4)));
            let distance = roughness[place].exp().clamp(INNERMOST, OUTERMOST);
            site.at(angle, distance)
        })
        .collect()
}

/// `count` values of a closed random walk.
fn displacements(random: &mut Random, count: usize, amplitude: f64) -> Vec<f64> {
    let mut walk = vec![0.0; count + 1];
    let mut spans = vec![(0, count)];
    while let Some((low, high)) = spans.pop() {
        if high - low < 2 {
            continue;
        }
        let middle = low.midpoint(high);
        let share = (high - low) as f64 / count as f64;
        walk[middle] = (walk[low] + walk[high]) / 2.0 + amplitude * random.normal() * share.powf(0.8);
        spans.extend([(low, middle), (middle, high)]);
    }
    walk.pop();
    walk
}

/// A wiggly line from `start` to `end` with `inner` vertices between; neither end is in it.
pub(super) fn border(random: &mut Random, start: [f64; 2], end: [f64; 2], inner: usize) -> Vec<[f64; 2]> {
    let aside = displacements(random, inner + 1, 0.12);
    let along = [end[0] - start[0], end[1] - start[1]];
    (1..=inner)
        .map(|place| {
            let share = place as f64 / (inner + 1) as f64;
            let off = aside[place];
            [start[0] + along[0] * share - along[1] * off, start[1] + along[1] * share + along[0] * off]
        })
        .collect()
}

/// A corridor along a random walk, as rivers and trails have it: down one side and back on the other.
pub(super) fn corridor(random: &mut Random, site: Site, vertices: usize) -> Ring {
    let stations = (vertices / 2).max(3);
    let width = site.radius * 0.08;
    let stride = site.radius * 6.0 / stations as f64;
    let mut heading = random.between(0.0, TAU);
    let (mut left, mut right) = (Vec::with_capacity(stations * 2), Vec::with_capacity(stations));
    let mut place = site.center;
    for _ in 0..stations {
        heading += random.normal() * 0.25;
        let (sin, cos) = heading.sin_cos();
        place = [place[0] + stride * cos, place[1] + stride * sin];
        left.push([place[0] - width * sin, place[1] + width * cos]);
        right.push([place[0] + width * sin, place[1] - width * cos]);
    }
    left.extend(right.into_iter().rev());
    left
}

/// Neighbours in a square of `side` by `side`, whose common borders are the same vertices.
pub(super) fn neighbours(random: &mut Random, site: Site, side: usize, per_border: usize) -> Vec<Ring> {
    let stretch = 1.0 / site.center[1].to_radians().cos();
    let cell = 2.0 * site.radius / side as f64;
    let mut corners = Vec::with_capacity((side + 1) * (side + 1));
    for row in 0..=side {
        for column in 0..=side {
            let [east, north] =
                [column, row].map(|step| step as f64 - side as f64 / 2.0 + random.between(-0.2, 0.2));
            corners.push([site.center[0] + east * cell * stretch, site.center[1] + north * cell]);
        }
    }
    let corner = |row: usize, column: usize| corners[row * (side + 1) + column];
    let mut eastward = Vec::new(); // from corner (row, column) to (row, column + 1)
    for row in 0..=side {
        for column in 0..side {
            eastward.push(border(random, corner(row, column), corner(row, column + 1), per_border));
        }
    }
    let mut northward = Vec::new(); // from corner (row, column) to (row + 1, column)
    for row in 0..side {
        for column in 0..=side {
            northward.push(border(random, corner(row, column), corner(row + 1, column), per_border));
        }
    }
    let mut cells = Vec::with_capacity(side * side);
    for row in 0..side {
        for column in 0..side {
            let mut ring = vec![corner(row, column)];
            ring.extend(&eastward[row * side + column]);
            ring.push(corner(row, column + 1));
            ring.extend(&northward[row * (side + 1) + column + 1]);
            ring.push(corner(row + 1, column + 1));
            ring.extend(eastward[(row + 1) * side + column].iter().rev());
            ring.push(corner(row + 1, column));
            ring.extend(northward[row * (side + 1) + column].iter().rev());
            cells.push(ring);
        }
    }
    cells
}

/// Sections of the public land survey: squares of 1/64 degree on a common grid, some with a quarter missing.
pub(super) fn sections(random: &mut Random, site: Site, count: usize) -> Vec<Ring> {
    const PER_DEGREE: f64 = 64.0;
    let [west, south] = site.center.map(|degrees| (degrees * PER_DEGREE).floor());
    let side = (count as f64).sqrt().ceil() as usize;
    (0..count)
        .map(|place| {
            let point = |east: f64, north: f64| {
                let [column, row] = [place % side, place / side].map(|step| step as f64);
                [(west + column + east) / PER_DEGREE, (south + row + north) / PER_DEGREE]
            };
            if random.chance(0.3) {
                vec![
                    point(0.0, 0.0),
                    point(1.0, 0.0),
                    point(1.0, 0.5),
                    point(0.5, 0.5),
                    point(0.5, 1.0),
                    point(0.0, 1.0),
                ]
            } else {
                vec![point(0.0, 0.0), point(1.0, 0.0), point(1.0, 1.0), point(0.0, 1.0)]
            }
        })
        .collect()
}

/// Ways in which outlines are wrong in real layers. Each is applied to sound rings.
pub(super) fn spoil(random: &mut Random, rings: &mut Vec<Ring>) {
    let first = rings[0].clone();
    let length = first.len();
    let place = random.below(length);
    let [a, b] = [first[place], first[(place + 1) % length]];
    match random.below(8) {
        // A bow-tie.
        0 => rings[0].swap(place, (place + 1) % length),
        // A ring of three points: there and back.
        1 => rings.push(vec![a, b]),
        // A ring without area, of several points on one line.
        2 => {
            let middle = [a[0].midpoint(b[0]), a[1].midpoint(b[1])];
            rings.push(vec![a, middle, b, middle]);
        }
        // A spike.
        3 => {
            let tip = [a[0] + (a[0] - b[0]) * 3.0, a[1] + (a[1] - b[1]) * 5.0];
            rings[0].splice(place..place, [a, tip]);
        }
        // The ring comes back to one of its vertices.
        4 => rings[0].insert((place + length / 2) % length, a),
        // A vertex many times.
        5 => rings[0].splice(place..place, [a; 5]).for_each(drop),
        // The same ring twice: by the even-odd rule there is nothing between them.
        6 => rings.push(first),
        // A hole that lies outside.
        _ => rings.push(first.iter().map(|[lon, lat]| [lon + 0.3, lat + 0.01]).collect()),
    }
}
