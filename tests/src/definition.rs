//! The definition of the state machine, read.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::repo;

/// Where it is.
pub const PATH: &str = "statemachine/bisonflow.asl.json";

/// The definition of the state machine.
pub struct Definition {
    /// All of it.
    pub json: Value,
}

/// A state.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub json: &'a Value,
}

impl Definition {
    /// Reads it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read() -> Self {
        Definition { json: repo::read_json(PATH) }
    }

    /// Its states, in order of their names.
    pub fn states(&self) -> impl Iterator<Item = State<'_>> {
        let states = self.json["States"].as_object().expect("the definition has States");
        states.iter().map(|(name, json)| State { name, json })
    }

    /// The states of one type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = State<'_>> {
        self.states().filter(move |state| state.json["Type"] == kind)
    }

    /// The tasks that invoke a function.
    pub fn function_tasks(&self) -> impl Iterator<Item = State<'_>> {
        self.of_type("Task").filter(|state| state.function().is_some())
    }

    /// The state of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn state(&self, name: &str) -> State<'_> {
        self.states()
            .find(|state| state.name == name)
            .unwrap_or_else(|| panic!("the definition has no state {name}"))
    }

    /// The names of the substitutions used.
    pub fn substitutions(&self) -> BTreeSet<String> {
        let text = self.json.to_string();
        let names = text.split("${").skip(1).filter_map(|after| after.split_once('}'));
        names.map(|(name, _)| name.to_owned()).collect()
    }
}

impl<'a> State<'a> {
    /// The logical id of the function that it invokes: `PlanRunFunction`.
    pub fn function(self) -> Option<&'a str> {
        let substitution = self.json["Parameters"]["FunctionName"].as_str()?;
        substitution.strip_prefix("${")?.strip_suffix("Arn}")
    }

    /// The error names that its `Retry` or `Catch` lists.
    pub fn errors(self, field: &str) -> BTreeSet<&'a str> {
        rules(self.json, field).flat_map(error_names).collect()
    }

    /// The rules of its `Retry` or `Catch`.
    pub fn rules(self, field: &str) -> impl Iterator<Item = &'a Value> {
        rules(self.json, field)
    }

    /// The states that may follow.
    pub fn successors(self) -> BTreeSet<&'a str> {
        let mut next: BTreeSet<&str> =
            [&self.json["Next"], &self.json["Default"]].into_iter().filter_map(Value::as_str).collect();
        for field in ["Choices", "Catch"] {
            next.extend(rules(self.json, field).filter_map(|rule| rule["Next"].as_str()));
        }
        next
    }
}

fn rules<'a>(state: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    state[field].as_array().into_iter().flatten()
}

/// The error names of a rule.
pub fn error_names(rule: &Value) -> impl Iterator<Item = &str> {
    rule["ErrorEquals"].as_array().into_iter().flatten().filter_map(Value::as_str)
}
