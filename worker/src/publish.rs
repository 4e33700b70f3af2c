//! `publish`, `approve` and `rollback`: which finished run is shown as the latest.

use bisonflow_cloud::aws::glue::GlueCatalog;
use bisonflow_cloud::aws::sfn::StepFunctions;
use bisonflow_cloud::catalog::Catalog;
use bisonflow_cloud::publications::publications;
use bisonflow_cloud::publish::{Flipped, Publisher};
use bisonflow_cloud::tokens::TaskTokens;
use bisonflow_cloud::{RunStore, Store, aws};
use bisonflow_contract::document::AwaitedApproval;
use bisonflow_contract::layout::{LATEST, RUNS, RunLayout};
use bisonflow_contract::publication::PublicationState;
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
        let mut lines = self.lines(&format!("published {run_id}"), &flipped);
        if handle.block_on(self.store.head(&RunLayout::new(run_id).approval()))?.is_some() {
            lines.push(format!(
                "waiting   an execution waits for the answer still, unless it was stopped: `bisonflow approve {run_id} --root {}` ends it",
                self.store.uri()
            ));
        }
        Ok(lines)
    }

    /// Goes back to a run that was published before; what to print.
    ///
    /// # Errors
    /// As [`Publisher::roll_back`].
    pub fn roll_back(&self, run_id: &RunId, handle: &Handle) -> Result<Vec<String>, StepError> {
        let before = handle.block_on(publications(&self.store))?;
        let flipped = handle.block_on(self.publisher().roll_back(run_id, Timestamp::now()))?;
        let mut lines = self.lines(&format!("back to   {run_id}"), &flipped);
        let now = handle.block_on(publications(&self.store))?;
        let withdrawn = before.history.iter().zip(&now.history).filter(|(before, now)| {
            before.state == PublicationState::Published && now.state == PublicationState::Withdrawn
        });
        lines.extend(withdrawn.map(|(one, _)| format!("withdrawn {}", one.run_id)));
        Ok(lines)
    }

    fn lines(&self, done: &str, flipped: &Flipped) -> Vec<String> {
        let mut lines = vec![done.to_owned()];
        lines.extend(flipped.tables.iter().map(|table| format!("table     {table}")));
        lines.push(format!("latest    {}", self.store.uri_of(LATEST)));
        lines
    }
}

/// Answers for a run that waits for approval: yes, or no.
///
/// # Errors
/// [`StepError::InvalidInput`] if no run of this name waits, or if it is rejected and was published meanwhile;
/// [`StepError::RunTakenOver`] if it waits no more; else as
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
    let Some(content) = store.get(&key).await? else {
        // Whoever answers may list what is there, and read little of it.
        let found = store.list(&run.layout().folder()).await?;
        let is_finished = found.iter().any(|meta| meta.location.as_ref() == run.layout().manifest());
        let why = match found.is_empty() {
            true => format!("found {run_id}, which is not below {}", store.uri_of(RUNS)),
            false if is_finished => {
                let latest = publications(store).await?.current;
                match latest.is_some_and(|latest| latest.run_id == *run_id) {
                    true => format!("{run_id} does not wait for approval: it is the one published"),
                    false => format!(
                        "{run_id} does not wait for approval: nobody was asked, or the answer was given. It is \
                         finished, and another run or none is the one published; {publish}"
                    ),
                }
            }
            false => format!("{run_id} does not wait for approval, and is not finished"),
        };
        return Err(StepError::invalid("run", why));
    };
    // serde's message would quote the token.
    let awaited: AwaitedApproval = serde_json::from_slice(&content).map_err(|_| {
        StepError::Internal(format!("{}: not what a run that waits writes", store.uri_of(&key)))
    })?;
    let generation = awaited.run.generation;
    if !approves && publications(store).await?.has(run_id, generation) {
        return Err(StepError::invalid(
            "--reject",
            format_args!(
                "run {run_id} was published meanwhile; `bisonflow rollback` to the run before it withdraws it. Without \
                 --reject its execution ends, and the run stays published"
            ),
        ));
    }
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

