//! Rings that cross the meridian of 180° are cut there, as the layers of the Census Bureau are.

use std::collections::BTreeMap;

use super::Vertex;

/// Degrees of a turn.
const TURN: f64 = 360.0;

/// A ring that goes round a pole: it has no inside among longitudes.
#[derive(Debug, PartialEq)]
pub(super) struct RoundAPole;

/// The parts of a ring west and east of 180°. The ring itself, unchanged, if no edge of it spans more than half the
/// world, that is, if none crosses 180°.
///
/// An edge crosses at the same latitude in whichever direction it is given, so what neighbours share stays shared.
pub(super) fn cut(ring: Vec<Vertex>) -> Result<Vec<Vec<Vertex>>, RoundAPole> {
    let crosses = |from: Vertex, to: Vertex| (to[0] - from[0]).abs() > 180.0;
    let edges = || ring.iter().zip(ring.iter().cycle().skip(1)).map(|(from, to)| (*from, *to));
    if !edges().any(|(from, to)| crosses(from, to)) {
        return Ok(vec![ring]);
    }
    // How often the meridian has been crossed eastwards, less westwards, and the vertices met there.
    let mut turn = 0;
    let mut strips = BTreeMap::<i32, Vec<Vertex>>::new();
    for (from, to) in edges() {
        strips.entry(turn).or_default().push(from);
        if crosses(from, to) {
            let (step, edge) = if from[0] > to[0] { (1, 180.0) } else { (-1, -180.0) };
            let lat = latitude_at_180(from, to);
            strips.entry(turn).or_default().push([edge, lat]);
            turn += step;
            strips.entry(turn).or_default().push([-edge, lat]);
        }
    }
    // What leaves a strip comes back over the same side of it, so it closes along the meridian.
    if turn == 0 { Ok(strips.into_values().collect()) } else { Err(RoundAPole) }
}

/// The parts of a ring whose longitudes run on beyond 180° or −180°, by one turn at most: each between the two, cut at
/// the meridian. Whole turns are added and taken off exactly.
pub(super) fn turned_back(ring: &[Vertex]) -> Vec<Vec<Vertex>> {
    let strip = |vertex: Vertex| ((vertex[0] + 180.0) / TURN).floor() as i32;
    let back = |lon: f64, strip: i32| lon - f64::from(strip) * TURN;
    let mut strips = BTreeMap::<i32, Vec<Vertex>>::new();
    for (from, to) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let (mut now, last) = (strip(*from), strip(*to));
        strips.entry(now).or_default().push([back(from[0], now), from[1]]);
        while now != last {
            let next = now + (last - now).signum();
            let meridian = f64::from(now.max(next)) * TURN - 180.0;
            let lat = latitude_at(meridian, *from, *to);
            strips.entry(now).or_default().push([back(meridian, now), lat]);
            strips.entry(next).or_default().push([back(meridian, next), lat]);
            now = next;
        }
    }
    // What leaves a strip comes back over the same side of it, so it closes along the meridian.
    strips.into_values().collect()
}

/// Where an edge meets a meridian that lies between its ends; the same in whichever direction it is given.
fn latitude_at(meridian: f64, from: Vertex, to: Vertex) -> f64 {
    let (west, east) = if from[0] < to[0] { (from, to) } else { (to, from) };
    west[1] + (east[1] - west[1]) * ((meridian - west[0]) / (east[0] - west[0]))
}

fn latitude_at_180(from: Vertex, to: Vertex) -> f64 {
    let (west, east) = if from[0] > to[0] { (from, to) } else { (to, from) };
    let (before, after) = (180.0 - west[0], 180.0 + east[0]);
    if before + after > 0.0 { west[1] + (east[1] - west[1]) * (before / (before + after)) } else { west[1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_over_180_is_cut_into_two() {
        let ring = vec![[179.0, 50.0], [-179.0, 50.0], [-178.0, 52.0], [178.0, 54.0]];
        let west = vec![[179.0, 50.0], [180.0, 50.0], [180.0, 53.0], [178.0, 54.0]];
        let east = vec![[-180.0, 50.0], [-179.0, 50.0], [-178.0, 52.0], [-180.0, 53.0]];
        assert_eq!(cut(ring.clone()), Ok(vec![west, east]));
        // The other way round it crosses at the same places.
        let backwards = cut(ring.iter().copied().rev().collect()).unwrap();
        let on_meridian = |rings: &[Vec<Vertex>]| {
            let mut lats: Vec<u64> = rings
                .iter()
                .flatten()
                .filter(|[lon, _]| lon.abs() == 180.0)
                .map(|[_, lat]| lat.to_bits())
                .collect();
            lats.sort_unstable();
            lats
        };
        assert_eq!(on_meridian(&backwards), on_meridian(&cut(ring).unwrap()));
    }

    #[test]
    fn longitudes_beyond_180_are_turned_back() {
        let west = vec![[179.0, 50.0], [180.0, 50.0], [180.0, 53.0], [178.0, 54.0]];
        let east = vec![[-180.0, 50.0], [-179.0, 50.0], [-178.0, 52.0], [-180.0, 53.0]];
        for turn in [0.0, TURN] {
            let ring = [[179.0, 50.0], [181.0, 50.0], [182.0, 52.0], [178.0, 54.0]];
            let ring = ring.map(|[lon, lat]| [lon - turn, lat]);
            assert_eq!(turned_back(&ring), [west.clone(), east.clone()]);
        }
        // Right up to the meridian, and over both.
        let ring = [[180.0, 0.0], [190.0, 0.0], [190.0, 1.0]];
        assert_eq!(turned_back(&ring), [[[-180.0, 0.0], [-170.0, 0.0], [-170.0, 1.0]]]);
        let parts = turned_back(&[[-190.0, 0.0], [190.0, 0.0], [0.0, 19.0]]);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().flatten().all(|[lon, _]| (-180.0..=180.0).contains(lon)), "{parts:?}");
    }

    #[test]
    fn other_rings_stay_as_they_are() {
        for ring in [vec![], vec![[1.0, 2.0]], vec![[-179.0, 0.0], [0.0, 0.0], [179.0, 0.0], [0.0, 1.0]]] {
            assert_eq!(cut(ring.clone()), Ok(vec![ring]));
        }
        assert_eq!(cut(vec![[0.0, 80.0], [120.0, 80.0], [-120.0, 80.0]]), Err(RoundAPole));
    }
}
