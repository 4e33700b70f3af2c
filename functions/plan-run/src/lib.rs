//! The workflow step `PlanRun`: validates the input, takes the run, pins the reference data.
//!
//! The lock is `plan.json`. Whoever writes it first has the run; a later execution goes on with it only if the
//! one that holds it is over, or if it is asked by name to do a finished run again. Every write of the lock is
//! conditional, so of two executions that start together exactly one wins.

pub mod request;
mod snapshot;
pub mod source;

use bisonflow_cloud::executions::Executions;
use bisonflow_cloud::run_store::to_json;
use bisonflow_cloud::store::Conditional;
use bisonflow_cloud::{RunStore, Store, reference};
use bisonflow_contract::document::{Landing, Plan, Reference};
use bisonflow_contract::input::{Input, Options, Origin, Request as Asked, SourceUri, UploadedObject};
use bisonflow_contract::layout::UPLOADS;
use bisonflow_contract::plan_run::{self, Request, Response};
use bisonflow_contract::{RunId, StepError};
use jiff::Timestamp;
use tracing::info;

use request::DownloadRequests;
use snapshot::Snapshot;
use source::Sources;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "GBIF_BUCKET", "GBIF_API", "GBIF_CREDENTIALS_SECRET"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:DeleteObject",
    "states:DescribeExecution",
    "secretsmanager:GetSecretValue",
];

/// How often a lock that others write at the same time is looked at again.
const LOCK_TRIES: usize = 5;

/// What the step works with.
pub struct PlanRun<S, E> {
    /// The data bucket.
    pub store: Store,
    /// The bucket with GBIF's snapshots.
    pub gbif: Store,
    /// The sources that runs name.
    pub sources: S,
    /// The executions that hold locks.
    pub executions: E,
    /// What is asked of GBIF.
    pub requests: DownloadRequests,
}

/// What an execution's input comes to.
enum Recognised {
    Ignored(String),
    Run(Box<Wanted>),
}

/// A run that is asked for.
struct Wanted {
    run_id: RunId,
    input: Input,
    source_identity: Option<String>,
    snapshot: Option<Snapshot>,
}

impl<S: Sources, E: Executions> PlanRun<S, E> {
    /// Plans the run that an execution asks for; asking twice gives the same plan.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`], [`StepError::DownloadNotAvailable`] or [`StepError::UnsupportedFormat`]
    /// for what is asked; [`StepError::BadReferenceData`] for what is pinned; else as [`DownloadRequests::key`] for what
    /// is requested, and as [`Store::get`].
    pub async fn handle(&self, request: Request, now: Timestamp) -> Result<Response, StepError> {
        let asked = Asked::parse(request.input)?;
        let wanted = match self.recognise(asked, &request.execution_arn, now).await? {
            Recognised::Ignored(reason) => return Ok(Response::Ignored { reason }),
            Recognised::Run(wanted) => *wanted,
        };
        for _ in 0..LOCK_TRIES {
            if let Some(response) = self.try_take(&wanted, &request.execution_arn, now).await? {
                return Ok(response);
            }
        }
        Err(StepError::SourceUnavailable(format!(
            "run {}: other executions wrote its plan.json {LOCK_TRIES} times meanwhile; try again",
            wanted.run_id
        )))
    }

    async fn recognise(
        &self,
        asked: Asked,
        execution_arn: &str,
        now: Timestamp,
    ) -> Result<Recognised, StepError> {
        let mut input = match asked {
            Asked::Asked(input) => input,
            Asked::Uploaded(UploadedObject { uri, .. }) => {
                if uri.key().ends_with('/') {
                    let reason = format!("{uri} is a folder marker, not a file");
                    return Ok(Recognised::Ignored(reason));
                }
                if !uri.key().starts_with(UPLOADS) || self.store.uri() != format!("s3://{}", uri.bucket()) {
                    let expected = self.store.uri_of(UPLOADS);
                    let why = format_args!("found {uri}, expected an object below {expected}");
                    return Err(StepError::invalid("detail.object.key", why));
                }
                Input { origin: Origin::Source(SourceUri::S3(uri)), options: Options::default() }
            }
        };
        if let Origin::Request(request) = &input.origin {
            let asked = (request, &input.options);
            let key = self.requests.key(&self.store, &self.executions, asked, execution_arn, now).await?;
            // From here on it is a download like any other.
            input.origin = Origin::DownloadKey(key);
        }
        let (run_id, source_identity, snapshot) = match &input.origin {
            Origin::Request(_) => return Err(StepError::Internal("a request without a key".into())),
            Origin::DownloadKey(key) => (RunId::of_download(key), Some(format!("download {key}")), None),
            Origin::Source(uri) => {
                let stat = self.sources.stat(uri).await?.ok_or_else(|| {
                    StepError::DownloadNotAvailable(format!(
                        "source: there is nothing at {uri}; upload the file, or correct the URI"
                    ))
                })?;
                if stat.bytes == 0 {
                    return Err(StepError::UnsupportedFormat(format!(
                        "{uri}: the file is empty, expected an occurrence download; upload it again"
                    )));
                }
                (stat.run_id(uri), stat.identity(), None)
            }
            Origin::Snapshot(date) => {
                let snapshot = Snapshot::find(&self.gbif, date, &input.options).await?;
                (RunId::of_snapshot(date), Some(snapshot.identity().to_owned()), Some(snapshot))
            }
        };
        Ok(Recognised::Run(Box::new(Wanted { run_id, input, source_identity, snapshot })))
    }

