//! The zones of the places of a border cell: every combination of edges that a place can cross is listed when the
//! index is built.
//!
//! With few kinds of edges all combinations are listed; some have no place, but none is missing. With many kinds
//! the edges cut the cell into faces, and a face has a corner in a vertex, where two edges cross, or where one leaves the
//! cell. So it is enough to list the combinations in small boxes around these points. Such a box has few kinds, or
//! is split until it has, at last into single places, with these exceptions: edges that end in one vertex are listed
//! around it; edges on one line that pass all through a box are crossed together.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Crowded;
use super::states::{Mask, State, States};
use crate::cells::cell::{Chain, FEW_KINDS};
use crate::cells::predicate::{Edge, side};
use crate::coordinate::{TINY_DEG, without_tiny};
use crate::reader::Vertex;

/// A box is split into no more than this many at a time.
const MOST_BOXES: usize = 8192;
/// How far a box reaches from where two edges cross, or one leaves the cell, on each side. Where they do is worked out with an
/// error of less than half of this.
const REACH_DEG: f64 = 1e-11;
/// A box with more kinds, that cannot be split any more, is refused: 4096 combinations are listed.
const MOST_KINDS: usize = 12;

/// The south-eastern corner of a cell, just inside, and its set.
pub(super) struct Corner {
    pub(super) place: Vertex,
    pub(super) state: State,
}

/// What a place crosses, as the lookup sees it, and its set.
#[derive(Clone, Copy, Debug)]
struct Known {
    key: u64,
    state: State,
}

/// A part of a cell.
struct Part<'a> {
    /// What is known of the place just north-east of `low`.
    base: Known,
    low: Vertex,
    high: Vertex,
    edges: Vec<&'a Edge>,
}

/// The key of each kind, and the zones of sums of keys in their order.
type Keyed = (Vec<u64>, Vec<(u64, u32)>);

/// Where combinations are listed.
struct Listing<'a, 'b> {
    states: &'a mut States<'b>,
    kinds: &'a [Mask],
    keys: &'a [u64],
    found: BTreeMap<u64, State>,
    /// Whether two sets have one key.
    collided: bool,
}

impl Chain<'_> {
    fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.vertices.windows(2).map(|ends| Edge::new(ends[0], ends[1], self.kind))
    }

    /// Whether a path that ends far in the south crosses the chain an odd number of times: first east to the cell's
    /// eastern side, which crosses those edges that `is_east` says, given that it starts at the latitude `lat`.
    fn is_crossed(&self, lat: f64, is_east: impl Fn(&Edge) -> bool) -> bool {
        let ray = self.edges().filter(is_east).count() % 2 == 1;
        let is_beyond =
            |is_east: bool, vertex: Option<&Vertex>| is_east && vertex.is_some_and(|v| v[1] <= lat);
        ray ^ is_beyond(self.starts_east, self.vertices.first())
            ^ is_beyond(self.ends_east, self.vertices.last())
    }
}

