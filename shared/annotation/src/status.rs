//! The columns about the register.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder};
use bisonflow_contract::StepError;
use bisonflow_contract::document::RiisCounts;
use bisonflow_riis::{Assessment, Register, assess_without_register};

/// The five columns riis_region, riis_occurrence_id, riis_assessment, riis_matched_key, riis_reason; `state` is
/// the record's state, where a layer says it. Counts the assessments into `counts`.
pub(crate) fn columns(
    batch: &RecordBatch,
    state: Option<&StringArray>,
    register: Option<&Register>,
    counts: &mut RiisCounts,
) -> Result<[ArrayRef; 5], StepError> {
    let accepted = crate::text(batch, "acceptedtaxonkey")?;
    let taxon = crate::text(batch, "taxonkey")?;
    let species = crate::text(batch, "specieskey")?;
    let mut builders: [StringBuilder; 5] = std::array::from_fn(|_| StringBuilder::new());
    for row in 0..batch.num_rows() {
        let value = |column| value_at(column, row);
        let state = state.and_then(|state| value_at(state, row));
        let outcome = match register {
            Some(register) => register.assess(state, value(accepted), value(taxon), value(species)),
            None => assess_without_register(state),
        };
        let [region, occurrence_id, assessment, matched_key, reason] = &mut builders;
        region.append_option(outcome.region.map(|region| region.as_str()));
        occurrence_id.append_option(outcome.occurrence_id);
        assessment.append_value(outcome.assessment.as_str());
        matched_key.append_option(outcome.matched_key.map(|key| key.as_str()));
        reason.append_option(outcome.reason.map(|reason| reason.as_str()));
        *match outcome.assessment {
            Assessment::Introduced => &mut counts.introduced,
            Assessment::Established => &mut counts.established,
            Assessment::Invasive => &mut counts.invasive,
            Assessment::WidespreadInvasive => &mut counts.widespread_invasive,
            Assessment::NotListed => &mut counts.not_listed,
            Assessment::NotAssessed => &mut counts.not_assessed,
        } += 1;
    }
    Ok(builders.map(|mut builder| Arc::new(builder.finish()) as ArrayRef))
}

fn value_at(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}
