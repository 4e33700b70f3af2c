//! The columns that a layer writes.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};
use bisonflow_region::{FieldValue, Layer, LayerConfig, Overlap};

/// The columns of one layer.
pub(crate) struct LayerColumns {
    pub(crate) name: String,
    pub(crate) columns: Vec<LayerColumn>,
}

/// A column, as the values of all region sets of its layer.
pub(crate) struct LayerColumn {
    pub(crate) field: FieldRef,
    pub(crate) values: SetValues,
}

/// What a column says for each region set.
pub(crate) enum SetValues {
    /// A text: for each set its code, or [`NO_TEXT`].
    Texts { codes: Vec<u32>, texts: Texts },
    /// With the overlap `all`, lists: a row for each set.
    Lists(ArrayRef),
}

impl LayerColumns {
    pub(crate) fn new(config: &LayerConfig, layer: &Layer) -> Self {
        let is_list = matches!(config.overlap, Overlap::All);
        let columns = config.fields.keys().enumerate().map(|(field, name)| {
            let values = if is_list { lists(layer, field) } else { texts(layer, field) };
            let data_type = match &values {
                SetValues::Texts { .. } => DataType::Utf8,
                SetValues::Lists(array) => array.data_type().clone(),
            };
            LayerColumn { field: Arc::new(Field::new(name, data_type, true)), values }
        });
        LayerColumns { name: config.name.clone(), columns: columns.collect() }
    }

    /// The place of the column called `name`.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.field.name() == name)
    }
}

impl SetValues {
    /// The text of a set.
    pub(crate) fn text(&self, set: usize) -> Option<&str> {
        match self {
            SetValues::Texts { codes, texts } => texts.optional(codes[set]),
            SetValues::Lists(_) => None,
        }
    }
}

fn lists(layer: &Layer, field: usize) -> SetValues {
    let item = Arc::new(Field::new("element", DataType::Utf8, true));
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    for set in layer.set_ids() {
        match layer.value(field, set) {
            FieldValue::Null => lists.append(false),
            FieldValue::One(text) => {
                lists.values().append_value(text);
                lists.append(true);
            }
            FieldValue::Many(texts) => {
                for text in texts {
                    lists.values().append_option(text);
                }
                lists.append(true);
            }
        }
    }
    SetValues::Lists(Arc::new(lists.finish()))
}

fn texts(layer: &Layer, field: usize) -> SetValues {
    let mut texts = Texts::default();
    let codes = layer.set_ids().map(|set| match layer.value(field, set) {
        FieldValue::One(text) => texts.code(text),
        FieldValue::Null | FieldValue::Many(_) => NO_TEXT,
    });
    SetValues::Texts { codes: codes.collect(), texts }
}
