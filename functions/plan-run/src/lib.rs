//! The workflow step plan-run.
