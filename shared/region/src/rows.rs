//! What layers.toml wants to know of each feature.

use std::cmp::Ordering;

use crate::config::LayerConfig;
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
    /// The attributes that decide where regions overlap.
    precedence: Vec<Option<String>>,
}

impl Rows {
    pub(crate) fn new(
        config: &LayerConfig,
        origin: Origin<'_>,
        table: &FeatureTable,
    ) -> Result<Self, RegionError> {
        for attribute in config.attributes() {
            if place_of(table, attribute).is_none() {
                return Err(RegionError::MissingAttribute {
                    layer: origin.layer.to_owned(),
                    file: origin.file.to_owned(),
                    attribute: attribute.to_owned(),
                    known: table.known.join(", "),
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
                precedence: config
                    .precedence()
                    .iter()
                    .map(|precedence| value_of(&precedence.attribute).map(str::to_owned))
                    .collect(),
            });
        }
        check_repeated_ids(origin, &kept)?;
        Ok(Rows { kept })
    }

    /// For each region, given by one of its rows in the order of ids, its place by the rule for overlaps.
    pub(crate) fn ranks(&self, config: &LayerConfig, regions: &[&Row]) -> Vec<u32> {
        let columns: Vec<Column<'_>> = config
            .precedence()
            .iter()
            .enumerate()
            .map(|(place, precedence)| {
                let texts = regions.iter().map(|row| row.precedence[place].as_deref()).collect();
                Column::new(texts, precedence.highest)
            })
            .collect();
        let mut order: Vec<usize> = (0..regions.len()).collect();
        // A stable sort: regions of the same values stay in the order of their ids.
        order.sort_by(|&left, &right| {
            columns
                .iter()
                .map(|column| column.compare(left, right))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        let mut ranks = vec![0; regions.len()];
        for (rank, region) in order.into_iter().enumerate() {
            ranks[region] = rank as u32;
        }
        ranks
    }
}

/// The values that the regions have in one attribute that decides.
struct Column<'a> {
    texts: Vec<Option<&'a str>>,
    /// The same as numbers, if all that are not null are numbers.
    numbers: Option<Vec<f64>>,
    highest: bool,
}

impl<'a> Column<'a> {
    fn new(texts: Vec<Option<&'a str>>, highest: bool) -> Self {
        let numbers = texts.iter().map(|text| text.map_or(Some(0.0), number)).collect();
        Column { texts, numbers, highest }
    }

    fn compare(&self, left: usize, right: usize) -> Ordering {
        let (Some(left_text), Some(right_text)) = (self.texts[left], self.texts[right]) else {
            return self.texts[left].is_none().cmp(&self.texts[right].is_none());
        };
        let order = match &self.numbers {
            Some(numbers) => numbers[left].total_cmp(&numbers[right]),
            None => left_text.cmp(right_text),
        };
        if self.highest { order.reverse() } else { order }
    }
}

fn place_of(table: &FeatureTable, attribute: &str) -> Option<usize> {
    table.attributes.iter().position(|name| name == attribute)
}

/// A finite number; −0 is 0, so that both are the same value.
fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number + 0.0)
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
