//! What layers.toml wants to know of each feature.

use std::cmp::Ordering;

use crate::config::{LayerConfig, Overlap};
use crate::error::RegionError;
use crate::reader::{FeatureTable, Origin};

/// The features that belong to the layer.
pub(crate) struct Rows {
    pub(crate) kept: Vec<Row>,
}

/// One feature.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// Its place in the file, from 0.
    pub(crate) feature: usize,
    pub(crate) id: String,
    /// What it says in each field of the layer.
    pub(crate) fields: Vec<Option<String>>,
    /// The attribute that decides where regions overlap.
    precedence: Option<String>,
}

impl Rows {
    pub(crate) fn new(
        config: &LayerConfig,
        origin: Origin<'_>,
        table: &FeatureTable,
    ) -> Result<Self, RegionError> {
        let precedence = match &config.overlap {
            Overlap::Lowest(attribute) | Overlap::Highest(attribute) => Some(attribute.as_str()),
            Overlap::LowestId | Overlap::All => None,
        };
        let of_fields = config.fields.values().flat_map(|template| template.attributes());
        let of_filter = config.filter.iter().map(|filter| filter.attribute());
        for attribute in of_fields.chain(of_filter).chain(precedence).chain([config.id.as_str()]) {
            if place_of(table, attribute).is_none() {
                return Err(RegionError::MissingAttribute {
                    layer: origin.layer.to_owned(),
                    file: origin.file.to_owned(),
                    attribute: attribute.to_owned(),
                    known: table.attributes.join(", "),
                });
            }
        }
        let mut kept: Vec<Row> = Vec::new();
        for (place, feature) in table.features.iter().enumerate() {
            let value_of = |attribute: &str| feature.values[place_of(table, attribute)?].as_deref();
            if config.filter.as_ref().is_some_and(|filter| !filter.keeps(value_of(filter.attribute()))) {
                continue;
            }
            let id = value_of(&config.id)
                .ok_or_else(|| origin.feature(place, &format!("an id in {}", config.id), "null".into()))?;
            kept.push(Row {
                feature: place,
                id: id.to_owned(),
                fields: config.fields.values().map(|template| template.fill(value_of)).collect(),
                precedence: precedence.and_then(value_of).map(str::to_owned),
            });
        }
        check_repeated_ids(origin, &kept)?;
        Ok(Rows { kept })
    }

    /// For each region, given by one of its rows in the order of ids, its place by the rule for overlaps.
    pub(crate) fn ranks(&self, config: &LayerConfig, regions: &[&Row]) -> Vec<u32> {
        let texts: Vec<Option<&str>> = regions.iter().map(|row| row.precedence.as_deref()).collect();
        let numbers: Vec<Option<f64>> = texts.iter().map(|text| number(*text)).collect();
        let are_numbers = texts.iter().zip(&numbers).all(|(text, number)| text.is_some() == number.is_some());
        let descending = matches!(config.overlap, Overlap::Highest(_));
        let mut order: Vec<usize> = (0..regions.len()).collect();
        // A stable sort: regions of the same value stay in the order of their ids.
        order.sort_by(|&left, &right| {
            let compared = match (texts[left].zip(texts[right]), numbers[left].zip(numbers[right])) {
                (_, Some((left, right))) if are_numbers => left.total_cmp(&right),
                (Some((left, right)), _) => left.cmp(right),
                _ => return texts[left].is_none().cmp(&texts[right].is_none()),
            };
            if descending { compared.reverse() } else { compared }
        });
        let mut ranks = vec![0; regions.len()];
        for (rank, region) in order.into_iter().enumerate() {
            ranks[region] = rank as u32;
        }
        ranks
    }
}

fn place_of(table: &FeatureTable, attribute: &str) -> Option<usize> {
    table.attributes.iter().position(|name| name == attribute)
}

/// A finite number; −0 is 0, so that both are the same value.
fn number(text: Option<&str>) -> Option<f64> {
    text?.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number + 0.0)
}

/// A region may be given in several features only if they say the same of it.
fn check_repeated_ids(origin: Origin<'_>, rows: &[Row]) -> Result<(), RegionError> {
    let mut by_id: Vec<&Row> = rows.iter().collect();
    by_id.sort_by(|left, right| match left.id.cmp(&right.id) {
        Ordering::Equal => left.feature.cmp(&right.feature),
        order => order,
    });
    for pair in by_id.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        if first.id == second.id && (&first.fields, &first.precedence) != (&second.fields, &second.precedence)
        {
            let expected =
                format!("the same values as feature {} of the same id {}", first.feature + 1, first.id);
            let texts: Vec<&str> =
                second.fields.iter().map(|field| field.as_deref().unwrap_or("null")).collect();
            return Err(origin.feature(second.feature, &expected, texts.join(", ")));
        }
    }
    Ok(())
}
