//! The adapters of the ports to AWS, each SDK behind its feature.
//!
//! Every adapter names the IAM actions that its methods call; a test holds them against the roles of the
//! template.

#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "aws")]
mod client;
#[cfg(feature = "ec2")]
pub mod ec2;
#[cfg(feature = "glue")]
pub mod glue;
#[cfg(feature = "secretsmanager")]
pub mod secretsmanager;
#[cfg(feature = "sfn")]
pub mod sfn;

#[cfg(feature = "aws")]
pub use client::config;

#[cfg(any(
    feature = "batch",
    feature = "ec2",
    feature = "glue",
    feature = "secretsmanager",
    feature = "sfn"
))]
use client::failed;
#[cfg(any(feature = "batch", feature = "ec2", feature = "glue", feature = "secretsmanager"))]
use client::lacks;
