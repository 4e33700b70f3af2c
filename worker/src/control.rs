//! `land --control`: what the workflow asks of an instance, and how the instance reports back.

use std::sync::Arc;
use std::time::Duration;

use bisonflow_cloud::aws;
use bisonflow_cloud::aws::sfn::StepFunctions;
use bisonflow_cloud::tokens::TaskTokens;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::{Control, GbifDownload, Landing, Plan};
use bisonflow_contract::input::Origin;
use bisonflow_contract::launch_spot_downloader::Landed;
use bisonflow_contract::{S3Uri, StepError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::land::{LandRequest, PART_BYTES, land as land_records};
use crate::location::{Download, Location};
use crate::spot;
use crate::stop::Stop;

/// How often the waiting state hears that the work goes on; it gives up after a quarter of an hour of silence.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);

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
    let stop = Stop::default();
    let watchers = [
        handle.spawn(keep_alive(tokens.clone(), control.task_token.clone(), stop.clone())),
        handle.spawn(spot::watch(spot::metadata_service(), stop.clone())),
    ];
    let run = RunStore::new(&store, &control.run.run_id);

    let landed = handle.block_on(run.check_owner(&control.run)).and_then(|plan| {
        let Download { location, gbif } = source(&plan, &control, handle)?;
        land_records(&request(&run, &plan, &location, gbif, stop), handle)
    });
    watchers.iter().for_each(JoinHandle::abort);
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

/// Tells the waiting state again and again that the work goes on; stops the work once nobody waits for it.
async fn keep_alive(tokens: Arc<StepFunctions>, token: String, stop: Stop) {
    let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
    loop {
        beat.tick().await;
        match tokens.heartbeat(&token).await {
            Ok(()) => {}
            Err(error @ StepError::RunTakenOver(_)) => return stop.stop(error),
            // One beat may be lost.
            Err(error) => tracing::warn!(%error, "land: the heartbeat was not taken"),
        }
    }
}

fn request<'a>(
    run: &'a RunStore,
    plan: &Plan,
    location: &'a Location,
    gbif: Option<GbifDownload>,
    stop: Stop,
) -> LandRequest<'a> {
    let options = plan.options();
    LandRequest {
        run,
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        location,
        source_identity: plan.source_identity.clone(),
        columns: options.columns.clone(),
        only: None,
        sha256: true,
        row_group_records: options.row_group_records(),
        part_bytes: PART_BYTES,
        checklist: plan.checklist.clone(),
        gbif,
        threads: None,
        stop,
    }
}

/// The download that was planned.
fn source(plan: &Plan, control: &Control, handle: &Handle) -> Result<Download, StepError> {
    match &plan.input.origin {
        Origin::DownloadKey(key) => Download::of_key(key, &control.gbif_api, handle),
        Origin::Source(uri) => Ok(Location::try_from(uri)?.into()),
        Origin::Request(_) => Err(StepError::Internal("a request that was planned without its key".into())),
        Origin::Snapshot(date) => {
            Err(StepError::Internal(format!("snapshot {date} is used in place, not landed")))
        }
    }
}

fn report(landing: &Landing) -> serde_json::Value {
    let landed = Landed { records: landing.records, parts: landing.parts.len() as u64 };
    serde_json::to_value(landed).expect("numbers have a JSON form")
}
