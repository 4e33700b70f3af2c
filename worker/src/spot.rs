//! The notice that a Spot instance gets two minutes before it is taken back.

use std::time::Duration;

use bisonflow_contract::StepError;
use reqwest::{Client, StatusCode};

use crate::stop::Stop;

/// The instance metadata service, unless the environment names another as the SDKs take it.
const SERVICE: &str = "http://169.254.169.254";
const SERVICE_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// How often the notice is looked for, as EC2 recommends.
const EVERY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Where the instance metadata service is.
pub fn metadata_service() -> String {
    std::env::var(SERVICE_VARIABLE).unwrap_or_else(|_| SERVICE.to_owned()).trim_end_matches('/').to_owned()
}

/// Tells a landing to stop with [`StepError::SpotInterrupted`] as soon as the notice is there; until then it never ends.
pub async fn watch(service: String, stop: Stop) {
    let client = Client::builder().timeout(TIMEOUT).no_proxy().build();
    let Ok(client) = client.inspect_err(|error| tracing::warn!(%error, "no watch for the Spot notice"))
    else {
        return;
    };
    let mut turn = tokio::time::interval(EVERY);
    loop {
        turn.tick().await;
        match notice(&client, &service).await {
            Ok(None) => {}
            Ok(Some(notice)) => {
                stop.stop(StepError::SpotInterrupted(format!(
                    "the Spot instance is taken back: {notice}; what is finished stays for the next instance"
                )));
                return;
            }
            // It will be asked again; a machine that is no instance has no such service.
            Err(error) => tracing::debug!(%error, "the instance metadata service did not answer"),
        }
    }
}

/// The notice, if there is one (IMDSv2: a token first).
async fn notice(client: &Client, service: &str) -> Result<Option<String>, reqwest::Error> {
    let token = client
        .put(format!("{service}/latest/api/token"))
        .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let answer = client
        .get(format!("{service}/latest/meta-data/spot/instance-action"))
        .header("X-aws-ec2-metadata-token", token)
        .send()
        .await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    Ok(Some(answer.error_for_status()?.text().await?))
}
