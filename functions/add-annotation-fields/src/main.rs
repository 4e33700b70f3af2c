//! The Lambda function of the step `AddAnnotationFields`.

use add_annotation_fields::{AddAnnotationFields, ENV};
use bisonflow_cloud::Store;
use bisonflow_cloud::aws::{self, glue::GlueCatalog};
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let environment = Environment::read(ENV)?;
    let step = AddAnnotationFields {
        store: Store::bucket(environment.var("BUCKET"))?,
        catalog: GlueCatalog::new(&aws::config().await, environment.var("GLUE_DATABASE")),
    };
    serve(async |request| step.handle(request).await).await
}
