//! What is kept of rejected rows and unparsed values.

use std::io::{Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use bisonflow_cloud::RunStore;
use bisonflow_contract::StepError;
use tokio::runtime::Handle;

use crate::object_file::ObjectWriter;

/// Rejected rows and unparsed values, kept in a temporary file until the landing is complete.
#[derive(Clone)]
pub(super) struct Rejects {
    file: Arc<Mutex<std::fs::File>>,
}

impl Rejects {
    pub(super) fn new() -> Result<Rejects, StepError> {
        let file = tempfile::tempfile()
            .map_err(|error| StepError::Internal(format!("no temporary file for rejected rows: {error}")))?;
        Ok(Rejects { file: Arc::new(Mutex::new(file)) })
    }

    /// Puts what was rejected under `rejects/`, if anything was.
    pub(super) fn store(&self, run: &RunStore, handle: &Handle) -> Result<(), StepError> {
        let key = run.layout().rejects();
        let failed = |error: std::io::Error| run.store().unwritten(&key, &error);
        let mut file =
            self.file.lock().map_err(|_| StepError::Internal("a writer of rejects panicked".into()))?;
        if file.seek(SeekFrom::End(0)).map_err(failed)? == 0 {
            return handle.block_on(run.store().delete([key.clone()]));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let (objects, path) = run.store().object(&key)?;
        let mut object = ObjectWriter::create(&objects, &path, handle.clone())
            .map_err(|error| run.store().failed(&key, error))?;
        std::io::copy(&mut *file, &mut object).map_err(failed)?;
        object.finish().map_err(|error| run.store().failed(&key, error))?;
        Ok(())
    }
}

impl Write for Rejects {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.file.lock().map_err(|_| std::io::Error::other("a writer of rejects panicked"))?.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
