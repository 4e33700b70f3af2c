//! `publish`, `approve` and `rollback`: which finished run is shown as the latest.

use bisonflow_cloud::aws::glue::GlueCatalog;
use bisonflow_cloud::aws::sfn::StepFunctions;
use bisonflow_cloud::catalog::Catalog;
use bisonflow_cloud::publications::publications;
use bisonflow_cloud::publish::{Flipped, Publisher};
use bisonflow_cloud::tokens::TaskTokens;
use bisonflow_cloud::{RunStore, Store, aws};
use bisonflow_contract::document::AwaitedApproval;
use bisonflow_contract::layout::LATEST;
use bisonflow_contract::summarize_run::Approval;
use bisonflow_contract::{RunId, StepError};
use jiff::Timestamp;
use tokio::runtime::Handle;

/// Where runs are published: a folder, or a bucket and its tables.
pub struct Place {
    store: Store,
    catalog: Option<GlueCatalog>,
}

impl Place {
    /// The folder or `s3://BUCKET` of this name; the tables of a bucket are in this Glue database.
    ///
    /// # Errors
    /// As [`Store::open_existing`].
    pub fn open(root: &str, database: &str, handle: &Handle) -> Result<Place, StepError> {
        let store = Store::open_existing(root)?;
        let has_tables = root.starts_with("s3://");
        let catalog = has_tables.then(|| GlueCatalog::new(&handle.block_on(aws::config()), database));
        Ok(Place { store, catalog })
    }

    fn publisher(&self) -> Publisher<'_> {
        let catalog = self.catalog.as_ref().map(|catalog| catalog as &dyn Catalog);
        Publisher { store: &self.store, catalog }
    }

    /// Publishes a finished run; what to print.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish(&self, run_id: &RunId, handle: &Handle) -> Result<Vec<String>, StepError> {
        let flipped = handle.block_on(self.publisher().publish(run_id, 0, Timestamp::now()))?;
        Ok(self.lines(run_id, &flipped))
    }

    /// Goes back to a run that was published before; what to print.
    ///
    /// # Errors
    /// As [`Publisher::roll_back`].
    pub fn roll_back(&self, run_id: &RunId, handle: &Handle) -> Result<Vec<String>, StepError> {
        let flipped = handle.block_on(self.publisher().roll_back(run_id, Timestamp::now()))?;
        Ok(self.lines(run_id, &flipped))
    }

    fn lines(&self, run_id: &RunId, flipped: &Flipped) -> Vec<String> {
        let mut lines = vec![format!("published {run_id}")];
        lines.extend(flipped.tables.iter().map(|table| format!("table     {table}")));
        lines.push(format!("latest    {}", self.store.uri_of(LATEST)));
        lines
    }
}

/// Answers for a run that waits for approval: yes, or no.
///
/// # Errors
/// [`StepError::InvalidInput`] if no run of this name waits; [`StepError::RunTakenOver`] if it waits no more; else as
/// [`Store::get`] and [`TaskTokens`].
pub async fn answer(
    store: &Store,
    tokens: &dyn TaskTokens,
    run_id: &RunId,
    approves: bool,
    now: Timestamp,
) -> Result<Vec<String>, StepError> {
    let run = RunStore::new(store, run_id);
    let key = run.layout().approval();
    let publish = format!("`bisonflow publish {run_id} --root {}` publishes it", store.uri());
    let content = store.get(&key).await?.ok_or_else(|| {
        StepError::invalid(
            "run",
            format_args!(
                "{run_id} does not wait for approval: {} is not there. If it is finished, {publish}",
                store.uri_of(&key)
            ),
        )
    })?;
    // serde's message would quote the token.
    let awaited: AwaitedApproval = serde_json::from_slice(&content).map_err(|_| {
        StepError::Internal(format!("{}: not what a run that waits writes", store.uri_of(&key)))
    })?;
    let sent = if approves {
        let approval = Approval { approved_at: now.to_string() };
        let approval = serde_json::to_value(approval).expect("a text has a JSON form");
        tokens.send_success(&awaited.task_token, &approval).await
    } else {
        let refused =
            format!("run {run_id} was looked at and rejected; it is finished and not published. {publish}");
        tokens.send_failure(&awaited.task_token, &StepError::NotApproved(refused)).await
    };
    match sent {
        Ok(()) if approves => Ok(vec![format!("approved  {run_id}: its execution publishes it now")]),
        Ok(()) => Ok(vec![format!("rejected  {run_id}: it stays finished and is not published")]),
        Err(StepError::RunTakenOver(_)) => Err(StepError::RunTakenOver(format!(
            "run {run_id} waits no more: it was answered for already, or too late. If it is finished, {publish}"
        ))),
        Err(error) => Err(error),
    }
}

