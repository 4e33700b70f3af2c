//! The workflow step `SubmitBatchJob`: annotates every subset, one child of an array job each.
//!
//! The job's name carries run and generation, so that a repeat finds the job of the first try. Children skip
//! what is finished, so that a job after a failed one does only what is left.

use std::collections::BTreeSet;

use bisonflow_cloud::job_queue::{JobProgress, JobQueue, JobRequest, JobStatus};
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::input::MAX_SUBSETS;
use bisonflow_contract::submit_batch_job::{JobState, Request, Response};
use bisonflow_contract::{CheckAction, RunRef, StepError};
use tracing::info;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "JOB_QUEUE", "JOB_DEFINITION"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] =
    &["s3:GetObject", "s3:ListBucket", "batch:SubmitJob", "batch:ListJobs", "batch:DescribeJobs"];

/// How many failed subsets an error quotes.
const QUOTED_FAILURES: usize = 3;
/// How many failure documents are looked at for these.
const READ_FAILURES: usize = 20;

/// What the step works with.
pub struct SubmitBatchJob<Q> {
    /// The data bucket.
    pub store: Store,
    /// The job queues.
    pub jobs: Q,
    /// The queue to submit to.
    pub queue: String,
    /// The definition of the job.
    pub definition: String,
}

impl<Q: JobQueue> SubmitBatchJob<Q> {
    /// Submits the job or joins the one that is there; or says how it is going.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] for a number of subsets that no array can have or a check without a job;
    /// [`StepError::SubsetFailed`] if the job failed; [`StepError::RunTakenOver`]; else as the ports.
    pub async fn handle(&self, request: Request) -> Result<Response, StepError> {
        let run = RunStore::new(&self.store, &request.run.run_id);
        run.check_owner(&request.run).await?;
        match request.action {
            CheckAction::Start => self.start(&run, request).await,
            CheckAction::Check => self.check(&run, request).await,
        }
    }

    async fn start(&self, run: &RunStore, request: Request) -> Result<Response, StepError> {
        let subsets = request.subsets;
        let size =
            u32::try_from(subsets).ok().filter(|&size| (1..=MAX_SUBSETS as u64).contains(&u64::from(size)));
        let Some(size) = size else {
            return Err(StepError::invalid(
                "subsets",
                format_args!("found {subsets}, expected 1 to {MAX_SUBSETS}; raise options.subset_records"),
            ));
        };
        let name = job_name(&request.run);
        if let Some(job) = self.living_or_done(run, &name, subsets).await? {
            info!(job = job.job_id, "joined the job that is there");
            return Ok(Response { turns: request.turns, ..job });
        }
        let parameters = [
            ("root", self.store.uri().to_owned()),
            ("run_id", request.run.run_id.to_string()),
            ("generation", request.run.generation.to_string()),
        ];
        let job = JobRequest {
            name,
            queue: self.queue.clone(),
            definition: self.definition.clone(),
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            array_size: (size >= 2).then_some(size), // AWS Batch refuses an array of one
        };
        let job_id = self.jobs.submit(&job).await?;
        info!(job = job_id, subsets, "submitted");
        Ok(not_yet_known(job_id, subsets, request.turns))
    }

    /// The newest job of this name that is at work or done; one of another size belongs to an earlier split.
    async fn living_or_done(
        &self,
        run: &RunStore,
        name: &str,
        subsets: u64,
    ) -> Result<Option<Response>, StepError> {
        for job in self.jobs.find_by_name(&self.queue, name).await? {
            if job.status == JobStatus::Failed {
                continue;
            }
            match self.jobs.describe(&job.id).await? {
                None => return Ok(Some(not_yet_known(job.id, subsets, 0))),
                Some(progress) if progress.status == JobStatus::Failed || total(&progress) != subsets => {}
                // What it made was deleted since: the next one makes it again.
                Some(progress)
                    if progress.status == JobStatus::Succeeded && !all_reported(run, subsets).await? => {}
                Some(progress) => return Ok(Some(response(job.id, &progress, 0))),
            }
        }
        Ok(None)
    }

    async fn check(&self, run: &RunStore, request: Request) -> Result<Response, StepError> {
        let Some(job_id) = request.job_id else {
            return Err(StepError::invalid("job_id", "missing; a check needs the job that was submitted"));
        };
        let turns = request.turns.saturating_add(1);
        let Some(progress) = self.jobs.describe(&job_id).await? else {
            return Ok(not_yet_known(job_id, request.subsets, turns));
        };
        if progress.status == JobStatus::Failed {
            return Err(failure(run, &request.run, &job_id, &progress).await?);
        }
        Ok(response(job_id, &progress, turns))
    }
}

/// Whether every subset has left its report.
async fn all_reported(run: &RunStore, subsets: u64) -> Result<bool, StepError> {
    let found = run.store().list(&run.layout().partials_folder()).await?;
    let found: BTreeSet<String> = found.into_iter().map(|object| object.location.to_string()).collect();
    let mut reports = (0..subsets).map(|subset| run.layout().subset_report(subset as usize));
    Ok(reports.all(|report| found.contains(&report)))
}