/// The kinds that the path from the corner itself crosses by the formula of the lookup.
fn crossed_from_corner(chains: &[Chain<'_>], corner: &Corner) -> impl Iterator<Item = u32> {
    let [_, lat] = corner.place;
    let is_crossed =
        move |chain: &&Chain<'_>| chain.is_crossed(lat, |edge| edge.is_east_of_west_side(corner.place));
    chains.iter().filter(is_crossed).map(|chain| chain.kind)
}

/// The zones of all combinations of few kinds.
pub(super) fn few(
    states: &mut States<'_>,
    kinds: &[Mask],
    chains: &[Chain<'_>],
    corner: &Corner,
) -> Vec<u32> {
    let of_corner = crossed_from_corner(chains, corner).fold(0usize, |crossed, kind| crossed ^ 1 << kind);
    let mut zones = Vec::with_capacity(1 << kinds.len());
    for combination in 0..1usize << kinds.len() {
        let crossed = combination ^ of_corner;
        let (mut masks, mut len) = ([0; FEW_KINDS], 0);
        for (kind, &mask) in kinds.iter().enumerate().filter(|(kind, _)| crossed >> kind & 1 == 1) {
            debug_assert!(kind < FEW_KINDS);
            masks[len] = mask;
            len += 1;
        }
        let state = states.toggled(corner.state, &masks[..len]);
        zones.push(states.zone(state));
    }
    zones
}

/// The keys of many kinds, and the zones of their combinations in the order of keys.
pub(super) fn many(
    states: &mut States<'_>,
    kinds: &[Mask],
    chains: &[Chain<'_>],
    corner: &Corner,
    [low, high]: [Vertex; 2],
) -> Result<Keyed, Crowded> {
    // There are no places beyond.
    let low = [low[0].max(-180.0), low[1].max(-90.0)];
    let high = [high[0].min(180.0), high[1].min(90.0)];

    // A kind's key is the sum of the keys of its features, so that a place has the key of its set by whatever path. One half
    // of the key is enough but for a chance of 1e-12; then it is the other.
    for half in [0, 64] {
        let keys: Vec<u64> = kinds.iter().map(|&kind| (states.key_of(kind) >> half) as u64).collect();
        let mut listing = Listing { states, kinds, keys: &keys, found: BTreeMap::new(), collided: false };
        listing.list_all(chains, corner, low, high)?;
        if !listing.collided {
            let found = listing.found;
            let zones = found.into_iter().map(|(key, state)| (key, states.zone(state))).collect();
            return Ok((keys, zones));
        }
    }
    Err(Crowded { place: low, limit: MOST_KINDS, found: kinds.len() })
}

impl Listing<'_, '_> {
    fn list_all(
        &mut self,
        chains: &[Chain<'_>],
        corner: &Corner,
        low: Vertex,
        high: Vertex,
    ) -> Result<(), Crowded> {
        let of_corner: Vec<u32> = crossed_from_corner(chains, corner).collect();
        let of_low: Vec<u32> = chains
            .iter()
            .filter(|chain| chain.is_crossed(low[1], |edge| edge.is_east_of(low)))
            .map(|chain| chain.kind)
            .collect();
        // From the set of the corner to nothing crossed, then to what is crossed from the low end.
        let nothing = Known { key: 0, state: corner.state };
        let nothing = Known { key: 0, ..self.crossed(nothing, of_corner.iter().copied()) };
        let base = self.crossed(nothing, of_low.iter().copied());

        let edges: Vec<Edge> = chains.iter().flat_map(Chain::edges).collect();
        let whole = Part { base, low, high, edges: edges.iter().collect() };
        // The face of the corner, if there is nothing in the cell that is told of here.
        self.note(base);
        match whole.points() {
            Some(points) => points.into_iter().try_for_each(|(point, reach)| {
                let part = self.around(&whole, point, reach);
                self.list(part)
            })?,
            // Nobody can say where nearly parallel edges cross.
            None => self.list(whole)?,
        }
        Ok(())
    }

    fn crossed(&mut self, from: Known, kinds: impl Iterator<Item = u32>) -> Known {
        let (mut key, mut masks) = (from.key, Vec::new());
        for kind in kinds {
            key ^= self.keys[kind as usize];
            masks.push(self.kinds[kind as usize]);
        }
        Known { key, state: self.states.toggled(from.state, &masks) }
    }

    fn note(&mut self, known: Known) {
        let other = self.found.insert(known.key, known.state);
        self.collided |= other.is_some_and(|other| other != known.state);
    }

    fn list(&mut self, whole: Part<'_>) -> Result<(), Crowded> {
        let mut parts = vec![whole];
        while !parts.is_empty() {
            let may_split = parts.len() * 2 <= MOST_BOXES;
            let mut smaller = Vec::new();
            for part in parts {
                let units = part.units();
                if units.len() <= FEW_KINDS {
                    self.list_combinations(part.base, &units);
                } else if let Some(vertex) = part.tip() {
                    self.list_around(&part, vertex);
                } else if part.low == part.high {
                    self.note(part.base);
                } else if may_split && let Some(halves) = self.split(&part) {
                    smaller.extend(halves);
                } else if units.len() <= MOST_KINDS {
                    self.list_combinations(part.base, &units);
                } else {
                    return Err(Crowded { place: part.low, limit: MOST_KINDS, found: units.len() });
                }
            }
            parts = smaller;
        }
        Ok(())
    }

    /// The part of a cell around a point.
    fn around<'c>(&mut self, whole: &Part<'c>, point: Vertex, reach: f64) -> Part<'c> {
        let at = |axis: usize, degrees: f64| degrees.clamp(whole.low[axis], whole.high[axis]);
        let low = [at(0, point[0] - reach), at(1, point[1] - reach)];
        let high = [at(0, point[0] + reach), at(1, point[1] + reach)];
        let crossed = whole.edges.iter().filter(|edge| edge.is_between(whole.low, low));
        let base = self.crossed(whole.base, crossed.map(|edge| edge.kind));
        Part { base, low, high, edges: whole.edges_in(low, high) }
    }

    fn list_combinations(&mut self, base: Known, units: &[Vec<u32>]) {
        for combination in 0u32..1 << units.len() {
            let chosen = units.iter().enumerate().filter(|(place, _)| combination >> place & 1 == 1);
            let known = self.crossed(base, chosen.flat_map(|(_, unit)| unit.iter().copied()));
            self.note(known);
        }
    }

    /// All edges end in one vertex: once around it, from just above its east.
    fn list_around(&mut self, part: &Part<'_>, vertex: Vertex) {
        let from_low = part.edges.iter().filter(|edge| edge.is_between(part.low, vertex));
        let mut known = self.crossed(part.base, from_low.map(|edge| edge.kind));
        self.note(known);
        let mut ways: Vec<(Vertex, u32)> =
            part.edges.iter().map(|edge| (edge.other_end(vertex), edge.kind)).collect();
        ways.sort_by(|left, right| by_angle(vertex, left.0, right.0));
        for same in ways.chunk_by(|left, right| by_angle(vertex, left.0, right.0).is_eq()) {
            known = self.crossed(known, same.iter().map(|way| way.1));
            self.note(known);
        }
    }

    /// The halves of a box, east and west or south and north, whichever leaves fewer edges. They have no place in
    /// common; what lies between them holds no place. None if there is one place only.
    fn split<'c>(&mut self, part: &Part<'c>) -> Option<[Part<'c>; 2]> {
        let halves = [0, 1].into_iter().filter_map(|axis| {
            let middle = part.middle(axis)?;
            let (mut low, mut high) = (part.low, part.high);
            low[axis] = middle;
            high[axis] = before(middle);
            Some((low, part.edges_in(part.low, high), part.edges_in(low, part.high), high))
        });
        let (low, first, second, high) =
            halves.min_by_key(|(_, first, second, _)| first.len() + second.len())?;
        let crossed = part.edges.iter().filter(|edge| edge.is_between(part.low, low));
        let base = self.crossed(part.base, crossed.map(|edge| edge.kind));
        Some([
            Part { base: part.base, low: part.low, high, edges: first },
            Part { base, low, high: part.high, edges: second },
        ])
    }
}

impl<'a> Part<'a> {
    /// What is crossed together, each once: an edge, or several that lie on one line and pass all through the box.
    fn units(&self) -> Vec<Vec<u32>> {
        let mut lines: Vec<(&Edge, Vec<u32>)> = Vec::new();
        let mut units: Vec<Vec<u32>> = Vec::new();
        let is_inside =
            |vertex: Vertex| (0..2).all(|axis| (self.low[axis]..=self.high[axis]).contains(&vertex[axis]));
        for edge in &self.edges {
            if is_inside(edge.a) || is_inside(edge.b) {
                units.push(vec![edge.kind]);
            } else if let Some((_, kinds)) = lines.iter_mut().find(|(line, _)| line.is_in_line_with(edge)) {
                kinds.push(edge.kind);
            } else {
                lines.push((edge, vec![edge.kind]));
            }
        }
        for (_, mut kinds) in lines {
            kinds.sort_unstable();
            units.push(kinds);
        }
        units.sort_unstable();
        units.dedup();
        units
    }

    /// The corners of the faces into which the edges cut the box, and how far around them to look: vertices, where edges
    /// cross, and where they leave the box. None if it cannot be said where two edges cross.
    fn points(&self) -> Option<Vec<(Vertex, f64)>> {
        let mut points = Vec::new();
        let is_inside = |vertex: Vertex, reach: f64| {
            (0..2).all(|axis| (self.low[axis] - reach..=self.high[axis] + reach).contains(&vertex[axis]))
        };
        for (place, edge) in self.edges.iter().enumerate() {
            points.extend(
                [edge.a, edge.b].into_iter().filter(|&vertex| is_inside(vertex, 0.0)).map(|v| (v, 0.0)),
            );
            for axis in [0, 1] {
                for side in [self.low[axis], self.high[axis]] {
                    let point = edge.point_at(axis, side);
                    points.extend(point.filter(|&point| is_inside(point, REACH_DEG)).map(|p| (p, REACH_DEG)));
                }
            }
            for other in &self.edges[place + 1..] {
                if edge.may_cross(other) {
                    let point = edge.crossing(other, REACH_DEG / 2.0)?;
                    points.extend(is_inside(point, REACH_DEG).then_some((point, REACH_DEG)));
                }
            }
        }
        points.sort_by(|left, right| left.partial_cmp(right).unwrap_or(Ordering::Equal));
        points.dedup();
        Some(points)
    }

    /// The vertex in the box where all edges end.
    fn tip(&self) -> Option<Vertex> {
        let first = self.edges.first()?;
        let is_tip = |vertex: &Vertex| {
            self.edges.iter().all(|edge| edge.a == *vertex || edge.b == *vertex)
                && (0..2).all(|axis| (self.low[axis]..=self.high[axis]).contains(&vertex[axis]))
        };
        [first.a, first.b].into_iter().find(is_tip)
    }

    /// Where the upper half begins; none if the sides meet.
    fn middle(&self, axis: usize) -> Option<f64> {
        let (low, high) = (self.low[axis], self.high[axis]);
        let middle = low + (high - low) / 2.0;
        let middle = if middle > low { middle } else { high };
        (low < high).then_some(match without_tiny(middle) {
            0.0 if low < 0.0 => 0.0,
            0.0 => TINY_DEG,
            _ => middle,
        })
    }

    fn edges_in(&self, low: Vertex, high: Vertex) -> Vec<&'a Edge> {
        self.edges.iter().filter(|edge| edge.may_touch(low, high)).copied().collect()
    }
}

