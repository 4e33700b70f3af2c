//! Publishing a finished run, rolling back to an earlier one, and deleting those that nobody keeps.
//!
//! The tables `<table>_latest` are moved one after the other and `latest.json` is written last, on the condition that
//! nobody else wrote it since it was read, before the first table was moved. So a flip that was killed half-way is
//! finished by publishing again, or undone by rolling back to the run that `latest.json` names.

use std::collections::{BTreeMap, BTreeSet};

use bisonflow_contract::document::{Manifest, Plan, TableFile};
use bisonflow_contract::layout::{LATEST, OCCURRENCES, PARTITION_KEY, RunLayout};
use bisonflow_contract::publication::{Comparability, Current, Publication, PublicationState, Publications};
use bisonflow_contract::{RunId, StepError};
use jiff::Timestamp;
use tracing::info;

use crate::catalog::{Catalog, CatalogTable, LatestSpec, SHOWS_RUN};
use crate::names::{named, nearest};
use crate::publications::publications;
use crate::run_store::{read, to_json};
use crate::store::Conditional;
use crate::{FinishedRun, Store};

/// How often a `latest.json` that others write at the same time is looked at again.
const TRIES: usize = 5;

/// Where runs are published.
#[derive(Clone, Copy)]
pub struct Publisher<'a> {
    /// Where the runs are.
    pub store: &'a Store,
    /// The tables; none for a folder, which has none.
    pub catalog: Option<&'a dyn Catalog>,
}

/// What publishing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flipped {
    /// The tables that show the run now.
    pub tables: Vec<String>,
    /// The runs that the retention setting had deleted.
    pub deleted: Vec<RunId>,
}

