//! The steps of the workflow, as the tests hold everything else against them.

use bisonflow_contract::ErrorName::{
    self, BadReferenceData, CapacityUnavailable, CorruptArchive, CountMismatch, CrawlFailed, CrawlerBusy,
    DownloadNotAvailable, DownloadNotReady, Internal, InvalidInput, NotApproved, RunTakenOver,
    SourceUnavailable, SpotInterrupted, SubsetFailed, TableConflict, Throttled, UnsupportedFormat,
};
use bisonflow_contract::{
    add_annotation_fields, count_subsets, launch_spot_downloader, plan_run, resolve_riis, start_crawler,
    submit_batch_job, summarize_run,
};
use schemars::{Schema, schema_for};

/// A state that invokes a function.
pub struct Step {
    /// The state.
    pub state: &'static str,
    /// The crate's folder below `functions/`.
    pub function: &'static str,
    /// The schema of what the state machine asks.
    pub request: fn() -> Schema,
    /// The schema of the state's result.
    pub response: fn() -> Schema,
    /// The errors that it may end with.
    pub raises: &'static [ErrorName],
}

/// Every state that invokes a function, in the order of a run.
pub const STEPS: &[Step] = &[
    Step {
        state: "PlanRun",
        function: "plan-run",
        request: || schema_for!(plan_run::Request),
        response: || schema_for!(plan_run::Response),
        raises: &[
            InvalidInput,
            DownloadNotAvailable,
            UnsupportedFormat,
            BadReferenceData,
            RunTakenOver,
            Internal,
            SourceUnavailable,
            Throttled,
        ],
    },
    Step {
        state: "LaunchSpotDownloader",
        function: "launch-spot-downloader",
        request: || schema_for!(launch_spot_downloader::Request),
        response: || schema_for!(launch_spot_downloader::Landed), // the instance's report
        raises: &[
            InvalidInput,
            DownloadNotAvailable,
            UnsupportedFormat,
            CorruptArchive,
            BadReferenceData,
            CountMismatch,
            RunTakenOver,
            Internal,
            DownloadNotReady,
            SourceUnavailable,
            CapacityUnavailable,
            SpotInterrupted,
            Throttled,
        ],
    },
    Step {
        state: "TerminateDownloader",
        function: "launch-spot-downloader",
        request: || schema_for!(launch_spot_downloader::Request),
        response: || schema_for!(launch_spot_downloader::Response),
        raises: &[InvalidInput, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "ResolveRiis",
        function: "resolve-riis",
        request: || schema_for!(resolve_riis::Request),
        response: || schema_for!(resolve_riis::Response),
        raises: &[InvalidInput, BadReferenceData, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "ResolveMore",
        function: "resolve-riis",
        request: || schema_for!(resolve_riis::Request),
        response: || schema_for!(resolve_riis::Response),
        raises: &[InvalidInput, BadReferenceData, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "StartCrawler",
        function: "start-crawler",
        request: || schema_for!(start_crawler::Request),
        response: || schema_for!(start_crawler::Response),
        raises: &[
            InvalidInput,
            CrawlFailed,
            RunTakenOver,
            Internal,
            SourceUnavailable,
            CrawlerBusy,
            TableConflict,
            Throttled,
        ],
    },
    Step {
        state: "CheckCrawler",
        function: "start-crawler",
        request: || schema_for!(start_crawler::Request),
        response: || schema_for!(start_crawler::Response),
        raises: &[InvalidInput, CrawlFailed, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "AddAnnotationFields",
        function: "add-annotation-fields",
        request: || schema_for!(add_annotation_fields::Request),
        response: || schema_for!(add_annotation_fields::Response),
        raises: &[
            InvalidInput,
            BadReferenceData,
            RunTakenOver,
            Internal,
            SourceUnavailable,
            TableConflict,
            Throttled,
        ],
    },
    Step {
        state: "CountSubsets",
        function: "count-subsets",
        request: || schema_for!(count_subsets::Request),
        response: || schema_for!(count_subsets::Response),
        raises: &[
            InvalidInput,
            UnsupportedFormat,
            CorruptArchive,
            BadReferenceData,
            CountMismatch,
            RunTakenOver,
            Internal,
            SourceUnavailable,
            Throttled,
        ],
    },
    Step {
        state: "SubmitBatchJob",
        function: "submit-batch-job",
        request: || schema_for!(submit_batch_job::Request),
        response: || schema_for!(submit_batch_job::Response),
        raises: &[InvalidInput, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "CheckBatchJob",
        function: "submit-batch-job",
        request: || schema_for!(submit_batch_job::Request),
        response: || schema_for!(submit_batch_job::Response),
        raises: &[InvalidInput, SubsetFailed, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "SummarizeRun",
        function: "summarize-run",
        request: || schema_for!(summarize_run::Request),
        response: || schema_for!(summarize_run::Response),
        raises: &[
            InvalidInput,
            BadReferenceData,
            CountMismatch,
            SubsetFailed,
            RunTakenOver,
            Internal,
            SourceUnavailable,
            TableConflict,
            Throttled,
        ],
    },
    Step {
        state: "AwaitApproval",
        function: "summarize-run",
        request: || schema_for!(summarize_run::Request),
        response: || schema_for!(summarize_run::Approval), // a person's answer
        raises: &[InvalidInput, NotApproved, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "CheckPublished",
        function: "summarize-run",
        request: || schema_for!(summarize_run::Request),
        response: || schema_for!(summarize_run::Checked),
        raises: &[InvalidInput, RunTakenOver, Internal, SourceUnavailable, Throttled],
    },
    Step {
        state: "PublishRun",
        function: "summarize-run",
        request: || schema_for!(summarize_run::Request),
        response: || schema_for!(summarize_run::Published),
        raises: &[
            InvalidInput,
            CountMismatch,
            RunTakenOver,
            Internal,
            SourceUnavailable,
            TableConflict,
            Throttled,
        ],
    },
];

impl Step {
    /// The step of this state.
    pub fn of_state(state: &str) -> Option<&'static Step> {
        STEPS.iter().find(|step| step.state == state)
    }

    /// The logical id of its function: `PlanRunFunction`.
    pub fn function_id(&self) -> String {
        format!("{}Function", pascal_case(self.function))
    }

    /// The contract module of its function: `plan_run`.
    pub fn module(&self) -> String {
        self.function.replace('-', "_")
    }
}

/// `plan-run` → `PlanRun`.
pub fn pascal_case(kebab_case: &str) -> String {
    let upper = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    kebab_case.split('-').map(upper).collect()
}