impl Edge {
    fn other_end(&self, end: Vertex) -> Vertex {
        if self.a == end { self.b } else { self.a }
    }

    /// Where the edge is at `at` on an axis; none if it does not go there, or lies along it. The share of the way is
    /// wrong by a few 2⁻⁵³, so the point is by less than 1e-12 degrees.
    fn point_at(&self, axis: usize, at: f64) -> Option<Vertex> {
        let (from, to) = (self.a[axis], self.b[axis]);
        if from == to || at < from.min(to) || at > from.max(to) {
            return None;
        }
        let share = (at - from) / (to - from);
        let other = 1 - axis;
        let mut point = [at; 2];
        point[other] = self.a[other] + share * (self.b[other] - self.a[other]);
        Some(point)
    }

    /// False only if the edges have no place in common, or no more than an end of both.
    fn may_cross(&self, other: &Edge) -> bool {
        let apart = |one: &Edge, other: &Edge| {
            let (a, b) = (side(one.a, one.b, other.a), side(one.a, one.b, other.b));
            (a > 0.0 && b > 0.0) || (a < 0.0 && b < 0.0)
        };
        let share_an_end = self.a == other.a || self.a == other.b || self.b == other.a || self.b == other.b;
        // Of edges on one line, each end is a vertex.
        !apart(self, other) && !apart(other, self) && !share_an_end && !self.is_in_line_with(other)
    }

