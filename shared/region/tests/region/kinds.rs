//! Every kind of file, as GDAL and geopandas write it, in degrees and projected: the same layer comes of each.

use bisonflow_region::{FieldValue, Index, LayersConfig, RegionError};

use crate::drawing::at;

pub(crate) const KINDS: [(&str, &[u8]); 12] = [
    ("parks_nad83.zip", include_bytes!("layers/parks_nad83.zip")),
    ("parks_nad83.geojson", include_bytes!("layers/parks_nad83.geojson")),
    ("parks_nad83.fgb", include_bytes!("layers/parks_nad83.fgb")),
    ("parks_nad83_indexed.fgb", include_bytes!("layers/parks_nad83_indexed.fgb")),
    ("parks_nad83.parquet", include_bytes!("layers/parks_nad83.parquet")),
    ("parks_nad83_lists.parquet", include_bytes!("layers/parks_nad83_lists.parquet")),
    ("parks_albers.zip", include_bytes!("layers/parks_albers.zip")),
    ("parks_albers.geojson", include_bytes!("layers/parks_albers.geojson")),
    ("parks_albers.fgb", include_bytes!("layers/parks_albers.fgb")),
    ("parks_albers_indexed.fgb", include_bytes!("layers/parks_albers_indexed.fgb")),
    ("parks_albers.parquet", include_bytes!("layers/parks_albers.parquet")),
    ("parks_albers_lists.parquet", include_bytes!("layers/parks_albers_lists.parquet")),
];

fn parks(name: &str, bytes: &[u8]) -> Result<Index, RegionError> {
    let toml = format!(
        r#"
        [[layer]]
        name = "parks"
        source = "{name}"
        vintage = "2024"
        scale = "1:24000"
        id = "id"
        overlap = {{ lowest = ["GAP_Sts", "GIS_Acres"] }}
        fields = {{ park = "Unit_Nm", gap = "GAP_Sts" }}
        "#
    );
    Index::build(&LayersConfig::parse(&toml, &[]).unwrap(), |_| Ok(bytes.to_vec()))
}

/// Degrees of a place given in sides of the squares, from the corner of the first; the projected places are those
/// of PROJ 9.5.
fn place(name: &str, x: f64, y: f64) -> (f64, f64) {
    if name.contains("nad83") {
        return (-99.0 + 0.1 * x, 40.0 + 0.1 * y);
    }
    // (-100000, 2000000) and a step of 1 km east and north of it: locally the grid is straight enough.
    let (corner, east, north) = (CORNER, EAST, NORTH);
    (
        corner.0 + (east.0 - corner.0) * x + (north.0 - corner.0) * y,
        corner.1 + (east.1 - corner.1) * x + (north.1 - corner.1) * y,
    )
}

const CORNER: (f64, f64) = (-97.19849813154957, 41.00338023574663);
const EAST: (f64, f64) = (-97.18651440197775, 41.00349229778644);
const NORTH: (f64, f64) = (-97.198649289541, 41.012310239380284);

#[test]
fn the_same_layer_comes_of_every_kind() {
    for (name, bytes) in KINDS {
        // Their content tells the kind, whatever the name.
        for name in [name, &name.replace('.', "_")] {
            let index = parks(name, bytes).unwrap_or_else(|error| panic!("{error}"));
            let layer = &index.layers()[0];
            let cases = [
                (0.1, 0.1, "A"),
                (0.5, 0.5, ""),
                (0.9, 0.9, "A"),
                // D is a copy of B of fewer acres.
                (1.1, 0.5, "D"),
                (1.9, 0.5, "D"),
                (2.1, 0.5, ""),
                (0.5, 2.5, "C"),
                (1.5, 2.5, ""),
                (2.5, 2.5, "C"),
            ];
            for (x, y, id) in cases {
                let (lon, lat) = place(name, x, y);
                assert_eq!(at(layer, lon, lat), id, "{name} {x} {y}");
            }
            // A and its neighbour share their border: no sliver between them.
            let (west, lat) = place(name, 0.999, 0.5);
            let east = place(name, 1.001, 0.5).0;
            for step in 0..=1000 {
                let lon = west + (east - west) * f64::from(step) / 1000.0;
                assert!(["A", "D"].contains(&at(layer, lon, lat).as_str()), "{name} {lon}");
            }
            let mixed =
                u64::from(!name.contains("zip") && !name.contains("indexed") && !name.contains("lists"));
            let report = layer.report();
            assert_eq!((report.features, report.skipped_geometries), (4 + 2 * mixed, mixed), "{name}");
            assert_eq!((report.rings, report.vertices), (6, 30), "{name}");
            let (lon, lat) = place(name, 1.5, 0.5);
            let set = layer.locate(bisonflow_region::Coordinate::new(lon, lat).unwrap());
            assert_eq!(
                (layer.value(0, set), layer.value(1, set)),
                (FieldValue::One("Copy of B"), FieldValue::One("1"))
            );
            let (lon, lat) = place(name, 0.5, 2.5);
            let set = layer.locate(bisonflow_region::Coordinate::new(lon, lat).unwrap());
            assert_eq!(layer.value(0, set), FieldValue::Null, "{name}");
        }
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    for (name, bytes) in KINDS {
        for len in (0..bytes.len()).step_by(7) {
            assert!(parks(name, &bytes[..len]).is_err(), "{name}: {len} bytes of {}", bytes.len());
        }
    }
}
