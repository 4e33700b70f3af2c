//! Places on vertices and borders, and geometry that is not as it should be.

use bisonflow_region::{Coordinate, Position};
use proptest::prelude::{Just, Strategy};
use proptest::sample::subsequence;
use proptest::{prop_assert_eq, proptest};
use serde_json::{Value, json};

use crate::drawing::{at, collection, drawn, layer, polygon, rectangle};

#[test]
fn every_border_and_corner_of_a_two_by_two_world_has_one_owner() {
    let world = drawn(&[
        "AB", //
        "CD",
    ]);
    let layer = layer(&world);
    let cases = [
        // inside
        (0.5, 1.5, "A"),
        (1.5, 1.5, "B"),
        (0.5, 0.5, "C"),
        (1.5, 0.5, "D"),
        // shared borders: to the east, to the north
        (1.0, 1.5, "B"),
        (1.0, 0.5, "D"),
        (0.5, 1.0, "A"),
        (1.5, 1.0, "B"),
        // the corner of all four
        (1.0, 1.0, "B"),
        // outer borders: west and south are inside, east and north are not
        (0.0, 0.5, "C"),
        (0.0, 1.0, "A"),
        (0.0, 1.5, "A"),
        (0.5, 0.0, "C"),
        (1.0, 0.0, "D"),
        (1.5, 0.0, "D"),
        (2.0, 0.5, ""),
        (2.0, 1.0, ""),
        (0.5, 2.0, ""),
        (1.0, 2.0, ""),
        // outer corners
        (0.0, 0.0, "C"),
        (2.0, 0.0, ""),
        (0.0, 2.0, ""),
        (2.0, 2.0, ""),
        // beyond
        (-0.5, 0.5, ""),
        (2.5, 0.5, ""),
        (0.5, -0.5, ""),
        (0.5, 2.5, ""),
    ];
    for (lon, lat, owner) in cases {
        assert_eq!(at(&layer, lon, lat), owner, "{lon}, {lat}");
        let place = Coordinate::new(lon, lat).unwrap();
        let set = layer.locate(place);
        let on_border = (0.0..=2.0).contains(&lon)
            && (0.0..=2.0).contains(&lat)
            && (lon.fract() == 0.0 || lat.fract() == 0.0);
        let expected = match (on_border, owner) {
            (true, _) => Position::OnBoundary(set),
            (false, "") => Position::Outside,
            (false, _) => Position::Inside(set),
        };
        assert_eq!(layer.position(place), expected, "{lon}, {lat}");
    }
}

/// A place moved a little north-east, which the rule must equal in a drawing of squares.
#[test]
fn a_drawing_with_holes_islands_and_parts_has_no_gap() {
    let rows = ["AAAA.B", "ACCA.B", "AC.ABB", "AAAA..", "..D.DD"];
    let layer = layer(&drawn(&rows));
    for x in -2..28 {
        for y in -2..24 {
            let (lon, lat) = (f64::from(x) / 4.0, f64::from(y) / 4.0);
            let (column, row) = ((lon + 0.01).floor(), (lat + 0.01).floor());
            let letter = (column >= 0.0 && row >= 0.0)
                .then(|| rows.iter().rev().nth(row as usize)?.chars().nth(column as usize))
                .flatten()
                .filter(|letter| letter.is_alphabetic());
            assert_eq!(at(&layer, lon, lat), letter.map_or(String::new(), String::from), "{lon}, {lat}");
        }
    }
}

