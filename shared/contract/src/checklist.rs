//! The checklist that taxon keys belong to: a key means nothing without it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StepError;

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

/// What a person may name, as `options.checklist` has it in the input's schema.
pub(crate) const PATTERN: &str =
    "^(backbone|col|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$";

/// As a person names it: not `unknown`, nor anything that no checklist of GBIF is called.
///
/// ```
/// use bisonflow_contract::Checklist;
/// assert_eq!("7ddf754f-d193-4cc9-b351-99906754a03b".parse::<Checklist>().unwrap().as_str(), "col");
/// assert!("catalogue of life".parse::<Checklist>().is_err());
/// ```
impl FromStr for Checklist {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        let checklist = Checklist::from(text.to_owned());
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let groups = checklist.gbif_key().split('-');
        if groups.clone().all(is_hex) && groups.map(str::len).eq([8, 4, 4, 4, 12]) {
            return Ok(checklist);
        }
        let expected =
            "expected backbone, col (Catalogue of Life), or the key of a checklist at GBIF, such as";
        Err(StepError::invalid("checklist", format_args!("found {text:?}, {expected} {COL_KEY}")))
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
