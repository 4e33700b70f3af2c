//! The Lambda function of the step `PlanRun`.

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::config;
use bisonflow_cloud::aws::sfn::StepFunctions;
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use plan_run::source::RemoteSources;
use plan_run::{ENV, PlanRun};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let env = Environment::read(ENV)?;
    let step = PlanRun {
        store: Store::bucket(env.var("BUCKET"))?,
        gbif: Store::bucket(env.var("GBIF_BUCKET"))?,
        sources: RemoteSources,
        executions: StepFunctions::new(&config().await),
    };
    serve(async |request| step.handle(request, jiff::Timestamp::now()).await).await
}
