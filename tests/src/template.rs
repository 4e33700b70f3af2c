//! The stack's template, read: CloudFormation's short tags become its long functions.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::repo;

/// The stack's template.
pub struct Template {
    /// All of it, `!Ref X` as `{"Ref": "X"}`, `!Sub …` as `{"Fn::Sub": …}`.
    pub json: Value,
}

impl Template {
    /// Reads it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read() -> Self {
        let text = repo::read("template.yaml");
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("template.yaml: {error}"));
        Template { json: to_json(&documents[0]) }
    }

    /// The resources of a type, by logical id.
    pub fn resources_of(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.json["Resources"].as_object().expect("the template has Resources");
        let of_kind = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
        of_kind.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
    }

    /// The properties of a resource.
    ///
    /// # Panics
    /// When there is no such resource.
    pub fn properties(&self, id: &str) -> &Value {
        let resource = &self.json["Resources"][id];
        assert!(resource.is_object(), "template.yaml has no resource {id}");
        &resource["Properties"]
    }

    /// The statements of a role's own policies.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn statements(&self, role: &str) -> Vec<&Value> {
        let policies = self.properties(role)["Policies"].as_array().expect("the role has Policies");
        policies
            .iter()
            .flat_map(|policy| {
                policy["PolicyDocument"]["Statement"].as_array().expect("a policy has a list of statements")
            })
            .collect()
    }
}

/// A string or a list of strings, as IAM allows for actions and resources.
pub fn one_or_more(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => scalar_to_json(scalar),
        Yaml::Sequence(values) => values.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = match to_json(key) {
                    Value::String(key) => key,
                    key => panic!("template.yaml: found {key}, expected a text as key"),
                };
                (key, to_json(value))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, value) => {
            let value = to_json(value);
            match (tag.suffix.as_str(), &value) {
                ("Ref" | "Condition", _) => json!({ tag.suffix.as_str(): value }),
                ("GetAtt", Value::String(path)) => {
                    json!({ "Fn::GetAtt": path.splitn(2, '.').collect::<Vec<_>>() })
                }
                (function, _) => json!({ format!("Fn::{function}"): value }),
            }
        }
        other => panic!("template.yaml: found {other:?}, expected a value"),
    }
}

fn scalar_to_json(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(value) => json!(value),
    }
}
