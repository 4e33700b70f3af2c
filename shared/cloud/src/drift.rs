//! The drift guard: a run beside the one published before.

use std::collections::{BTreeMap, HashSet};

use arrow::array::Array;
use bisonflow_contract::StepError;
use bisonflow_contract::document::{Manifest, Plan, RiisCounts, Table};
use bisonflow_contract::drift::{DatasetDrift, Drift, DriftLimits, DriftRow, FEW_RECORDS, Measure, Verdict};
use bisonflow_region::{LayersConfig, SummaryConfig};
use bisonflow_summary::datasets::DATASET_COUNTS;

use crate::columns::{bigints, texts};
use crate::finished_run::for_each_batch;
use crate::publications::Baseline;
use crate::summarize::Summary;
use crate::{RunStore, Store, reference};

/// Most regions that are listed though they decide nothing.
const MOST_LISTED: usize = 200;
/// How many datasets are named.
const MOST_DATASETS: usize = 10;

/// Compares a run whose tables are written with the one published before. All records and species, the records of each
/// status and the states decide; the regions of other summaries are listed where they changed.
///
/// # Errors
/// [`StepError::Internal`] if a table lacks a column; else as [`Store::get`].
pub async fn compare(
    store: &Store,
    plan: &Plan,
    made: &Summary,
    manifest: &Manifest,
    limits: DriftLimits,
) -> Result<Drift, StepError> {
    let mut drift = Drift {
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        baseline: None,
        verdict: Verdict::Steady,
        limits,
        same_register: false,
        rows: Vec::new(),
        left_out: 0,
        datasets: Vec::new(),
    };
    let publication = match &made.baseline {
        Baseline::Run(publication) => publication,
        Baseline::NotCompared { because } => {
            let because = match made.ledger.records.annotated {
                0 => format!(
                    "{because}; note that no record of this run is annotated: ledger.json tells which filter took them"
                ),
                _ => because.clone(),
            };
            drift.verdict = Verdict::NotCompared { because };
            return Ok(drift);
        }
    };
    let run = RunStore::new(store, &publication.run_id);
    let (Some(before), ledger) = (run.manifest().await?, run.ledger().await?) else {
        drift.verdict =
            Verdict::NotCompared { because: format!("run {} was deleted meanwhile", publication.run_id) };
        return Ok(drift);
    };
    drift.same_register = publication.comparability.riis_sha256 == made.comparability.riis_sha256;
    drift.baseline = Some(publication.run_id.clone());

    let of_all = |measure, old, new| row("all", None, None, measure, old, new, true);
    let mut rows = vec![of_all(Measure::Records, ledger.records.annotated, made.ledger.records.annotated)];
    let config = reference::layers_config(store, plan).await?;
    let tables = Tables { store, before: &before, now: manifest };
    if let Some((old, new)) = tables.species(&config).await? {
        rows.push(of_all(Measure::Species, old, new));
    }
    if drift.same_register {
        for ((status, old), (_, new)) in statuses(&ledger.riis).into_iter().zip(statuses(&made.ledger.riis)) {
            let key = Some(status.to_owned());
            rows.push(row("riis_assessment", key, None, Measure::Records, old, new, old >= FEW_RECORDS));
        }
    }
    for summary in &config.summaries {
        rows.extend(tables.regions(summary, is_by_state(&config, summary)).await?);
    }
    keep(&mut drift, rows_in_order(rows));
    drift.verdict = verdict(&drift);
    if drift.verdict != Verdict::Steady {
        drift.datasets = tables.datasets().await?;
    }
    Ok(drift)
}

/// Whether a summary counts by the column that decides the register's region.
fn is_by_state(config: &LayersConfig, summary: &SummaryConfig) -> bool {
    config.riis_region_from.is_some() && config.riis_region_from.as_ref() == summary.by.first()
}

fn statuses(riis: &RiisCounts) -> [(&'static str, u64); 6] {
    [
        ("introduced", riis.introduced),
        ("established", riis.established),
        ("invasive", riis.invasive),
        ("widespread_invasive", riis.widespread_invasive),
        ("not_listed", riis.not_listed),
        ("not_assessed", riis.not_assessed),
    ]
}

fn row(
    of: &str,
    key: Option<String>,
    label: Option<String>,
    measure: Measure,
    old: u64,
    new: u64,
    decides: bool,
) -> DriftRow {
    DriftRow { of: of.to_owned(), key, label, measure, old, new, decides }
}

/// The greatest change first: in per cent for what decides, then in figures for the rest.
fn rows_in_order(mut rows: Vec<DriftRow>) -> Vec<DriftRow> {
    rows.sort_by(|a, b| {
        let percent = |row: &DriftRow| if row.decides { row.decisive_percent() } else { 0.0 };
        let figure = |row: &DriftRow| row.new.abs_diff(row.old);
        (b.decides.cmp(&a.decides))
            .then(percent(b).total_cmp(&percent(a)))
            .then(figure(b).cmp(&figure(a)))
            .then_with(|| (&a.of, &a.key).cmp(&(&b.of, &b.key)))
    });
    rows
}

fn verdict(drift: &Drift) -> Verdict {
    let decides = || drift.rows.iter().filter(|row| row.decides);
    let greatest = decides().map(DriftRow::decisive_percent).fold(0.0, f64::max);
    let is_empty = decides().any(|row| row.of == "all" && row.measure == Measure::Records && row.new == 0);
    if is_empty || greatest >= drift.limits.hold_percent {
        Verdict::Held
    } else if greatest >= drift.limits.warn_percent {
        Verdict::Warned
    } else {
        Verdict::Steady
    }
}

/// Takes the rows that decide, and of the rest the first that are worth noting.
fn keep(drift: &mut Drift, rows: Vec<DriftRow>) {
    let mut listed = 0;
    for row in rows {
        if !row.decides {
            if row.new == row.old || !drift.is_noted(&row) {
                continue;
            }
            listed += 1;
            if listed > MOST_LISTED {
                drift.left_out += 1;
                continue;
            }
        }
        drift.rows.push(row);
    }
}

/// The tables of both runs.
struct Tables<'a> {
    store: &'a Store,
    before: &'a Manifest,
    now: &'a Manifest,
}

