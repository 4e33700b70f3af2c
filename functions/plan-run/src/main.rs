//! The Lambda function of the step `PlanRun`.

use std::sync::Arc;

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::config;
use bisonflow_cloud::aws::secretsmanager::SecretsManager;
use bisonflow_cloud::aws::sfn::StepFunctions;
use bisonflow_cloud::gbif_download::GbifDownloads;
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use plan_run::request::DownloadRequests;
use plan_run::source::RemoteSources;
use plan_run::{ENV, PlanRun};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let env = Environment::read(ENV)?;
    let config = config().await;
    let step = PlanRun {
        store: Store::bucket(env.var("BUCKET"))?,
        gbif: Store::bucket(env.var("GBIF_BUCKET"))?,
        sources: RemoteSources,
        executions: StepFunctions::new(&config),
        requests: DownloadRequests {
            gbif: GbifDownloads::new(env.var("GBIF_API"))?,
            secret: env.var("GBIF_CREDENTIALS_SECRET").to_owned(),
            secrets: Arc::new(SecretsManager::new(&config)),
        },
    };
    serve(async |request| step.handle(request, jiff::Timestamp::now()).await).await
}
