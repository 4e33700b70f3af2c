//! The grid against every edge, and against integer arithmetic that knows nothing of it.

use proptest::prelude::{ProptestConfig, Strategy};
use proptest::{collection::vec, prop_assert_eq, proptest};

use super::{EdgeList, Grid};
use crate::reader::Vertex;

/// Rings of features on a grid of integers, so small that vertices, edges and places often meet.
type Drawing = Vec<Vec<Vec<(i64, i64)>>>;

fn drawings() -> impl Strategy<Value = Drawing> {
    let vertex = (0i64..7, 0i64..7);
    let ring = vec(vertex, 1..8);
    vec(vec(ring, 0..4), 1..6)
}

/// The index of a drawing whose integers become degrees by `degrees`.
fn index(drawing: &Drawing, degrees: impl Fn(i64, i64) -> Vertex) -> (Grid, Vec<Vec<u32>>) {
    let mut edges = EdgeList::default();
    for (feature, rings) in drawing.iter().enumerate() {
        for ring in rings {
            let ring: Vec<Vertex> = ring.iter().map(|&(x, y)| degrees(x, y)).collect();
            edges.add_ring(feature as u32, &ring);
        }
    }
    Grid::build(edges).unwrap()
}

/// The features that hold P', by a look at every edge of the index.
fn by_every_edge(grid: &Grid, masks: &[Vec<u32>], p: Vertex) -> Vec<u32> {
    let mut holds = std::collections::BTreeSet::new();
    for edge in grid.edges.iter().filter(|edge| edge.is_east_of(p)) {
        for feature in &masks[edge.mask as usize] {
            if !holds.remove(feature) {
                holds.insert(*feature);
            }
        }
    }
    holds.into_iter().collect()
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
    fn the_grid_agrees_with_integers(drawing in drawings()) {
        let (grid, sets) = index(&drawing, |x, y| [x as f64 - 3.0, y as f64 - 2.0]);
        for x in -1..29 {
            for y in -1..29 {
                let p = [x as f64 / 4.0 - 3.0, y as f64 / 4.0 - 2.0];
                let found = &sets[grid.locate(p) as usize];
                prop_assert_eq!(found, &by_integers(&drawing, (x, y)), "{:?}", p);
            }
        }
    }

    #[test]
    fn the_grid_agrees_with_every_edge(
        drawing in drawings(),
        scale in 0.01f64..10.0,
        (skew, west, south) in (-0.5f64..0.5, -100.0f64..100.0, -50.0f64..20.0),
    ) {
        let degrees = |x: i64, y: i64| {
            let (x, y) = (x as f64, y as f64);
            [west + scale * (x + skew * y), south + scale * y]
        };
        let mut edges = EdgeList::default();
        for (feature, rings) in drawing.iter().enumerate() {
            for ring in rings {
                let ring: Vec<Vertex> = ring.iter().map(|&(x, y)| degrees(x, y)).collect();
                edges.add_ring(feature as u32, &ring);
            }
        }
        let masks = EdgeList { edges: edges.edges.clone() }.merge().masks;
        let (grid, sets) = Grid::build(edges).unwrap();

        // Vertices, middles of edges, cell borders, and the doubles next to them.
        let vertices = drawing.iter().flatten().flatten().map(|&(x, y)| degrees(x, y));
        let middles = grid.edges.iter().map(|edge| [0, 1].map(|axis| edge.a[axis] / 2.0 + edge.b[axis] / 2.0));
        let corners = (0..=grid.columns.len()).flat_map(|column| {
            let (columns, rows) = (&grid.columns, &grid.rows);
            (0..=rows.len()).map(move |row| [columns.border(column), rows.border(row)])
        });
        let mut places: Vec<Vertex> = vertices.chain(middles).chain(corners.step_by(3)).collect();
        let (xs, ys): (Vec<f64>, Vec<f64>) = places.iter().map(|place| (place[0], place[1])).unzip();
        places.extend(xs.iter().zip(ys.iter().rev()).map(|(&x, &y)| [x, y]));
        for [x, y] in places {
            for x in [x.next_down(), x, x.next_up()] {
                for y in [y.next_down(), y, y.next_up()] {
                    let found = &sets[grid.locate([x, y]) as usize];
                    prop_assert_eq!(found, &by_every_edge(&grid, &masks, [x, y]), "{:?}", [x, y]);
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
        let ((grid, sets), (other_grid, other_sets)) = (index(&drawing, degrees), index(&other, degrees));
        for x in -1..15 {
            for y in -1..15 {
                let p = [f64::from(x) / 2.0, f64::from(y) / 2.0];
                let mut of_other: Vec<u32> =
                    other_sets[other_grid.locate(p) as usize].iter().map(|feature| last - feature).collect();
                of_other.sort_unstable();
                prop_assert_eq!(&sets[grid.locate(p) as usize], &of_other, "{:?}", p);
                prop_assert_eq!(grid.is_on_edge(p), other_grid.is_on_edge(p));
            }
        }
    }
}

/// Slivers: twenty nearly equal squares, so that many edges touch every cell at a border.
#[test]
fn many_borders_in_one_cell_are_told_apart() {
    let mut edges = EdgeList::default();
    for feature in 0..20u32 {
        let inset = f64::from(feature) * 1e-6;
        let (low, high) = (inset, 10.0 - inset);
        edges.add_ring(feature, &[[low, low], [high, low], [high, high], [low, high]]);
    }
    let (grid, sets) = Grid::build(edges).unwrap();
    for feature in 0..20u32 {
        let inside = f64::from(feature) * 1e-6 + 5e-7;
        let expected: Vec<u32> = (0..=feature).collect();
        for p in [[inside, 5.0], [10.0 - inside, 5.0], [5.0, inside], [5.0, 10.0 - inside], [inside, inside]]
        {
            assert_eq!(sets[grid.locate(p) as usize], expected, "{p:?}");
        }
    }
    assert!(sets.len() < 100_000, "{} sets", sets.len());
}

/// Thirty wedges that share nothing but their tip: no box around the tip has few edges.
#[test]
fn too_many_borders_in_one_place_are_refused() {
    let mut edges = EdgeList::default();
    for feature in 0..30u32 {
        let angle = f64::from(feature) * 0.2;
        let (far, near) = (angle.sin_cos(), (angle + 0.1).sin_cos());
        edges.add_ring(feature, &[[0.0, 0.0], [far.1, far.0], [near.1, near.0]]);
    }
    let crowded = Grid::build(edges).unwrap_err();
    assert!(crowded.found > crowded.limit);
    assert!(crowded.place.iter().all(|degrees| degrees.abs() < 1.0), "{crowded:?}");
}
