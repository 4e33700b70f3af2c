//! From rings in degrees to the paths of the drawing.
//!
//! Vertices are rounded to a grid, so that what neighbours share stays shared whatever it is rounded to: there are no
//! slivers between regions. An edge that occurs twice in what one path draws is left out, as the even-odd rule has it
//! that what lies on its two sides is the same: so the counties of a state become the state, and what is thinner than
//! the grid vanishes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::projection::{Frame, Point};

/// A vertex on the grid, in units of the drawing.
type Vertex = (i32, i32);

/// Half the side of the square that stands for a region too small to be drawn, in units of the drawing.
const DOT: i32 = 5;

/// What one path draws.
pub(crate) struct Path {
    /// The `d` of an SVG path, for the even-odd rule.
    pub(crate) d: String,
    /// The middle of its box, in units of the drawing.
    pub(crate) middle: Vertex,
}

/// The path of these rings on a grid of `step` units: a square where they are too small; none where no frame holds
/// them.
pub(crate) fn path<'a>(
    frames: &[Frame],
    rings: impl Iterator<Item = &'a Vec<Point>>,
    step: i32,
) -> Option<Path> {
    let mut edges: BTreeSet<(Vertex, Vertex)> = BTreeSet::new();
    let mut bounds: Option<[i32; 4]> = None;
    for ring in rings {
        let Some(frame) = frames.iter().find(|frame| frame.holds(ring)) else { continue };
        let mut vertices = ring.iter().map(|&place| on_grid(frame.project(place), step));
        let Some(first) = vertices.next() else { continue };
        let mut last = first;
        for vertex in vertices.chain([first]) {
            toggle(&mut edges, last, vertex);
            let [left, top, right, bottom] = bounds.unwrap_or([last.0, last.1, last.0, last.1]);
            bounds = Some([left.min(vertex.0), top.min(vertex.1), right.max(vertex.0), bottom.max(vertex.1)]);
            last = vertex;
        }
    }
    let [left, top, right, bottom] = bounds?;
    let middle = (left + (right - left) / 2, top + (bottom - top) / 2);
    let mut d = String::new();
    for ring in rings_of(edges) {
        draw(&ring, &mut d);
    }
    if d.is_empty() {
        let side = 2 * DOT;
        write!(d, "M{} {}h{side}v{side}h-{side}z", middle.0 - DOT, middle.1 - DOT)
            .expect("writing to a text does not fail");
    }
    Some(Path { d, middle })
}

fn on_grid([x, y]: Point, step: i32) -> Vertex {
    let step = f64::from(step);
    // Saturates far outside of the drawing.
    (((x / step).round() * step) as i32, ((y / step).round() * step) as i32)
}

/// Puts an edge in, or takes it out if it is there: the direction means nothing.
fn toggle(edges: &mut BTreeSet<(Vertex, Vertex)>, a: Vertex, b: Vertex) {
    if a != b {
        let edge = (a.min(b), a.max(b));
        if !edges.remove(&edge) {
            edges.insert(edge);
        }
    }
}

/// The edges as closed rings: at each vertex an even number of them meets.
fn rings_of(edges: BTreeSet<(Vertex, Vertex)>) -> Vec<Vec<Vertex>> {
    let mut neighbours: BTreeMap<Vertex, Vec<Vertex>> = BTreeMap::new();
    for &(a, b) in &edges {
        neighbours.entry(a).or_default().push(b);
        neighbours.entry(b).or_default().push(a);
    }
    let mut left = edges;
    let mut rings = Vec::new();
    while let Some(&(first, second)) = left.first() {
        left.remove(&(first, second));
        let mut ring = vec![first];
        let mut at = second;
        while at != first {
            ring.push(at);
            let next = neighbours.get_mut(&at).and_then(|next| {
                while let Some(candidate) = next.pop() {
                    if left.remove(&(at.min(candidate), at.max(candidate))) {
                        return Some(candidate);
                    }
                }
                None
            });
            let Some(next) = next else { break }; // does not happen: degrees are even
            at = next;
        }
        rings.push(ring);
    }
    rings
}

