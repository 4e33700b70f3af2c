//! The Lambda function of the step `LaunchSpotDownloader`.

use bisonflow_cloud::Store;
use bisonflow_cloud::aws::{self, ec2::Ec2Fleet};
use bisonflow_cloud::gbif_download::GbifDownloads;
use bisonflow_cloud::runtime::{Environment, Logs, serve, telemetry};
use launch_spot_downloader::{ENV, LaunchSpotDownloader};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry(Logs::Json);
    let environment = Environment::read(ENV)?;
    let config = aws::config().await;
    let step = LaunchSpotDownloader {
        store: Store::bucket(environment.var("BUCKET"))?,
        fleet: Ec2Fleet::new(&config),
        gbif: GbifDownloads::new(environment.var("GBIF_API"))?,
        launch_template_id: environment.var("LAUNCH_TEMPLATE_ID").to_owned(),
        subnet_ids: environment.list("SUBNET_IDS"),
        instance_types: environment.list("INSTANCE_TYPES"),
        worker_image: environment.var("WORKER_IMAGE").to_owned(),
        worker_log_group: environment.var("WORKER_LOG_GROUP").to_owned(),
        region: config.region().map(ToString::to_string).unwrap_or_default(),
    };
    serve(async |request| step.handle(request).await).await
}
