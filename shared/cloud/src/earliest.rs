//! The earliest record of each species in each region, and which of them no earlier run has seen.

use bisonflow_contract::document::NewInRun;
use bisonflow_contract::layout::RunLayout;
use bisonflow_contract::text::brief;
use bisonflow_contract::{RunId, StepError};
use bisonflow_summary::new_in_run::{NewPairs, NewRows, NewSpecies, SeenPairs};
use bisonflow_summary::{EarliestDated, Names, Statuses, SummarySpec, check_earliest};

use crate::RunStore;
use crate::finished_run::for_each_batch;
use crate::publications::Baseline;
use crate::summarize::{SummaryTable, merge_partials, write_table};

/// How many of the notable ones are named.
const NAMED: usize = 10;

/// What is known of the regions and species of a summary.
pub(crate) struct NamesAndStatuses {
    pub(crate) names: Names,
    pub(crate) statuses: Statuses,
}

/// Writes the tables of the earliest records of a summary and of what is new among them, and what has been seen up to
/// this run.
///
/// # Errors
/// [`StepError::CountMismatch`] if a subset has none, or other regions and species than were counted; else as
/// [`Store::get`](crate::Store::get).
pub(crate) async fn write_earliest(
    run: &RunStore,
    spec: &SummarySpec,
    subsets: usize,
    known: &NamesAndStatuses,
    baseline: &Baseline,
    run_year: i16,
) -> Result<([SummaryTable; 2], NewInRun), StepError> {
    let mut earliest = EarliestDated::new(spec);
    merge_partials(run, subsets, &earliest.partial_name(), |partial| earliest.add_partial(partial)).await?;
    check_earliest(&spec.name, &known.statuses, &earliest)?;
    let rows = earliest.rows(&known.names);
    let key = &spec.by[0];
    let description = format!("The earliest record of each species by {key}");
    let earliest = write_table(run, &rows.table(), &description).await?;

    let mut pairs = SeenPairs::new(&rows)?;
    let compared = add_seen(run, spec, baseline, &mut pairs).await?;
    let (new, seen) = pairs.finish()?;
    run.store().put(&run.layout().seen(&spec.name, key), seen).await?;
    let new = if compared.is_ok() { new } else { NewPairs::default() };
    let new = new.rows(&rows, &known.statuses, run_year);
    let description = format!("The earliest record of each species that no earlier run has seen, by {key}");
    let table = write_table(run, &new.table(), &description).await?;
    let told = match compared {
        Ok(with) => compare(with, &new),
        Err(because) => NewInRun::NotCompared { because },
    };
    Ok(([earliest, table], told))
}

/// Adds what the run that this one is compared with has seen; answers which run that is, or why there is none.
async fn add_seen(
    run: &RunStore,
    spec: &SummarySpec,
    baseline: &Baseline,
    pairs: &mut SeenPairs<'_>,
) -> Result<Result<RunId, String>, StepError> {
    let with = match baseline {
        Baseline::Run(publication) => &publication.run_id,
        Baseline::NotCompared { because } => return Ok(Err(because.clone())),
    };
    let seen = RunLayout::new(with).seen(&spec.name, &spec.by[0]);
    if run.store().head(&seen).await?.is_none() {
        return Ok(Err(format!("run {with} has no list of the species seen by {}", spec.by[0])));
    }
    let columns = [&*spec.by[0], "specieskey"];
    for_each_batch(run.store(), [&*seen], &columns, |batch| Ok(pairs.add(batch)?)).await?;
    Ok(Ok(with.clone()))
}

fn compare(with: RunId, new: &NewRows<'_>) -> NewInRun {
    let notable = || new.iter().filter(NewSpecies::is_notable);
    NewInRun::Compared {
        with,
        pairs: new.len() as u64,
        nonnative: new.iter().filter(|new| new.is_nonnative).count() as u64,
        notable: notable().count() as u64,
        first: notable().take(NAMED).map(|found| line(new, &found)).collect(),
    }
}

/// `Bromus tectorum in KS Douglas County (invasive): 2025-05-01, gbifid 1234`.
fn line(new: &NewRows<'_>, found: &NewSpecies<'_>) -> String {
    let (region, species) = new.names(found);
    let evidence = &found.evidence;
    format!(
        "{} in {} ({}): {}, gbifid {}",
        brief(species.unwrap_or(found.specieskey)),
        brief(region.unwrap_or(found.region)),
        found.riis_assessment,
        evidence.eventdate.map_or_else(|| evidence.year.unwrap_or_default().to_string(), brief),
        brief(evidence.gbifid.unwrap_or("unknown"))
    )
}
