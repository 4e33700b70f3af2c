//! Border cells as words of 64 bits, and what a place crosses in one.
//!
//! ```text
//! few kinds:   head   table (2^kinds zones of 32 bits)      heads of chains 2…    vertices of all chains
//! many kinds:  head   length of the table   (key, zone)…    (head, key)…          vertices of all chains
//!
//! head   bits 0–23 chains, 24–31 kinds of edges (255: many), 32–63 the head of the first chain
//! chain  bits 0–9 edges, 10 the first vertex lies east of the cell, 11 the last does, 12–13 its kind, 14–31 its layers
//! ```
//! Edges of one kind belong to the same features. With few kinds the parity of each is a bit of the place in the
//! table; with many each kind has a key, and the exclusive or of the keys of those crossed is looked up.

use super::predicate::Edge;

/// With this many kinds of edges or fewer, all combinations have a place in the table.
pub(super) const FEW_KINDS: usize = 4;
/// The number that stands for many kinds.
const MANY_KINDS: u64 = 255;
/// No cell has more chains.
pub(super) const MOST_CHAINS: usize = (1 << 24) - 1;
/// No chain has more edges; a longer one is cut.
pub(super) const MOST_EDGES: usize = (1 << 10) - 1;
/// Bits for layers in the head of a chain.
pub(super) const LAYER_BITS: usize = 18;
/// The relative rounding error of a 2 × 2 determinant of differences: (3 + 16u)u with u = 2⁻⁵³ (Shewchuk 1997, ccwerrboundA).
const ERROR_BOUND: f64 = 3.330_669_073_875_471_6e-16;

/// Edges of a kind, one after the other.
pub(super) struct Chain<'a> {
    pub(super) vertices: &'a [[f64; 2]],
    pub(super) starts_east: bool,
    pub(super) ends_east: bool,
    pub(super) kind: u32,
    /// A bit for each layer it belongs to.
    pub(super) layers: u32,
}

/// The zone for each combination of kinds.
pub(super) enum Table<'a> {
    /// 2^kinds zones.
    Few(&'a [u32]),
    /// The key of each kind; keys and zones in the order of keys.
    Many(&'a [u64], &'a [(u64, u32)]),
}

/// Appends a cell; `chains` are not empty and none is longer than [`MOST_EDGES`].
pub(super) fn write(words: &mut Vec<u64>, chains: &[Chain<'_>], table: &Table<'_>) {
    let head = |chain: &Chain<'_>, kind: u32| {
        let bits = (chain.vertices.len() as u32 - 1)
            | u32::from(chain.starts_east) << 10
            | u32::from(chain.ends_east) << 11
            | kind << 12
            | chain.layers << 14;
        u64::from(bits)
    };
    let first = chains.len() as u64;
    match table {
        Table::Few(zones) => {
            let kinds = u64::from(zones.len().trailing_zeros());
            words.push(first | kinds << 24 | head(&chains[0], chains[0].kind) << 32);
            words.extend(zones.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32));
            let heads: Vec<u64> = chains[1..].iter().map(|chain| head(chain, chain.kind)).collect();
            words.extend(heads.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 32));
        }
        Table::Many(keys, zones) => {
            words.push(first | MANY_KINDS << 24);
            words.push(zones.len() as u64);
            words.extend(zones.iter().flat_map(|&(key, zone)| [key, u64::from(zone)]));
            words.extend(chains.iter().flat_map(|chain| [head(chain, 0), keys[chain.kind as usize]]));
        }
    }
    words.extend(chains.iter().flat_map(|chain| chain.vertices).flatten().map(|degrees| degrees.to_bits()));
}

/// Changes the zones of a cell that [`write`] wrote; returns its length.
pub(super) fn renumber(words: &mut [u64], zone: impl Fn(u32) -> u32) -> usize {
    let chains = (words[0] & 0xff_ffff) as usize;
    let kinds = words[0] >> 24 & 0xff;
    let mut vertices = 0;
    let mut count = |head: u32| vertices += (head & 0x3ff) as usize + 1;
    let heads_end = if kinds == MANY_KINDS {
        let table = 2 + 2 * words[1] as usize;
        for pair in words[2..table].chunks_mut(2) {
            pair[1] = u64::from(zone(pair[1] as u32));
        }
        words[table..table + 2 * chains].iter().step_by(2).for_each(|&head| count(head as u32));
        table + 2 * chains
    } else {
        let table = 1 + (1 << kinds >> 1);
        for pair in &mut words[1..table] {
            *pair = u64::from(zone(*pair as u32)) | u64::from(zone((*pair >> 32) as u32)) << 32;
        }
        count((words[0] >> 32) as u32);
        for chain in 1..chains {
            count((words[table + (chain - 1) / 2] >> (32 * ((chain - 1) % 2))) as u32);
        }
        table + chains / 2
    };
    heads_end + 2 * vertices
}

/// The zone of (x, y)' in the cell that begins at `offset` with the word `head`; 0 if there is no such cell.
#[inline(always)]
pub(super) fn locate(words: &[u64], offset: usize, head: u64, x: f64, y: f64) -> u32 {
    locate_checked(words, offset, head, x, y).unwrap_or(0)
}

