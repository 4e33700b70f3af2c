//! A Parquet file of a store, read by ranges.

use std::ops::Range;
use std::sync::Arc;

use bisonflow_contract::StepError;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::Store;

/// How much of a file's end is read at first; most footers fit.
const FOOTER_GUESS_BYTES: usize = 64 * 1024;

/// The step error for a file that cannot be read.
pub(crate) fn failed(store: &Store, key: &str, error: ParquetError) -> StepError {
    match error {
        ParquetError::External(cause) => match cause.downcast::<object_store::Error>() {
            Ok(error) => store.failed(key, *error),
            // What unpacks it says so.
            Err(cause) => StepError::CorruptArchive(format!("{}: damaged: {cause}", store.uri_of(key))),
        },
        error => StepError::CorruptArchive(format!("{}: not a Parquet file: {error}", store.uri_of(key))),
    }
}

/// A file of known length, read by ranges.
pub(crate) struct RangedFile {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl RangedFile {
    pub(crate) fn new(store: &Store, key: &str, bytes: u64) -> Result<RangedFile, StepError> {
        let (objects, path) = store.object(key)?;
        Ok(RangedFile { objects, path, bytes })
    }
}

impl AsyncFileReader for RangedFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let read = self.objects.get_range(&self.path, range);
        read.map_err(|error| ParquetError::External(Box::new(error))).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        let bytes = self.bytes;
        let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_GUESS_BYTES));
        reader.load_and_finish(self, bytes).map_ok(Arc::new).boxed()
    }
}
