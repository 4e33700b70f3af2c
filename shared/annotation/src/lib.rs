//! The record path: a batch of records in, an annotated batch and counts out.
