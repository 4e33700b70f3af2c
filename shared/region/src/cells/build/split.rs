//! From the edges of a root cell to a tree of cells.

use super::combinations::{self, Corner};
use super::merge::{Chain, Merger};
use super::runs::Tiles;
use super::states::{EMPTY, Mask, State, States, Zones};
use super::{Crowded, Features, Row, Run};
use crate::cells::cell::{self, FEW_KINDS, MOST_CHAINS, MOST_EDGES, Table};
use crate::cells::fixed::{least_lat, least_lon};
use crate::cells::lookup::{IS_CELL, IS_NODE, NODE, PAYLOAD, Root};
use crate::cells::predicate::Edge;
use crate::reader::Vertex;

/// Cells of a side of 2^5 units, 0.3 m, are not split.
pub(super) const LEAST_SHIFT: u32 = 5;
/// A cell with more edges is split: the smaller it is, the fewer places it has, so the more edges it may have.
/// Without that, borders that run close to each other would be cut into cells of 0.3 m all along. Many edges
/// altogether are kept in larger cells, so that the index takes about 25 bytes an edge.
fn most_edges(shift: u32, few: u32) -> u32 {
    match shift {
        14.. => few,
        12.. => few.max(8),
        10.. => few.max(16),
        8.. => few.max(32),
        LEAST_SHIFT.. => 128,
        _ => u32::MAX,
    }
}
/// See [`most_edges`]: with at most so many vertices a large cell has at most so many edges.
const FEW_EDGES: [(usize, u32); 2] = [(4_000_000, 4), (usize::MAX, 64)];
/// A cell with many kinds of edges is split if its side is 2^12 units, 38 m, or more.
const LEAST_KINDS_SHIFT: u32 = 12;

/// Builds root rows, one after the other.
pub(super) struct Builder<'a> {
    features: &'a Features<'a>,
    root: Root,
    states: States<'a>,
    merger: Merger,
    has_edges: Vec<bool>,
    /// See [`most_edges`].
    few_edges: u32,
    row: Row,
    /// Lists of chains for the cells of a node, to be used again.
    spare: Vec<[Vec<Chain>; NODE]>,
    work: Work,
}

/// Working memory for one cell.
#[derive(Default)]
struct Work {
    masks: Vec<Mask>,
    vertices: Vec<Vertex>,
    /// For each chain where its vertices begin, its kind and its layers.
    chains: Vec<(usize, u32, u32)>,
    kinds: Vec<Mask>,
}

