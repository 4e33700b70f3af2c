//! All layers of layers.toml.

use crate::config::{LayerConfig, LayersConfig};
use crate::error::RegionError;
use crate::layer::Layer;
use crate::reader::{self, Origin};

/// The layers, ready to answer.
///
/// ```
/// use bisonflow_region::{Coordinate, FieldValue, Index, LayersConfig, Position};
///
/// let config = LayersConfig::parse(
///     r#"
///     [[layer]]
///     name = "field"
///     source = "fields.geojson"
///     vintage = "2024"
///     scale = "1:24000"
///     id = "number"
///     fields = { field_name = "name" }
///     "#,
///     &[],
/// )?;
/// let file = br#"{"type": "FeatureCollection", "features": [{
///     "type": "Feature", "properties": {"number": 7, "name": "East"},
///     "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]}
/// }]}"#;
/// let index = Index::build(&config, |_| Ok(file.to_vec()))?;
/// let layer = &index.layers()[0];
///
/// let set = layer.locate(Coordinate::new(1.5, 0.5)?);
/// assert_eq!(layer.value(0, set), FieldValue::One("East"));
/// assert_eq!(layer.ids(set), ["7"]);
/// // A step east of the eastern border is outside.
/// let corner = layer.position(Coordinate::new(2.0, 1.0)?);
/// assert_eq!(corner, Position::OnBoundary(bisonflow_region::SetId::NONE));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Index {
    layers: Vec<Layer>,
}

impl Index {
    /// Reads and indexes every layer, in the order of `config`. `load` gives the bytes of a file that layers.toml
    /// names; for what goes wrong there is [`RegionError::load`].
    ///
    /// # Errors
    /// [`RegionError`]: which layer, which file and what is wrong with it.
    pub fn build(
        config: &LayersConfig,
        mut load: impl FnMut(&str) -> Result<Vec<u8>, RegionError>,
    ) -> Result<Self, RegionError> {
        let mut build = |layer: &LayerConfig| {
            let origin = Origin { layer: &layer.name, file: &layer.source };
            let bytes = load(&layer.source).map_err(|error| match error {
                RegionError::Load { reason, .. } => origin.unreadable(reason),
                error => error,
            })?;
            Layer::build(layer, origin, reader::read(origin, &bytes)?)
        };
        Ok(Index { layers: config.layers.iter().map(&mut build).collect::<Result<_, _>>()? })
    }

    /// The layers in the order of layers.toml.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}
