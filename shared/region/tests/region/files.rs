//! Zipped shapefiles, GeoJSON and TopoJSON: what is read, and what is refused.

use std::io::{Cursor, Write};

use bisonflow_region::{FieldValue, Index, LayersConfig, RegionError};
use serde_json::{Value, json};
use shapefile::{Point, Polygon, PolygonRing, ShapeWriter};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::drawing::{at, collection, drawn, polygon, rectangle, try_file, try_layer};

const NAD83: &str = "GEOGCS[\"GCS_North_American_1983\",DATUM[\"D_North_American_1983\"],UNIT[\"Degree\",0.0174532925199433]]";
const ALBERS: &str =
    "PROJCS[\"USA_Contiguous_Albers_Equal_Area_Conic_USGS_version\",GEOGCS[\"GCS_North_American_1983\"]]";

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A square per name, beside each other from (0, 0) on.
fn shp(count: usize) -> Vec<u8> {
    let mut shp = Cursor::new(Vec::new());
    let mut writer = ShapeWriter::new(&mut shp);
    for west in 0..count {
        let (west, east) = (west as f64, west as f64 + 1.0);
        let corners = [(west, 0.0), (west, 1.0), (east, 1.0), (east, 0.0), (west, 0.0)];
        let ring = corners.map(|(x, y)| Point::new(x, y)).to_vec();
        writer.write_shape(&Polygon::new(PolygonRing::Outer(ring))).unwrap();
    }
    drop(writer);
    shp.into_inner()
}

/// One column NAME of 12 bytes.
fn dbf(names: &[&[u8]]) -> Vec<u8> {
    let mut dbf = vec![3, 126, 1, 1];
    dbf.extend((names.len() as u32).to_le_bytes());
    dbf.extend([65, 0, 13, 0]);
    dbf.resize(32, 0);
    dbf.extend(b"NAME\0\0\0\0\0\0\0C\0\0\0\0\x0c");
    dbf.resize(64, 0);
    dbf.push(b'\r');
    for name in names {
        dbf.push(b' ');
        dbf.extend(*name);
        dbf.resize(dbf.len() + 12 - name.len(), b' ');
    }
    dbf
}

fn shapefile(zip: Vec<u8>) -> Result<Index, RegionError> {
    try_file("land.zip", zip, "NAME", "")
}

#[test]
fn a_shapefile_is_read_with_its_names() {
    let cases: [(&[u8], &[u8]); 2] = [("Mayagüez".as_bytes(), b"UTF-8"), (b"Mayag\xfcez", b"ISO-8859-1")];
    for (name, cpg) in cases {
        let zip = zipped(&[
            ("land/land.shp", &shp(2)),
            ("land/land.dbf", &dbf(&[name, b"00123"])),
            ("land/land.prj", NAD83.as_bytes()),
            ("land/land.CPG", cpg),
            ("__MACOSX/land/._land.shp", b"x"),
        ]);
        let index = shapefile(zip).unwrap();
        let layer = &index.layers()[0];
        assert_eq!((at(layer, 0.5, 0.5), at(layer, 1.0, 0.5)), ("Mayagüez".into(), "00123".into()));
        let set = layer.set_ids().last().unwrap();
        assert_eq!(layer.value(0, set), FieldValue::One("Mayagüez"));
        assert_eq!((layer.report().features, layer.report().rings, layer.report().vertices), (2, 2, 10));
    }
}