/// The name that a repeat looks for.
fn job_name(run: &RunRef) -> String {
    format!("bisonflow-{}-{}", run.run_id, run.generation)
}

fn total(progress: &JobProgress) -> u64 {
    progress.waiting + progress.running + progress.succeeded + progress.failed
}

/// A job that was submitted and that the service does not show yet.
fn not_yet_known(job_id: String, subsets: u64, turns: u32) -> Response {
    let (running, succeeded, failed) = (0, 0, 0);
    Response {
        job_id,
        state: JobState::Running,
        subsets,
        waiting: subsets,
        running,
        succeeded,
        failed,
        turns,
    }
}

fn response(job_id: String, progress: &JobProgress, turns: u32) -> Response {
    let state = if progress.status == JobStatus::Succeeded { JobState::Succeeded } else { JobState::Running };
    let &JobProgress { waiting, running, succeeded, failed, .. } = progress;
    Response { job_id, state, subsets: total(progress), waiting, running, succeeded, failed, turns }
}

/// The error of a failed job: what its subsets left as their last words, or what the service says.
async fn failure(
    run: &RunStore,
    owner: &RunRef,
    job_id: &str,
    progress: &JobProgress,
) -> Result<StepError, StepError> {
    let mut quoted = Vec::new();
    let partials = run.store().list(&run.layout().partials_folder()).await?;
    let failed = partials.iter().filter_map(|object| failed_subset(object.location.filename()?));
    for subset in failed.take(READ_FAILURES) {
        let failure = run.subset_failure(subset).await?;
        if let Some(failure) = failure.filter(|failure| failure.generation == owner.generation) {
            quoted.push(format!("subset {}: {}: {}", failure.subset, failure.error, failure.cause));
        }
        if quoted.len() == QUOTED_FAILURES {
            break;
        }
    }
    if quoted.is_empty() {
        quoted.push(progress.reason.clone().unwrap_or_else(|| "AWS Batch gives no reason".into()));
    }
    Ok(StepError::SubsetFailed(format!(
        "run {}: {} of {} subsets failed in job {job_id}: {}. Correct the cause and start the run again; \
         finished subsets are kept",
        owner.run_id,
        progress.failed,
        total(progress),
        quoted.join("; ")
    )))
}

