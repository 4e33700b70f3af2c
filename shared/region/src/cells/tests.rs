//! The index against every edge, and against integer arithmetic that knows nothing of it.

use std::num::NonZeroUsize;

use proptest::prelude::{ProptestConfig, Strategy};
use proptest::{collection::vec, prop_assert_eq, proptest};

use super::build::{self, Choice, Crowded, Features, Ring};
use super::predicate::Edge;
use super::{Cells, Root, fixed};
use crate::reader::Vertex;

/// Rings of features on a grid of integers, so small that vertices, edges and places often meet.
type Drawing = Vec<Vec<Vec<(i64, i64)>>>;

fn drawings() -> impl Strategy<Value = Drawing> {
    let vertex = (0i64..7, 0i64..7);
    let ring = vec(vertex, 1..8);
    vec(vec(ring, 0..4), 1..6)
}

/// An index of features that are regions of one layer, all of which count.
struct Whole {
    root: Root,
    roots: Vec<u32>,
    nodes: Vec<u32>,
    cells: Vec<u64>,
    /// The features of each zone.
    zones: Vec<Vec<u32>>,
}

impl Whole {
    fn build(features: &[Vec<Vec<Vertex>>]) -> Result<Self, Crowded> {
        Whole::build_on(1, features)
    }

    fn build_on(threads: usize, features: &[Vec<Vec<Vertex>>]) -> Result<Self, Crowded> {
        let rings = features.iter().enumerate().flat_map(|(feature, rings)| {
            rings.iter().map(move |vertices| Ring { vertices, feature: feature as u32 })
        });
        let features = Features {
            rings: rings.collect(),
            layer_of: vec![0; features.len()],
            region_of: (0..features.len() as u32).collect(),
            layers: vec![Choice { is_list: true, ranks: Vec::new() }],
        };
        let built = build::build(&features, NonZeroUsize::new(threads).unwrap())?;
        let len = |of: fn(&build::Row) -> usize| built.rows.iter().map(of).sum::<usize>();
        let mut roots = vec![0u32; 1 + len(|row| row.roots.len())];
        let mut nodes = vec![0u32; len(|row| row.nodes.len())];
        let mut cells = vec![0u64; len(|row| row.cells.len())];
        let sections = vec![
            bytemuck::cast_slice_mut(&mut roots),
            bytemuck::cast_slice_mut(&mut nodes),
            bytemuck::cast_slice_mut(&mut cells),
        ];
        build::join(built.rows, sections);
        let layer = &built.zones[0];
        let zones = layer.set_of.iter().map(|&set| layer.sets[set as usize].clone()).collect();
        Ok(Whole { root: built.root, roots, nodes, cells, zones })
    }

    fn cells(&self) -> Cells<'_> {
        Cells { root: self.root, roots: &self.roots, nodes: &self.nodes, cells: &self.cells }
    }

    /// The features at a place, which is looked up alone and among others.
    fn at(&self, [x, y]: Vertex) -> &[u32] {
        let cells = self.cells();
        let mut zones = [u32::MAX; 3];
        cells.locate(&[f64::NAN, x, 0.0], &[0.0, y, 91.0], &mut zones, |zone| zone);
        assert_eq!(zones, [0, cells.locate_one(x, y), 0]);
        &self.zones[zones[1] as usize]
    }

    fn is_on_edge(&self, [x, y]: Vertex) -> bool {
        self.cells().layers_on(x, y) != 0
    }
}

fn in_degrees(drawing: &Drawing, degrees: impl Fn(i64, i64) -> Vertex) -> Vec<Vec<Vec<Vertex>>> {
    let ring = |ring: &Vec<(i64, i64)>| ring.iter().map(|&(x, y)| degrees(x, y)).collect();
    drawing.iter().map(|rings| rings.iter().map(ring).collect()).collect()
}