impl Publisher<'_> {
    /// Publishes a finished run, if all of it is there: moves the tables `<table>_latest`, deletes those that it has
    /// no table for, writes `latest.json`. Doing it again changes nothing. Then deletes all but the last `keep_runs`
    /// published runs; 0 keeps all.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if the run is not finished, if its manifest does not tell with what it can be
    /// compared, or if the database lacks a table of it; [`StepError::CountMismatch`] if a file of its tables is not there or not as long as it was; [`StepError::TableConflict`] if others keep publishing at the same time; else as [`Store::get`] and
    /// [`Catalog::table`].
    pub async fn publish(
        &self,
        run_id: &RunId,
        keep_runs: usize,
        now: Timestamp,
    ) -> Result<Flipped, StepError> {
        let run = FinishedRun::open(self.store, run_id).await?;
        let manifest = run.manifest();
        let comparability = manifest.comparability.as_ref().ok_or_else(|| {
            let older = "is of a version of bisonflow that did not note what it can be compared with";
            StepError::invalid(
                "run",
                format_args!("{run_id} {older}; do it again with `force` to publish it"),
            )
        })?;
        let tables =
            self.flip(manifest, |latest| Ok(published(latest, manifest, comparability, now))).await?;
        let deleted = if keep_runs == 0 { Vec::new() } else { self.delete_beyond(keep_runs).await? };
        info!(%run_id, tables = tables.len(), deleted = deleted.len(), "published");
        Ok(Flipped { tables, deleted })
    }

    /// Publishes a run that its execution finished, as [`Publisher::publish`]; one that is published already, by hand or
    /// by a try whose answer was lost, is left where it is, as others may have been published since.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_once(
        &self,
        manifest: &Manifest,
        keep_runs: usize,
        now: Timestamp,
    ) -> Result<Flipped, StepError> {
        let (run_id, generation) = (&manifest.run_id, manifest.generation);
        let latest = publications(self.store).await?;
        if latest.has(run_id, generation) && !latest.shows(run_id, generation) {
            info!(%run_id, "published already, and others since");
            return Ok(Flipped { tables: Vec::new(), deleted: Vec::new() });
        }
        self.publish(run_id, keep_runs, now).await
    }

    /// Goes back to a run that was published before: moves the tables to it and withdraws what was published after
    /// it, so that nothing is compared with that.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if the run is unknown, was never published, was withdrawn or deleted, with what can
    /// be had; else as [`Publisher::publish`].
    pub async fn roll_back(&self, run_id: &RunId, now: Timestamp) -> Result<Flipped, StepError> {
        let latest = publications(self.store).await?;
        let generation = publication(&latest, run_id)?.generation;
        let run = FinishedRun::open(self.store, run_id).await?;
        if run.manifest().generation != generation {
            return Err(StepError::invalid(
                "run",
                format_args!(
                    "{run_id} was published with generation {generation}, whose files generation {} took; publish that",
                    run.manifest().generation
                ),
            ));
        }
        let tables = self.flip(run.manifest(), |latest| rolled_back(latest, run_id, now)).await?;
        info!(%run_id, tables = tables.len(), "rolled back");
        Ok(Flipped { tables, deleted: Vec::new() })
    }

    /// Moves the tables to a run, then writes what `change` makes of `latest.json`.
    async fn flip(
        &self,
        manifest: &Manifest,
        change: impl Fn(Publications) -> Result<Publications, StepError>,
    ) -> Result<Vec<String>, StepError> {
        self.check_complete(manifest).await?;
        // Whoever publishes at the same time makes the write fail, and the tables move again.
        self.change(async |latest| Ok((change(latest)?, self.move_tables(manifest).await?))).await
    }

    /// Writes what `change` makes of `latest.json`, if nobody else wrote it meanwhile; else again.
    async fn change<T>(
        &self,
        mut change: impl AsyncFnMut(Publications) -> Result<(Publications, T), StepError>,
    ) -> Result<T, StepError> {
        for _ in 0..TRIES {
            // The ETag first: if the document changes before it is read, the conditional write will fail.
            let e_tag = self.store.head(LATEST).await?.and_then(|meta| meta.e_tag);
            let before = publications(self.store).await?;
            let (after, made) = change(before.clone()).await?;
            if after == before || self.write(&after, e_tag.as_deref()).await? == Conditional::Written {
                return Ok(made);
            }
        }
        Err(StepError::TableConflict(format!(
            "{}: written by somebody else {TRIES} times while a run was being published; try again",
            self.store.uri_of(LATEST)
        )))
    }

    async fn write(&self, latest: &Publications, e_tag: Option<&str>) -> Result<Conditional, StepError> {
        match e_tag {
            None => self.store.put_if_absent(LATEST, to_json(latest)).await,
            Some(e_tag) => self.store.put_if_match(LATEST, to_json(latest), e_tag).await,
        }
    }

    /// Whether every file of the run's tables is there, as long as its manifest says: a run refers only to what is.
    async fn check_complete(&self, manifest: &Manifest) -> Result<(), StepError> {
        for (name, table) in &manifest.tables {
            let found = self.store.list(&table.prefix).await?;
            let found: BTreeMap<&str, u64> =
                found.iter().map(|meta| (meta.location.as_ref(), meta.size)).collect();
            for TableFile { key, bytes } in &table.files {
                let (there, expected) = (found.get(key.as_str()).copied(), *bytes);
                if there.is_some_and(|there| there == expected.unwrap_or(there)) {
                    continue;
                }
                let length = |bytes| format!("{bytes} bytes");
                return Err(StepError::CountMismatch(format!(
                    "run {} is not published: {} of its table {name}: found {}, expected {}; bring the file back, or \
                     do the run again with `force`",
                    manifest.run_id,
                    self.store.uri_of(key),
                    there.map_or("nothing".to_owned(), length),
                    expected.map_or("a file".to_owned(), length),
                )));
            }
        }
        Ok(())
    }

    /// Moves `<table>_latest` of each table of the run, and deletes those that the run has no table for: what is not
    /// of the published run is not shown as if it were.
    async fn move_tables(&self, manifest: &Manifest) -> Result<Vec<String>, StepError> {
        let Some(catalog) = self.catalog else { return Ok(Vec::new()) };
        let mut there: BTreeMap<String, CatalogTable> =
            catalog.tables().await?.into_iter().map(|table| (table.name.clone(), table)).collect();
        let mut specs = Vec::new();
        for (name, table) in manifest.tables.iter().filter(|(name, _)| *name != OCCURRENCES) {
            let columns = there.remove(name).map(|table| table.columns).ok_or_else(|| {
                StepError::invalid(
                    "database",
                    format_args!(
                        "run {} has a table {name}, which the database does not have: name the database of the \
                         workflow, or do the run again with `force`",
                        manifest.run_id
                    ),
                )
            })?;
            specs.push(LatestSpec {
                name: format!("{name}_latest"),
                description: format!("{name} of the run that was published last"),
                location: self.store.uri_of(&table.prefix),
                columns,
                run_id: manifest.run_id.clone(),
            });
        }
        let mut shown = Vec::new();
        for spec in specs {
            catalog.show_run(&spec).await?;
            shown.push(spec.name);
        }
        for table in there.into_values() {
            if table.parameters.contains_key(SHOWS_RUN) && !shown.contains(&table.name) {
                catalog.delete_table(&table.name).await?;
            }
        }
        Ok(shown)
    }

    /// Deletes the runs of the history beyond the last `keep`. What is to be deleted is written down first, so that
    /// nobody goes back to it, and a deletion that was killed is finished by the next one.
    async fn delete_beyond(&self, keep: usize) -> Result<Vec<RunId>, StepError> {
        let latest = publications(self.store).await?;
        let mut doomed = Vec::new();
        for one in beyond(&latest, keep) {
            // A run that was planned since is being done again: what lies there is not what was published.
            let plan: Option<Plan> = read(self.store, &RunLayout::new(&one.run_id).plan()).await?;
            if plan.is_none_or(|plan| plan.planned_at <= one.published_at) {
                doomed.push(one.run_id.clone());
            }
        }
        if doomed.is_empty() {
            return Ok(doomed);
        }
        self.change(async |mut latest| {
            // Somebody may have gone back to one of them meanwhile.
            doomed.retain(|run_id| latest.current.as_ref().is_none_or(|current| current.run_id != *run_id));
            mark(&mut latest, &doomed, PublicationState::Deleting);
            Ok((latest, ()))
        })
        .await?;
        for run_id in &doomed {
            self.delete_run(run_id).await?;
        }
        self.change(async |mut latest| {
            mark(&mut latest, &doomed, PublicationState::Deleted);
            Ok((latest, ()))
        })
        .await?;
        Ok(doomed)
    }

    /// Deletes the partitions of a run, then its files; its own folder last.
    async fn delete_run(&self, run_id: &RunId) -> Result<(), StepError> {
        if let Some(catalog) = self.catalog {
            for table in catalog.tables().await? {
                if !table.parameters.contains_key(SHOWS_RUN) {
                    catalog.delete_partition(&table.name, run_id).await?;
                }
            }
        }
        let mut folders = Vec::new();
        for above in ["summaries/", "statistics/"] {
            for name in self.store.folders(above).await? {
                folders.push(format!("{above}{name}/{PARTITION_KEY}={run_id}/"));
            }
        }
        folders.extend(
            ["csv", "annotated", OCCURRENCES].map(|name| format!("{name}/{PARTITION_KEY}={run_id}/")),
        );
        folders.push(RunLayout::new(run_id).folder());
        for folder in folders {
            let found = self.store.list(&folder).await?;
            self.store.delete(found.into_iter().map(|meta| meta.location.to_string())).await?;
        }
        Ok(())
    }
}

