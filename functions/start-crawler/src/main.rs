//! The Lambda function of the step `StartCrawler`.

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::{self, glue::GlueCatalog};
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use start_crawler::{ENV, StartCrawler};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let environment = Environment::read(ENV)?;
    let step = StartCrawler {
        store: Store::bucket(environment.var("BUCKET"))?,
        gbif: Store::bucket(environment.var("GBIF_BUCKET"))?,
        catalog: GlueCatalog::new(&aws::config().await, environment.var("GLUE_DATABASE")),
        crawler: environment.var("CRAWLER_NAME").to_owned(),
    };
    serve(async |request| step.handle(request).await).await
}
