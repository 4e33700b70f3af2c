//! Narrow ports to AWS, their adapters and in-memory fakes, one telemetry set-up.
