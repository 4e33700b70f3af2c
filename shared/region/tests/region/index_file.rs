//! The index as a file: it comes back whole, and what is not whole or not of these layers is refused by name.

use bisonflow_contract::{ErrorName, StepError};
use bisonflow_region::{FieldValue, Index, IndexHead, LayersConfig, RegionError, ZoneId};
use proptest::prelude::{ProptestConfig, any};
use proptest::{prop_assert, proptest};

use crate::drawing::{drawn, rectangle};

const TOML: &str = r#"
[[layer]]
name = "land"
source = "land.geojson"
vintage = "2024"
scale = "1:24000"
id = "id"
overlap = "all"
fields = { land_id = "id", label = "no {id}" }
[[layer]]
name = "park"
source = "park.geojson"
vintage = "2023"
scale = "1:24000"
id = "id"
fields = { park_name = "name" }
"#;

fn config() -> LayersConfig {
    LayersConfig::parse(TOML, &[]).unwrap()
}

fn load(file: &str) -> Result<Vec<u8>, RegionError> {
    let park = serde_json::json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"id": "p", "name": "Prärie"},
         "geometry": {"type": "Polygon", "coordinates": [rectangle(0.5, 0.5, 1.25, 1.0)]}},
        {"type": "Feature", "properties": {"id": "q", "name": null},
         "geometry": {"type": "Polygon", "coordinates": [rectangle(1.5, 0.25, 1.0, 0.5)]}}]});
    Ok(if file == "park.geojson" { park } else { drawn(&["AB", "CD"]) }.to_string().into_bytes())
}

fn index() -> Index {
    Index::build(&config(), load).unwrap()
}

/// A grid of places over the drawing and beyond.
fn places() -> (Vec<f64>, Vec<f64>) {
    (-4..24).flat_map(|x| (-4..24).map(move |y| (f64::from(x) / 8.0, f64::from(y) / 8.0))).unzip()
}

/// What an index says of all places, in words.
fn answers(index: &Index) -> Vec<String> {
    let (lon, lat) = places();
    let mut zones = vec![ZoneId::NONE; lon.len()];
    index.locate(&lon, &lat, &mut zones);
    let say = |zone: &ZoneId| {
        let of = |(place, layer): (usize, &bisonflow_region::Layer)| {
            let set = index.set_of(place, *zone);
            format!("{:?} {:?}", layer.ids(set), layer.value(0, set))
        };
        index.layers().iter().enumerate().map(of).collect::<Vec<_>>().join(", ")
    };
    zones.iter().map(say).collect()
}

#[test]
fn the_beginning_of_a_file_tells_what_it_was_made_of() {
    let index = index();
    let (bytes, length) = (index.as_bytes(), index.as_bytes().len() as u64);
    let sha256 = |source: &str| {
        let layer = index.layers().iter().find(|layer| layer.source() == source);
        layer.map(|layer| layer.source_sha256())
    };
    // The zones and cells are of no use to it.
    let beginning = &bytes[..bytes.len() - 64];
    let head = IndexHead::read("layers.index", beginning, length).unwrap();
    assert_eq!(head.check(&config(), sha256), Ok(()));
    let one = config().select(&["park".to_owned()]).unwrap();
    assert_eq!(head.check(&one, sha256), Ok(()));

    let stale = head.check(&config(), |_| Some("ab")).unwrap_err().to_string();
    assert!(stale.contains("land.geojson with SHA-256 ab") && stale.contains("regions build"), "{stale}");
    let other = LayersConfig::parse(&TOML.replace("2023", "2024"), &[]).unwrap();
    let other = head.check(&other, sha256).unwrap_err().to_string();
    assert!(other.contains("layer park") && other.contains("2023"), "{other}");

    let cut = IndexHead::read("layers.index", beginning, length - 64).unwrap_err();
    assert!(matches!(cut, RegionError::IndexCut { .. }), "{cut}");
    let short = IndexHead::read("layers.index", &bytes[..128], length).unwrap_err();
    assert!(matches!(short, RegionError::IndexDamaged { .. }), "{short}");
    let mut version = bytes.to_vec();
    version[8] += 1;
    let version = IndexHead::read("layers.index", &version, length).unwrap_err();
    assert!(matches!(version, RegionError::IndexVersion { .. }), "{version}");
    let foreign = IndexHead::read("layers.index", b"PK", 2).unwrap_err();
    assert!(matches!(foreign, RegionError::NotAnIndex { .. }), "{foreign}");
}

