//! `land --control`: what the workflow asks of an instance, and how the instance reports back.

use std::sync::Arc;
use std::time::Duration;

use bisonflow_cloud::aws;
use bisonflow_cloud::aws::sfn::StepFunctions;
use bisonflow_cloud::tokens::TaskTokens;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Control, Landing, Plan};
use bisonflow_contract::input::{Origin, SourceUri};
use bisonflow_contract::launch_spot_downloader::Landed;
use bisonflow_contract::{S3Uri, StepError};
use tokio::runtime::Handle;

use crate::land::{LandRequest, land as land_records};
use crate::location::Location;

/// How often the waiting state hears that the work goes on; it gives up after a quarter of an hour of silence.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);
/// Where GBIF serves the file of a download; it redirects to wherever the file lies.
const GBIF_DOWNLOAD: &str = "https://api.gbif.org/v1/occurrence/download/request";

/// Lands the download of the run that the control document names, and reports the result to the waiting state.
///
/// # Errors
/// What landing raises; the waiting state has been told of it.
pub fn land(uri: &S3Uri, handle: &Handle) -> Result<(), StepError> {
    let store = Store::bucket(uri.bucket())?;
    let content = handle.block_on(store.get(uri.key()))?.ok_or_else(|| {
        StepError::RunTakenOver(format!("{uri}: the control document is gone; nothing to do"))
    })?;
    // serde's message would quote the token.
    let control: Control = serde_json::from_slice(&content)
        .map_err(|_| StepError::Internal(format!("{uri}: not a control document")))?;
    let tokens = Arc::new(StepFunctions::new(&handle.block_on(aws::config())));
    let heartbeat = handle.spawn(keep_alive(tokens.clone(), control.task_token.clone()));
    let run = RunStore::new(&store, &control.run.run_id);

    let landed = handle
        .block_on(run.check_owner(&control.run))
        .and_then(|plan| land_records(&request(&run, &plan, &location(&plan)?), handle));
    heartbeat.abort();
    match landed {
        Ok(landing) => {
            handle.block_on(tokens.send_success(&control.task_token, &report(&landing)))?;
            // The token is used up; what holds it has no more use.
            handle.block_on(store.delete([uri.key().to_owned()]))
        }
        Err(error) => {
            handle.block_on(tokens.send_failure(&control.task_token, &error))?;
            Err(error)
        }
    }
}

/// Tells the waiting state again and again that the work goes on.
async fn keep_alive(tokens: Arc<StepFunctions>, token: String) {
    let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
    loop {
        beat.tick().await;
        // One beat may be lost; a token that is superseded is found out when the result is reported.
        if let Err(error) = tokens.heartbeat(&token).await {
            tracing::warn!(%error, "land: the heartbeat was not taken");
        }
    }
}

fn request<'a>(run: &'a RunStore, plan: &Plan, location: &'a Location) -> LandRequest<'a> {
    let options = plan.options();
    LandRequest {
        run,
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        location,
        source_identity: plan.source_identity.clone(),
        columns: options.columns.clone(),
        row_group_records: options.row_group_records(),
        checklist: plan.checklist.clone(),
        threads: None,
    }
}

fn location(plan: &Plan) -> Result<Location, StepError> {
    match &plan.input.origin {
        Origin::DownloadKey(key) => {
            Location::try_from(&SourceUri::Http(format!("{GBIF_DOWNLOAD}/{key}.zip")))
        }
        Origin::Source(uri) => Location::try_from(uri),
        Origin::Snapshot(date) => {
            Err(StepError::Internal(format!("snapshot {date} is used in place, not landed")))
        }
    }
}

fn report(landing: &Landing) -> serde_json::Value {
    let landed = Landed { records: landing.records, parts: landing.parts.len() as u64 };
    serde_json::to_value(landed).expect("numbers have a JSON form")
}