#[test]
fn a_shapefile_that_cannot_be_used_is_refused() {
    let (shp, dbf_two) = (shp(2), dbf(&[b"a", b"b"]));
    let cases: [(Vec<u8>, &str); 8] = [
        (b"not a zip".to_vec(), "layer land, land.zip: cannot be read"),
        (zipped(&[("readme.txt", b"")]), "expected one .shp in the zip, found readme.txt"),
        (zipped(&[("a.shp", &shp), ("b.shp", &shp)]), "expected one .shp in the zip, found a.shp, b.shp"),
        (zipped(&[("a.shp", &shp)]), "expected a.dbf in the zip"),
        (
            zipped(&[("a.shp", &shp), ("a.dbf", &dbf(&[b"a"]))]),
            "feature 2: expected attributes, found a shape without a row",
        ),
        (
            zipped(&[("a.shp", &shp), ("a.dbf", &dbf(&[b"a", b"b", b"c"]))]),
            "2 shapes, but more rows in the .dbf",
        ),
        (zipped(&[("a.shp", &shp[..200]), ("a.dbf", &dbf_two)]), "layer land, land.zip"),
        (
            zipped(&[("a.shp", &shp), ("a.dbf", &dbf_two), ("a.prj", ALBERS.as_bytes())]),
            "found the coordinate reference system USA_Contiguous_Albers_Equal_Area_Conic_USGS_version (",
        ),
    ];
    for (zip, expected) in cases {
        let error = shapefile(zip).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\ndoes not say: {expected}");
    }
}

#[test]
fn geojson_that_cannot_be_used_is_refused() {
    let with_crs = |name: &str| {
        let mut land = drawn(&["AB"]);
        land["crs"] = json!({"type": "name", "properties": {"name": name}});
        land
    };
    for name in ["urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4269", "EPSG:4326"] {
        assert_eq!(at(&try_layer(&with_crs(name), "").unwrap().layers()[0], 1.0, 0.5), "B", "{name}");
    }
    let metres = polygon("a", json!([rectangle(-10_000.0, 1_500_000.0, 1000.0, 1000.0)]));
    let point = json!({"type": "Feature", "properties": {"id": "p"}, "geometry": {"type": "Point", "coordinates": [0, 0]}});
    let nameless = json!({"type": "Feature", "properties": {"id": null}, "geometry": null});
    let cases: [(Value, &str); 7] = [
        (
            with_crs("urn:ogc:def:crs:EPSG::1"),
            "found the coordinate reference system urn:ogc:def:crs:EPSG::1 (",
        ),
        (
            collection(vec![metres]),
            "expected degrees of longitude and latitude, found a vertex at (-10000, 1500000)",
        ),
        (collection(vec![point]), "expected polygons, found only points or lines (1)"),
        (collection(vec![nameless]), "feature 1: expected an id in id, found null"),
        (json!({"type": "Feature"}), "expected the type FeatureCollection or Topology, found Feature"),
        (json!({"type": "FeatureCollection"}), "layer land, land.geojson: cannot be read"),
        (json!([1, 2]), "layer land, land.geojson: cannot be read"),
    ];
    for (file, expected) in cases {
        let error = try_layer(&file, "").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\ndoes not say: {expected}");
    }
}

#[test]
fn a_missing_attribute_is_named_with_those_there_are() {
    let land = collection(vec![
        json!({"type": "Feature", "properties": {"NAME": "a", "CODE": 1}, "geometry": null}),
    ]);
    let error = try_layer(&land, "").unwrap_err();
    let message = "layer land, land.geojson: expected an attribute id, found CODE, NAME";
    assert_eq!(error.to_string(), message);
}

#[test]
fn points_are_left_out_and_counted_and_an_id_may_be_the_features_own() {
    let mixed = json!({"type": "GeometryCollection", "geometries": [
        {"type": "Point", "coordinates": [5, 5]},
        {"type": "Polygon", "coordinates": [rectangle(0.0, 0.0, 1.0, 1.0)]}]});
    let land = collection(vec![json!({"type": "Feature", "id": 7, "properties": null, "geometry": mixed})]);
    let index = try_layer(&land, "").unwrap();
    let layer = &index.layers()[0];
    assert_eq!(at(layer, 0.5, 0.5), "7");
    assert_eq!((layer.report().skipped_geometries, layer.report().rings), (1, 1));
}

