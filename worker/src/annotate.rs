//! `annotate`: one subset of the landed records becomes an annotated part, partial counts and a report.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use bisonflow_annotation::{Annotator, Done, Order, Pass, RecordFile, footer_options};
use bisonflow_cloud::{RunStore, Store, reference};
use bisonflow_contract::document::{Landing, Part, Plan, Slice, Subset, SubsetFailure, SubsetReport};
use bisonflow_contract::{S3Uri, StepError};
use bisonflow_occurrence::Filters;
use bisonflow_summary::SummarySpec;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::errors::ParquetError;
use rayon::ThreadPool;
use tokio::runtime::Handle;

use crate::object_file::{ObjectReader, ObjectWriter};
use crate::progress::Progress;

/// What annotating any subset of a run needs; may be shared by threads.
pub struct Workbench {
    run: RunStore,
    plan: Plan,
    annotator: Annotator,
    summaries: Vec<SummarySpec>,
    landed: SchemaRef,
    /// The footer that was read last: successive subsets are of one part, and a footer may be long.
    footer: Mutex<Option<(String, ArrowReaderMetadata)>>,
    pool: ThreadPool,
    handle: Handle,
}

impl Workbench {
    /// Reads the run's plan, landing and reference data. `threads` do the work; by default as many as there are cores.
    ///
    /// # Errors
    /// [`StepError::BadReferenceData`], or what [`RunStore`] raises.
    pub fn new(
        run: &RunStore,
        plan: Plan,
        landing: &Landing,
        threads: Option<NonZeroUsize>,
        handle: &Handle,
    ) -> Result<Workbench, StepError> {
        let store = run.store();
        let config = handle.block_on(reference::layers_config(store, &plan))?;
        reference::check_extra_columns(&config, &landing.extra_columns)?;
        let index = handle.block_on(reference::index(store, &plan))?;
        let register = handle.block_on(reference::register(store, &plan))?;
        let summaries = config
            .summaries
            .iter()
            .map(|summary| SummarySpec { name: summary.name.clone(), by: summary.by.clone() })
            .collect();
        let annotator = Annotator::new(Filters::new(plan.options()), &config, index, register)?;
        let landed = bisonflow_occurrence::schema::schema(&landing.extra_columns);
        Ok(Workbench {
            run: run.clone(),
            plan,
            annotator,
            summaries,
            landed,
            footer: Mutex::new(None),
            pool: pool(threads)?,
            handle: handle.clone(),
        })
    }

    /// Annotates a subset, unless its report is there already. The report is written last; after a failure
    /// a document beside it says why.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if a part cannot be read, [`StepError::CountMismatch`] if it holds
    /// other records than were counted.
    pub fn annotate(
        &self,
        index: usize,
        subset: &Subset,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<SubsetReport, StepError> {
        let layout = self.run.layout();
        if let Some(report) = self.handle.block_on(self.run.subset_report(index))?
            && report.generation == self.plan.generation
            && report.tally.records == subset.records
        {
            progress(subset.records);
            return Ok(report);
        }
        match self.annotate_records(index, subset, progress) {
            Ok(report) => {
                self.check_generation()?;
                self.handle.block_on(self.run.store().delete([layout.subset_failure(index)]))?;
                self.handle.block_on(self.run.write(&layout.subset_report(index), &report))?;
                Ok(report)
            }
            Err(error) => {
                let failure = SubsetFailure {
                    generation: self.plan.generation,
                    subset: index,
                    error: error.name(),
                    cause: error.to_string(),
                };
                // The error itself goes on; that it could not be left behind as well is only said.
                if let Err(unsaid) =
                    self.handle.block_on(self.run.write(&layout.subset_failure(index), &failure))
                {
                    tracing::warn!(%unsaid, "annotate: the failure document could not be written");
                }
                Err(error)
            }
        }
    }

    fn annotate_records(
        &self,
        index: usize,
        subset: &Subset,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<SubsetReport, StepError> {
        let layout = self.run.layout();
        let key = layout.annotated_part(index);
        let store = self.run.store();
        let (objects, path) = store.object(&key)?;
        let object = ObjectWriter::create(&objects, &path, self.handle.clone())
            .map_err(|error| store.failed(&key, error))?;
        let order = Order {
            out: Some((object, &*key)),
            row_group_records: self.plan.options().row_group_records() as usize,
            summaries: &self.summaries,
            counts_datasets: true,
            finds_earliest: true,
            run_year: self.plan.run_year(),
        };
        let Done { out, tally, counts } = self.pool.install(|| {
            let mut pass = Pass::new(&self.annotator, &self.landed, order)?;
            for slice in &subset.slices {
                self.annotate_slice(&mut pass, slice, progress)?;
            }
            self.check_generation()?;
            pass.finish()
        })?;
        let object = out.ok_or_else(|| StepError::Internal("a pass lost its output".into()))?;
        let bytes = object.finish().map_err(|error| store.failed(&key, error))?;
        for (summary, content) in counts {
            self.handle.block_on(store.put(&layout.partial(index, &summary), content))?;
        }
        Ok(SubsetReport {
            run_id: self.plan.run_id.clone(),
            generation: self.plan.generation,
            subset: index,
            annotated_part: Part { uri: key, records: Some(tally.annotated), bytes },
            tally,
        })
    }

    fn annotate_slice(
        &self,
        pass: &mut Pass<'_, ObjectWriter>,
        slice: &Slice,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), StepError> {
        let reader = self.part_reader(&slice.uri)?;
        let footer = self.footer(&slice.uri, &reader);
        let footer =
            footer.map_err(|error| StepError::SourceUnavailable(format!("{}: {error}", slice.uri)))?;
        let file = RecordFile::new(reader, footer, &slice.uri);
        let mut records = 0;
        for group in slice.first_row_group..slice.first_row_group + slice.row_groups {
            let of_group = pass.row_group(&file, group)?;
            records += of_group;
            progress(of_group);
        }
        if records == slice.records {
            return Ok(());
        }
        Err(StepError::CountMismatch(format!(
            "{}, row groups {} to {}: read {records} records, counted {}; was the file changed?",
            slice.uri,
            slice.first_row_group,
            slice.first_row_group + slice.row_groups,
            slice.records
        )))
    }

    /// Whether the run is still of the generation that was begun. What an older one has in hand must not
    /// overwrite what a newer one has made.
    fn check_generation(&self) -> Result<(), StepError> {
        let current = self.handle.block_on(self.run.plan())?.generation;
        same_generation("plan.json", &self.plan, current)
    }

    fn footer(&self, uri: &str, reader: &ObjectReader) -> Result<ArrowReaderMetadata, ParquetError> {
        let mut last = self.footer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, footer)) = last.as_ref().filter(|(of, _)| of == uri) {
            return Ok(footer.clone());
        }
        let footer = ArrowReaderMetadata::load(reader, footer_options())?;
        *last = Some((uri.to_owned(), footer.clone()));
        Ok(footer)
    }

