//! From the text of layers.toml to settings that mean something.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Filter, LayerConfig, LayersConfig, Overlap, Precedence, SummaryConfig, Template};
use crate::error::RegionError;

/// layers.toml as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenConfig {
    riis_region_from: Option<String>,
    #[serde(default)]
    layer: Vec<WrittenLayer>,
    #[serde(default)]
    summary: Vec<SummaryConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLayer {
    name: String,
    source: String,
    vintage: String,
    scale: String,
    id: String,
    fields: IndexMap<String, String>,
    overlap: Option<toml::Value>,
    #[serde(rename = "where")]
    filter: Option<String>,
}

pub(super) fn parse(text: &str, reserved: &[&str]) -> Result<LayersConfig, RegionError> {
    let written: WrittenConfig = toml::from_str(text)
        .map_err(|error| RegionError::Syntax { reason: error.to_string().trim().to_owned() })?;
    let layers = written.layer.into_iter().map(layer).collect::<Result<Vec<_>, _>>()?;
    let config =
        LayersConfig { riis_region_from: written.riis_region_from, layers, summaries: written.summary };
    check_names(&config)?;
    check_columns(&config, reserved)?;
    check_uses(&config)?;
    Ok(config)
}

fn layer(written: WrittenLayer) -> Result<LayerConfig, RegionError> {
    let place = |key: &str| format!("layer {}, {key}", written.name);
    if scale_denominator(&written.scale).is_none() {
        return Err(setting(place("scale"), "a scale such as \"1:500k\" or \"1:24000\"", &written.scale));
    }
    for (key, text) in [("source", &written.source), ("vintage", &written.vintage), ("id", &written.id)] {
        if text.is_empty() {
            return Err(setting(place(key), "a text", text));
        }
    }
    if written.fields.is_empty() {
        return Err(setting(place("fields"), "at least one field", ""));
    }
    let field = |(name, text): (&String, &String)| match Template::parse(text) {
        Some(template) => Ok((name.clone(), template)),
        None => Err(setting(place(name), "an attribute, or a text such as \"{STUSPS} {NAMELSAD}\"", text)),
    };
    let fields = written.fields.iter().map(field).collect::<Result<_, _>>()?;
    let overlap = match &written.overlap {
        None => Overlap::One(Vec::new()),
        Some(value) => overlap(value).ok_or_else(|| RegionError::Setting {
            place: place("overlap"),
            expected: "\"all\", { lowest = \"ATTRIBUTE\" } or { highest = \"ATTRIBUTE\" }, with a list of \
                       attributes if several decide in turn"
                .into(),
            found: value.to_string(),
        })?,
    };
    let filter = match &written.filter {
        None => None,
        Some(text) => Some(Filter::parse(text).ok_or_else(|| {
            setting(
                place("where"),
                "\"Attribute = 'value'\" or \"Attribute != 'value'\" (no other form)",
                text,
            )
        })?),
    };
    let WrittenLayer { name, source, vintage, scale, id, .. } = written;
    Ok(LayerConfig { name, source, vintage, scale, id, fields, overlap, filter })
}

