//! The checklist that taxon keys belong to: a key means nothing without it.

use serde::{Deserialize, Serialize};

/// A GBIF checklist: `backbone`, `col`, the UUID of another one, or `unknown`.
///
/// The UUIDs of the two that have a name are folded onto the name, so that equal checklists compare equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "String", into = "String")]
pub struct Checklist(String);

const BACKBONE_KEY: &str = "d7dddbf4-2cf0-4f39-9b2a-bb099caae36c"; // GBIF Backbone Taxonomy
const COL_KEY: &str = "7ddf754f-d193-4cc9-b351-99906754a03b"; // Catalogue of Life XR

impl Checklist {
    /// The GBIF Backbone Taxonomy: numeric keys.
    pub fn backbone() -> Self {
        Checklist("backbone".into())
    }

    /// Nothing says which.
    pub fn unknown() -> Self {
        Checklist("unknown".into())
    }

    /// Whether nothing says which.
    pub fn is_unknown(&self) -> bool {
        self.0 == "unknown"
    }

    /// Whether it is the GBIF Backbone Taxonomy.
    pub fn is_backbone(&self) -> bool {
        self.0 == "backbone"
    }

    /// Whether it is the Catalogue of Life: keys of digits and letters.
    pub fn is_col(&self) -> bool {
        self.0 == "col"
    }

    /// The key that GBIF's services know it by: the UUID behind a name, else the text itself.
    ///
    /// ```
    /// use bisonflow_contract::Checklist;
    /// assert_eq!(Checklist::from("COL".to_owned()).gbif_key(), "7ddf754f-d193-4cc9-b351-99906754a03b");
    /// ```
    pub fn gbif_key(&self) -> &str {
        match self.0.as_str() {
            "backbone" => BACKBONE_KEY,
            "col" => COL_KEY,
            key => key,
        }
    }

    /// The name or UUID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Checklist {
    fn from(text: String) -> Self {
        let text = text.trim().to_ascii_lowercase();
        Checklist(match text.as_str() {
            BACKBONE_KEY => "backbone".into(),
            COL_KEY => "col".into(),
            "" => "unknown".into(),
            _ => text,
        })
    }
}

impl From<Checklist> for String {
    fn from(checklist: Checklist) -> String {
        checklist.0
    }
}

impl std::fmt::Display for Checklist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
