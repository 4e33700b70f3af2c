//! layers.toml: which layers there are, what they write, and what is counted by them.

mod filter;
mod template;
mod validate;

pub use filter::Filter;
pub use template::Template;

use std::num::NonZeroU64;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::error::RegionError;

/// A layer whose scale has a greater denominator than this is demonstration geometry.
pub const COARSEST_SCALE_DENOMINATOR: u64 = 500_000;

/// layers.toml, checked: every name in it means something and no column is written twice.
#[derive(Clone, Debug, PartialEq)]
pub struct LayersConfig {
    /// The column that decides the register's region: it holds postal codes of states.
    pub riis_region_from: Option<String>,
    /// The layers in the order in which they write their columns.
    pub layers: Vec<LayerConfig>,
    /// The summaries, in order.
    pub summaries: Vec<SummaryConfig>,
}

/// One `[[layer]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerConfig {
    /// Its name.
    pub name: String,
    /// The file with its features, beside layers.toml.
    pub source: String,
    /// Which edition of the regions it is.
    pub vintage: String,
    /// The scale for which its lines were drawn, such as `1:500k`.
    pub scale: String,
    /// The attribute that identifies a region.
    pub id: String,
    /// The columns it writes, in order, and what they say.
    pub fields: IndexMap<String, Template>,
    /// Which regions count where several overlap.
    pub overlap: Overlap,
    /// `where`: which features of the file belong to the layer; all if there is none.
    pub filter: Option<Filter>,
}

/// Which regions count for a place that lies in several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// One: the first by these attributes in turn, then the one whose id is the least by its bytes. Without
    /// attributes, the default, ids alone decide.
    One(Vec<Precedence>),
    /// All of them: the columns are lists, in the order of the ids.
    All,
}

/// An attribute that decides where regions overlap. The values of the layer's regions are compared as numbers if all
/// of them are numbers, else by their bytes; null comes last either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precedence {
    /// The attribute.
    pub attribute: String,
    /// Whether the greatest value comes first, not the least.
    pub highest: bool,
}

/// One `[[summary]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryConfig {
    /// Its name.
    pub name: String,
    /// The column that is the key, then the columns that label it.
    pub by: Vec<String>,
    /// How many occurrences make a species present in a region, for the matrix and its statistics; 1 if it is
    /// not said.
    #[serde(default = "one")]
    pub min_count: NonZeroU64,
    /// Of what covariance matrices (sigma) are wanted; of nothing if it is not said.
    #[serde(default)]
    pub sigma: Vec<SigmaOf>,
}

/// What a covariance matrix has as its rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigmaOf {
    /// The regions.
    Sites,
    /// The species.
    Species,
}

fn one() -> NonZeroU64 {
    NonZeroU64::MIN
}

/// A column that a layer adds to the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationField {
    /// The column.
    pub name: String,
    /// The layer that writes it.
    pub layer: String,
    /// Whether it is a list of texts, or a text.
    pub is_list: bool,
}

impl LayersConfig {
    /// Reads and checks layers.toml. `reserved` are names that no field may have: the columns of occurrences and
    /// those that are added after the layers.
    ///
    /// ```
    /// let config = bisonflow_region::LayersConfig::parse(
    ///     r#"
    ///     [[layer]]
    ///     name = "aiannh"
    ///     source = "cb_2021_us_aiannh_500k.zip"
    ///     vintage = "2021"
    ///     scale = "1:500k"
    ///     id = "GEOID"
    ///     fields = { aiannh_name = "NAMELSAD", aiannh_geoid = "GEOID" }
    ///     "#,
    ///     &["gbifid", "species"],
    /// )?;
    /// assert_eq!(config.layers[0].scale_denominator(), 500_000);
    /// assert_eq!(config.annotation_fields()[1].name, "aiannh_geoid");
    /// # Ok::<(), bisonflow_region::RegionError>(())
    /// ```
    ///
    /// # Errors
    /// [`RegionError::Syntax`], [`RegionError::Setting`] or [`RegionError::ColumnTwice`].
    pub fn parse(text: &str, reserved: &[&str]) -> Result<Self, RegionError> {
        validate::parse(text, reserved)
    }

    /// Only the layers called `names`, in the order of layers.toml. Summaries whose columns are gone go too, as
    /// does `riis_region_from` with its layer.
    ///
    /// # Errors
    /// [`RegionError::UnknownLayer`] if there is no layer of such a name.
    pub fn select(&self, names: &[String]) -> Result<Self, RegionError> {
        if let Some(found) = names.iter().find(|name| self.layers.iter().all(|layer| layer.name != **name)) {
            let known = self.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(RegionError::UnknownLayer { found: found.clone(), known });
        }
        let layers: Vec<LayerConfig> =
            self.layers.iter().filter(|layer| names.contains(&layer.name)).cloned().collect();
        let has = |column: &String| layers.iter().any(|layer| layer.fields.contains_key(column));
        let summaries = self.summaries.iter().filter(|summary| summary.by.iter().all(has)).cloned().collect();
        let riis_region_from = self.riis_region_from.clone().filter(|column| has(column));
        Ok(LayersConfig { riis_region_from, layers, summaries })
    }

    /// The columns that the layers add, in order.
    pub fn annotation_fields(&self) -> Vec<AnnotationField> {
        let of = |layer: &LayerConfig| -> Vec<AnnotationField> {
            let field = |name: &String| AnnotationField {
                name: name.clone(),
                layer: layer.name.clone(),
                is_list: layer.is_list(),
            };
            layer.fields.keys().map(field).collect()
        };
        self.layers.iter().flat_map(of).collect()
    }
}

impl LayerConfig {
    /// The number that one unit on the map stands for: 500,000 for `1:500k`.
    pub fn scale_denominator(&self) -> u64 {
        validate::scale_denominator(&self.scale).unwrap_or(u64::MAX)
    }

    /// Whether the lines are too coarse for more than a demonstration.
    pub fn is_coarse(&self) -> bool {
        self.scale_denominator() > COARSEST_SCALE_DENOMINATOR
    }

    /// The attributes of the file that it needs, some perhaps twice: for its fields, its filter, its overlaps and
    /// its ids.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        let of_fields = self.fields.values().flat_map(Template::attributes);
        let of_filter = self.filter.iter().map(Filter::attribute);
        let of_overlap = self.precedence().iter().map(|precedence| precedence.attribute.as_str());
        of_fields.chain(of_filter).chain(of_overlap).chain([self.id.as_str()])
    }

    /// The attributes that decide where regions overlap, in turn.
    pub(crate) fn precedence(&self) -> &[Precedence] {
        match &self.overlap {
            Overlap::One(precedence) => precedence,
            Overlap::All => &[],
        }
    }

    /// Whether the columns are lists.
    pub fn is_list(&self) -> bool {
        self.overlap == Overlap::All
    }
}