    fn part_reader(&self, uri: &str) -> Result<ObjectReader, StepError> {
        let (store, key) = if uri.starts_with("s3://") {
            let uri: S3Uri = uri.parse()?;
            (Store::bucket(uri.bucket())?, uri.key().to_owned())
        } else {
            (self.run.store().clone(), uri.to_owned())
        };
        let meta = self.handle.block_on(store.head(&key))?.ok_or_else(|| {
            StepError::SourceUnavailable(format!("{}: the part is not there", store.uri_of(&key)))
        })?;
        let (objects, path) = store.object(&key)?;
        Ok(ObjectReader::new(objects, path, &meta, self.handle.clone()))
    }
}

/// Annotates one subset of a run on its own, as AWS Batch does. `generation` is the one the job was submitted
/// for.
///
/// # Errors
/// [`StepError::RunTakenOver`] if the plan is of another generation, [`StepError::InvalidInput`] if there is
/// no such subset, else as [`Workbench::annotate`].
pub fn annotate(
    run: &RunStore,
    generation: u32,
    index: usize,
    threads: Option<NonZeroUsize>,
    handle: &Handle,
) -> Result<SubsetReport, StepError> {
    let plan = handle.block_on(run.plan())?;
    same_generation("this job", &plan, generation)?;
    let subsets = handle.block_on(run.subsets())?;
    same_generation("subsets.json", &plan, subsets.generation)?;
    let subset = subsets.subsets.get(index).ok_or_else(|| {
        StepError::invalid(
            "subset",
            format_args!(
                "found {index}, but run {} has {} subsets, from 0",
                plan.run_id,
                subsets.subsets.len()
            ),
        )
    })?;
    let landing = handle.block_on(run.landing())?;
    same_generation("landing.json", &plan, landing.generation)?;
    let bench = Workbench::new(run, plan, &landing, threads, handle)?;
    let progress = std::sync::Mutex::new(Progress::records("annotating", Some(subset.records)));
    let report = bench.annotate(index, subset, &|records| {
        if let Ok(mut progress) = progress.lock() {
            progress.add(records);
        }
    })?;
    if let Ok(progress) = progress.into_inner() {
        progress.finish();
    }
    Ok(report)
}

/// The threads that a command works on.
pub(crate) fn pool(threads: Option<NonZeroUsize>) -> Result<ThreadPool, StepError> {
    let threads = threads.map_or(0, NonZeroUsize::get); // 0 is one for each core
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| StepError::Internal(format!("cannot start worker threads: {error}")))
}

fn same_generation(document: &str, plan: &Plan, found: u32) -> Result<(), StepError> {
    if found == plan.generation {
        return Ok(());
    }
    Err(StepError::RunTakenOver(format!(
        "run {}: {document} is of generation {found}, this work of {}; it has to stop",
        plan.run_id, plan.generation
    )))
}