/// A cell in units, and its borders: the least coordinates of it, and of the next column and row.
#[derive(Clone, Copy)]
struct Square {
    column: u64,
    row: u64,
    shift: u32,
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl<'a> Builder<'a> {
    pub(super) fn new(features: &'a Features<'a>, root: Root) -> Self {
        let vertices: usize = features.rings.iter().map(|ring| ring.vertices.len()).sum();
        let few_edges = FEW_EDGES.iter().find(|(most, _)| vertices <= *most).map_or(4, |(_, few)| *few);
        Builder {
            few_edges,
            features,
            root,
            states: States::new(features),
            merger: Merger::default(),
            has_edges: vec![false; features.layer_of.len()],
            row: Row::default(),
            spare: Vec::new(),
            work: Work::default(),
        }
    }

    /// What the rows come to, and which features have edges.
    pub(super) fn finish(self) -> (Zones, Vec<bool>) {
        (self.states.zones, self.has_edges)
    }

    /// Builds the root row `row`, counted from the first of the grid.
    pub(super) fn row(&mut self, row: u32, runs: &[Run]) -> Result<Row, Crowded> {
        let shift = self.root.shift;
        let south = u64::from(self.root.row + row) << shift;
        let (south_deg, north_deg) = (least_lat(south), least_lat(south + (1 << shift)));
        let mut rest = runs;
        let mut state = EMPTY;
        let mut chains = Vec::new();
        for column in 0..self.root.columns {
            let cell = row * self.root.columns + column;
            let (own, others) = rest.split_at(rest.iter().take_while(|run| run.cell == cell).count());
            rest = others;
            if own.is_empty() {
                let zone = self.states.zone(state);
                self.row.roots.push(zone);
                continue;
            }
            chains.clear();
            self.merger.chains(own, self.features, &mut self.states, &mut chains);
            self.note_edges(&chains);
            let west = u64::from(self.root.column + column) << shift;
            let square = Square {
                column: west,
                row: south,
                shift,
                west: least_lon(west),
                south: south_deg,
                east: least_lon(west + (1 << shift)),
                north: north_deg,
            };
            let (entry, corner) = self.cell(&square, &chains, state)?;
            self.row.roots.push(entry);
            state = corner;
        }
        Ok(std::mem::take(&mut self.row))
    }

    fn note_edges(&mut self, chains: &[Chain]) {
        for chain in chains {
            for &feature in self.states.features_of(&chain.mask) {
                self.has_edges[feature as usize] = true;
            }
        }
    }

    /// The entry of a cell, and the set at its south-eastern corner, given that of the corner of the cell west of it.
    fn cell(&mut self, square: &Square, chains: &[Chain], west: State) -> Result<(u32, State), Crowded> {
        if chains.is_empty() {
            return Ok((self.states.zone(west), west));
        }
        let corner = self.corner(square, chains, west);
        let edges: u32 = chains.iter().map(|chain| chain.count).sum();
        let may_split = square.shift >= LEAST_SHIFT + 2;
        let has_many_kinds = edges as usize > FEW_KINDS
            && square.shift >= LEAST_KINDS_SHIFT
            && self.count_kinds(chains) > FEW_KINDS;
        if may_split && (edges > most_edges(square.shift, self.few_edges) || has_many_kinds) {
            return Ok((self.node(square, chains, west)?, corner));
        }
        let entry = self.border_cell(square, chains, corner)?;
        Ok((entry, corner))
    }

    /// The set at the south-eastern corner of a cell: the path from the corner of the cell west of it crosses only edges
    /// that touch the cell.
    fn corner(&mut self, square: &Square, chains: &[Chain], west: State) -> State {
        self.work.masks.clear();
        for chain in chains {
            for edge in chain.start..chain.start + chain.count {
                let [p, q] = self.features.edge(chain.ring, edge);
                if (p[1] <= square.south) == (q[1] <= square.south) {
                    continue;
                }
                let edge = Edge::new(p, q, 0);
                let is_east_of = |lon| edge.is_east_of_west_side([lon, square.south]);
                if is_east_of(square.west) != is_east_of(square.east) {
                    self.work.masks.push(chain.mask);
                }
            }
        }
        self.states.toggled(west, &self.work.masks)
    }

    /// The sets at the south-western corners, just outside, of the rows of a node: the paths between them cross only
    /// edges that touch the node's cell.
    fn row_starts(&mut self, west: f64, souths: &[f64; 4], chains: &[Chain], first: State) -> [State; 4] {
        let mut starts = [first; 4];
        for (row, start) in starts.iter_mut().enumerate().skip(1) {
            self.work.masks.clear();
            for chain in chains {
                for edge in chain.start..chain.start + chain.count {
                    let [p, q] = self.features.edge(chain.ring, edge);
                    if (p[0] < west) == (q[0] < west) {
                        continue;
                    }
                    let edge = Edge::new(p, q, 0);
                    let is_north_of = |lat| edge.is_north_of_west_side([west, lat]);
                    if is_north_of(souths[0]) != is_north_of(souths[row]) {
                        self.work.masks.push(chain.mask);
                    }
                }
            }
            *start = self.states.toggled(first, &self.work.masks);
        }
        starts
    }

    /// Splits a cell into a node.
    fn node(&mut self, square: &Square, chains: &[Chain], west: State) -> Result<u32, Crowded> {
        let shift = square.shift - 2;
        let tiles = Tiles { west: square.column, south: square.row, shift, columns: 4, rows: 4 };
        let mut parts = self.spare.pop().unwrap_or_default();
        for chain in chains {
            for edge in chain.start..chain.start + chain.count {
                let mut add = |column: i64, row: i64| {
                    let part = &mut parts[(row * 4 + column) as usize];
                    match part.last_mut() {
                        Some(last)
                            if (last.ring, last.start + last.count, last.mask)
                                == (chain.ring, edge, chain.mask) =>
                        {
                            last.count += 1;
                        }
                        _ => part.push(Chain { start: edge, count: 1, ..*chain }),
                    }
                };
                let ends = self.features.edge(chain.ring, edge);
                match tiles.same(ends) {
                    Some((column, row)) => add(column, row),
                    None => tiles.each(ends, add),
                }
            }
        }
        let node = self.row.nodes.len() / NODE;
        self.row.nodes.resize((node + 1) * NODE, 0);
        let step = 1u64 << shift;
        let inner = |place: u64, of: fn(u64) -> f64, low: u64, ends: [f64; 2]| match place {
            0 => ends[0],
            4 => ends[1],
            _ => of(low + place * step),
        };
        let lons: [f64; 5] = std::array::from_fn(|place| {
            inner(place as u64, least_lon, square.column, [square.west, square.east])
        });
        let lats: [f64; 5] = std::array::from_fn(|place| {
            inner(place as u64, least_lat, square.row, [square.south, square.north])
        });
        let souths = [lats[0], lats[1], lats[2], lats[3]];
        let starts = self.row_starts(square.west, &souths, chains, west);
        for row in 0..4 {
            let mut state = starts[row];
            for column in 0..4 {
                let place = row * 4 + column;
                let part = Square {
                    column: square.column + column as u64 * step,
                    row: square.row + row as u64 * step,
                    shift,
                    west: lons[column],
                    south: lats[row],
                    east: lons[column + 1],
                    north: lats[row + 1],
                };
                let (entry, corner) = self.cell(&part, &parts[place], state)?;
                self.row.nodes[node * NODE + place] = entry;
                state = corner;
            }
        }
        parts.iter_mut().for_each(Vec::clear);
        self.spare.push(parts);
        self.offset(IS_NODE, node, square)
    }

    /// An entry for a node or a cell.
    fn offset(&self, kind: u32, place: usize, square: &Square) -> Result<u32, Crowded> {
        let limit = PAYLOAD as usize;
        if place > limit {
            return Err(Crowded { place: [square.west, square.south], limit, found: place });
        }
        Ok(kind | place as u32)
    }

    /// How many kinds of edges a cell has; no more are counted than are too many.
    fn count_kinds(&mut self, chains: &[Chain]) -> usize {
        let kinds = &mut self.work.kinds;
        kinds.clear();
        for chain in chains {
            if kinds.len() > FEW_KINDS {
                break;
            }
            if !kinds.contains(&chain.mask) {
                kinds.push(chain.mask);
            }
        }
        kinds.len()
    }

    /// Writes a border cell.
    fn border_cell(&mut self, square: &Square, chains: &[Chain], corner: State) -> Result<u32, Crowded> {
        let Work { vertices, chains: spans, kinds, .. } = &mut self.work;
        vertices.clear();
        spans.clear();
        kinds.clear();
        for chain in chains {
            let layers = self.states.layers_of(chain.mask);
            let known = kinds.iter().position(|&kind| kind == chain.mask);
            let kind = known.unwrap_or_else(|| {
                kinds.push(chain.mask);
                kinds.len() - 1
            });
            let end = chain.start + chain.count;
            for start in (chain.start..end).step_by(MOST_EDGES) {
                spans.push((vertices.len(), kind as u32, layers));
                let ends = (start..end.min(start + MOST_EDGES as u32))
                    .map(|edge| self.features.edge(chain.ring, edge));
                for (place, [p, q]) in ends.enumerate() {
                    if place == 0 {
                        vertices.push(p);
                    }
                    vertices.push(q);
                }
            }
        }
        if spans.len() > MOST_CHAINS {
            let place = [square.west, square.south];
            return Err(Crowded { place, limit: MOST_CHAINS, found: spans.len() });
        }
        let ends = spans[1..].iter().map(|span| span.0).chain([vertices.len()]);
        let chains: Vec<cell::Chain<'_>> = spans
            .iter()
            .zip(ends)
            .map(|(&(start, kind, layers), end)| {
                let vertices = &vertices[start..end];
                cell::Chain {
                    vertices,
                    starts_east: vertices[0][0] >= square.east,
                    ends_east: vertices[vertices.len() - 1][0] >= square.east,
                    kind,
                    layers,
                }
            })
            .collect();
        let corner = Corner { place: [square.east, square.south], state: corner };
        let offset = self.row.cells.len();
        if kinds.len() <= FEW_KINDS {
            let zones = combinations::few(&mut self.states, kinds, &chains, &corner);
            cell::write(&mut self.row.cells, &chains, &Table::Few(&zones));
        } else {
            let box_of_cell = [[square.west, square.south], [square.east, square.north]];
            let (keys, zones) = combinations::many(&mut self.states, kinds, &chains, &corner, box_of_cell)?;
            cell::write(&mut self.row.cells, &chains, &Table::Many(&keys, &zones));
        }
        self.offset(IS_CELL, offset, square)
    }
}