#[test]
fn rings_that_are_not_as_they_should_be() {
    let reversed = |ring: Value| {
        let mut ring = ring;
        if let Some(vertices) = ring.as_array_mut() {
            vertices.reverse();
        }
        ring
    };
    let outer = || rectangle(0.0, 0.0, 4.0, 4.0);
    let hole = || rectangle(1.0, 1.0, 2.0, 2.0);
    let bow_tie = json!([[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]);
    let eight = json!([[0, 0], [2, 2], [4, 4], [0, 4], [2, 2], [4, 0], [0, 0]]);
    // name, rings, places that are inside, places that are not
    type Places = &'static [(f64, f64)];
    let cases: [(&str, Value, Places, Places); 10] = [
        (
            "a hole",
            json!([outer(), hole()]),
            &[(0.5, 0.5), (3.0, 2.0), (2.0, 3.0)],
            &[(2.0, 2.0), (1.0, 1.0)],
        ),
        ("a hole wound like its shell", json!([outer(), reversed(hole())]), &[(0.5, 0.5)], &[(2.0, 2.0)]),
        ("a shell wound wrongly", json!([reversed(outer())]), &[(2.0, 2.0), (0.0, 0.0)], &[(4.0, 4.0)]),
        (
            "a ring that crosses itself",
            json!([bow_tie]),
            &[(0.5, 2.0), (3.5, 2.0), (2.0, 2.0)],
            &[(2.0, 1.0), (2.0, 3.0)],
        ),
        ("a ring that touches itself", json!([eight]), &[(2.0, 1.0), (2.0, 3.0)], &[(1.0, 2.0), (3.0, 2.0)]),
        ("an open ring", json!([[[0, 0], [4, 0], [4, 4], [0, 4]]]), &[(0.0, 2.0), (2.0, 2.0)], &[(5.0, 2.0)]),
        (
            "a repeated vertex",
            json!([[[0, 0], [4, 0], [4, 0], [4, 4], [0, 4], [0, 0], [0, 0]]]),
            &[(2.0, 2.0)],
            &[(4.0, 0.0)],
        ),
        (
            "a spike",
            json!([[[0, 0], [4, 0], [4, 2], [9, 2], [4, 2], [4, 4], [0, 4]]]),
            &[(2.0, 2.0)],
            &[(6.0, 2.0), (4.0, 2.0)],
        ),
        (
            "a ring without area",
            json!([outer(), [[1, 1], [3, 3], [1, 1]]]),
            &[(2.0, 2.0), (1.0, 1.0)],
            &[(4.0, 2.0)],
        ),
        (
            "rings of too few vertices",
            json!([outer(), [[1, 1]], [[1, 1], [2, 2]], []]),
            &[(1.0, 1.0), (1.5, 1.5)],
            &[(4.0, 2.0)],
        ),
    ];
    for (name, rings, inside, outside) in cases {
        let layer = layer(&collection(vec![polygon("A", rings)]));
        for &(lon, lat) in inside {
            assert_eq!(at(&layer, lon, lat), "A", "{name}: {lon}, {lat}");
        }
        for &(lon, lat) in outside {
            assert_eq!(at(&layer, lon, lat), "", "{name}: {lon}, {lat}");
        }
    }
    let spike = json!([[[0, 0], [4, 0], [4, 2], [9, 2], [4, 2], [4, 4], [0, 4]]]);
    let on_spike = layer(&collection(vec![polygon("A", spike)])).position(Coordinate::new(6.0, 2.0).unwrap());
    assert_eq!(on_spike, Position::Outside, "a spike borders on nothing");
}

#[test]
fn the_meridian_of_180_degrees_is_one_line() {
    // Alaska: mainland to the antimeridian in the west, the far Aleutians up to it in the east.
    let alaska = json!({"type": "Feature", "properties": {"id": "AK"}, "geometry": {"type": "MultiPolygon", "coordinates":
        [[rectangle(-180.0, 51.0, 50.0, 20.0)], [rectangle(172.0, 51.0, 8.0, 2.0)]]}});
    let layer = layer(&collection(vec![alaska]));
    let cases = [
        (-180.0, 52.0, "AK"),
        (180.0, 52.0, "AK"),
        (180.0, 60.0, "AK"),
        (180.0, 71.0, ""),
        (179.999, 52.0, "AK"),
        (179.999, 60.0, ""),
        (172.0, 52.0, "AK"),
        (0.0, 52.0, ""),
        (-130.0, 52.0, ""),
    ];
    for (lon, lat, owner) in cases {
        assert_eq!(at(&layer, lon, lat), owner, "{lon}, {lat}");
    }
    let bounds = layer.bounds_of("AK").unwrap();
    assert_eq!((bounds.west, bounds.south, bounds.east, bounds.north), (-180.0, 51.0, 180.0, 71.0));
    assert_eq!((bounds.center(), layer.bounds()), ((0.0, 61.0), Some(bounds)));
    assert_eq!(layer.bounds_of("HI"), None);
}

proptest! {
    #[test]
    fn the_order_of_the_file_means_nothing(
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        kept in subsequence((0..6).collect::<Vec<usize>>(), 1..6),
    ) {
        let world = drawn(&["ABC", "DEF"]);
        let features = world["features"].as_array().unwrap();
        let pick = |places: &[usize]| collection(places.iter().map(|&place| features[place].clone()).collect());
        let shuffled: Vec<usize> = order.into_iter().filter(|place| kept.contains(place)).collect();
        let (left, right) = (layer(&pick(&kept)), layer(&pick(&shuffled)));
        for x in 0..8 {
            for y in 0..6 {
                let place = Coordinate::new(f64::from(x) / 2.0, f64::from(y) / 2.0).unwrap();
                prop_assert_eq!(left.position(place), right.position(place));
                prop_assert_eq!(left.ids(left.locate(place)), right.ids(right.locate(place)));
            }
        }
    }
}
