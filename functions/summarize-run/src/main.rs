//! The Lambda function of the step `SummarizeRun`.

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::{config, glue::GlueCatalog};
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use summarize_run::{ENV, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let env = Environment::read(ENV)?;
    let store = Store::bucket(env.var("BUCKET"))?;
    let catalog = GlueCatalog::new(&config().await, env.var("GLUE_DATABASE"));
    serve(async |request| handle(&store, &catalog, request, jiff::Timestamp::now()).await).await
}
