//! What changes nothing: the answers are those of the regions, however their outlines are given.

use bisonflow_region::{Index, LayersConfig, ZoneId};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy};
use proptest::{array, prop_assert_eq, proptest};
use serde_json::{Value, json};

use crate::drawing::{collection, polygon};

/// A ring on a grid of integers, so small that vertices, edges and places often meet; it may cross itself.
type Ring = Vec<(i32, i32)>;
/// Rings by region, and the outlines of one region may lie upon each other.
type Drawing = Vec<Vec<Ring>>;

fn drawings() -> impl Strategy<Value = Drawing> {
    let ring = vec((0i32..8, 0i32..8), 3..8);
    vec(vec(ring, 1..4), 1..5)
}

/// A feature for each ring.
fn features(drawing: &Drawing, west: f64) -> Vec<Value> {
    let feature = |(region, rings): (usize, &Vec<Ring>)| {
        rings.iter().map(move |ring| part(region, ring, west)).collect::<Vec<_>>()
    };
    drawing.iter().enumerate().flat_map(feature).collect()
}

/// Several features of one id are one region.
fn part(region: usize, ring: &[(i32, i32)], west: f64) -> Value {
    polygon(&format!("r{region}"), json!([closed(ring, west)]))
}

fn closed(ring: &[(i32, i32)], west: f64) -> Vec<Value> {
    let vertex = |&(x, y): &(i32, i32)| json!([west + f64::from(x) / 4.0, f64::from(y) / 4.0]);
    ring.iter().chain(&ring[..1]).map(vertex).collect()
}

/// The regions of each place of a grid that is four times as fine as that of the drawing, and of each layer.
fn answers(layers: &[&[Value]], west: f64) -> Vec<Vec<Vec<String>>> {
    let layer = |number| {
        format!(
            "[[layer]]\nname = \"l{number}\"\nsource = \"{number}\"\nvintage = \"1\"\nscale = \"1:1000\"\n\
             id = \"id\"\noverlap = \"all\"\nfields = {{ l{number} = \"id\" }}\n"
        )
    };
    let toml: String = (0..layers.len()).map(layer).collect();
    let file = |name: &str| collection(layers[name.parse::<usize>().unwrap()].to_vec()).to_string();
    let index =
        Index::build(&LayersConfig::parse(&toml, &[]).unwrap(), |name| Ok(file(name).into_bytes())).unwrap();
    let (lon, lat): (Vec<f64>, Vec<f64>) = (-2..34)
        .flat_map(|x| (-2..34).map(move |y| (west + f64::from(x) / 16.0, f64::from(y) / 16.0)))
        .map(|(lon, lat)| (if lon > 180.0 { lon - 360.0 } else { lon }, lat))
        .unzip();
    let mut zones = vec![ZoneId::NONE; lon.len()];
    index.locate(&lon, &lat, &mut zones);
    let of_layer = |(place, layer): (usize, &bisonflow_region::Layer)| {
        let ids = |zone: &ZoneId| layer.ids(index.set_of(place, *zone)).iter().map(|&id| id.into()).collect();
        zones.iter().map(ids).collect()
    };
    index.layers().iter().enumerate().map(of_layer).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_whole_turn_changes_nothing(drawing in drawings(), west in 0usize..4) {
        // Somewhere, up to the meridian of 180°, over it, and from it on.
        let west = [2.0, 178.25, 179.0, 180.0][west];
        let expected = answers(&[&features(&drawing, west)], west);
        let turned = answers(&[&features(&drawing, west - 360.0)], west);
        prop_assert_eq!(&turned, &expected);
        if west < 178.0 {
            let turned = answers(&[&features(&drawing, west + 360.0)], west);
            prop_assert_eq!(&turned, &expected);
        }
        if west == 180.0 {
            let elsewhere = answers(&[&features(&drawing, 2.0)], 2.0);
            prop_assert_eq!(&elsewhere, &expected);
        }
    }

    /// Even-odd over all rings: whatever a ring looks like, the two sides of a chord are as good as the whole.
    #[test]
    fn splitting_rings_changes_nothing(drawing in drawings(), at in 1usize..7) {
        let rings = drawing.iter().enumerate().flat_map(|(region, rings)| rings.iter().map(move |r| (region, r)));
        let halves = rings.map(|(region, ring)| {
            // A chord from the first vertex to another.
            let at = 1 + at % (ring.len() - 1);
            let halves = [closed(&ring[..=at], 2.0), closed(&[&ring[at..], &ring[..1]].concat(), 2.0)];
            let coordinates = halves.map(|half| json!([half]));
            json!({"type": "Feature", "properties": {"id": format!("r{region}")},
                   "geometry": {"type": "MultiPolygon", "coordinates": coordinates}})
        });
        prop_assert_eq!(answers(&[&halves.collect::<Vec<_>>()], 2.0), answers(&[&features(&drawing, 2.0)], 2.0));
    }

    /// Polygons that do not lie upon each other may as well be features of one id.
    #[test]
    fn splitting_polygons_changes_nothing(triangles in vec(array::uniform3((0i32..4, 0i32..4)), 1..5)) {
        let (mut whole, mut halves) = (Vec::new(), Vec::new());
        for (region, triangle) in triangles.iter().enumerate() {
            let [a, b, c] = triangle.map(|(x, y)| (2 * x, 2 * y));
            let middle = ((b.0 + c.0) / 2, (b.1 + c.1) / 2);
            whole.push(part(region, &[a, b, c], 2.0));
            halves.push(part(region, &[a, b, middle], 2.0));
            halves.push(part(region, &[a, middle, c], 2.0));
        }
        prop_assert_eq!(answers(&[&halves], 2.0), answers(&[&whole], 2.0));
    }

    #[test]
    fn order_and_direction_change_nothing(
        (drawing, order) in drawings().prop_flat_map(|drawing| {
            let count = drawing.iter().map(Vec::len).sum();
            (Just(drawing), Just((0..count).collect::<Vec<usize>>()).prop_shuffle())
        }),
        turn in 0usize..7,
    ) {
        let mut other = drawing.clone();
        for ring in other.iter_mut().flatten() {
            let len = ring.len();
            ring.rotate_left(turn % len);
            ring.reverse();
        }
        let other = features(&other, 2.0);
        let other: Vec<Value> = order.iter().map(|&place| other[place].clone()).collect();
        prop_assert_eq!(answers(&[&other], 2.0), answers(&[&features(&drawing, 2.0)], 2.0));
    }

    #[test]
    fn the_answers_of_two_layers_are_those_of_the_index_of_both(one in drawings(), other in drawings()) {
        let (one, other) = (features(&one, 2.0), features(&other, 2.0));
        let mut expected = answers(&[&one], 2.0);
        expected.extend(answers(&[&other], 2.0));
        prop_assert_eq!(answers(&[&one, &other], 2.0), expected);
    }
}
