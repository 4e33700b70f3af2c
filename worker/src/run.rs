//! `run`: the whole pipeline in one process, below one root.

use std::fs::{File, TryLockError};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bisonflow_cloud::count::{PartStores, count_subsets};
use bisonflow_cloud::publications::publications;
use bisonflow_cloud::reference::{self, Files};
use bisonflow_cloud::store::{Conditional, unwritable};
use bisonflow_cloud::{RunStore, Store, run_store, summarize as summaries};
use bisonflow_contract::document::{GbifDownload, Landing, Ledger, Manifest, Plan, Subsets};
use bisonflow_contract::drift::{Drift, DriftLimits};
use bisonflow_contract::input::{Input, Options, Origin};
use bisonflow_contract::layout::{ANNOTATED, OCCURRENCES};
use bisonflow_contract::{RunId, StepError};
use tokio::runtime::Handle;

use crate::annotate::Workbench;
use crate::land::{LandRequest, PART_BYTES, land};
use crate::location::Location;
use crate::progress::Progress;
use crate::publish::{Standing, publish_finished};
use crate::stop::Stop;

/// Who holds the lock of a run in one process.
const LOCAL_EXECUTION: &str = "local";

/// What to run, and how.
pub struct RunRequest {
    /// The download.
    pub location: Location,
    /// What GBIF says of it, if it is known by its key.
    pub gbif: Option<GbifDownload>,
    /// layers.toml, its sources beside it; absent for the default.
    pub layers: Option<PathBuf>,
    /// The index that was built of the layers; absent to build it.
    pub index: Option<PathBuf>,
    /// The register; absent to do without.
    pub riis: Option<PathBuf>,
    /// Below which root.
    pub store: Store,
    /// Options; `force` does a finished run again.
    pub options: Options,
    /// Worker threads; absent for one on each core.
    pub threads: Option<NonZeroUsize>,
}

/// What a run came to.
pub struct RunResult {
    /// Below which root.
    pub store: Store,
    /// The ledger; it adds up.
    pub ledger: Ledger,
    /// What was made.
    pub manifest: Manifest,
    /// What changed against the run published before.
    pub drift: Drift,
    /// How it stands; none if it was not to be published, or that is not for this process to do.
    pub standing: Option<Standing>,
}

/// Runs the pipeline; what an earlier try of the same run finished is kept.
///
/// # Errors
/// What its steps raise; [`StepError::InvalidInput`] if the run is finished with other options or reference
/// data and `force` is not set.
pub fn run(request: &RunRequest, handle: &Handle) -> Result<RunResult, StepError> {
    let mut plan = plan(request, handle)?;
    // Bad reference data ends the run before anything is written.
    handle.block_on(reference::validate(&request.store, &plan.reference, plan.options()))?;
    let run = RunStore::new(&request.store, &plan.run_id);
    let _held = Held::take(&run, &plan.run_id)?;
    // It is needed at the end: who finds it damaged then has worked in vain, and taken away what was finished before.
    handle.block_on(publications(&request.store))?;
    match take(&run, &mut plan, handle)? {
        Taken::Finished(result) => return publish(*result, handle),
        Taken::Ours => {}
    }
    for table in [OCCURRENCES, ANNOTATED] {
        run.store().delete_unfinished(&run.layout().partition(table))?;
    }
    handle.block_on(run.withdraw(plan.generation))?;

    let options = plan.options();
    let landing = land(
        &LandRequest {
            run: &run,
            run_id: plan.run_id.clone(),
            generation: plan.generation,
            location: &request.location,
            source_identity: plan.source_identity.clone(),
            columns: options.columns.clone(),
            only: None,
            sha256: true,
            row_group_records: options.row_group_records(),
            part_bytes: PART_BYTES,
            checklist: plan.checklist.clone(),
            gbif: request.gbif.clone(),
            threads: request.threads,
            stop: Stop::default(),
        },
        handle,
    )?;
    let subsets = handle.block_on(count_subsets(&PartStores::new(&request.store, []), &plan))?;
    annotate_all(&run, &plan, &landing, &subsets, request.threads, handle)?;
    publish(summarize(&run, handle)?, handle)
}

/// Publishes the run, unless the drift guard holds it.
fn publish(result: RunResult, handle: &Handle) -> Result<RunResult, StepError> {
    let (run_id, generation) = (&result.manifest.run_id, result.manifest.generation);
    let is_held = result.drift.is_held();
    let standing = publish_finished(&result.store, run_id, generation, is_held, handle)?;
    Ok(RunResult { standing, ..result })
}

/// A run below a folder of this machine, held by this process; its end, however it comes, lets go of it.
pub(crate) struct Held(Option<(PathBuf, File)>);

impl Held {
    pub(crate) fn take(run: &RunStore, run_id: &RunId) -> Result<Held, StepError> {
        let folder = run.store().uri();
        if folder.contains("://") {
            return Ok(Held(None)); // plan.json is the lock
        }
        let path = Path::new(folder).join(format!(".{run_id}.lock"));
        let wrong = |error: std::io::Error| unwritable(&path, &error);
        let file = File::options().create(true).append(true).open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Held(Some((path, file)))),
            Err(TryLockError::WouldBlock) => Err(StepError::RunTakenOver(format!(
                "{folder}: another process is at work on run {run_id} there; wait for it to end, or choose another folder"
            ))),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.0 {
            let _ = std::fs::remove_file(path); // what is left of it holds nothing
        }
    }
}

