//! The documents of one run.

use bisonflow_contract::document::{Landing, Ledger, Manifest, Plan, SubsetFailure, SubsetReport, Subsets};
use bisonflow_contract::drift::Drift;
use bisonflow_contract::layout::RunLayout;
use bisonflow_contract::{RunId, RunRef, StepError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Store;
use crate::store::Conditional;

/// The documents of one run below a root.
#[derive(Clone, Debug)]
pub struct RunStore {
    store: Store,
    layout: RunLayout,
    run_id: RunId,
}

impl RunStore {
    /// The documents of this run.
    pub fn new(store: &Store, run_id: &RunId) -> Self {
        RunStore { store: store.clone(), layout: RunLayout::new(run_id), run_id: run_id.clone() }
    }

    /// The root.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where the run's objects lie.
    pub fn layout(&self) -> &RunLayout {
        &self.layout
    }

    /// Reads a document; absent is `None`.
    ///
    /// # Errors
    /// As [`Store::get`], or [`StepError::Internal`] if it is not what it should be.
    pub async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StepError> {
        read(&self.store, key).await
    }

    /// Writes a document.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn write<T: Serialize>(&self, key: &str, document: &T) -> Result<(), StepError> {
        self.store.put(key, to_json(document)).await
    }

    async fn need<T: DeserializeOwned>(&self, key: String, made_by: &str) -> Result<T, StepError> {
        self.read(&key).await?.ok_or_else(|| {
            StepError::Internal(format!(
                "{} is not there: {made_by} has to come first",
                self.store.uri_of(&key)
            ))
        })
    }

    /// `plan.json`.
    ///
    /// # Errors
    /// As [`RunStore::read`]; absent is [`StepError::Internal`].
    pub async fn plan(&self) -> Result<Plan, StepError> {
        self.need(self.layout.plan(), "PlanRun").await
    }

    /// `plan.json`, if it still names this execution and generation. Every step asks this first.
    ///
    /// # Errors
    /// [`StepError::RunTakenOver`] if it does not; else as [`RunStore::plan`].
    pub async fn check_owner(&self, run: &RunRef) -> Result<Plan, StepError> {
        let plan = self.plan().await?;
        if plan.run_ref() == *run {
            return Ok(plan);
        }
        Err(StepError::RunTakenOver(format!(
            "run {}: held by {} (generation {}), not by {} (generation {}); this execution has to stop",
            self.run_id, plan.execution_arn, plan.generation, run.execution_arn, run.generation
        )))
    }

    /// Changes `plan.json`, if this execution still holds the run.
    ///
    /// # Errors
    /// As [`RunStore::check_owner`]; [`StepError::SourceUnavailable`] if somebody wrote it at the same moment.
    pub async fn update_plan(&self, run: &RunRef, change: impl FnOnce(&mut Plan)) -> Result<Plan, StepError> {
        let key = self.layout.plan();
        // The ETag first: if the lock changes before it is read, the conditional write will fail.
        let e_tag = self.store.head(&key).await?.and_then(|meta| meta.e_tag);
        let mut plan = self.check_owner(run).await?;
        change(&mut plan);
        match self.store.put_if_match(&key, to_json(&plan), &e_tag.unwrap_or_default()).await? {
            Conditional::Written => Ok(plan),
            Conditional::Conflict => Err(StepError::SourceUnavailable(format!(
                "{}: another execution wrote it at the same moment; try again",
                self.store.uri_of(&key)
            ))),
        }
    }

    /// `landing.json`.
    ///
    /// # Errors
    /// As [`RunStore::plan`].
    pub async fn landing(&self) -> Result<Landing, StepError> {
        self.need(self.layout.landing(), "LaunchSpotDownloader").await
    }

    /// `subsets.json`.
    ///
    /// # Errors
    /// As [`RunStore::plan`].
    pub async fn subsets(&self) -> Result<Subsets, StepError> {
        self.need(self.layout.subsets(), "CountSubsets").await
    }

    /// `ledger.json`.
    ///
    /// # Errors
    /// As [`RunStore::plan`].
    pub async fn ledger(&self) -> Result<Ledger, StepError> {
        self.need(self.layout.ledger(), "SummarizeRun").await
    }

    /// `manifest.json`; absent until the run is finished.
    ///
    /// # Errors
    /// As [`RunStore::read`].
    pub async fn manifest(&self) -> Result<Option<Manifest>, StepError> {
        self.read(&self.layout.manifest()).await
    }

    /// `drift.json`; absent until the run is compared.
    ///
    /// # Errors
    /// As [`RunStore::read`].
    pub async fn drift(&self) -> Result<Option<Drift>, StepError> {
        self.read(&self.layout.drift()).await
    }

    /// Withdraws the manifest of an older generation than this one, which begins to write over its files: until it
    /// is finished itself, nothing says that the run is.
    ///
    /// # Errors
    /// As [`RunStore::read`].
    pub async fn withdraw(&self, generation: u32) -> Result<(), StepError> {
        if let Some(manifest) = self.manifest().await?.filter(|manifest| manifest.generation < generation) {
            self.write(&self.layout.withdrawn(), &manifest).await?;
            self.store.delete([self.layout.manifest()]).await?;
        }
        Ok(())
    }

    /// The report of a subset; absent until it is finished.
    ///
    /// # Errors
    /// As [`RunStore::read`].
    pub async fn subset_report(&self, subset: usize) -> Result<Option<SubsetReport>, StepError> {
        self.read(&self.layout.subset_report(subset)).await
    }

    /// Why a subset failed; absent unless it did.
    ///
    /// # Errors
    /// As [`RunStore::read`].
    pub async fn subset_failure(&self, subset: usize) -> Result<Option<SubsetFailure>, StepError> {
        self.read(&self.layout.subset_failure(subset)).await
    }
}

/// Reads a document below a root; absent is `None`.
///
/// # Errors
/// As [`RunStore::read`].
pub async fn read<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Option<T>, StepError> {
    let Some(content) = store.get(key).await? else { return Ok(None) };
    serde_json::from_slice(&content)
        .map(Some)
        .map_err(|error| StepError::Internal(format!("{}: {error}", store.uri_of(key))))
}

/// The error of a document that a person has to mend: it cannot be read, and no retry changes that.
pub(crate) fn damaged(error: StepError) -> StepError {
    match error {
        StepError::Internal(what) => StepError::CountMismatch(format!(
            "{what}: the document is damaged; bring back an earlier version of it, or do the run again with `force`"
        )),
        other => other,
    }
}

/// A document as it lies in the store: indented, with a final newline.
pub fn to_json<T: Serialize>(document: &T) -> String {
    let mut text =
        serde_json::to_string_pretty(document).expect("our documents have string keys and no failing parts");
    text.push('\n');
    text
}