    /// Where two edges cross; none if that may be wrong by more than `error` degrees.
    fn crossing(&self, other: &Edge, error: f64) -> Option<Vertex> {
        let [dx, dy] = [0, 1].map(|axis| self.b[axis] - self.a[axis]);
        let [ex, ey] = [0, 1].map(|axis| other.b[axis] - other.a[axis]);
        let [fx, fy] = [0, 1].map(|axis| other.a[axis] - self.a[axis]);
        let area = dx * ey - dy * ex;
        let share = (fx * ey - fy * ex) / area;
        // Each product is wrong by less than 2⁻⁵⁰ of it, and the quotient by less than the sum of that over the area.
        let wrong =
            1e-15 * ((fx * ey).abs() + (fy * ex).abs() + (dx * ey).abs() + (dy * ex).abs()) / area.abs();
        let length = dx.abs().max(dy.abs());
        let point = [self.a[0] + share * dx, self.a[1] + share * dy];
        // Not true for what is not a number.
        (wrong * length + 1e-12 < error).then_some(point)
    }
}

/// The greatest coordinate below `degrees`. There is none between 0 and [`TINY_DEG`].
fn before(degrees: f64) -> f64 {
    match without_tiny(degrees.next_down()) {
        0.0 if degrees <= 0.0 => -TINY_DEG,
        before => before,
    }
}

/// The order of `p` and `q` counterclockwise around `tip`, from just above its east to exactly east.
fn by_angle(tip: Vertex, p: Vertex, q: Vertex) -> Ordering {
    let is_lower = |v: Vertex| v[1] < tip[1] || (v[1] == tip[1] && v[0] > tip[0]);
    let halves = is_lower(p).cmp(&is_lower(q));
    // q is left of the way to p if p comes first.
    halves.then_with(|| 0.0f64.total_cmp(&(side(tip, p, q) + 0.0)))
}