/// [`answer`], through Step Functions, for a run in a bucket; a folder has no execution, so yes publishes the run.
///
/// # Errors
/// As [`answer`] and [`Place::publish`].
pub fn approve(
    root: &str,
    run_id: &RunId,
    approves: bool,
    handle: &Handle,
) -> Result<Vec<String>, StepError> {
    let place = Place { store: Store::open_existing(root)?, catalog: None };
    if root.starts_with("s3://") {
        let tokens = StepFunctions::new(&handle.block_on(aws::config()));
        return handle.block_on(answer(&place.store, &tokens, run_id, approves, Timestamp::now()));
    }
    if !approves {
        return Err(StepError::invalid(
            "--reject",
            "no execution waits for runs of a folder; a held run there is simply not published",
        ));
    }
    place.publish(run_id, handle)
}

/// Publishes a run of this process below a folder, unless the drift guard holds it or it was published before: whether
/// it is published, or was and has been withdrawn since. None for a bucket, whose tables this process does not know.
///
/// # Errors
/// As [`Publisher::publish`].
pub fn publish_finished(
    store: &Store,
    run_id: &RunId,
    generation: u32,
    is_held: bool,
    handle: &Handle,
) -> Result<Option<bool>, StepError> {
    if store.uri().starts_with("s3://") {
        return Ok(None);
    }
    let latest = handle.block_on(publications(store))?;
    let was_published =
        latest.history.iter().any(|one| one.run_id == *run_id && one.generation == generation);
    if !was_published && !is_held {
        handle.block_on(Publisher { store, catalog: None }.publish(run_id, 0, Timestamp::now()))?;
    }
    Ok(Some(was_published || !is_held))
}

#[cfg(test)]
mod tests {
    use bisonflow_cloud::tokens::{MemoryTaskTokens, Report};
    use bisonflow_contract::RunRef;

    use super::*;

    async fn waiting() -> (Store, RunId) {
        let store = Store::memory();
        let run_id: RunId = "gbif-1".parse().unwrap();
        let run = RunStore::new(&store, &run_id);
        let owner = RunRef { run_id: run_id.clone(), generation: 1, execution_arn: "arn".into() };
        let awaited = AwaitedApproval { run: owner, task_token: "secret".into() };
        run.write(&run.layout().approval(), &awaited).await.unwrap();
        (store, run_id)
    }

    #[tokio::test]
    async fn the_answer_reaches_who_waits_for_it() {
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        for approves in [true, false] {
            let (store, run_id) = waiting().await;
            let tokens = MemoryTaskTokens::new();
            let lines = answer(&store, &tokens, &run_id, approves, now).await.unwrap();
            assert!(lines.iter().all(|line| !line.contains("secret")));
            let reports = tokens.state().reports.clone();
            match (&reports[..], approves) {
                ([(token, Report::Success(approval))], true) => {
                    assert_eq!(
                        (token.as_str(), approval["approved_at"].as_str()),
                        ("secret", Some("2026-11-23T00:00:00Z"))
                    );
                }
                ([(token, Report::Failure(StepError::NotApproved(why)))], false) => {
                    assert!(token == "secret" && why.contains("bisonflow publish gbif-1"), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn who_does_not_wait_is_not_answered() {
        let now = Timestamp::now();
        let (store, run_id) = waiting().await;
        let tokens = MemoryTaskTokens::new();
        let other = "gbif-2".parse().unwrap();
        let error = answer(&store, &tokens, &other, true, now).await.unwrap_err();
        assert_eq!(error.name().as_str(), "InvalidInput", "{error}");
        tokens.state().superseded.push("secret".into());
        let error = answer(&store, &tokens, &run_id, true, now).await.unwrap_err();
        assert!(error.to_string().contains("bisonflow publish gbif-1"), "{error}");
    }
}
