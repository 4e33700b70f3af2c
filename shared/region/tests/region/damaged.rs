//! Files that are no layers, and layers of bad geometry: a clear error, or a report; never a crash.

use std::io::{Cursor, Read};

use bisonflow_region::{Index, fuzzing};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::json;

use crate::drawing::{at, collection, polygon, rectangle, try_file, try_layer};
use crate::kinds::KINDS;

#[test]
fn what_is_no_layer_is_named() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "found an empty file"),
        (b"\0\0\x27\x0a\0\0", "found a .shp alone; zip it together with its .dbf"),
        (b"SQLite format 3\0", "found a GeoPackage"),
        (b"id,name\n1,a\n", "found a file that begins with \"id,name"),
        (b"PAR1", "layer land, land.geojson: cannot be read"),
        (b"fgb\x03fgb\0\xff\xff\xff\xff", "the file is truncated"),
    ];
    for (bytes, expected) in cases {
        let error = try_file("land.geojson", bytes.to_vec(), "id", "").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\ndoes not say: {expected}");
    }
}

#[test]
fn a_hundred_thousand_points_or_lines_are_no_layer() {
    for geometry in
        [r#"{"type":"Point","coordinates":[1,2]}"#, r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#]
    {
        let feature = format!(r#"{{"type":"Feature","properties":{{"id":1}},"geometry":{geometry}}}"#);
        let points =
            format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, vec![feature; 100_000].join(","));
        let error = try_file("land.geojson", points.into_bytes(), "id", "").unwrap_err().to_string();
        assert!(error.contains("expected polygons, found only points or lines (100000)"), "{error}");
    }
    let nothing = json!({"type": "Feature", "properties": {"id": 1}, "geometry": null});
    let error = try_layer(&collection(vec![nothing; 10_000]), "").unwrap_err().to_string();
    assert!(error.contains("expected polygons, found none"), "{error}");
}

#[test]
fn rings_without_area_hold_no_place() {
    let rings =
        [json!([[[0, 0], [1, 1], [0, 0]]]), json!([[[0, 0], [1, 1]]]), json!([[[0, 0]]]), json!([[]])];
    let mut features: Vec<_> =
        rings.into_iter().enumerate().map(|(number, rings)| polygon(&number.to_string(), rings)).collect();
    features.push(polygon("land", json!([rectangle(0.0, 0.0, 2.0, 2.0)])));
    let index = try_layer(&collection(features), "").unwrap();
    let layer = &index.layers()[0];
    assert_eq!([(0.5, 0.5), (1.0, 0.0), (0.0, 0.0)].map(|(lon, lat)| at(layer, lon, lat)), ["land"; 3]);
    assert_eq!((layer.report().regions, layer.report().without_area), (5, 4));
}

#[test]
fn coordinates_out_of_range_are_refused() {
    for corner in [(539.5, 0.0), (0.0, 89.5), (1e300, 0.0), (-541.0, 0.0)] {
        let land = collection(vec![polygon("a", json!([rectangle(corner.0, corner.1, 1.0, 1.0)]))]);
        let error = try_layer(&land, "").unwrap_err().to_string();
        assert!(error.contains("expected degrees of longitude and latitude, found a vertex at"), "{error}");
    }
}

#[test]
fn counts_that_a_file_cannot_hold_are_not_believed() {
    // The counts of features, and of the rows of the table, where the files have them.
    let (_, fgb) = KINDS.iter().find(|(name, _)| name.ends_with("_indexed.fgb")).unwrap();
    for at in 8..fgb.len() - 8 {
        let mut damaged = fgb.to_vec();
        damaged[at..at + 4].fill(0xff);
        // It may still be a layer, if what was overwritten is not used.
        let _: Result<Index, _> = try_file("land.fgb", damaged, "id", "");
    }
}

/// A zipped shapefile as the fuzz target takes it: without checksums that would stop most damage at the door.
fn unzipped(zip: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let [mut shp, mut dbf] = [Vec::new(), Vec::new()];
    zip.by_name("parks.shp").unwrap().read_to_end(&mut shp).unwrap();
    zip.by_name("parks.dbf").unwrap().read_to_end(&mut dbf).unwrap();
    [(shp.len() as u32).to_le_bytes().to_vec(), shp, dbf].concat()
}

/// `PROPTEST_CASES=1000000 cargo test --release damaged` takes it further.
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(200))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn damaged_files_do_no_harm(
        kind in 0..KINDS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        len in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let (name, bytes) = KINDS[kind];
        let is_zip = name.ends_with(".zip");
        let mut bytes = if is_zip { unzipped(bytes) } else { bytes.to_vec() };
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(len.index(bytes.len()));
        }
        if is_zip {
            fuzzing::shapefile(&bytes);
        } else {
            let _: Result<Index, _> = try_file("land", bytes, "id", "");
        }
    }
}