/// The features that hold P', by a look at every edge.
fn by_every_edge(features: &[Vec<Vec<Vertex>>], p: Vertex) -> Vec<u32> {
    let holds = |rings: &Vec<Vec<Vertex>>| {
        let edges = rings.iter().flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)));
        edges.filter(|(a, b)| Edge::new(**a, **b, 0).is_east_of(p)).count() % 2 == 1
    };
    (0..features.len()).filter(|&feature| holds(&features[feature])).map(|feature| feature as u32).collect()
}

/// The features that hold P' by integers alone. P is in quarters of a unit. Everything is scaled by 4e8, with
/// ε = 1e-4: among the slopes and distances of a grid of 7 that is as good as infinitesimal. The ray goes south, which
/// the index never does.
fn by_integers(drawing: &Drawing, (x, y): (i64, i64)) -> Vec<u32> {
    const UNIT: i128 = 400_000_000;
    let (px, py) = (i128::from(x) * UNIT / 4 + UNIT / 10_000, i128::from(y) * UNIT / 4 + UNIT / 100_000_000);
    let crosses = |(ax, ay): (i64, i64), (bx, by): (i64, i64)| {
        let (ax, ay) = (i128::from(ax) * UNIT, i128::from(ay) * UNIT);
        let (bx, by) = (i128::from(bx) * UNIT, i128::from(by) * UNIT);
        if (ax < px) == (bx < px) {
            return false;
        }
        // The height of the edge at px is ay + (by − ay)(px − ax)/(bx − ax); compare it with py.
        let (run, height) = (bx - ax, (by - ay) * (px - ax) - (py - ay) * (bx - ax));
        assert_ne!(height, 0, "P' lies on no edge");
        (height < 0) == (run > 0)
    };
    let holds = |rings: &Vec<Vec<(i64, i64)>>| {
        let edges = rings.iter().flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)));
        edges.filter(|(a, b)| crosses(**a, **b)).count() % 2 == 1
    };
    (0..drawing.len()).filter(|&feature| holds(&drawing[feature])).map(|feature| feature as u32).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_agrees_with_integers(drawing in drawings()) {
        let index = Whole::build(&in_degrees(&drawing, |x, y| [x as f64 - 3.0, y as f64 - 2.0])).unwrap();
        for x in -1..29 {
            for y in -1..29 {
                let p = [x as f64 / 4.0 - 3.0, y as f64 / 4.0 - 2.0];
                prop_assert_eq!(index.at(p), by_integers(&drawing, (x, y)), "{:?}", p);
            }
        }
    }

    #[test]
    fn the_index_agrees_with_every_edge(
        drawing in drawings(),
        size in -8.0f64..1.0,
        (skew, west, south) in (-0.5f64..0.5, -100.0f64..100.0, -50.0f64..20.0),
    ) {
        let scale = 10f64.powf(size);
        let features = in_degrees(&drawing, |x, y| {
            let (x, y) = (x as f64, y as f64);
            [west + scale * (x + skew * y), south + scale * y]
        });
        let index = Whole::build(&features).unwrap();

        // Vertices, middles of edges, corners of cells, and the doubles next to them.
        let rings = features.iter().flatten();
        let vertices = rings.clone().flatten().copied();
        let middle = |(a, b): (&Vertex, &Vertex)| [0, 1].map(|axis| a[axis] / 2.0 + b[axis] / 2.0);
        let middles = rings.flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)).map(middle));
        let corner = |[x, y]: Vertex, shift: u32| {
            let least = |unit: u32| u64::from(unit >> shift << shift);
            [fixed::least_lon(least(fixed::column(x))), fixed::least_lat(least(fixed::row(y)))]
        };
        let shifts = [5, 7, 9, 12, 16, 20];
        let corners = vertices.clone().zip(shifts.into_iter().cycle()).map(|(vertex, shift)| corner(vertex, shift));
        let mut places: Vec<Vertex> = vertices.chain(middles).chain(corners).collect();
        let (xs, ys): (Vec<f64>, Vec<f64>) = places.iter().map(|place| (place[0], place[1])).unzip();
        places.extend(xs.iter().zip(ys.iter().rev()).map(|(&x, &y)| [x, y]));
        for [x, y] in places {
            for x in [x.next_down(), x, x.next_up()] {
                for y in [y.next_down(), y, y.next_up()] {
                    prop_assert_eq!(index.at([x, y]), by_every_edge(&features, [x, y]), "{:?}", [x, y]);
                }
            }
        }
    }

    #[test]
    fn the_order_of_features_and_the_direction_of_rings_mean_nothing(drawing in drawings(), turn in 0usize..7) {
        let degrees = |x: i64, y: i64| [x as f64, y as f64];
        let mut other = drawing.clone();
        other.reverse();
        for ring in other.iter_mut().flatten() {
            let len = ring.len();
            ring.rotate_left(turn % len);
            ring.reverse();
        }
        let last = drawing.len() as u32 - 1;
        let index = Whole::build(&in_degrees(&drawing, degrees)).unwrap();
        let other = Whole::build(&in_degrees(&other, degrees)).unwrap();
        for x in -1..15 {
            for y in -1..15 {
                let p = [f64::from(x) / 2.0, f64::from(y) / 2.0];
                let mut of_other: Vec<u32> = other.at(p).iter().map(|feature| last - feature).collect();
                of_other.sort_unstable();
                prop_assert_eq!(index.at(p), of_other, "{:?}", p);
                prop_assert_eq!(index.is_on_edge(p), other.is_on_edge(p));
            }
        }
    }
}

