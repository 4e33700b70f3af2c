//! The file of an index.

use bisonflow_region::{Coordinate, FieldValue, Index, ZoneId};

/// Where the checksum of what follows the head lies, that of the head behind it; the head is so long.
const CHECKSUMS: usize = 24;
const HEAD: usize = 64;

/// Bytes as an index, their checksums made right first: what is taken for one answers for every place.
pub fn index_file(bytes: &[u8]) {
    let _ = Index::from_bytes("fuzz", bytes);
    if let Ok(index) = Index::from_bytes("fuzz", &sealed(bytes)) {
        ask(&index);
    }
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= HEAD {
        let body = crc32fast::hash(&bytes[HEAD..]);
        bytes[CHECKSUMS..CHECKSUMS + 4].copy_from_slice(&body.to_le_bytes());
        let head = crc32fast::hash(&bytes[..CHECKSUMS + 4]);
        bytes[CHECKSUMS + 4..CHECKSUMS + 8].copy_from_slice(&head.to_le_bytes());
    }
    bytes
}

fn ask(index: &Index) {
    let mut places = vec![(-180.0, -90.0), (180.0, 90.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)];
    places.extend((-72..=72).flat_map(|x| (-36..=36).map(move |y| (f64::from(x) * 2.5, f64::from(y) * 2.5))));
    places.extend((-8..24).flat_map(|x| (-8..24).map(move |y| (f64::from(x) / 8.0, f64::from(y) / 8.0))));
    let (lon, lat): (Vec<f64>, Vec<f64>) = places.iter().copied().unzip();
    let mut zones = vec![ZoneId::NONE; lon.len()];
    index.locate(&lon, &lat, &mut zones);
    for (number, layer) in index.layers().iter().enumerate() {
        for (&zone, &(lon, lat)) in zones.iter().zip(&places) {
            assert!(zone.index() < index.zone_count());
            let set = index.set_of(number, zone);
            layer.ids(set);
            if let FieldValue::Many(texts) = layer.value(0, set) {
                texts.count();
            }
            if let Ok(place) = Coordinate::new(lon, lat) {
                layer.position(place);
            }
        }
        assert!(layer.ids_without_area().len() <= layer.region_ids().len());
        layer.bounds();
    }
}

#[cfg(test)]
mod tests {
    use bisonflow_region::LayersConfig;

    use super::*;

    const TOML: &str = r#"
        [[layer]]
        name = "land"
        source = "land.geojson"
        vintage = "2024"
        scale = "1:24000"
        id = "id"
        overlap = "all"
        fields = { land = "id" }
    "#;
    const LAND: &str = r#"{"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"id": "a"},
         "geometry": {"type": "Polygon", "coordinates": [[[0,0],[2,0],[2,2],[0,1.5],[0,0]]]}},
        {"type": "Feature", "properties": {"id": "b"},
         "geometry": {"type": "Polygon", "coordinates": [[[1,1],[3,1],[3,3],[1,1]]]}}]}"#;

    /// With `BISONFLOW_SEEDS` set to a folder, the sound index is left there for the target to begin with.
    #[test]
    fn seeds_of_index_file() {
        let config = LayersConfig::parse(TOML, &[]).expect("a configuration");
        let index = Index::build(&config, |_| Ok(LAND.as_bytes().to_vec())).expect("a layer");
        let good = index.as_bytes();
        assert!(sealed(good) == good, "the checksums are where they are looked for");
        if let Some(folder) = std::env::var_os("BISONFLOW_SEEDS") {
            std::fs::write(std::path::Path::new(&folder).join("index"), good).expect("a folder");
        }
        for bytes in [&[][..], b"BISONIDX", &[0; 64], good, &good[..good.len() / 2]] {
            index_file(bytes);
        }
        for at in (0..good.len()).step_by(7) {
            let mut bytes = good.to_vec();
            bytes[at] ^= 0x55;
            index_file(&bytes);
        }
    }
}