/// The denominator of `1:24000`, `1:500k` or `1:10M`.
pub(super) fn scale_denominator(scale: &str) -> Option<u64> {
    let number = scale.strip_prefix("1:")?;
    let (digits, unit) = match number.char_indices().last()? {
        (at, 'k' | 'K') => (&number[..at], 1_000),
        (at, 'm' | 'M') => (&number[..at], 1_000_000),
        _ => (number, 1),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let denominator = is_number.then(|| digits.parse::<u64>().ok())??.checked_mul(unit)?;
    (denominator > 0).then_some(denominator)
}

fn overlap(value: &toml::Value) -> Option<Overlap> {
    if let Some(word) = value.as_str() {
        return (word == "all").then_some(Overlap::All);
    }
    let table = value.as_table().filter(|table| table.len() == 1)?;
    let (key, attributes) = table.iter().next()?;
    let highest = match key.as_str() {
        "lowest" => false,
        "highest" => true,
        _ => return None,
    };
    let attributes = match attributes.as_array() {
        Some(attributes) => attributes.as_slice(),
        None => std::slice::from_ref(attributes),
    };
    let precedence = |attribute: &toml::Value| {
        let attribute = attribute.as_str().filter(|attribute| !attribute.is_empty())?;
        Some(Precedence { attribute: attribute.to_owned(), highest })
    };
    let precedence = attributes.iter().map(precedence).collect::<Option<Vec<_>>>()?;
    (!precedence.is_empty()).then_some(Overlap::One(precedence))
}

/// Names of layers, fields and summaries are names, and no two layers or summaries share one.
fn check_names(config: &LayersConfig) -> Result<(), RegionError> {
    let layers = config.layers.iter().map(|layer| &layer.name);
    let summaries = config.summaries.iter().map(|summary| &summary.name);
    check_distinct("layer", "name", layers.clone())?;
    check_distinct("summary", "name", summaries.clone())?;
    let fields =
        config.layers.iter().flat_map(|layer| layer.fields.keys().map(move |name| (&layer.name, name)));
    let places = layers
        .map(|name| (name, format!("layer {name}, name")))
        .chain(summaries.map(|name| (name, format!("summary {name}, name"))))
        .chain(fields.map(|(layer, name)| (name, format!("layer {layer}, fields"))));
    for (name, place) in places {
        let is_name = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name {
            return Err(setting(place, "a name of a-z, 0-9 and _", name));
        }
    }
    Ok(())
}

fn check_distinct<'a>(
    what: &str,
    key: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), RegionError> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(setting(
                format!("{what} {name}, {key}"),
                "a name of its own",
                &format!("{name} twice"),
            ));
        }
        seen.push(name);
    }
    Ok(())
}

/// Every column is written by one layer, and by nobody else.
fn check_columns(config: &LayersConfig, reserved: &[&str]) -> Result<(), RegionError> {
    let mut writer: HashMap<&str, &str> = HashMap::new();
    for layer in &config.layers {
        for column in layer.fields.keys() {
            if reserved.contains(&column.as_str()) {
                let place = format!("layer {}, fields", layer.name);
                return Err(setting(place, "a name that no other column of the tables has", column));
            }
            if let Some(first) = writer.insert(column, &layer.name) {
                return Err(RegionError::ColumnTwice {
                    column: column.clone(),
                    first: first.to_owned(),
                    second: layer.name.clone(),
                });
            }
        }
    }
    Ok(())
}

/// The columns that `riis_region_from` and the summaries name are written by a layer.
fn check_uses(config: &LayersConfig) -> Result<(), RegionError> {
    let fields = config.annotation_fields();
    let known = fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    let a_column = format!("a column that a layer writes ({known})");
    if let Some(column) = &config.riis_region_from {
        match fields.iter().find(|field| field.name == *column) {
            None => return Err(setting("riis_region_from".into(), &a_column, column)),
            Some(field) if field.is_list => {
                let found = format!("{column}, a list");
                return Err(setting("riis_region_from".into(), "a column with one text", &found));
            }
            Some(_) => {}
        }
    }
    for summary in &config.summaries {
        let place = format!("summary {}, by", summary.name);
        if summary.by.is_empty() {
            return Err(setting(place, &a_column, ""));
        }
        check_distinct("summary", &format!("by of {}", summary.name), summary.by.iter())?;
        if let Some(column) =
            summary.by.iter().find(|column| fields.iter().all(|field| field.name != **column))
        {
            return Err(setting(place, &a_column, column));
        }
    }
    Ok(())
}

fn setting(place: String, expected: &str, found: &str) -> RegionError {
    let found = if found.is_empty() { "nothing".to_owned() } else { found.to_owned() };
    RegionError::Setting { place, expected: expected.to_owned(), found }
}
