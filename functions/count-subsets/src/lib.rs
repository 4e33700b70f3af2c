//! The workflow step `CountSubsets`: counts the landed records by the footers of their files and splits them
//! into subsets.

use bisonflow_cloud::RunStore;
use bisonflow_cloud::count::{self, PartStores};
use bisonflow_contract::StepError;
use bisonflow_contract::count_subsets::{Request, Response};

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "GBIF_BUCKET"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:PutObject"];

/// Counts and splits; asking twice gives the same subsets.
///
/// # Errors
/// [`StepError::RunTakenOver`] if another execution holds the run; else as [`count::count_subsets`].
pub async fn handle(stores: &PartStores, request: Request) -> Result<Response, StepError> {
    let plan = RunStore::new(stores.root(), &request.run.run_id).check_owner(&request.run).await?;
    let subsets = count::count_subsets(stores, &plan).await?;
    Ok(Response { records: subsets.records, subsets: subsets.subsets.len() as u64 })
}
