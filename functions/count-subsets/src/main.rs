//! The Lambda function of the step `CountSubsets`.

use bisonflow_cloud::Store;
use bisonflow_cloud::count::PartStores;
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use count_subsets::{ENV, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let env = Environment::read(ENV)?;
    let gbif = Store::bucket(env.var("GBIF_BUCKET"))?;
    let stores = PartStores::new(&Store::bucket(env.var("BUCKET"))?, [gbif]);
    serve(async |request| handle(&stores, request).await).await
}
