//! `annotate --source`: one file, annotated and counted in one pass, without landing it and without a run.

use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bisonflow_annotation::{Annotator, Columns, OnePass, Order, annotate_file};
use bisonflow_cloud::{Store, reference};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{Plan, Tally};
use bisonflow_contract::input::{MAX_ROW_GROUP_RECORDS, Options};
use bisonflow_occurrence::{Filters, ReadSummary};
use tokio::runtime::Handle;

use crate::location::Location;
use crate::run::{RunRequest, plan};
use crate::whole_file::{WholeFile, unwritten};

/// What to annotate, and how.
pub struct OnePassRequest {
    /// A file of this machine, in any form that GBIF gives.
    pub source: PathBuf,
    /// layers.toml, its sources beside it; absent for the default.
    pub layers: Option<PathBuf>,
    /// The index that was built of the layers; absent to build it.
    pub index: Option<PathBuf>,
    /// The register; absent to do without.
    pub riis: Option<PathBuf>,
    /// The folder for the results.
    pub out: PathBuf,
    /// Which columns of the source go on; without any, records are only counted.
    pub columns: Columns,
    /// Worker threads; absent for one on each core.
    pub threads: Option<NonZeroUsize>,
}

/// What was made.
pub struct OnePassResult {
    /// What became of the records.
    pub tally: Tally,
    /// What reading text came to; none for a Parquet file.
    pub read: Option<ReadSummary>,
    /// The files, the annotated records first.
    pub files: Vec<PathBuf>,
}

/// Annotates a file: `annotated.parquet` and, for each summary, `counts/<name>.parquet`.
///
/// # Errors
/// [`StepError::BadReferenceData`], what reading the source raises, and [`StepError::SourceUnavailable`] if the
/// folder cannot be written to. The annotated file appears whole or not at all.
pub fn one_pass(request: &OnePassRequest, handle: &Handle) -> Result<OnePassResult, StepError> {
    if request.source.to_string_lossy().contains("://") {
        let found = format!("found {}, expected a file of this machine", request.source.display());
        return Err(StepError::invalid(
            "--source",
            format!("{found}; `bisonflow run` takes what lies elsewhere"),
        ));
    }
    let store = Store::folder(&request.out)?;
    let run = RunRequest {
        location: Location::local(&request.source)?,
        gbif: None,
        layers: request.layers.clone(),
        index: request.index.clone(),
        riis: request.riis.clone(),
        store: store.clone(),
        options: Options::default(),
        threads: request.threads,
    };
    let plan = plan(&run, handle)?;
    let config = handle.block_on(reference::layers_config(&store, &plan))?;
    let summaries = reference::summary_specs(&config);
    let annotator = annotator(&store, &plan, handle)?;
    let pool = crate::annotate::pool(request.threads)?;
    let target = request.out.join("annotated.parquet");
    let name = target.display().to_string();
    let file = if request.columns.is_empty() { None } else { Some(WholeFile::create(&target)?) };
    let out = file.as_ref().map(|file| file.as_file().try_clone()).transpose();
    let out = out.map_err(|error| unwritten(&target, error))?;
    let order = Order {
        out: out.map(|file: File| (BufWriter::with_capacity(1 << 20, file), &*name)),
        row_group_records: MAX_ROW_GROUP_RECORDS as usize,
        summaries: &summaries,
        counts_datasets: false,
        finds_earliest: false,
        run_year: plan.run_year(),
    };
    let OnePass { done, read, absent } = pool
        .install(|| annotate_file(&annotator, &request.source, &request.columns, order))
        .map_err(lasting)?;
    for column in absent {
        tracing::warn!(
            column,
            "annotate: the file has no such column; to its filter every record is blank there"
        );
    }
    let mut files = Vec::new();
    if let (Some(out), Some(file)) = (done.out, file) {
        out.into_inner().map_err(|error| unwritten(&target, error))?;
        file.finish()?;
        files.push(target);
    }
    for (summary, content) in done.counts {
        let key = format!("counts/{summary}.parquet");
        handle.block_on(store.put(&key, content))?;
        files.push(request.out.join(key));
    }
    delete_others(&request.out, &files).map_err(|error| unwritten(&request.out, error))?;
    Ok(OnePassResult { tally: done.tally, read, files })
}

/// Deletes results of an earlier pass that this one did not make.
fn delete_others(out: &Path, made: &[PathBuf]) -> std::io::Result<()> {
    let mut found = vec![out.join("annotated.parquet")];
    let counts = out.join("counts");
    if counts.is_dir() {
        for entry in std::fs::read_dir(counts)? {
            found.push(entry?.path());
        }
    }
    let is_stale = |path: &PathBuf| path.extension() == Some("parquet".as_ref()) && !made.contains(path);
    found.into_iter().filter(|path| is_stale(path) && path.is_file()).try_for_each(std::fs::remove_file)
}

/// An error of this machine's files, where no service has to be waited for.
fn lasting(error: StepError) -> StepError {
    match error {
        StepError::SourceUnavailable(sentence) => StepError::Internal(sentence),
        error => error,
    }
}

fn annotator(store: &Store, plan: &Plan, handle: &Handle) -> Result<Annotator, StepError> {
    let config = handle.block_on(reference::layers_config(store, plan))?;
    let index = handle.block_on(reference::index(store, plan))?;
    let register = handle.block_on(reference::register(store, plan))?;
    Annotator::new(Filters::new(plan.options()), &config, index, register)
}