impl Tables<'_> {
    /// A table of this name in both runs.
    fn both(&self, name: &str) -> Option<[&Table; 2]> {
        Some([self.before.tables.get(name)?, self.now.tables.get(name)?])
    }

    /// Records and species by region, where both runs have the summary by the same column.
    async fn regions(&self, summary: &SummaryConfig, decides: bool) -> Result<Vec<DriftRow>, StepError> {
        let Some([before, now]) = self.both(&format!("{}_counts", summary.name)) else {
            return Ok(Vec::new());
        };
        let mut regions: BTreeMap<String, Region> = BTreeMap::new();
        let mut columns: Vec<&str> = summary.by.iter().take(2).map(String::as_str).collect();
        columns.extend(["occ_count", "species_count"]);
        for (place, table) in [before, now].into_iter().enumerate() {
            for_each_batch(self.store, table.keys(), &columns, |rows| {
                // The run before may have been summarized by another column of the same layer.
                if rows.column_by_name(columns[0]).is_none() {
                    return Ok(());
                }
                let keys = texts(rows, columns[0])?;
                let labels = summary.by.get(1).and_then(|label| texts(rows, label).ok());
                let (occ, species) = (bigints(rows, "occ_count")?, bigints(rows, "species_count")?);
                for row in (0..rows.num_rows()).filter(|&row| keys.is_valid(row)) {
                    let region = regions.entry(keys.value(row).to_owned()).or_default();
                    if let Some(labels) = labels.filter(|labels| labels.is_valid(row)) {
                        region.label = Some(labels.value(row).to_owned());
                    }
                    region.records[place] = u64::try_from(occ.value(row)).unwrap_or(0);
                    region.species[place] = u64::try_from(species.value(row)).unwrap_or(0);
                }
                Ok(())
            })
            .await?;
        }
        let mut rows = Vec::new();
        for (key, Region { label, records, species }) in regions {
            let decides = decides && records[0] >= FEW_RECORDS;
            let figures = [(Measure::Records, records), (Measure::Species, species)];
            rows.extend(figures.map(|(measure, [old, new])| {
                row(&summary.name, Some(key.clone()), label.clone(), measure, old, new, decides)
            }));
        }
        Ok(rows)
    }

    /// The species of both runs, from the shortest species list that they share.
    async fn species(&self, config: &LayersConfig) -> Result<Option<(u64, u64)>, StepError> {
        let lists = config
            .summaries
            .iter()
            .filter_map(|summary| self.both(&format!("{}_x_species_list", summary.name)));
        let Some([before, now]) = lists.min_by_key(|[_, now]| now.rows) else { return Ok(None) };
        let mut counted = [0, 0];
        for (place, table) in [before, now].into_iter().enumerate() {
            let mut species: HashSet<String> = HashSet::new();
            for_each_batch(self.store, table.keys(), &["specieskey"], |rows| {
                let keys = texts(rows, "specieskey")?;
                for key in keys.iter().flatten().filter(|key| !key.is_empty()) {
                    if !species.contains(key) {
                        species.insert(key.to_owned());
                    }
                }
                Ok(())
            })
            .await?;
            counted[place] = species.len() as u64;
        }
        Ok(Some((counted[0], counted[1])))
    }

    /// The datasets whose annotated records changed most.
    async fn datasets(&self) -> Result<Vec<DatasetDrift>, StepError> {
        let Some([before, now]) = self.both(DATASET_COUNTS) else { return Ok(Vec::new()) };
        let mut datasets: BTreeMap<Option<String>, [u64; 2]> = BTreeMap::new();
        for (place, table) in [before, now].into_iter().enumerate() {
            for_each_batch(self.store, table.keys(), &["datasetkey", "annotated"], |rows| {
                let keys = texts(rows, "datasetkey")?;
                let annotated = bigints(rows, "annotated")?;
                for (row, key) in keys.iter().enumerate() {
                    let records = u64::try_from(annotated.value(row)).unwrap_or(0);
                    datasets.entry(key.map(str::to_owned)).or_default()[place] += records;
                }
                Ok(())
            })
            .await?;
        }
        let drift =
            |(datasetkey, [old, new]): (Option<String>, [u64; 2])| DatasetDrift { datasetkey, old, new };
        let mut moved: Vec<DatasetDrift> =
            datasets.into_iter().map(drift).filter(|one| one.old != one.new).collect();
        moved.sort_by_key(|one| std::cmp::Reverse(one.new.abs_diff(one.old))); // stable: then by key
        moved.truncate(MOST_DATASETS);
        Ok(moved)
    }
}

/// A region in both runs: before, and now.
#[derive(Default)]
struct Region {
    label: Option<String>,
    records: [u64; 2],
    species: [u64; 2],
}
