//! The shapes of a layer's regions as its file has them: for drawing, not for locating.

use crate::config::LayerConfig;
use crate::error::RegionError;
use crate::reader::{self, Origin};
use crate::regions::Regions;

/// The shape of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Its id.
    pub id: String,
    /// What it says in each field of the layer, in the order of layers.toml.
    pub fields: Vec<Option<String>>,
    /// All rings of all its polygons, outer and inner alike, as `[lon, lat]` in degrees; what is inside is told by
    /// the even-odd rule. The last vertex need not repeat the first.
    pub rings: Vec<Vec<[f64; 2]>>,
}

/// Reads the shapes of the regions of a layer, in the order of their ids, from the bytes of its file.
///
/// # Errors
/// [`RegionError`] as [`Index::build`](crate::Index::build), for this one layer.
pub fn outlines(layer: &LayerConfig, file: Vec<u8>) -> Result<Vec<Outline>, RegionError> {
    let origin = Origin { layer: &layer.name, file: &layer.source };
    let wanted: Vec<&str> = layer.attributes().collect();
    let regions = Regions::new(layer, origin, reader::read(origin, file, &wanted)?)?;
    let outline =
        |region: crate::regions::Region| Outline { id: region.id, fields: region.fields, rings: Vec::new() };
    let mut outlines: Vec<Outline> = regions.regions.into_iter().map(outline).collect();
    for (rings, region) in regions.features {
        outlines[region as usize].rings.extend(rings);
    }
    Ok(outlines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayersConfig;

    #[test]
    fn parts_of_one_region_are_one_shape() {
        let config = LayersConfig::parse(
            r#"
            [[layer]]
            name = "field"
            source = "fields.geojson"
            vintage = "2024"
            scale = "1:24000"
            id = "number"
            where = "use != 'wood'"
            fields = { field_name = "{number} {name}" }
            "#,
            &[],
        );
        let feature = |number: u8, name: &str, lon: f64| {
            format!(
                r#"{{"type": "Feature", "properties": {{"number": {number}, "name": "{name}", "use": "{name}"}},
                "geometry": {{"type": "Polygon", "coordinates": [[[{lon}, 0], [2, 0], [2, 1], [{lon}, 0]]]}}}}"#
            )
        };
        let features =
            [feature(9, "b", 1.0), feature(1, "a", -1.0), feature(9, "b", 4.0), feature(5, "wood", 0.0)];
        let file = format!(r#"{{"type": "FeatureCollection", "features": [{}]}}"#, features.join(","));
        let outlines = outlines(&config.unwrap().layers[0], file.into_bytes()).unwrap();
        assert_eq!(outlines.iter().map(|outline| &*outline.id).collect::<Vec<_>>(), ["1", "9"]);
        assert_eq!(outlines[1].fields, [Some("9 b".to_owned())]);
        assert_eq!(outlines[1].rings.len(), 2);
        assert_eq!(outlines[1].rings[1][0], [4.0, 0.0]);
    }
}
