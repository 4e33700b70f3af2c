//! The workflow step count-subsets.