/// Appends a ring, without the vertices that lie on a straight line between their neighbours.
fn draw(ring: &[Vertex], d: &mut String) {
    let count = ring.len();
    let is_corner = |place: &usize| {
        let (before, at, after) =
            (ring[(place + count - 1) % count], ring[*place], ring[(place + 1) % count]);
        let [one, two] = [(at, before), (after, at)]
            .map(|(to, from)| (i64::from(to.0) - i64::from(from.0), i64::from(to.1) - i64::from(from.1)));
        one.0 * two.1 != one.1 * two.0 || one.0 * two.0 + one.1 * two.1 <= 0
    };
    let corners: Vec<Vertex> = (0..count).filter(is_corner).map(|place| ring[place]).collect();
    let Some((&first, rest)) = corners.split_first().filter(|(_, rest)| rest.len() >= 2) else { return };
    write!(d, "M{} {}", first.0, first.1).expect("writing to a text does not fail");
    let mut last = first;
    for (place, &vertex) in rest.iter().enumerate() {
        let (x, y) = (vertex.0 - last.0, vertex.1 - last.1);
        let command = if place == 0 {
            "l"
        } else if x < 0 {
            ""
        } else {
            " "
        };
        let between = if y < 0 { "" } else { " " };
        write!(d, "{command}{x}{between}{y}").expect("writing to a text does not fail");
        last = vertex;
    }
    d.push('z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::around;

    /// A frame in which a degree is so many units, north up.
    fn frame() -> Vec<Frame> {
        vec![around([[0.0, 0.0], [8.0, 5.0]].into_iter()).unwrap()]
    }

    fn square(west: f64, south: f64, side: f64) -> Vec<Point> {
        vec![[west, south], [west + side, south], [west + side, south + side], [west, south + side]]
    }

    #[test]
    fn a_border_between_two_parts_vanishes() {
        let frames = frame();
        let whole = path(&frames, [square(0.0, 0.0, 4.0)].iter(), 1).unwrap().d;
        assert_eq!(whole.matches('z').count(), 1);
        let halves = [
            vec![[0.0, 0.0], [2.0, 0.0], [2.0, 4.0], [0.0, 4.0]],
            vec![[2.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 4.0], [2.0, 0.0]],
        ];
        assert_eq!(path(&frames, halves.iter(), 1).unwrap().d, whole, "whatever its parts");
    }

    #[test]
    fn holes_and_islands_stay() {
        let rings = [square(0.0, 0.0, 4.0), square(1.0, 1.0, 1.0), square(5.0, 1.0, 2.0)];
        assert_eq!(path(&frame(), rings.iter(), 1).unwrap().d.matches('z').count(), 3);
    }

    #[test]
    fn what_is_too_small_is_a_square_and_what_is_elsewhere_is_nothing() {
        let tiny = path(&frame(), [square(1.0, 1.0, 1e-5)].iter(), 1).unwrap();
        assert!(tiny.d.ends_with("h10v10h-10z"), "{}", tiny.d);
        let states = crate::projection::united_states();
        assert!(path(&states, [square(10.0, 50.0, 1.0)].iter(), 1).is_none());
        assert!(path(&states, [Vec::new()].iter(), 1).is_none());
        assert!(path(&states, [square(-100.0, 40.0, 1.0)].iter(), 1).is_some());
    }

    #[test]
    fn a_coarser_grid_takes_fewer_bytes() {
        let circle: Vec<Point> = (0..2000)
            .map(|place| f64::from(place) / 2000.0 * std::f64::consts::TAU)
            .map(|angle| [4.0 + 2.0 * angle.cos(), 2.5 + 2.0 * angle.sin()])
            .collect();
        let rings = [circle];
        let fine = path(&frame(), rings.iter(), 1).unwrap().d.len();
        let coarse = path(&frame(), rings.iter(), 8).unwrap().d.len();
        assert!(coarse * 2 < fine, "{fine} {coarse}");
    }
}
