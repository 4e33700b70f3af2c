//! The Lambda function of the step `SubmitBatchJob`.

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::{self, batch::BatchQueue};
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use submit_batch_job::{ENV, SubmitBatchJob};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let environment = Environment::read(ENV)?;
    let step = SubmitBatchJob {
        store: Store::bucket(environment.var("BUCKET"))?,
        jobs: BatchQueue::new(&aws::config().await),
        queue: environment.var("JOB_QUEUE").to_owned(),
        definition: environment.var("JOB_DEFINITION").to_owned(),
    };
    serve(async |request| step.handle(request).await).await
}