/// Slivers: twenty nearly equal squares, so that many edges touch every cell at a border.
#[test]
fn many_borders_in_one_cell_are_told_apart() {
    let square = |feature: u32| {
        let inset = f64::from(feature) * 1e-8;
        let (low, high) = (inset, 0.01 - inset);
        vec![vec![[low, low], [high, low], [high, high], [low, high]]]
    };
    let features: Vec<_> = (0..20).map(square).collect();
    let index = Whole::build(&features).unwrap();
    for feature in 0..20u32 {
        let inside = f64::from(feature) * 1e-8 + 5e-9;
        let expected: Vec<u32> = (0..=feature).collect();
        let far = 0.01 - inside;
        for p in [[inside, 0.005], [far, 0.005], [0.005, inside], [0.005, far], [inside, inside]] {
            assert_eq!(index.at(p), expected, "{p:?}");
        }
    }
    assert!(index.zones.len() < 10_000, "{} zones", index.zones.len());
}

/// Wedges that share nothing but their tip: no cell around the tip has few edges, and more than 64 kinds meet.
#[test]
fn any_number_of_borders_may_meet_in_a_vertex() {
    let features: Vec<_> = (0..50u32)
        .map(|feature| {
            let angle = f64::from(feature) * 0.125;
            let (far, near) = (angle.sin_cos(), (angle + 0.0625).sin_cos());
            vec![vec![[0.5, 0.25], [0.5 + far.1, 0.25 + far.0], [0.5 + near.1, 0.25 + near.0]]]
        })
        .collect();
    let index = Whole::build(&features).unwrap();
    assert!(index.zones.len() < 1000, "{} zones", index.zones.len());
    for feature in 0..50 {
        for distance in [1e-14, 1e-10, 1e-7, 1e-4, 0.5] {
            let angle = f64::from(feature) * 0.125 + 0.03125;
            let p = [0.5 + angle.cos() * distance, 0.25 + angle.sin() * distance];
            assert_eq!(index.at(p), by_every_edge(&features, p), "{p:?}");
        }
    }
    assert_eq!(index.at([0.5, 0.25]), by_every_edge(&features, [0.5, 0.25]));
}

