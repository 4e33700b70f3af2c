//! What the fields of a layer say for each set of regions, worked out once.

use crate::config::LayerConfig;
use crate::rows::Row;

/// What a field says for a set of regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Nothing: outside, or the attribute is null.
    Null,
    /// A text.
    One(&'a str),
    /// With the overlap `all`: a text or null for each region, in the order of their ids.
    Many(&'a [Option<String>]),
}

/// See [`FieldValue`].
#[derive(Clone, Debug)]
pub(crate) struct Values {
    is_list: bool,
    /// By field, then by set; a set of one region has one text.
    texts: Vec<Vec<Vec<Option<String>>>>,
}

impl Values {
    /// The values for sets of regions; `rows` says what each region says.
    pub(crate) fn new(config: &LayerConfig, rows: &[&Row], sets: &[Vec<u32>]) -> Self {
        let of_set = |field: usize, set: &Vec<u32>| -> Vec<Option<String>> {
            set.iter().map(|&region| rows[region as usize].fields[field].clone()).collect()
        };
        let of_field = |field| sets.iter().map(|set| of_set(field, set)).collect();
        Values { is_list: config.is_list(), texts: (0..config.fields.len()).map(of_field).collect() }
    }

    pub(crate) fn of(&self, field: usize, set: usize) -> FieldValue<'_> {
        match self.texts[field][set].as_slice() {
            [] => FieldValue::Null,
            texts if self.is_list => FieldValue::Many(texts),
            [text, ..] => text.as_deref().map_or(FieldValue::Null, FieldValue::One),
        }
    }
}
