//! What the species match service answers, in the shapes of its versions 1 and 2.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::query::Api;
use super::rank;

/// How the service found what it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum MatchType {
    /// The name as it was asked.
    Exact,
    /// A spelling near it (version 2).
    Variant,
    /// A spelling near it (version 1).
    Fuzzy,
    /// Not the name: a taxon above it.
    HigherRank,
    /// Several, none of them better.
    Ambiguous,
    /// Nothing, or several that it does not choose between.
    None,
    /// A word that is not known here.
    Other(String),
}

impl MatchType {
    /// The service's word.
    pub fn as_str(&self) -> &str {
        match self {
            MatchType::Exact => "EXACT",
            MatchType::Variant => "VARIANT",
            MatchType::Fuzzy => "FUZZY",
            MatchType::HigherRank => "HIGHERRANK",
            MatchType::Ambiguous => "AMBIGUOUS",
            MatchType::None => "NONE",
            MatchType::Other(word) => word,
        }
    }
}

impl From<String> for MatchType {
    fn from(word: String) -> Self {
        match word.as_str() {
            "EXACT" => MatchType::Exact,
            "VARIANT" => MatchType::Variant,
            "FUZZY" => MatchType::Fuzzy,
            "HIGHERRANK" => MatchType::HigherRank,
            "AMBIGUOUS" => MatchType::Ambiguous,
            "NONE" => MatchType::None,
            _ => MatchType::Other(word),
        }
    }
}

impl From<MatchType> for String {
    fn from(match_type: MatchType) -> String {
        match_type.as_str().to_owned()
    }
}

/// A name in a checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Its key.
    pub key: String,
    /// The name with its author.
    pub name: String,
    /// Its rank, in GBIF's word.
    pub rank: String,
    /// Its taxonomic status, in the checklist's word.
    pub status: Option<String>,
}

/// What a synonym is accepted as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accepted {
    /// The accepted name.
    Usage(Usage),
    /// Its key alone: version 1 has to be asked again for the rest.
    Key(String),
}

/// An answer about one name, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How the name was found.
    pub match_type: MatchType,
    /// How sure the service is, in percent; by itself it means nothing.
    pub confidence: Option<i64>,
    /// The name that was found. There is one for [`MatchType::Exact`] and [`MatchType::Variant`].
    pub usage: Option<Usage>,
    /// What it is accepted as, if it is a synonym.
    pub accepted: Option<Accepted>,
    /// Whether the service calls it a synonym.
    pub synonym: bool,
    /// Its kingdom, and the taxa above that: the Catalogue of Life has Bacteria as a domain of several kingdoms.
    pub kingdoms: Vec<String>,
    /// What the service says about its answer.
    pub note: Option<String>,
}

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{found}; expected the JSON of a species match")]
pub struct Nonsense {
    /// What was found instead.
    pub found: String,
}

/// Reads the answer to a [`super::NameQuery`].
///
/// # Errors
/// [`Nonsense`] for anything but an answer: other text, an answer without its match type, a match without its
/// key, name and rank.
pub fn parse(api: Api, body: &[u8]) -> Result<Answer, Nonsense> {
    let answer = match api {
        Api::V2 => read::<MatchV2>(body)?.answer()?,
        Api::V1 => read::<MatchV1>(body)?.answer()?,
    };
    if matches!(answer.match_type, MatchType::Exact | MatchType::Variant) && answer.usage.is_none() {
        return Err(nonsense(format_args!("{} without a usage", answer.match_type.as_str()), body));
    }
    Ok(answer)
}

/// Reads `/v1/species/KEY`: the usage that version 1 of the match names by its key alone.
///
/// # Errors
/// [`Nonsense`] as [`parse`].
pub fn parse_usage(body: &[u8]) -> Result<Usage, Nonsense> {
    let usage: NameUsageV1 = read(body)?;
    let status = usage.taxonomic_status;
    Usage::new(usage.key, usage.scientific_name, usage.rank, status)?
        .ok_or_else(|| nonsense("a name usage without a key", body))
}

impl Usage {
    /// None without a key.
    fn new(
        key: Option<String>,
        name: Option<String>,
        rank: Option<String>,
        status: Option<String>,
    ) -> Result<Option<Usage>, Nonsense> {
        let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(None) };
        if key == "0" || key.len() > 64 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Nonsense { found: format!("the taxon key {key:?}") });
        }
        match (name, rank) {
            (Some(name), Some(rank)) if !name.trim().is_empty() && !rank.is_empty() => {
                Ok(Some(Usage { key, name: name.trim().to_owned(), rank: rank.to_ascii_uppercase(), status }))
            }
            _ => Err(Nonsense { found: format!("the taxon {key} without its name or rank") }),
        }
    }
}

