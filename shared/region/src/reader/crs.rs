//! Coordinate reference systems: which files are in degrees, and how the others get there.
//!
//! Geographic coordinates are used as they are, whatever their datum: NAD83 and WGS84 differ by a metre or two, less
//! than the lines of the layers and the coordinates of the records, and a shift of datum would tear borders that
//! follow the meridian of 180°. Projected coordinates are taken back to the longitude and latitude of their own
//! datum, by the parameters of the projection that the file itself gives.
//!
//! The inverse of a projection is a function of the vertex alone, so vertices that neighbours share stay shared to
//! the last bit. An edge stays straight between its vertices, though a straight line of the map is not quite one of
//! degrees. For the Albers projection of PAD-US (ESRI:102039) the two are at most 0.2 mm apart on an edge of 100 m,
//! 2 cm on 1 km and 1.8 m on 10 km (they part with the square of the length; the sides that a township has in
//! common with its neighbours part alike). No vertices are added.

use proj_core::{AxisOrder, CrsDef, GeographicCrsDef, Transform};
use serde_json::Value;

use super::{Origin, Vertex};
use crate::error::RegionError;

/// What the coordinates of a file are.
pub(super) enum Crs {
    /// Degrees of longitude and latitude, or the file does not say: then the vertices tell.
    Degrees,
    /// A map: the transform leads back to degrees.
    Projected(Box<Transform>),
}

impl Crs {
    /// Reads WKT (of ESRI or OGC, first or second edition), PROJJSON, or a code such as `EPSG:5070`. The first
    /// coordinate is the longitude or easting whatever the order of axes in the definition, as all these kinds of
    /// files have it.
    pub(super) fn parse(origin: Origin<'_>, definition: &str) -> Result<Self, RegionError> {
        let found = |reason: &dyn std::fmt::Display| {
            origin.not_degrees(format!("the coordinate reference system {} ({reason})", name_of(definition)))
        };
        let crs = match proj_wkt::parse_crs(&with_known_names(without_order(definition))) {
            Ok(crs) => crs,
            Err(_) if is_geographic(definition) => return Ok(Crs::Degrees),
            Err(error) => return Err(found(&error)),
        };
        match crs.horizontal_crs() {
            Some(CrsDef::Geographic(_)) => Ok(Crs::Degrees),
            Some(CrsDef::Projected(projected)) => {
                let degrees = CrsDef::Geographic(GeographicCrsDef::new(0, projected.datum().clone(), ""));
                let map = CrsDef::Projected(projected.with_axis_order(AxisOrder::EastNorth));
                let inverse = Transform::from_crs_defs(&map, &degrees).map_err(|error| found(&error))?;
                Ok(Crs::Projected(Box::new(inverse)))
            }
            _ => Err(found(&"neither geographic nor projected")),
        }
    }
}

/// `[lon, lat]` of a vertex of the map.
pub(super) fn degrees(inverse: &Transform, [x, y]: Vertex) -> Result<Vertex, String> {
    let (lon, lat) = inverse.convert((x, y)).map_err(|error| format!("({x}, {y}): {error}"))?;
    if lon.is_finite() && lat.is_finite() { Ok([lon, lat]) } else { Err(format!("({x}, {y})")) }
}

/// WKT with the name that the parser has for the Albers projection: it lacks those of the first edition, of ESRI and
/// of OGC.
fn with_known_names(wkt: &str) -> String {
    ["\"Albers\"", "\"Albers_Conic_Equal_Area\""].iter().fold(wkt.to_owned(), |wkt, name| {
        wkt.replace(&format!("PROJECTION[{name}"), "PROJECTION[\"Albers_Equal_Area\"")
    })
}

/// The code in a URN of EPSG: its order of axes is not that of the file.
fn without_order(definition: &str) -> &str {
    let definition = definition.trim();
    let is_urn = definition.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    match definition.rsplit_once(':') {
        Some((start, code)) if is_urn && start.to_ascii_uppercase().contains(":EPSG:") => code,
        _ => definition,
    }
}

