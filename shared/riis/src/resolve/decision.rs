//! The judgement: which taxon, if any, a name of the register is taken for.

use super::answer::{Accepted, Answer, MatchType, Usage};
use super::query::NameQuery;
use super::rank;

/// What may be chosen about the judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A VARIANT, a name that is spelled a little otherwise, is taken only if the service is more confident than
    /// this, in percent. Kingdom and rank have to be equal besides.
    pub variant_confidence: u8,
}

impl Default for Rules {
    /// More than 95 %.
    fn default() -> Self {
        Rules { variant_confidence: 95 }
    }
}

/// What was found about a row's name; the word that column `gbif_res_finding` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// The name, and it is no synonym: its key.
    Accepted,
    /// The name is a synonym: the key of its accepted name, which is not of a higher rank.
    SynonymFollowed,
    /// The accepted name is of a higher rank, so that it would flag more than the row speaks of: the synonym's
    /// own key.
    BroaderSynonym,
    /// A synonym of several accepted names: its own key.
    ProParteSynonym,
    /// A name that was used wrongly for another taxon: its own key.
    Misapplied,
    /// A synonym whose accepted name is not told, or has a rank that compares with nothing: its own key.
    SynonymUnplaced,
    /// A taxonomic status that is not known here: the name's own key.
    UnknownStatus,
    /// The checklist does not have the name, or has it several times: no key.
    NoMatch,
    /// Not the name was found but a taxon above it: no key.
    HigherRank,
    /// Several names were found, none of them better: no key.
    Ambiguous,
    /// Another spelling was found (version 1, which does not tell near from far): no key.
    Fuzzy,
    /// Another spelling was found, and the service is not confident enough: no key.
    LowConfidence,
    /// A kind of match that is not known here: no key.
    OtherMatch,
    /// The name was found in another kingdom: no key.
    KingdomDiffers,
    /// The name was found at another rank: no key.
    RankDiffers,
    /// The row has no name: not asked, no key.
    BlankName,
    /// The row has no kingdom: not asked, no key.
    BlankKingdom,
    /// The row has no rank, or one that no checklist has: not asked, no key.
    NoRank,
    /// The service answers other names, but not this one: no key.
    NoAnswer,
}

impl Finding {
    /// All of them.
    pub const ALL: [Finding; 19] = [
        Finding::Accepted,
        Finding::SynonymFollowed,
        Finding::BroaderSynonym,
        Finding::ProParteSynonym,
        Finding::Misapplied,
        Finding::SynonymUnplaced,
        Finding::UnknownStatus,
        Finding::NoMatch,
        Finding::HigherRank,
        Finding::Ambiguous,
        Finding::Fuzzy,
        Finding::LowConfidence,
        Finding::OtherMatch,
        Finding::KingdomDiffers,
        Finding::RankDiffers,
        Finding::BlankName,
        Finding::BlankKingdom,
        Finding::NoRank,
        Finding::NoAnswer,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Finding::Accepted => "accepted",
            Finding::SynonymFollowed => "synonym_followed",
            Finding::BroaderSynonym => "broader_synonym",
            Finding::ProParteSynonym => "pro_parte_synonym",
            Finding::Misapplied => "misapplied",
            Finding::SynonymUnplaced => "synonym_unplaced",
            Finding::UnknownStatus => "unknown_status",
            Finding::NoMatch => "no_match",
            Finding::HigherRank => "higher_rank",
            Finding::Ambiguous => "ambiguous",
            Finding::Fuzzy => "fuzzy",
            Finding::LowConfidence => "low_confidence",
            Finding::OtherMatch => "other_match",
            Finding::KingdomDiffers => "kingdom_differs",
            Finding::RankDiffers => "rank_differs",
            Finding::BlankName => "blank_name",
            Finding::BlankKingdom => "blank_kingdom",
            Finding::NoRank => "no_rank",
            Finding::NoAnswer => "no_answer",
        }
    }

    /// Whether nobody has to look at the row: it has the key of its accepted name.
    pub fn is_settled(self) -> bool {
        matches!(self, Finding::Accepted | Finding::SynonymFollowed)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The judgement about one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What was found.
    pub finding: Finding,
    /// The taxon that the row is listed under; none if the name is not resolved.
    pub taken: Option<&'a Usage>,
}

/// Judges an answer.
///
/// The answer has to be the name itself ([`MatchType::Exact`]; [`MatchType::Variant`] by the [`Rules`]) in the
/// same kingdom and at the same rank. A plain synonym is followed to its accepted name, unless that is of a
/// higher rank; what is a synonym in part only, or was misapplied, never is.
pub fn decide<'a>(asked: &NameQuery, answer: &'a Answer, rules: &Rules) -> Decision<'a> {
    match find(asked, answer, rules) {
        Ok((finding, usage)) => Decision { finding, taken: Some(usage) },
        Err(finding) => Decision { finding, taken: None },
    }
}

fn find<'a>(asked: &NameQuery, answer: &'a Answer, rules: &Rules) -> Result<(Finding, &'a Usage), Finding> {
    match answer.match_type {
        MatchType::Exact => {}
        MatchType::Variant => {
            if answer.confidence.is_none_or(|found| found <= i64::from(rules.variant_confidence)) {
                return Err(Finding::LowConfidence);
            }
        }
        MatchType::None => return Err(Finding::NoMatch),
        MatchType::HigherRank => return Err(Finding::HigherRank),
        MatchType::Ambiguous => return Err(Finding::Ambiguous),
        MatchType::Fuzzy => return Err(Finding::Fuzzy),
        MatchType::Other(_) => return Err(Finding::OtherMatch),
    }
    let usage = answer.usage.as_ref().ok_or(Finding::NoMatch)?;
    if !answer.kingdoms.iter().any(|kingdom| kingdom.eq_ignore_ascii_case(asked.kingdom())) {
        return Err(Finding::KingdomDiffers);
    }
    if !usage.rank.eq_ignore_ascii_case(asked.rank()) {
        return Err(Finding::RankDiffers);
    }
    let accepted = match &answer.accepted {
        Some(Accepted::Usage(accepted)) if accepted.key == usage.key => None,
        other => other.as_ref(),
    };
    let is_synonym = answer.synonym || accepted.is_some();
    Ok(match usage.status.as_deref().map(str::to_ascii_uppercase).as_deref() {
        Some("PROPARTE_SYNONYM" | "PRO_PARTE_SYNONYM" | "AMBIGUOUS_SYNONYM") => {
            (Finding::ProParteSynonym, usage)
        }
        Some("MISAPPLIED") => (Finding::Misapplied, usage),
        Some("SYNONYM" | "HOMOTYPIC_SYNONYM" | "HETEROTYPIC_SYNONYM") => follow(usage, accepted),
        None if is_synonym => follow(usage, accepted),
        Some("ACCEPTED" | "DOUBTFUL" | "PROVISIONALLY_ACCEPTED") | None if !is_synonym => {
            (Finding::Accepted, usage)
        }
        _ => (Finding::UnknownStatus, usage),
    })
}

fn follow<'a>(usage: &'a Usage, accepted: Option<&'a Accepted>) -> (Finding, &'a Usage) {
    match accepted {
        Some(Accepted::Usage(accepted)) => match rank::is_higher(&accepted.rank, &usage.rank) {
            Some(false) => (Finding::SynonymFollowed, accepted),
            Some(true) => (Finding::BroaderSynonym, usage),
            None => (Finding::SynonymUnplaced, usage),
        },
        Some(Accepted::Key(_)) | None => (Finding::SynonymUnplaced, usage),
    }
}
