//! The columns about the register.

use bisonflow_contract::document::RiisCounts;
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};
use bisonflow_riis::{Assessment, Outcome, Register, Standing, assess_without_register};
use rustc_hash::FxHashMap;

use crate::taxon::{ACCEPTEDTAXONKEY, SPECIESKEY, TAXONKEY, Taxa};

/// How many columns an outcome fills.
const COLUMNS: usize = 5;
/// Not worked out yet.
const UNKNOWN: u32 = u32::MAX;

/// What the register says, worked out once for each taxon and standing.
#[derive(Default)]
pub(crate) struct Outcomes<'r> {
    /// The outcome of taxon * standings + standing.
    of_taxon: Vec<u32>,
    known: FxHashMap<Outcome<'r>, u32>,
    pub(crate) all: Vec<Outcome<'r>>,
    /// By column (riis_region, riis_occurrence_id, riis_assessment, riis_matched_key, riis_reason) the text of each
    /// outcome.
    pub(crate) codes: [Vec<u32>; COLUMNS],
    pub(crate) texts: [Texts; COLUMNS],
}

impl<'r> Outcomes<'r> {
    /// The outcome of a taxon at a place of this standing, given by its place in [`Standing::ALL`].
    pub(crate) fn of(
        &mut self,
        register: Option<&'r Register>,
        taxa: &Taxa,
        taxon: u32,
        standing: u8,
    ) -> u32 {
        let place = taxon as usize * Standing::ALL.len() + usize::from(standing);
        match self.of_taxon.get(place) {
            Some(&outcome) if outcome != UNKNOWN => outcome,
            _ => self.assess(register, taxa, taxon, standing, place),
        }
    }

    #[cold]
    fn assess(
        &mut self,
        register: Option<&'r Register>,
        taxa: &Taxa,
        taxon: u32,
        standing: u8,
        place: usize,
    ) -> u32 {
        let standing = Standing::ALL[usize::from(standing)];
        let text = |column| taxa.text(taxon, column);
        let (accepted, key, species) = (text(ACCEPTEDTAXONKEY), text(TAXONKEY), text(SPECIESKEY));
        let outcome = match register {
            Some(register) => register.assess_at(standing, accepted, key, species),
            None => assess_without_register(standing),
        };
        if self.of_taxon.len() <= place {
            self.of_taxon.resize(taxa.len() * Standing::ALL.len(), UNKNOWN);
        }
        let next = self.all.len() as u32;
        let number = *self.known.entry(outcome).or_insert(next);
        self.of_taxon[place] = number;
        if number == next {
            self.all.push(outcome);
            let texts = [
                outcome.region.map(|region| region.as_str()),
                outcome.occurrence_id,
                Some(outcome.assessment.as_str()),
                outcome.matched_key.map(|key| key.as_str()),
                outcome.reason.map(|reason| reason.as_str()),
            ];
            for (column, text) in texts.into_iter().enumerate() {
                let code = text.map_or(NO_TEXT, |text| self.texts[column].code(text));
                self.codes[column].push(code);
            }
        }
        number
    }

    /// What an outcome says of the status.
    pub(crate) fn assessment(&self, outcome: u32) -> Assessment {
        self.all[outcome as usize].assessment
    }
}

/// Counts records with this assessment.
pub(crate) fn tally(counts: &mut RiisCounts, assessment: Assessment, records: u64) {
    *match assessment {
        Assessment::Introduced => &mut counts.introduced,
        Assessment::Established => &mut counts.established,
        Assessment::Invasive => &mut counts.invasive,
        Assessment::WidespreadInvasive => &mut counts.widespread_invasive,
        Assessment::NotListed => &mut counts.not_listed,
        Assessment::NotAssessed => &mut counts.not_assessed,
    } += records;
}