/// `latest.json` once this run is published.
fn published(
    mut latest: Publications,
    manifest: &Manifest,
    comparability: &Comparability,
    now: Timestamp,
) -> Publications {
    let (run_id, generation) = (&manifest.run_id, manifest.generation);
    if latest.shows(run_id, generation) {
        return latest;
    }
    for earlier in latest.history.iter_mut().filter(|one| one.run_id == *run_id) {
        earlier.state = PublicationState::Replaced;
    }
    latest.current = Some(Current { run_id: run_id.clone(), generation, since: now });
    latest.history.push(Publication {
        run_id: run_id.clone(),
        generation,
        published_at: now,
        state: PublicationState::Published,
        comparability: comparability.clone(),
    });
    latest
}

/// `latest.json` once this run is gone back to.
fn rolled_back(mut latest: Publications, run_id: &RunId, now: Timestamp) -> Result<Publications, StepError> {
    let generation = publication(&latest, run_id)?.generation;
    let stands = |one: &Publication| one.run_id == *run_id && one.state == PublicationState::Published;
    let place = latest.history.iter().rposition(stands).unwrap_or(latest.history.len());
    for later in latest.history.iter_mut().skip(place + 1) {
        if later.state == PublicationState::Published {
            later.state = PublicationState::Withdrawn;
        }
    }
    if !latest.shows(run_id, generation) {
        latest.current = Some(Current { run_id: run_id.clone(), generation, since: now });
    }
    Ok(latest)
}

/// The publication of a run that can be gone back to.
fn publication<'a>(latest: &'a Publications, run_id: &RunId) -> Result<&'a Publication, StepError> {
    let of_run = || latest.history.iter().rev().filter(|one| one.run_id == *run_id);
    if let Some(found) = of_run().find(|one| one.state == PublicationState::Published) {
        return Ok(found);
    }
    let stand = latest.history.iter().filter(|one| one.state == PublicationState::Published);
    let stand: Vec<&str> = stand.map(|one| one.run_id.as_str()).collect();
    let had = if stand.is_empty() {
        "no run is published".to_owned()
    } else {
        format!("published are: {}", stand.join(", "))
    };
    let alike = nearest(run_id.as_str(), stand.iter().copied());
    let why = match of_run().next().map(|one| one.state) {
        Some(PublicationState::Deleted | PublicationState::Deleting) => {
            format!("{run_id} was deleted by the retention setting; {had}")
        }
        Some(_) => format!("{run_id} was withdrawn; publish it again with `bisonflow publish`. {had}"),
        None if alike.is_empty() => format!("{run_id} was never published; {had}"),
        None => format!("{run_id} was never published; {}; {had}", named("published runs", &alike)),
    };
    Err(StepError::invalid("run", why))
}

/// The runs of the history that are older than the last `keep` that stand, and those whose deletion was begun.
fn beyond(latest: &Publications, keep: usize) -> Vec<&Publication> {
    let current = latest.current.as_ref().map(|current| &current.run_id);
    let (mut seen, mut kept, mut doomed) = (BTreeSet::new(), 0, Vec::new());
    for one in latest.history.iter().rev().filter(|one| one.state != PublicationState::Deleted) {
        if !seen.insert(&one.run_id) {
            continue; // its latest publication counts
        }
        if one.state == PublicationState::Deleting || (kept >= keep && Some(&one.run_id) != current) {
            doomed.push(one);
        } else if one.state == PublicationState::Published {
            kept += 1;
        }
    }
    doomed
}

fn mark(latest: &mut Publications, runs: &[RunId], state: PublicationState) {
    for one in latest.history.iter_mut().filter(|one| runs.contains(&one.run_id)) {
        one.state = state;
    }
}
