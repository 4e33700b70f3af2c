//! The port to AWS Batch: the jobs that annotate subsets.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bisonflow_contract::StepError;

/// A job to submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Its name, at most 128 of `[0-9A-Za-z_-]`.
    pub name: String,
    /// The queue.
    pub queue: String,
    /// The job definition.
    pub definition: String,
    /// What the definition's `Ref::…` stand for.
    pub parameters: BTreeMap<String, String>,
    /// The children of an array job, 2 to 10,000; none for a plain job.
    pub array_size: Option<u32>,
}

/// How a job is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Submitted, pending, runnable or starting.
    Waiting,
    /// At work; of an array job, any child is.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended otherwise.
    Failed,
}

/// A job found by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundJob {
    /// Its id.
    pub id: String,
    /// How it is going.
    pub status: JobStatus,
}

/// How a job and its children are going. A plain job counts as its own only child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobProgress {
    /// How the whole is going.
    pub status: JobStatus,
    /// Children that wait.
    pub waiting: u64,
    /// Children at work.
    pub running: u64,
    /// Children that ended well.
    pub succeeded: u64,
    /// Children that failed.
    pub failed: u64,
    /// What the service says about the end.
    pub reason: Option<String>,
}

/// The job queues of this account and region.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Submits a job; answers its id. Not idempotent: look for the name first.
    ///
    /// # Errors
    /// Of every method: [`StepError::Throttled`], [`StepError::SourceUnavailable`], or
    /// [`StepError::Internal`] for a missing permission or a wrong request.
    async fn submit(&self, request: &JobRequest) -> Result<String, StepError>;

    /// The jobs of a queue with exactly this name, in every state, the newest first.
    ///
    /// # Errors
    /// As [`JobQueue::submit`].
    async fn find_by_name(&self, queue: &str, name: &str) -> Result<Vec<FoundJob>, StepError>;

    /// How a job is going; `None` while the service does not know it, as right after it was submitted.
    ///
    /// # Errors
    /// As [`JobQueue::submit`].
    async fn describe(&self, job_id: &str) -> Result<Option<JobProgress>, StepError>;
}

/// A queue in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryJobQueue {
    state: Mutex<QueueState>,
}

/// What a [`MemoryJobQueue`] holds; tests set it up and look at it.
#[derive(Debug, Default)]
pub struct QueueState {
    /// Every job submitted, in order; the id of the n-th is `job-n`, from 1.
    pub submitted: Vec<JobRequest>,
    /// How jobs are going, by id; one that is absent is waiting, and not yet known to `describe`.
    pub progress: BTreeMap<String, JobProgress>,
}

impl MemoryJobQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds.
    pub fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().expect("no test panics while it holds the queue")
    }
}

#[async_trait]
impl JobQueue for MemoryJobQueue {
    async fn submit(&self, request: &JobRequest) -> Result<String, StepError> {
        let mut state = self.state();
        state.submitted.push(request.clone());
        Ok(format!("job-{}", state.submitted.len()))
    }

    async fn find_by_name(&self, queue: &str, name: &str) -> Result<Vec<FoundJob>, StepError> {
        let state = self.state();
        let jobs = state.submitted.iter().enumerate().rev();
        Ok(jobs
            .filter(|(_, job)| job.queue == queue && job.name == name)
            .map(|(at, _)| {
                let id = format!("job-{}", at + 1);
                let status = state.progress.get(&id).map_or(JobStatus::Waiting, |progress| progress.status);
                FoundJob { id, status }
            })
            .collect())
    }

    async fn describe(&self, job_id: &str) -> Result<Option<JobProgress>, StepError> {
        Ok(self.state().progress.get(job_id).cloned())
    }
}
