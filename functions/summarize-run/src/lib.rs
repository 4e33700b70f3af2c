//! The workflow step summarize-run.