/// The subset whose failure the file of this name tells.
fn failed_subset(name: &str) -> Option<usize> {
    name.strip_prefix("part-")?.strip_suffix(".failed.json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use bisonflow_cloud::aws::batch;
    use bisonflow_cloud::job_queue::MemoryJobQueue;
    use bisonflow_contract::ErrorName;
    use serde_json::json;

    use super::*;

    const PLAN: &str = "runs/run=gbif-1/plan.json";

    async fn step() -> SubmitBatchJob<MemoryJobQueue> {
        let store = Store::memory();
        let pin = json!({"uri": "default:layers.toml", "version_id": null, "sha256": "", "bytes": 0});
        let plan = json!({
            "run_id": "gbif-1", "generation": 2, "execution_arn": "arn:ours",
            "planned_at": "2026-09-02T04:11:07Z", "input": {"source": "s3://data/uploads/a.zip"},
            "source_identity": null, "checklist": null,
            "reference": {"layers_toml": pin, "layer_sources": {}, "riis": null},
        });
        store.put(PLAN, plan.to_string()).await.unwrap();
        let (queue, definition) = ("queue".to_owned(), "definition".to_owned());
        SubmitBatchJob { store, jobs: MemoryJobQueue::new(), queue, definition }
    }

    fn request(action: CheckAction, subsets: u64) -> Request {
        let run =
            RunRef { run_id: "gbif-1".parse().unwrap(), generation: 2, execution_arn: "arn:ours".into() };
        let job_id = (action == CheckAction::Check).then(|| "job-1".to_owned());
        Request { action, run, subsets, job_id, turns: 0 }
    }

    fn progress(status: JobStatus, [waiting, running, succeeded, failed]: [u64; 4]) -> JobProgress {
        let reason = Some("Host EC2 (i-1) terminated".to_owned());
        JobProgress { status, waiting, running, succeeded, failed, reason }
    }

    #[test]
    fn asks_for_what_it_calls_and_no_more() {
        let adapters = [batch::SUBMIT, batch::FIND, batch::DESCRIBE].concat();
        assert_eq!(ACTIONS[2..], adapters);
    }

    #[tokio::test]
    async fn one_subset_is_a_plain_job_and_more_are_an_array() {
        for (subsets, array_size) in [(1, None), (2, Some(2)), (10_000, Some(10_000))] {
            let step = step().await;
            let response = step.handle(request(CheckAction::Start, subsets)).await.unwrap();
            assert_eq!((response.job_id.as_str(), response.waiting), ("job-1", subsets));
            let job = step.jobs.state().submitted[0].clone();
            assert_eq!((job.name.as_str(), job.array_size), ("bisonflow-gbif-1-2", array_size));
            let parameters: Vec<_> = job.parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(parameters, [("generation", "2"), ("root", "s3://memory"), ("run_id", "gbif-1")]);
        }
        for subsets in [0, 10_001, u64::MAX] {
            let error = step().await.handle(request(CheckAction::Start, subsets)).await.unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidInput, "{subsets}");
        }
    }

    #[tokio::test]
    async fn a_living_or_done_job_is_joined_and_a_failed_one_is_not() {
        // what the first job is doing, and the job that a second start gets
        for (first, expected, state) in [
            (None, "job-1", JobState::Running),
            (Some(progress(JobStatus::Waiting, [3, 0, 0, 0])), "job-1", JobState::Running),
            (Some(progress(JobStatus::Running, [1, 1, 1, 0])), "job-1", JobState::Running),
            (Some(progress(JobStatus::Succeeded, [0, 0, 3, 0])), "job-1", JobState::Succeeded),
            (Some(progress(JobStatus::Failed, [0, 0, 2, 1])), "job-2", JobState::Running),
            // of another size: an earlier split
            (Some(progress(JobStatus::Running, [0, 2, 0, 0])), "job-2", JobState::Running),
        ] {
            let step = step().await;
            step.handle(request(CheckAction::Start, 3)).await.unwrap();
            let told = format!("{first:?}");
            step.jobs.state().progress.extend(first.map(|progress| ("job-1".to_owned(), progress)));
            for subset in 0..3 {
                let report = format!("runs/run=gbif-1/partials/part-{subset:05}.json");
                step.store.put(&report, "{}").await.unwrap();
            }
            let response = step.handle(request(CheckAction::Start, 3)).await.unwrap();
            assert_eq!((response.job_id.as_str(), response.state), (expected, state), "{told}");
        }
    }

    #[tokio::test]
    async fn a_done_job_whose_reports_are_gone_is_not_joined() {
        let step = step().await;
        step.handle(request(CheckAction::Start, 1)).await.unwrap();
        let done = progress(JobStatus::Succeeded, [0, 0, 1, 0]);
        step.jobs.state().progress.insert("job-1".into(), done);
        let response = step.handle(request(CheckAction::Start, 1)).await.unwrap();
        assert_eq!((response.job_id.as_str(), response.state), ("job-2", JobState::Running));
    }

    #[tokio::test]
    async fn a_check_reports_progress_and_counts_its_turns() {
        let step = step().await;
        let unknown = step.handle(request(CheckAction::Check, 3)).await.unwrap();
        assert_eq!((unknown.state, unknown.waiting, unknown.turns), (JobState::Running, 3, 1));
        let running = progress(JobStatus::Running, [1, 1, 1, 0]);
        step.jobs.state().progress.insert("job-1".into(), running);
        let response = step.handle(request(CheckAction::Check, 3)).await.unwrap();
        assert_eq!((response.subsets, response.waiting, response.running, response.succeeded), (3, 1, 1, 1));
        let done = progress(JobStatus::Succeeded, [0, 0, 3, 0]);
        step.jobs.state().progress.insert("job-1".into(), done);
        let response = step.handle(request(CheckAction::Check, 3)).await.unwrap();
        assert_eq!((response.state, response.succeeded), (JobState::Succeeded, 3));
    }

    #[tokio::test]
    async fn a_failed_job_quotes_what_its_subsets_left() {
        let step = step().await;
        let failed = progress(JobStatus::Failed, [0, 0, 1, 2]);
        step.jobs.state().progress.insert("job-1".into(), failed);
        let error = step.handle(request(CheckAction::Check, 3)).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::SubsetFailed);
        let text = error.to_string();
        assert!(
            text.contains("2 of 3 subsets failed") && text.contains("Host EC2 (i-1) terminated"),
            "{text}"
        );

        for (subset, generation, cause) in [(0, 1, "an older generation"), (2, 2, "layer county: no GEOID")] {
            let document = json!({"generation": generation, "subset": subset, "error": "BadReferenceData", "cause": cause});
            let key = format!("runs/run=gbif-1/partials/part-{subset:05}.failed.json");
            step.store.put(&key, document.to_string()).await.unwrap();
        }
        let text = step.handle(request(CheckAction::Check, 3)).await.unwrap_err().to_string();
        assert!(text.contains("subset 2: BadReferenceData: layer county: no GEOID"), "{text}");
        assert!(!text.contains("an older generation") && !text.contains("Host EC2"), "{text}");
    }

    #[tokio::test]
    async fn an_execution_that_lost_the_run_stops() {
        let step = step().await;
        for action in [CheckAction::Start, CheckAction::Check] {
            let mut request = request(action, 3);
            request.run.execution_arn = "arn:another".into();
            let error = step.handle(request).await.unwrap_err();
            assert_eq!(error.name(), ErrorName::RunTakenOver);
        }
        assert!(step.jobs.state().submitted.is_empty());
    }
}
