//! The JSON Schema of an execution's input, made from the contract's types.

use bisonflow_contract::input::{Options, Origin};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Where it is.
pub const PATH: &str = "statemachine/input.schema.json";

/// The schema: exactly one origin, and options; nothing else at any level.
///
/// # Panics
/// When the contract's `Origin` is no longer one property out of several.
pub fn input_schema() -> Value {
    let inline = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut generator = inline.into_generator();
    let origin = generator.subschema_for::<Origin>().to_value();
    let mut properties = Map::new();
    let mut one_of = Vec::new();
    for variant in origin["oneOf"].as_array().expect("an origin is one of several") {
        let fields = variant["properties"].as_object().expect("an origin is an object of one property");
        for (name, schema) in fields {
            let mut schema = schema.clone();
            if let (Some(schema), Some(text)) = (schema.as_object_mut(), variant.get("description")) {
                schema.insert("description".into(), text.clone());
            }
            one_of.push(json!({"required": [name]}));
            properties.insert(name.clone(), schema);
        }
    }
    properties.insert("options".into(), generator.subschema_for::<Options>().to_value());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Input of an execution of bisonflow",
        "type": "object",
        "properties": properties,
        "oneOf": one_of,
        "additionalProperties": false,
    })
}
