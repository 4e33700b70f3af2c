//! Multipart uploads whose ids are known, so that one that its process did not end can be ended by another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

/// An upload that was begun: nothing is seen of the object until it is completed.
#[derive(Debug)]
pub struct Upload {
    /// Its id in S3; a folder has none, and keeps what is unfinished under another name.
    pub id: Option<String>,
    /// Takes the parts.
    pub parts: Box<dyn MultipartUpload>,
}

/// An upload to a store that tells its id.
pub(crate) struct KnownUpload {
    store: Arc<dyn MultipartStore>,
    path: Path,
    id: MultipartId,
    begun: usize,
    done: Arc<Mutex<BTreeMap<usize, PartId>>>,
}

impl KnownUpload {
    pub(crate) fn new(store: Arc<dyn MultipartStore>, path: Path, id: MultipartId) -> Self {
        KnownUpload { store, path, id, begun: 0, done: Arc::default() }
    }
}

impl fmt::Debug for KnownUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownUpload")
            .field("path", &self.path)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for KnownUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, path, id) = (Arc::clone(&self.store), self.path.clone(), self.id.clone());
        let (number, done) = (self.begun, Arc::clone(&self.done));
        self.begun += 1;
        Box::pin(async move {
            let part = store.put_part(&path, &id, number, data).await?;
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, part);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        self.store.complete_multipart(&self.path, &self.id, done.into_values().collect()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.abort_multipart(&self.path, &self.id).await
    }
}
