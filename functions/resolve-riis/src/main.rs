//! The Lambda function of the step `ResolveRiis`.

use bisonflow_cloud::Store;
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use resolve_riis::{ENV, ResolveRiis, WORK_TIME, server};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let env = Environment::read(ENV)?;
    let step = ResolveRiis {
        store: Store::bucket(env.var("BUCKET"))?,
        server: server(env.var("SPECIES_MATCH_SERVER")),
        work_time: WORK_TIME,
    };
    serve(async |request| step.handle(request, jiff::Timestamp::now()).await).await
}