#[test]
fn topojson_neighbours_share_their_border() {
    // Two squares with one arc between them, quantized to tenths of a degree: A from 0 to 0.3, B from 0.3 to 0.7.
    let topology = |objects: Value| {
        json!({"type": "Topology", "transform": {"scale": [0.1, 0.1], "translate": [0.0, 0.0]}, "objects": objects,
            "arcs": [[[3, 0], [0, 3]], [[3, 3], [-3, 0], [0, -3], [3, 0]], [[3, 3], [4, 0], [0, -3], [-4, 0]]]})
    };
    let land = json!({"type": "GeometryCollection", "geometries": [
        {"type": "Polygon", "id": "A", "properties": {}, "arcs": [[0, 1]]},
        {"type": "MultiPolygon", "id": "B", "arcs": [[[2, 0]]]},
        {"type": "Point", "id": "P", "coordinates": [1, 1]}]});
    let read =
        |objects: Value| try_file("land.topojson", topology(objects).to_string().into_bytes(), "id", "");
    let index = read(json!({"land": land, "nation": {"type": "Polygon", "arcs": [[1, 2]]}})).unwrap();
    let layer = &index.layers()[0];
    let border = 3.0 * 0.1;
    let cases = [
        (0.0, 0.1, "A"),
        (0.1, 0.0, "A"),
        (f64::next_down(border), 0.1, "A"),
        (border, 0.1, "B"),
        (border, 0.0, "B"),
        (0.5, 0.1, "B"),
        (7.0 * 0.1, 0.1, ""),
        (border, border, ""),
    ];
    for (lon, lat, owner) in cases {
        assert_eq!(at(layer, lon, lat), owner, "{lon}, {lat}");
    }
    assert_eq!(layer.report().skipped_geometries, 1);

    let square = |arcs: Value| json!({"type": "Polygon", "id": "A", "arcs": arcs});
    let cases = [
        (json!({"a": square(json!([[0, 1]])), "b": square(json!([[0, 1]]))}), "found a, b"),
        (json!({"a": square(json!([[0, 3]]))}), "expected arcs that the topology has, found arc 3 of 3"),
        (json!({"a": square(json!([[-4]]))}), "found arc -4 of 3"),
    ];
    for (objects, expected) in cases {
        let error = read(objects).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\ndoes not say: {expected}");
    }
}

#[test]
fn files_that_are_missing_or_of_another_kind_are_named() {
    let toml = "[[layer]]\nname = \"land\"\nsource = \"land.gdb\"\nvintage = \"1\"\nscale = \"1:1\"\nid = \"i\"\nfields = { f = \"i\" }";
    let config = LayersConfig::parse(toml, &[]).unwrap();
    let error = Index::build(&config, |file| Err(RegionError::load(file, "no such file"))).unwrap_err();
    assert_eq!(error.to_string(), "layer land, land.gdb: cannot be read: no such file");
    let error = Index::build(&config, |_| Ok(Vec::new())).unwrap_err().to_string();
    assert!(
        error.contains("layer land, land.gdb: cannot be read: expected a zipped shapefile (.zip), GeoJSON"),
        "{error}"
    );
}

#[test]
fn rings_that_are_not_finite_are_dropped_and_counted() {
    let mut shp = shp(2);
    // The second vertex of the second shape: 100 bytes of header, records of 8 + 48 + 5 × 16 bytes each.
    let at_vertex = 100 + (8 + 48 + 80) + 8 + 48 + 16;
    shp[at_vertex..at_vertex + 8].copy_from_slice(&f64::NAN.to_le_bytes());
    let index = shapefile(zipped(&[("a.shp", &shp), ("a.dbf", &dbf(&[b"a", b"b"]))])).unwrap();
    let layer = &index.layers()[0];
    assert_eq!((layer.report().rings, layer.report().dropped_rings), (1, 1));
    assert_eq!((at(layer, 0.5, 0.5), at(layer, 1.5, 0.5)), ("a".into(), String::new()));
}