/// Merges the partial counts of a run whose subsets are all annotated, closes its ledger and writes its
/// manifest.
///
/// # Errors
/// [`StepError::CountMismatch`] if the ledger does not add up or a subset is missing.
pub fn summarize(run: &RunStore, handle: &Handle) -> Result<RunResult, StepError> {
    let store = run.store();
    let plan = handle.block_on(run.plan())?;
    let summary = handle.block_on(summaries::summarize(store, &plan))?;
    let now = jiff::Timestamp::now();
    let limits = DriftLimits::default();
    let finished = handle.block_on(summaries::finish(store, &plan, &summary, Vec::new(), limits, now))?;
    let summaries::Finished { manifest, drift } = finished;
    Ok(RunResult { store: store.clone(), ledger: summary.ledger, manifest, drift, standing: None })
}

pub(crate) fn plan(request: &RunRequest, handle: &Handle) -> Result<Plan, StepError> {
    let identity = Location::identity(&request.location.files(handle)?);
    let files = Files {
        layers_toml: request.layers.as_deref(),
        index: request.index.as_deref(),
        register: request.riis.as_deref(),
    };
    Ok(Plan {
        run_id: RunId::of_file(request.location.name(), &[&identity]),
        execution_arn: LOCAL_EXECUTION.to_owned(),
        generation: 1,
        planned_at: jiff::Timestamp::now(),
        input: Input { origin: Origin::Source(request.location.uri()?), options: request.options.clone() },
        source_identity: Some(identity),
        checklist: request.options.checklist.clone(),
        reference: reference::pin_files(&files, &request.options)?,
    })
}

/// What taking the run found.
enum Taken {
    /// It is ours to do; the plan has its generation.
    Ours,
    /// It is finished just as asked.
    Finished(Box<RunResult>),
}

/// Takes the run: a new one, one that was not finished, or by `force` a finished one anew.
fn take(run: &RunStore, plan: &mut Plan, handle: &Handle) -> Result<Taken, StepError> {
    let key = run.layout().plan();
    if handle.block_on(run.store().put_if_absent(&key, run_store::to_json(plan)))? == Conditional::Written {
        return Ok(Taken::Ours);
    }
    let before = handle.block_on(run.plan())?;
    if before.execution_arn != LOCAL_EXECUTION {
        return Err(StepError::RunTakenOver(format!(
            "{}: run {} belongs to the execution {}; choose another --out",
            run.store().uri(),
            plan.run_id,
            before.execution_arn
        )));
    }
    let force = plan.options().force;
    let difference = difference(&before, plan);
    match handle.block_on(run.manifest())? {
        Some(manifest) if manifest.generation == before.generation && !force => {
            if let Some(what) = difference {
                return Err(StepError::InvalidInput(format!(
                    "run {} is finished in {} with {what}: set --force to do it again, or choose another --out",
                    plan.run_id,
                    run.store().uri()
                )));
            }
            let (ledger, drift) = (handle.block_on(run.ledger())?, handle.block_on(run.drift())?);
            let drift = drift.ok_or_else(|| {
                StepError::Internal(format!(
                    "{} is not there: set --force to do the run again",
                    run.store().uri_of(&run.layout().drift())
                ))
            })?;
            let store = run.store().clone();
            return Ok(Taken::Finished(Box::new(RunResult {
                store,
                ledger,
                manifest,
                drift,
                standing: None,
            })));
        }
        // Not finished, and the same work: what is done of it is kept.
        None if difference.is_none() && !force => *plan = before,
        _ => plan.generation = before.generation + 1,
    }
    handle.block_on(run.write(&key, plan))?;
    Ok(Taken::Ours)
}

/// In what the work of two plans differs, if it does: by content, not by where it lies.
fn difference(before: &Plan, plan: &Plan) -> Option<&'static str> {
    let options = |plan: &Plan| {
        let options = plan.options().clone();
        // What has no effect on the results of one process.
        Options { force: false, market: None, subset_records: Some(options.subset_records()), ..options }
    };
    let contents = |plan: &Plan| {
        let reference = &plan.reference;
        let layers = reference.layer_sources.iter().map(|(name, pin)| (name.clone(), pin.sha256.clone()));
        let riis = reference.riis.as_ref().map(|pin| pin.sha256.clone());
        (reference.layers_toml.sha256.clone(), layers.collect::<Vec<_>>(), riis)
    };
    if before.source_identity != plan.source_identity {
        Some("a source of the same name and other content")
    } else if options(before) != options(plan) {
        Some("other options")
    } else if contents(before) != contents(plan) {
        Some("other layers or another register")
    } else {
        None
    }
}

/// Annotates all subsets one after the other, each on all threads.
fn annotate_all(
    run: &RunStore,
    plan: &Plan,
    landing: &Landing,
    subsets: &Subsets,
    threads: Option<NonZeroUsize>,
    handle: &Handle,
) -> Result<(), StepError> {
    let bench = Workbench::new(run, plan.clone(), landing, threads, handle)?;
    let progress = Mutex::new(Progress::records("annotating", Some(subsets.records)));
    let count = |records| {
        if let Ok(mut progress) = progress.lock() {
            progress.add(records);
        }
    };
    for (index, subset) in subsets.subsets.iter().enumerate() {
        bench.annotate(index, subset, &count)?;
    }
    if let Ok(progress) = progress.into_inner() {
        progress.finish();
    }
    Ok(())
}
