//! The workflow step submit-batch-job.