/// The answer of version 2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchV2 {
    usage: Option<UsageV2>,
    accepted_usage: Option<UsageV2>,
    #[serde(default)]
    classification: Option<Vec<TaxonV2>>,
    diagnostics: DiagnosticsV2,
    synonym: Option<bool>,
}

#[derive(Deserialize)]
struct UsageV2 {
    #[serde(default, deserialize_with = "text_or_number")]
    key: Option<String>,
    name: Option<String>,
    #[serde(rename = "canonicalName")]
    canonical_name: Option<String>,
    authorship: Option<String>,
    rank: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct TaxonV2 {
    name: Option<String>,
    rank: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiagnosticsV2 {
    match_type: String,
    confidence: Option<i64>,
    note: Option<String>,
}

impl UsageV2 {
    fn usage(self) -> Result<Option<Usage>, Nonsense> {
        let parts = || {
            let (name, author) = (self.canonical_name.clone()?, self.authorship.clone().unwrap_or_default());
            Some(format!("{name} {author}"))
        };
        let name = self.name.clone().or_else(parts);
        Usage::new(self.key, name, self.rank, self.status)
    }
}

impl MatchV2 {
    fn answer(self) -> Result<Answer, Nonsense> {
        let usage = self.usage.map(UsageV2::usage).transpose()?.flatten();
        let accepted = self.accepted_usage.map(UsageV2::usage).transpose()?.flatten();
        let taxa = self.classification.unwrap_or_default();
        // Whatever stands above the kingdom, the topmost taxon included, whatever rank it is given.
        let is_rank = |taxon: &TaxonV2| taxon.rank.as_deref().is_some_and(rank::is_kingdom_or_above);
        let above = taxa.iter().rposition(is_rank).map_or(1, |last| last + 1);
        Ok(Answer {
            match_type: MatchType::from(self.diagnostics.match_type),
            confidence: self.diagnostics.confidence,
            synonym: self.synonym.unwrap_or(accepted.is_some()),
            usage,
            accepted: accepted.map(Accepted::Usage),
            kingdoms: taxa.into_iter().take(above).filter_map(|taxon| taxon.name).collect(),
            note: self.diagnostics.note,
        })
    }
}

/// The answer of version 1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchV1 {
    #[serde(default, deserialize_with = "text_or_number")]
    usage_key: Option<String>,
    #[serde(default, deserialize_with = "text_or_number")]
    accepted_usage_key: Option<String>,
    scientific_name: Option<String>,
    rank: Option<String>,
    status: Option<String>,
    confidence: Option<i64>,
    note: Option<String>,
    match_type: String,
    kingdom: Option<String>,
    synonym: Option<bool>,
}

impl MatchV1 {
    fn answer(self) -> Result<Answer, Nonsense> {
        let usage = Usage::new(self.usage_key, self.scientific_name, self.rank, self.status)?;
        // A name that is accepted may be told to be accepted as itself.
        let itself = usage.as_ref().map(|usage| usage.key.clone());
        let accepted = self.accepted_usage_key.filter(|key| !key.is_empty() && Some(key) != itself.as_ref());
        Ok(Answer {
            match_type: MatchType::from(self.match_type),
            confidence: self.confidence,
            usage,
            synonym: self.synonym.unwrap_or(accepted.is_some()),
            accepted: accepted.map(Accepted::Key),
            kingdoms: self.kingdom.into_iter().collect(),
            note: self.note,
        })
    }
}

/// `/v1/species/KEY`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NameUsageV1 {
    #[serde(default, deserialize_with = "text_or_number")]
    key: Option<String>,
    scientific_name: Option<String>,
    rank: Option<String>,
    taxonomic_status: Option<String>,
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Nonsense> {
    serde_json::from_slice(body).map_err(|error| nonsense(error, body))
}

/// What is wrong, with the beginning of the text.
fn nonsense(what: impl std::fmt::Display, body: &[u8]) -> Nonsense {
    const SHOWN_BYTES: usize = 120;
    let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
    let shown: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Nonsense { found: format!("{what}, in an answer of {} bytes that begins {:?}", body.len(), shown.trim()) }
}

/// Keys are numbers in version 1 and text in version 2.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) if number.is_u64() => Ok(Some(number.to_string())),
        other => Err(serde::de::Error::custom(format_args!("{other} is no taxon key"))),
    }
}