/// Fourteen strips through one point, none of which has a vertex there, and thirty rectangles with a side on one line.
#[test]
fn any_number_of_borders_may_cross_in_a_point_or_lie_on_a_line() {
    let strip = |feature: u32| {
        let (x, y) = (f64::from(feature) / 512.0 - 0.03125, 0.015625);
        vec![vec![[-x, -y], [x, y], [x + 1.0, y], [1.0 - x, -y]]]
    };
    let side = |feature: u32| {
        let half = (1.0 + f64::from(feature) / 16.0) / 1024.0;
        vec![vec![[20.0, -half], [20.0 + half, -half], [20.0 + half, half], [20.0, half]]]
    };
    let features: Vec<_> = (0..14).map(strip).chain((0..30).map(side)).collect();
    let index = Whole::build(&features).unwrap();
    let near = [0.0, 1e-300, 5e-324, 1e-17, 1e-12, 1e-9, 1e-6, 1e-4, 0.00125, 0.002, 0.01];
    let offsets: Vec<f64> = near.iter().flat_map(|&near| [near, -near]).collect();
    for &x in &offsets {
        for &y in &offsets {
            for (x, y) in [(x, y), (1.0 + x, y), (20.0 + x, y), (20.0f64.next_down() + x, 0.0015 + y)] {
                let tiny = |degrees: f64| if degrees.abs() < 1e-100 { 0.0 } else { degrees };
                let expected = by_every_edge(&features, [tiny(x), tiny(y)]);
                assert_eq!(index.at([x, y]), expected, "{x:?} {y:?}");
            }
        }
    }
}

#[test]
fn poles_and_the_antimeridian() {
    let world = vec![vec![[-180.0, -90.0], [180.0, -90.0], [180.0, 90.0], [-180.0, 90.0]]];
    let cap = vec![vec![[-180.0, 60.0], [180.0, 60.0], [180.0, 90.0], [-180.0, 90.0]]];
    let index = Whole::build(&[world, cap]).unwrap();
    let cases: [(Vertex, &[u32]); 10] = [
        ([-180.0, -90.0], &[0]),
        ([180.0, -90.0], &[0]),
        ([180.0, 60.0], &[0, 1]),
        ([180.0f64.next_down(), 60.0f64.next_down()], &[0]),
        ([180.0f64.next_down(), 89.9], &[0, 1]),
        ([(-180.0f64).next_up(), 89.9], &[0, 1]),
        ([0.0, 90.0], &[]),
        ([-0.0, 90.0f64.next_down()], &[0, 1]),
        ([5e-324, -5e-324], &[0]),
        ([0.0, -90.0], &[0]),
    ];
    for (p, expected) in cases {
        assert_eq!(index.at(p), expected, "{p:?}");
    }
    assert!(index.is_on_edge([180.0, 0.0]) && index.is_on_edge([0.0, 90.0]) && !index.is_on_edge([0.0, 0.0]));
}

#[test]
fn threads_mean_nothing() {
    let ring = |feature: u32| {
        let (x, y) = (f64::from(feature % 7) * 9.0 - 30.0, f64::from(feature / 7) * 5.0 - 30.0);
        vec![vec![[x, y], [x + 11.0, y + 1.0], [x + 9.0, y + 8.0], [x + 2.0, y + 6.0]]]
    };
    let features: Vec<_> = (0..60).map(ring).collect();
    let one = Whole::build_on(1, &features).unwrap();
    for threads in 2..=8 {
        let other = Whole::build_on(threads, &features).unwrap();
        assert_eq!((&one.roots, &one.nodes, &one.cells), (&other.roots, &other.nodes, &other.cells));
        assert_eq!(one.zones, other.zones);
    }
}

#[test]
fn nothing_is_nowhere() {
    for features in [vec![], vec![vec![]], vec![vec![vec![[1.0, 1.0], [2.0, 2.0]]]]] {
        let index = Whole::build(&features).unwrap();
        assert_eq!(index.zones.len(), 1);
        assert_eq!((index.at([1.0, 1.0]), index.at([-180.0, -90.0])), (&[][..], &[][..]));
    }
}
