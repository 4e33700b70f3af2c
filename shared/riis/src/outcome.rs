//! The answer to "what does the register say about this record", and why.

use crate::assessment::Assessment;
use crate::region::{RiisRegion, Standing};

/// Why a record has its assessment, as column `riis_reason` carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A key of the record is listed for its region.
    Matched,
    /// None of the record's keys is listed for its region.
    NotListed,
    /// The record lies in a territory, of which the register does not speak.
    Territory,
    /// The record lies in no state.
    OutsideLayer,
    /// The record has no key to ask with.
    NoKey,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 5] =
        [Reason::Matched, Reason::NotListed, Reason::Territory, Reason::OutsideLayer, Reason::NoKey];

    /// The value of column `riis_reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Matched => "matched",
            Reason::NotListed => "not_listed",
            Reason::Territory => "territory",
            Reason::OutsideLayer => "outside_layer",
            Reason::NoKey => "no_key",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which key of a record the register lists, as column `riis_matched_key` carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchedKey {
    /// The key of the accepted name.
    Accepted,
    /// The key of the name itself.
    Taxon,
    /// The key of the species: on a record below species the status is inherited.
    Species,
}

impl MatchedKey {
    /// All of them, in the order in which a record's keys are tried.
    pub const ALL: [MatchedKey; 3] = [MatchedKey::Accepted, MatchedKey::Taxon, MatchedKey::Species];

    /// The value of column `riis_matched_key`.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchedKey::Accepted => "accepted",
            MatchedKey::Taxon => "taxon",
            MatchedKey::Species => "species",
        }
    }
}

impl std::fmt::Display for MatchedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the five RIIS columns of a record hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome<'register> {
    /// `riis_region`: the region that the record lies in.
    pub region: Option<RiisRegion>,
    /// `riis_assessment`.
    pub assessment: Assessment,
    /// `riis_reason`; none without a register.
    pub reason: Option<Reason>,
    /// `riis_matched_key`: set when the reason is [`Reason::Matched`].
    pub matched_key: Option<MatchedKey>,
    /// `riis_occurrence_id`: the register's row; set when the reason is [`Reason::Matched`].
    pub occurrence_id: Option<&'register str>,
}

impl Outcome<'static> {
    /// The outcome of a record that the register lists under none of its keys, for this reason.
    pub(crate) fn unmatched(region: Option<RiisRegion>, assessment: Assessment, reason: Reason) -> Self {
        Outcome { region, assessment, reason: Some(reason), matched_key: None, occurrence_id: None }
    }
}

/// The outcome in a run without a register (`riis = "none"`): the region of the state, nothing assessed.
///
/// ```
/// use bisonflow_riis::{Assessment, RiisRegion, Standing, assess_without_register};
/// let outcome = assess_without_register(Standing::of_state(Some("AK")));
/// assert_eq!(outcome.region, Some(RiisRegion::AK));
/// assert_eq!((outcome.assessment, outcome.reason), (Assessment::NotAssessed, None));
/// ```
pub fn assess_without_register(standing: Standing) -> Outcome<'static> {
    Outcome {
        region: standing.region(),
        assessment: Assessment::NotAssessed,
        reason: None,
        matched_key: None,
        occurrence_id: None,
    }
}
