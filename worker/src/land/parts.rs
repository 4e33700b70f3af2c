//! The parts of a landing: made one after the other, written down as they are finished, not made again.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bisonflow_cloud::RunStore;
use bisonflow_contract::StepError;
use bisonflow_contract::document::{LandingCheckpoint, Part};
use bisonflow_contract::layout::OCCURRENCES;
use bisonflow_occurrence::parquet_file::RecordWriter;
use tokio::runtime::Handle;

use super::LandRequest;
use crate::object_file::ObjectWriter;

/// Writes batches into parts; row groups are cut at the same records whatever the batches are. The records of parts
/// that an earlier try finished are passed over.
pub(super) struct Parts<'a> {
    run: &'a RunStore,
    handle: &'a Handle,
    row_group_records: usize,
    part_bytes: usize,
    /// What an earlier try finished and this one has not come to, and how many records of the first it has passed.
    finished: VecDeque<Part>,
    passed: u64,
    open: Option<OpenPart>,
    checkpoint: LandingCheckpoint,
}

struct OpenPart {
    key: String,
    writer: RecordWriter<ObjectWriter>,
    records: u64,
}

impl<'a> Parts<'a> {
    /// Takes up what an earlier try left, if it made the same: `checkpoint` says what that has to be.
    pub(super) fn take_up(
        request: &LandRequest<'a>,
        checkpoint: LandingCheckpoint,
        handle: &'a Handle,
    ) -> Result<Self, StepError> {
        let run = request.run;
        let key = run.layout().landing_checkpoint();
        let found: Option<LandingCheckpoint> = handle.block_on(run.read(&key))?;
        let mut finished = VecDeque::new();
        if let Some(found) = found {
            let same = LandingCheckpoint { parts: found.parts.clone(), ..checkpoint.clone() };
            if same == found && checkpoint.content.is_some() && are_there(run, &found.parts, handle)? {
                tracing::info!(parts = found.parts.len(), "land: going on from a checkpoint");
                finished = found.parts.into();
            }
        }
        Ok(Parts {
            run,
            handle,
            row_group_records: request.row_group_records as usize,
            part_bytes: request.part_bytes,
            finished,
            passed: 0,
            open: None,
            checkpoint,
        })
    }

    /// Writes a batch of records of this schema; its texts may come with a dictionary.
    pub(super) fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> Result<(), StepError> {
        let mut rest = self.pass(batch.clone());
        while rest.num_rows() > 0 {
            if self.open.is_none() {
                self.open = Some(self.create(schema)?);
            }
            let Some(part) = &mut self.open else { continue };
            let count = rest.num_rows().min(self.row_group_records - part.writer.open_rows());
            let failed = |error| self.run.store().unwritten(&part.key, &error);
            part.writer.write(&rest.slice(0, count)).map_err(failed)?;
            part.records += count as u64;
            rest = rest.slice(count, rest.num_rows() - count);
            if part.writer.open_rows() == 0 && part.writer.bytes_written() >= self.part_bytes {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Passes over the records of parts that are finished; the rest has to be written.
    fn pass(&mut self, mut batch: RecordBatch) -> RecordBatch {
        while batch.num_rows() > 0
            && let Some(part) = self.finished.front()
        {
            let left = part.records.unwrap_or(0).saturating_sub(self.passed);
            let count = left.min(batch.num_rows() as u64);
            self.passed += count;
            batch = batch.slice(count as usize, batch.num_rows() - count as usize);
            if count == left {
                self.checkpoint.parts.extend(self.finished.pop_front());
                self.passed = 0;
            }
        }
        batch
    }

    /// Begins a part. Before the first one, `landing.json` of what landed before goes: until then the source may turn
    /// out to be one that cannot be landed.
    fn create(&mut self, schema: &SchemaRef) -> Result<OpenPart, StepError> {
        let store = self.run.store();
        if self.checkpoint.parts.is_empty() {
            self.handle.block_on(store.delete([self.run.layout().landing()]))?;
        }
        let key = self.run.layout().occurrences_part(self.checkpoint.parts.len());
        let (objects, path) = store.object(&key)?;
        let object = ObjectWriter::create(&objects, &path, self.handle.clone());
        let object = object.map_err(|error| store.failed(&key, error))?;
        let writer = RecordWriter::new(object, schema.clone(), self.row_group_records)
            .map_err(|error| StepError::Internal(format!("writing {key}: {error}")))?;
        Ok(OpenPart { key, writer, records: 0 })
    }

    fn close(&mut self) -> Result<(), StepError> {
        let Some(OpenPart { key, writer, records }) = self.open.take() else { return Ok(()) };
        let object = writer.finish().map_err(|error| self.run.store().unwritten(&key, &error))?;
        let bytes = object.finish().map_err(|error| self.run.store().failed(&key, error))?;
        self.checkpoint.parts.push(Part { uri: key, records: Some(records), bytes });
        self.write_down()
    }

    fn write_down(&self) -> Result<(), StepError> {
        let key = self.run.layout().landing_checkpoint();
        self.handle.block_on(self.run.write(&key, &self.checkpoint))
    }

    /// Closes the last part; a download without records gets an empty one, so that its partition exists.
    pub(super) fn finish(&mut self, schema: &SchemaRef) -> Result<Vec<Part>, StepError> {
        // A part without records is passed over as soon as it is come to.
        if self.finished.iter().all(|part| part.records == Some(0)) {
            self.checkpoint.parts.extend(self.finished.drain(..));
        }
        if let Some(part) = self.finished.pop_front() {
            self.finished.clear();
            self.write_down()?;
            return Err(StepError::SourceUnavailable(format!(
                "{}: the source ended before the records of this part, which an earlier try made of it; try again",
                part.uri
            )));
        }
        if self.open.is_none() && self.checkpoint.parts.is_empty() {
            self.open = Some(self.create(schema)?);
        }
        self.close()?;
        Ok(self.checkpoint.parts.clone())
    }

    /// Leaves what is finished to the next try.
    pub(super) fn leave(mut self) -> Result<(), StepError> {
        self.open = None;
        self.checkpoint.parts.extend(self.finished.drain(..));
        self.write_down()
    }

    /// Deletes all that was made.
    pub(super) fn discard(mut self) -> Result<(), StepError> {
        self.open = None;
        let parts = self.checkpoint.parts.into_iter().chain(self.finished);
        let keys = parts.map(|part| part.uri).chain([self.run.layout().landing_checkpoint()]);
        self.handle.block_on(self.run.store().delete(keys))
    }
}

/// Whether every part is there with its length.
pub(super) fn are_there(run: &RunStore, parts: &[Part], handle: &Handle) -> Result<bool, StepError> {
    let found = handle.block_on(run.store().list(&run.layout().partition(OCCURRENCES)))?;
    let is_there =
        |part: &Part| found.iter().any(|meta| meta.location.as_ref() == part.uri && meta.size == part.bytes);
    Ok(parts.iter().all(is_there))
}