#[inline(always)]
fn locate_checked(words: &[u64], offset: usize, head: u64, x: f64, y: f64) -> Option<u32> {
    if head as u32 != 1 | 1 << 24 {
        return locate_in_many(words.get(offset..)?, x, y);
    }
    let chain = (head >> 32) as u32;
    let words = words.get(offset + 1..offset + 2 + vertex_words(chain))?;
    let (&table, vertices) = words.split_first()?;
    Some((table >> (32 * u32::from(is_crossed(chain, vertices, x, y)))) as u32)
}

fn vertex_words(chain: u32) -> usize {
    2 * ((chain & 0x3ff) as usize + 1)
}

#[inline(never)]
fn locate_in_many(words: &[u64], x: f64, y: f64) -> Option<u32> {
    let kinds = *words.first()? >> 24 & 0xff;
    if kinds == MANY_KINDS {
        let mut key = 0;
        each_chain(words, |chain, own_key, vertices| {
            if is_crossed(chain, vertices, x, y) {
                key ^= own_key;
            }
        })?;
        let zones = words.get(2..usize::try_from(*words.get(1)?).ok()?.checked_mul(2)?.checked_add(2)?)?;
        let zones: &[[u64; 2]] = bytemuck::cast_slice(zones);
        let place = zones.binary_search_by_key(&key, |pair| pair[0]).ok()?;
        return Some(zones[place][1] as u32);
    }
    let mut combination = 0;
    each_chain(words, |chain, _, vertices| {
        combination ^= u32::from(is_crossed(chain, vertices, x, y)) << (chain >> 12 & 3);
    })?;
    let pair = *words.get(1 + combination as usize / 2)?;
    Some((pair >> (32 * (combination % 2))) as u32)
}

/// Calls `visit` with the head, key and vertices of each chain. None if the cell is not whole, which does not happen
/// in an index that was built.
fn each_chain(words: &[u64], mut visit: impl FnMut(u32, u64, &[u64])) -> Option<()> {
    let head = *words.first()?;
    let chains = (head & 0xff_ffff) as usize;
    let kinds = head >> 24 & 0xff;
    if kinds == MANY_KINDS {
        let heads = usize::try_from(*words.get(1)?).ok()?.checked_mul(2)?.checked_add(2)?;
        let mut vertices = words.get(heads.checked_add(2 * chains)?..)?;
        for pair in words[heads..heads + 2 * chains].chunks_exact(2) {
            let (own, rest) = vertices.split_at_checked(vertex_words(pair[0] as u32))?;
            visit(pair[0] as u32, pair[1], own);
            vertices = rest;
        }
    } else {
        let heads = 1 + (1usize << kinds.min(8) >> 1);
        let mut vertices = words.get(heads + chains / 2..)?;
        for chain in 0..chains {
            let own = match chain {
                0 => (head >> 32) as u32,
                _ => (words[heads + (chain - 1) / 2] >> (32 * ((chain - 1) % 2))) as u32,
            };
            let (own_vertices, rest) = vertices.split_at_checked(vertex_words(own))?;
            visit(own, 0, own_vertices);
            vertices = rest;
        }
    }
    Some(())
}

/// Whether the path from (x, y)' to the cell's eastern side and on south for ever crosses a chain an odd number of times.
#[inline(always)]
fn is_crossed(chain: u32, vertices: &[u64], x: f64, y: f64) -> bool {
    let mut rest = vertices.chunks_exact(2);
    let Some(first) = rest.next() else { return false };
    let (mut dx, mut dy) = (f64::from_bits(first[0]) - x, f64::from_bits(first[1]) - y);
    let starts_below = dy <= 0.0;
    let mut is_below = starts_below;
    let (mut crossed, mut unsure) = (false, false);
    for vertex in rest {
        let (next_dx, next_dy) = (f64::from_bits(vertex[0]) - x, f64::from_bits(vertex[1]) - y);
        let next_below = next_dy <= 0.0;
        let (left, right) = (dx * next_dy, dy * next_dx);
        let side = left - right;
        let spans = is_below != next_below;
        unsure |= spans & (side.abs() <= (left.abs() + right.abs()) * ERROR_BOUND);
        crossed ^= spans & ((side > 0.0) == is_below);
        (dx, dy, is_below) = (next_dx, next_dy, next_below);
    }
    if unsure {
        crossed = is_crossed_exactly(vertices, x, y);
    }
    crossed ^ ((chain >> 10 & 1 == 1) & starts_below) ^ ((chain >> 11 & 1 == 1) & is_below)
}

/// Whether the ray to the east crosses a chain an odd number of times.
#[cold]
#[inline(never)]
fn is_crossed_exactly(vertices: &[u64], x: f64, y: f64) -> bool {
    edges(vertices).filter(|edge| edge.is_east_of([x, y])).count() % 2 == 1
}

fn edges(vertices: &[u64]) -> impl Iterator<Item = Edge> + '_ {
    let vertex = |words: &[u64]| [f64::from_bits(words[0]), f64::from_bits(words[1])];
    let vertices = vertices.chunks_exact(2).map(vertex);
    vertices.clone().zip(vertices.skip(1)).map(|(p, q)| Edge::new(p, q, 0))
}

/// The layers, a bit each, that have an edge of this cell through (x, y) itself.
pub(super) fn layers_on(words: &[u64], offset: usize, x: f64, y: f64) -> u32 {
    let mut layers = 0;
    let words = words.get(offset..).unwrap_or_default();
    // A cell that is not whole has no more edges.
    let _ = each_chain(words, |chain, _, vertices| {
        if edges(vertices).any(|edge| edge.passes_through([x, y])) {
            layers |= chain >> 14;
        }
    });
    layers
}