/// Whether WKT that cannot be read as a whole is that of degrees east of Greenwich.
fn is_geographic(wkt: &str) -> bool {
    let keywords = wkt.trim_start().to_ascii_uppercase();
    let starts =
        ["GEOGCS", "GEOGCRS", "GEODCRS", "GEOGRAPHICCRS"].iter().any(|name| keywords.starts_with(name));
    let meridian = keywords.split_once("PRIMEM").and_then(|(_, rest)| rest.split([',', ']']).nth(1));
    let is_greenwich = meridian.is_none_or(|text| text.trim().parse() == Ok(0.0));
    starts && is_greenwich && keywords.contains("\"DEGREE\"")
}

/// The name of a system, for messages.
fn name_of(definition: &str) -> String {
    let of_json = serde_json::from_str::<Value>(definition).ok();
    let of_json = of_json.as_ref().and_then(|json| json.get("name")).and_then(Value::as_str);
    let name = of_json.or_else(|| definition.split('"').nth(1)).unwrap_or(definition.trim());
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin { layer: "padus", file: "padus.zip" };

    const ALBERS_OF_ESRI: &str = r#"PROJCS["USA_Contiguous_Albers_Equal_Area_Conic_USGS_version",GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Albers"],PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-96.0],PARAMETER["Standard_Parallel_1",29.5],PARAMETER["Standard_Parallel_2",45.5],PARAMETER["Latitude_Of_Origin",23.0],UNIT["Meter",1.0]]"#;
    const ALBERS_OF_OGC: &str = r#"PROJCS["USA_Contiguous_Albers_Equal_Area_Conic_USGS_version",GEOGCS["NAD83",DATUM["North_American_Datum_1983",SPHEROID["GRS 1980",6378137,298.257222101,AUTHORITY["EPSG","7019"]],AUTHORITY["EPSG","6269"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4269"]],PROJECTION["Albers_Conic_Equal_Area"],PARAMETER["latitude_of_center",23],PARAMETER["longitude_of_center",-96],PARAMETER["standard_parallel_1",29.5],PARAMETER["standard_parallel_2",45.5],PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["ESRI","102039"]]"#;
    const UTM_OF_ESRI: &str = r#"PROJCS["NAD_1983_UTM_Zone_15N",GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-93.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]"#;
    const CALIFORNIA_OF_ESRI: &str = r#"PROJCS["NAD_1983_StatePlane_California_I_FIPS_0401_Feet",GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic"],PARAMETER["False_Easting",6561666.667],PARAMETER["False_Northing",1640416.667],PARAMETER["Central_Meridian",-122.0],PARAMETER["Standard_Parallel_1",41.6666666666667],PARAMETER["Standard_Parallel_2",40.0],PARAMETER["Latitude_Of_Origin",39.3333333333333],UNIT["US survey foot",0.304800609601219]]"#;
    const WEB_MERCATOR_OF_ESRI: &str = r#"PROJCS["WGS_1984_Web_Mercator_Auxiliary_Sphere",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",0.0],PARAMETER["Standard_Parallel_1",0.0],PARAMETER["Auxiliary_Sphere_Type",0.0],UNIT["Meter",1.0]]"#;

    /// x and y of a map, longitude and latitude by PROJ 9.5.1 through pyproj 3.7.2.
    type Golden = [f64; 4];

    const ALBERS: [Golden; 8] = [
        [0.0, 0.0, -96.00000000000001, 23.00000000000001],
        [-2300000.0, 3100000.0, -126.87335460157517, 47.50095130613384],
        [2250000.0, 3000000.0, -66.16116482886316, 46.78452350024024],
        [1500000.0, 300000.0, -81.31372744404169, 24.68682298448371],
        [-2000000.0, 1200000.0, -117.40482807254632, 31.838657599969594],
        [123456.789, 1987654.321, -94.52271362766295, 40.89019182394366],
        [-6200000.0, 500000.0, -151.27745440754026, 10.160819269564586],
        [-3100000.0, 5000000.0, -149.35417956670523, 60.52336743185872],
    ];
    const UTM_15: [Golden; 3] = [
        [500000.0, 4400000.0, -92.99999999999999, 39.749907520127536],
        [300000.0, 3300000.0, -95.06959008487873, 29.814255053991825],
        [712345.678, 5123456.789, -90.24610860812041, 46.23150857852905],
    ];
    const CALIFORNIA_1: [Golden; 2] = [
        [6561666.667, 1640416.667, -122.0, 39.3333333333333],
        [6000000.0, 2500000.0, -124.05606950993317, 41.67472230406079],
    ];
    const WEB_MERCATOR: [Golden; 2] = [
        [-10000000.0, 5000000.0, -89.83152841195215, 40.91627447067578],
        [-17000000.0, 2200000.0, -152.71359830031864, 19.382319795149073],
    ];

    fn inverse(definition: &str) -> Box<Transform> {
        match Crs::parse(ORIGIN, definition) {
            Ok(Crs::Projected(inverse)) => inverse,
            Ok(Crs::Degrees) => panic!("taken for degrees: {definition}"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn projected_vertices_are_led_back_as_proj_does() {
        let cases: [(&str, &[Golden]); 9] = [
            (ALBERS_OF_ESRI, &ALBERS),
            (ALBERS_OF_OGC, &ALBERS),
            ("EPSG:5070", &ALBERS),
            ("urn:ogc:def:crs:EPSG::5070", &ALBERS),
            (UTM_OF_ESRI, &UTM_15),
            ("EPSG:26915", &UTM_15),
            (CALIFORNIA_OF_ESRI, &CALIFORNIA_1),
            (WEB_MERCATOR_OF_ESRI, &WEB_MERCATOR),
            ("EPSG:3857", &WEB_MERCATOR),
        ];
        for (definition, golden) in cases {
            let inverse = inverse(definition);
            for [x, y, lon, lat] in golden {
                let [found_lon, found_lat] = degrees(&inverse, [*x, *y]).unwrap();
                let apart = (found_lon - lon).abs().max((found_lat - lat).abs());
                assert!(apart < 1e-11, "{definition} {x} {y}: {apart:e}");
            }
        }
    }

    #[test]
    fn geographic_systems_are_used_as_they_are() {
        let definitions = [
            "EPSG:4269",
            "urn:ogc:def:crs:EPSG::4326",
            "urn:ogc:def:crs:OGC:1.3:CRS84",
            "OGC:CRS84",
            "EPSG:4267",
            r#"GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983"],UNIT["Degree",0.0174532925199433]]"#,
            r#"GEOGCS["NAD83",DATUM["North_American_Datum_1983",SPHEROID["GRS 1980",6378137,298.257222101]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AXIS["Latitude",NORTH],AXIS["Longitude",EAST]]"#,
        ];
        for definition in definitions {
            assert!(matches!(Crs::parse(ORIGIN, definition), Ok(Crs::Degrees)), "{definition}");
        }
    }

    #[test]
    fn systems_that_cannot_be_used_are_named() {
        let cases = [
            ("ESRI:102039", "ESRI:102039"),
            ("", "the coordinate reference system  ("),
            ("LOCAL_CS[\"barn\"]", "barn"),
            (
                r#"PROJCS["Peirce",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Peirce_Quincuncial"],UNIT["Meter",1.0]]"#,
                "Peirce",
            ),
            (
                r#"GEOGCS["NTF (Paris)",DATUM["NTF",SPHEROID["Clarke",6378249.2,293.4660212936269]],PRIMEM["Paris",2.33722917],UNIT["degree",0.0174532925199433]]"#,
                "NTF (Paris)",
            ),
            (r#"{"type": "EngineeringCRS", "name": "A barn"}"#, "A barn"),
        ];
        for (definition, named) in cases {
            let error = Crs::parse(ORIGIN, definition).err().unwrap().to_string();
            assert!(error.contains(named) && error.contains("ogr2ogr -t_srs EPSG:4269"), "{error}");
        }
    }

    #[test]
    fn a_shift_of_datum_in_the_definition_changes_nothing() {
        let shifted = ALBERS_OF_OGC.replace("AUTHORITY[\"EPSG\",\"6269\"]", "TOWGS84[1,2,3,0,0,0,0]");
        assert_ne!(shifted, ALBERS_OF_OGC);
        let inverse = inverse(&shifted);
        let [x, y, lon, lat] = ALBERS[5];
        let found = degrees(&inverse, [x, y]).unwrap();
        assert!((found[0] - lon).abs() < 1e-11 && (found[1] - lat).abs() < 1e-11, "{found:?}");
    }
}