    /// Takes the run, or says who has it; `None` if somebody wrote the lock at the same moment.
    async fn try_take(
        &self,
        wanted: &Wanted,
        execution_arn: &str,
        now: Timestamp,
    ) -> Result<Option<Response>, StepError> {
        let run = RunStore::new(&self.store, &wanted.run_id);
        let key = run.layout().plan();
        // The ETag first: if the lock changes before it is read, the conditional write will fail.
        let e_tag = self.store.head(&key).await?.and_then(|meta| meta.e_tag);
        let Some(held) = run.read::<Plan>(&key).await? else {
            let plan = wanted.plan(1, execution_arn, now, self.pin(&wanted.input.options).await?);
            return match self.store.put_if_absent(&key, to_json(&plan)).await? {
                Conditional::Conflict => Ok(None),
                Conditional::Written => self.planned(wanted, &plan, None).await.map(Some),
            };
        };
        if held.execution_arn == execution_arn {
            return self.planned(wanted, &held, None).await.map(Some);
        }
        let Some(e_tag) = e_tag else { return Ok(None) };
        let duplicate =
            Response::Duplicate { run_id: wanted.run_id.clone(), execution_arn: held.execution_arn.clone() };
        let force = wanted.input.options.force;
        let finished = run.manifest().await?.is_some_and(|manifest| manifest.generation >= held.generation);
        if finished && !force {
            return Ok(Some(duplicate));
        }
        if !finished && !self.executions.status(&held.execution_arn).await?.is_over() {
            return Ok(Some(duplicate)); // a living run is never taken over
        }
        let plan = wanted.plan(held.generation, execution_arn, now, self.pin(&wanted.input.options).await?);
        // What the dead execution finished is kept only if ours would have made the same.
        let plan = if finished || force || !is_same_work(&held, &plan) {
            Plan { generation: held.generation + 1, ..plan }
        } else {
            // Its register may have been resolved meanwhile.
            Plan { planned_at: held.planned_at, reference: held.reference.clone(), ..plan }
        };
        match self.store.put_if_match(&key, to_json(&plan), &e_tag).await? {
            Conditional::Conflict => Ok(None),
            Conditional::Written => self.planned(wanted, &plan, Some(&held)).await.map(Some),
        }
    }

    async fn pin(&self, options: &Options) -> Result<Reference, StepError> {
        let pinned = reference::pin(&self.store, options).await?;
        reference::validate(&self.store, &pinned, options).await?;
        Ok(pinned)
    }

    /// The answer for a run that is ours; `before` is the plan that this one replaced.
    async fn planned(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        before: Option<&Plan>,
    ) -> Result<Response, StepError> {
        let run = RunStore::new(&self.store, &plan.run_id);
        run.withdraw(plan.generation).await?;
        let landed: Option<Landing> = run.read(&run.layout().landing()).await?;
        let landing = match &wanted.snapshot {
            Some(snapshot) => {
                let is_written = landed.is_some_and(|landed| {
                    landed.generation == plan.generation && landed.source_identity == plan.source_identity
                });
                if !is_written {
                    run.write(&run.layout().landing(), &snapshot.landing(plan)).await?;
                }
                plan_run::Landing::Snapshot
            }
            None => match landed {
                Some(landed) if self.is_kept(&landed, plan, before).await? => {
                    if landed.generation != plan.generation {
                        // From here on it is an output of this generation like any other.
                        let landed = Landing { generation: plan.generation, ..landed };
                        run.write(&run.layout().landing(), &landed).await?;
                    }
                    plan_run::Landing::Kept
                }
                _ => plan_run::Landing::Download,
            },
        };
        info!(run_id = %plan.run_id, generation = plan.generation, ?landing, "planned");
        Ok(Response::Planned { run: plan.run_ref(), landing })
    }

    /// Whether what landed may be used by this plan: landed by it, or by the one before from the same content
    /// with the same columns, in row groups that are small enough, and all of it is still there.
    async fn is_kept(&self, landed: &Landing, plan: &Plan, before: Option<&Plan>) -> Result<bool, StepError> {
        let is_current = landed.generation == plan.generation;
        let is_inherited = before.is_some_and(|before| {
            landed.generation == before.generation
                && before.options().columns == plan.options().columns
                && before.checklist == plan.checklist
        });
        Ok(landed.run_id == plan.run_id
            && (is_current || is_inherited)
            && plan.source_identity.is_some()
            && landed.source_identity == plan.source_identity
            && landed.row_group_records <= plan.options().subset_records()
            && self.has_all_parts(landed).await?)
    }

    async fn has_all_parts(&self, landed: &Landing) -> Result<bool, StepError> {
        let folder = RunStore::new(&self.store, &landed.run_id).layout().partition("occurrences");
        let found = self.store.list(&folder).await?;
        let is_there = |uri: &str, bytes: u64| {
            found.iter().any(|meta| meta.location.as_ref() == uri && meta.size == bytes)
        };
        Ok(landed.parts.iter().all(|part| is_there(&part.uri, part.bytes)))
    }
}

impl Wanted {
    fn plan(&self, generation: u32, execution_arn: &str, now: Timestamp, reference: Reference) -> Plan {
        Plan {
            run_id: self.run_id.clone(),
            generation,
            execution_arn: execution_arn.to_owned(),
            planned_at: now,
            input: self.input.clone(),
            source_identity: self.source_identity.clone(),
            checklist: self.input.options.checklist.clone(),
            reference,
        }
    }
}

/// Whether two plans make the same outputs, so that one may go on with what the other finished.
fn is_same_work(a: &Plan, b: &Plan) -> bool {
    let outputs = |plan: &Plan| {
        let options = Options { force: false, market: None, ..plan.options().clone() };
        // An index says nothing that its layers do not say.
        let reference = Reference { index: None, ..plan.reference.as_planned() };
        (plan.source_identity.clone(), options, reference)
    };
    a.source_identity.is_some() && outputs(a) == outputs(b)
}