/// [`answer`], through Step Functions, for a run in a bucket.
///
/// # Errors
/// [`StepError::InvalidInput`] for a folder, whose runs have no execution that waits; else as [`answer`].
pub fn approve(
    root: &str,
    run_id: &RunId,
    approves: bool,
    handle: &Handle,
) -> Result<Vec<String>, StepError> {
    let store = Store::open_existing(root)?;
    if !root.starts_with("s3://") {
        return Err(StepError::invalid(
            "--root",
            format_args!(
                "found {root}, a folder, for whose runs no execution waits: a held run there is finished and not \
                 published, until `bisonflow publish` is told to"
            ),
        ));
    }
    let tokens = StepFunctions::new(&handle.block_on(aws::config()));
    handle.block_on(answer(&store, &tokens, run_id, approves, Timestamp::now()))
}

/// How a finished run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the latest.
    Latest,
    /// It was published; another run is the latest now, or it was withdrawn.
    NotLatest,
    /// The drift guard holds it.
    Held,
}

/// Publishes a run of this process below a folder, unless the drift guard holds it or it was published before: how it
/// stands then. None for a bucket, whose tables this process does not know.
///
/// # Errors
/// As [`Publisher::publish`].
pub fn publish_finished(
    store: &Store,
    run_id: &RunId,
    generation: u32,
    is_held: bool,
    handle: &Handle,
) -> Result<Option<Standing>, StepError> {
    if store.uri().starts_with("s3://") {
        return Ok(None);
    }
    let latest = handle.block_on(publications(store))?;
    if latest.shows(run_id, generation) {
        return Ok(Some(Standing::Latest));
    }
    if latest.of(run_id, generation).is_some() {
        return Ok(Some(Standing::NotLatest));
    }
    if is_held {
        return Ok(Some(Standing::Held));
    }
    handle.block_on(Publisher { store, catalog: None }.publish(run_id, 0, Timestamp::now()))?;
    Ok(Some(Standing::Latest))
}

#[cfg(test)]
mod tests {
    use bisonflow_cloud::tokens::{MemoryTaskTokens, Report};
    use bisonflow_contract::document::SourceKind;
    use bisonflow_contract::publication::{Comparability, Publication, Publications};
    use bisonflow_contract::{Checklist, RunRef};

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
    async fn a_run_that_is_published_meanwhile_is_not_rejected() {
        let (store, run_id) = waiting().await;
        let (tokens, now) = (MemoryTaskTokens::new(), Timestamp::now());
        let mut publication = Publication {
            run_id: run_id.clone(),
            generation: 1,
            published_at: now,
            state: PublicationState::Published,
            comparability: Comparability {
                source_kind: SourceKind::Dwca,
                predicate_sha256: None,
                filters: [].into(),
                checklist: Checklist::backbone(),
                layers: vec![],
                riis_sha256: None,
            },
        };
        let write = async |publication: &Publication| {
            let latest = Publications { current: None, history: vec![publication.clone()] };
            store.put(LATEST, serde_json::to_vec(&latest).unwrap()).await.unwrap();
        };
        write(&publication).await;
        let error = answer(&store, &tokens, &run_id, false, now).await.unwrap_err();
        assert!(error.to_string().contains("was published meanwhile"), "{error}");
        assert!(tokens.state().reports.is_empty());
        answer(&store, &tokens, &run_id, true, now).await.unwrap();
        publication.state = PublicationState::Withdrawn;
        write(&publication).await;
        answer(&store, &tokens, &run_id, false, now).await.unwrap();
        assert_eq!(tokens.state().reports.len(), 2);
    }

    #[test]
    fn below_a_folder_nothing_is_approved() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for approves in [true, false] {
            let root = folder.path().to_str().unwrap();
            let error = approve(root, &"gbif-1".parse().unwrap(), approves, runtime.handle()).unwrap_err();
            assert_eq!(error.name().as_str(), "InvalidInput");
            assert!(error.to_string().contains("`bisonflow publish`"), "{error}");
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
        assert!(error.to_string().contains("which is not below"), "{error}");
        store.put("runs/run=gbif-2/manifest.json", "{}").await.unwrap();
        let error = answer(&store, &tokens, &other, true, now).await.unwrap_err();
        assert!(error.to_string().contains("bisonflow publish gbif-2"), "{error}");
        tokens.state().superseded.push("secret".into());
        let error = answer(&store, &tokens, &run_id, true, now).await.unwrap_err();
        assert!(error.to_string().contains("bisonflow publish gbif-1"), "{error}");
    }
}
