//! The Lambda function of the steps `SummarizeRun`, `AwaitApproval`, `CheckPublished` and `PublishRun`.

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::{config, glue::GlueCatalog};
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use summarize_run::{ENV, Settings, SummarizeRun};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let env = Environment::read(ENV)?;
    let step = SummarizeRun {
        store: Store::bucket(env.var("BUCKET"))?,
        catalog: GlueCatalog::new(&config().await, env.var("GLUE_DATABASE")),
        settings: Settings::parse(|name| env.var(name))?,
    };
    serve(async |request| step.handle(request, jiff::Timestamp::now()).await).await
}