#[test]
fn an_index_comes_back_from_its_file() {
    let index = index();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layers.index");
    std::fs::write(&path, index.as_bytes()).unwrap();
    let opened = Index::open(&path).unwrap();
    let copied = Index::from_bytes("copy", &std::fs::read(&path).unwrap()).unwrap();
    for other in [&opened, &copied, &opened.select(&config()).unwrap()] {
        assert_eq!(answers(other), answers(&index));
        for (left, right) in other.layers().iter().zip(index.layers()) {
            assert_eq!((left.report(), left.bounds()), (right.report(), right.bounds()));
            assert_eq!(
                (left.vintage(), left.scale(), left.source()),
                (right.vintage(), right.scale(), right.source())
            );
            assert!(left.region_ids().eq(right.region_ids()));
        }
    }
    assert_eq!(
        index.layers()[1].value(0, index.layers()[1].set_ids().nth(1).unwrap()),
        FieldValue::One("Prärie")
    );
    assert_eq!(opened.check_source(0, opened.layers()[0].source_sha256()), Ok(()));
    let missing = Index::open(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, RegionError::Load { .. }), "{missing}");
}

#[test]
fn zones_are_the_layers_sets_together() {
    let index = index();
    let singles: Vec<Index> = ["land", "park"]
        .map(|name| Index::build(&config().select(&[name.to_owned()]).unwrap(), load).unwrap())
        .into();
    let together: Vec<String> = answers(&singles[0])
        .into_iter()
        .zip(answers(&singles[1]))
        .map(|(land, park)| format!("{land}, {park}"))
        .collect();
    assert_eq!(answers(&index), together);

    // A part of the layers is a view of the same index.
    let park = index.select(&config().select(&["park".to_owned()]).unwrap()).unwrap();
    assert_eq!(answers(&park), answers(&singles[1]));
    assert_eq!(park.zone_count(), index.zone_count());
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let one = Index::build_on(std::num::NonZeroUsize::MIN, &config(), load).unwrap();
    for threads in 2..=8 {
        let other = Index::build_on(std::num::NonZeroUsize::new(threads).unwrap(), &config(), load).unwrap();
        assert!(one.as_bytes() == other.as_bytes(), "{threads} threads");
    }
}

#[test]
fn a_file_that_is_not_this_index_is_refused() {
    let good = index().as_bytes().to_vec();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("nothing", Vec::new(), "f: expected a region index, found another kind of file"),
        ("a zip", b"PK\x03\x04".to_vec(), "expected a region index, found another kind of file"),
        ("version", changed(8, 9), "f: expected a region index of format version 1, found 9; build it again"),
        ("half of it", good[..good.len() / 2].to_vec(), "; copy or build the region index again"),
        ("more than it", [&good[..], &[0; 64]].concat(), "is damaged: there is something in it"),
        ("a flipped byte", changed(good.len() - 100, 0x55), "is damaged: its bytes do not have its checksum"),
        ("its first line", changed(20, 1), "is damaged: its first line does not have its checksum"),
    ];
    for (name, bytes, expected) in cases {
        let error = Index::from_bytes("f", &bytes).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert_eq!(StepError::from(error).name(), ErrorName::BadReferenceData);
    }
}

#[test]
fn an_index_of_other_layers_is_refused() {
    let index = index();
    let cases = [
        (
            TOML.replace("2023", "2022"),
            "layer park: expected park.geojson, 2022, 1:24000, found park.geojson, 2023",
        ),
        (
            TOML.replace("no {id}", "{id}"),
            "layer land: expected land.geojson, 2024, 1:24000, found other id, fields",
        ),
        (
            TOML.replace("\"park\"", "\"forest\""),
            "layer forest: expected a layer forest, found the layers land, park",
        ),
    ];
    for (toml, expected) in cases {
        let error = index.select(&LayersConfig::parse(&toml, &[]).unwrap()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = index.check_source(1, "00ff").unwrap_err().to_string();
    assert!(error.contains("layer park: expected park.geojson with SHA-256 00ff, found one with"), "{error}");
}

/// The file with a byte changed, and its checksums made right again.
fn forged(good: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = good.to_vec();
    bytes[at] = byte;
    let body = crc32fast::hash(&bytes[64..]);
    bytes[24..28].copy_from_slice(&body.to_le_bytes());
    let head = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&head.to_le_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Even where the checksum is right nothing panics, ends in a loop or names a zone that is not there.
    #[test]
    fn flipped_bytes_never_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let good = index();
        let forged = forged(good.as_bytes(), at.index(good.as_bytes().len()), byte);
        let Ok(index) = Index::from_bytes("f", &forged) else { return Ok(()) };
        let (lon, lat) = places();
        let mut zones = vec![ZoneId::NONE; lon.len()];
        index.locate(&lon, &lat, &mut zones);
        prop_assert!(zones.iter().all(|zone| zone.index() < index.zone_count()));
        prop_assert!(answers(&index).len() == lon.len());
        for layer in index.layers() {
            for (lon, lat) in lon.iter().zip(&lat) {
                layer.position(bisonflow_region::Coordinate::new(*lon, *lat).unwrap());
            }
            prop_assert!(layer.ids_without_area().len() <= layer.region_ids().len());
            layer.bounds_of("A");
        }
    }
}
