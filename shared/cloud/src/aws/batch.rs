//! The job queues of AWS Batch.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_batch::Client;
use aws_sdk_batch::types::{ArrayProperties, JobDetail, JobStatus as BatchStatus, JobSummary, KeyValuesPair};
use bisonflow_contract::StepError;

use super::{failed, lacks};
use crate::job_queue::{FoundJob, JobProgress, JobQueue, JobRequest, JobStatus};

/// What submitting calls.
pub const SUBMIT: &[&str] = &["batch:SubmitJob"];
/// What finding a job by its name calls.
pub const FIND: &[&str] = &["batch:ListJobs"];
/// What asking how a job is going calls.
pub const DESCRIBE: &[&str] = &["batch:DescribeJobs"];
/// All of them.
pub const ACTIONS: &[&str] = &["batch:SubmitJob", "batch:ListJobs", "batch:DescribeJobs"];

/// The job queues of this account and region.
#[derive(Clone, Debug)]
pub struct BatchQueue {
    client: Client,
}

impl BatchQueue {
    /// The queues that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        BatchQueue { client: Client::new(config) }
    }
}

fn status(status: Option<&BatchStatus>) -> JobStatus {
    match status {
        Some(BatchStatus::Succeeded) => JobStatus::Succeeded,
        Some(BatchStatus::Failed) => JobStatus::Failed,
        Some(BatchStatus::Running) => JobStatus::Running,
        _ => JobStatus::Waiting,
    }
}

fn progress(job: &JobDetail) -> JobProgress {
    let own = status(job.status());
    let mut progress =
        JobProgress { status: own, waiting: 0, running: 0, succeeded: 0, failed: 0, reason: reason(job) };
    let plain = HashMap::from([(job.status().map_or("", |status| status.as_str()).to_owned(), 1)]);
    let children = job.array_properties().and_then(|array| array.status_summary());
    for (name, &number) in children.unwrap_or(&plain) {
        let number = u64::try_from(number).unwrap_or(0);
        match status(Some(&BatchStatus::from(name.as_str()))) {
            JobStatus::Waiting => progress.waiting += number,
            JobStatus::Running => progress.running += number,
            JobStatus::Succeeded => progress.succeeded += number,
            JobStatus::Failed => progress.failed += number,
        }
    }
    // Until its children are known an array says nothing of them: they wait.
    let size =
        job.array_properties().and_then(|array| array.size()).and_then(|size| u64::try_from(size).ok());
    let known = progress.waiting + progress.running + progress.succeeded + progress.failed;
    progress.waiting += size.unwrap_or(0).saturating_sub(known);
    // The parent of an array job is PENDING while its children are at work.
    if own == JobStatus::Waiting && progress.running > 0 {
        progress.status = JobStatus::Running;
    }
    progress
}

fn reason(job: &JobDetail) -> Option<String> {
    let container = job.container().and_then(|container| container.reason());
    let exit_code = job.container().and_then(|container| container.exit_code());
    let parts = [
        job.status_reason().map(str::to_owned),
        container.map(str::to_owned),
        exit_code.map(|code| format!("exit code {code}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The jobs of exactly this name, the newest first; ListJobs folds case, and children have their parent's name.
fn of_name(mut jobs: Vec<JobSummary>, name: &str) -> Vec<FoundJob> {
    jobs.retain(|job| {
        job.job_name() == Some(name) && job.array_properties().and_then(|array| array.index()).is_none()
    });
    jobs.sort_by_key(|job| std::cmp::Reverse(job.created_at()));
    jobs.into_iter()
        .filter_map(|job| Some(FoundJob { status: status(job.status()), id: job.job_id? }))
        .collect()
}

#[async_trait]
impl JobQueue for BatchQueue {
    async fn submit(&self, request: &JobRequest) -> Result<String, StepError> {
        let action = "batch:SubmitJob";
        let size = request.array_size.and_then(|size| i32::try_from(size).ok());
        let answer = self
            .client
            .submit_job()
            .job_name(&request.name)
            .job_queue(&request.queue)
            .job_definition(&request.definition)
            .set_parameters(Some(request.parameters.clone().into_iter().collect()))
            .set_array_properties(size.map(|size| ArrayProperties::builder().size(size).build()))
            .send()
            .await
            .map_err(|error| failed(action, &error))?;
        answer.job_id.ok_or_else(|| lacks(action, "a job id"))
    }

    async fn find_by_name(&self, queue: &str, name: &str) -> Result<Vec<FoundJob>, StepError> {
        // With a filter ListJobs looks at jobs of every status.
        let by_name = KeyValuesPair::builder().name("JOB_NAME").values(name).build();
        let mut pages = self.client.list_jobs().job_queue(queue).filters(by_name).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("batch:ListJobs", &error))?;
            found.extend(page.job_summary_list.unwrap_or_default());
        }
        Ok(of_name(found, name))
    }

    async fn describe(&self, job_id: &str) -> Result<Option<JobProgress>, StepError> {
        let answer = self.client.describe_jobs().jobs(job_id).send().await;
        let answer = answer.map_err(|error| failed("batch:DescribeJobs", &error))?;
        Ok(answer.jobs().first().map(progress))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_batch::types::{ArrayPropertiesDetail, ArrayPropertiesSummary};

    use super::*;

    fn detail(status: BatchStatus, children: &[(&str, i32)]) -> JobDetail {
        let job = JobDetail::builder().job_id("job").job_name("n").status(status).status_reason("why");
        let summary: HashMap<_, _> =
            children.iter().map(|&(name, number)| (name.to_owned(), number)).collect();
        let array = ArrayPropertiesDetail::builder().set_status_summary(Some(summary)).build();
        job.set_array_properties((!children.is_empty()).then_some(array)).build()
    }

    #[test]
    fn children_are_counted_by_what_they_do() {
        let array = progress(&detail(
            BatchStatus::Pending,
            &[("RUNNABLE", 3), ("STARTING", 1), ("RUNNING", 2), ("SUCCEEDED", 4), ("FAILED", 1)],
        ));
        assert_eq!(
            (array.status, array.waiting, array.running, array.succeeded, array.failed),
            (JobStatus::Running, 4, 2, 4, 1)
        );
        let plain = progress(&detail(BatchStatus::Failed, &[]));
        assert_eq!(
            (plain.status, plain.failed, plain.reason.as_deref()),
            (JobStatus::Failed, 1, Some("why"))
        );
    }

    #[test]
    fn finds_the_exact_name_newest_first_and_no_children() {
        let job =
            |id: &str, name: &str, at: i64| JobSummary::builder().job_id(id).job_name(name).created_at(at);
        let child = job("p:0", "n", 9).array_properties(ArrayPropertiesSummary::builder().index(0).build());
        let jobs = [job("old", "n", 1), job("new", "n", 2), job("case", "N", 3), child];
        let jobs: Vec<JobSummary> = jobs.into_iter().map(|job| job.build()).collect();
        let ids: Vec<_> = of_name(jobs, "n").into_iter().map(|job| job.id).collect();
        assert_eq!(ids, ["new", "old"]);
    }
}
