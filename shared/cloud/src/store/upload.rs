//! Writing long objects in parts. Uploads have ids that are told, so that one that its process did not end can be ended
//! by another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bisonflow_contract::StepError;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, MultipartId, MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, UploadPart,
};

use super::{SHA256, Store, path};

/// The length of the parts of a long object.
const PART_BYTES: usize = 10 * 1024 * 1024;

/// An upload that was begun: nothing is seen of the object until it is completed.
#[derive(Debug)]
pub struct Upload {
    /// Its id in S3; a folder has none, and keeps what is unfinished under another name.
    pub id: Option<String>,
    /// Takes the parts.
    pub parts: Box<dyn MultipartUpload>,
}

impl Store {
    /// Writes an object, whole or not at all, from pieces that are made as they are sent: what is too long for
    /// memory. A short one is put like any other, a long one in parts of 10 MB.
    ///
    /// # Errors
    /// The first of the pieces; else as [`Store::get`].
    pub async fn put_pieces<E>(
        &self,
        key: &str,
        pieces: impl Iterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<(), StepError>
    where
        StepError: From<E>,
    {
        self.put_pieces_with(key, Attributes::new(), pieces).await
    }

    /// The same; the SHA-256 of the content, in hexadecimal digits, is kept beside it for [`Store::stat`]. A folder
    /// cannot do that.
    ///
    /// # Errors
    /// As [`Store::put_pieces`].
    pub async fn put_pieces_with_sha256<E>(
        &self,
        key: &str,
        sha256: &str,
        pieces: impl Iterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<(), StepError>
    where
        StepError: From<E>,
    {
        let attributes = Attributes::from_iter([(SHA256, sha256.to_owned())]);
        self.put_pieces_with(key, attributes, pieces).await
    }

    async fn put_pieces_with<E>(
        &self,
        key: &str,
        attributes: Attributes,
        pieces: impl Iterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<(), StepError>
    where
        StepError: From<E>,
    {
        let (at, mut content, mut upload) = (path(key)?, Vec::new(), None);
        let failed = |error| self.failed(key, error);
        let sent = async {
            for piece in pieces {
                content.extend(piece?);
                if content.len() >= PART_BYTES {
                    if upload.is_none() {
                        let options =
                            PutMultipartOptions { attributes: attributes.clone(), ..Default::default() };
                        upload = Some(self.objects.put_multipart_opts(&at, options).await.map_err(failed)?);
                    }
                    if let Some(upload) = &mut upload {
                        let part = std::mem::take(&mut content);
                        upload.put_part(part.into()).await.map_err(failed)?;
                    }
                }
            }
            match &mut upload {
                None => {
                    let content = std::mem::take(&mut content).into();
                    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
                    self.objects.put_opts(&at, content, options).await.map_err(failed).map(|_| ())
                }
                Some(upload) => {
                    upload.put_part(std::mem::take(&mut content).into()).await.map_err(failed)?;
                    upload.complete().await.map_err(failed).map(|_| ())
                }
            }
        };
        let sent = sent.await;
        if let (Err(_), Some(upload)) = (&sent, &mut upload) {
            // What this leaves behind, the bucket's rule for incomplete uploads deletes.
            let _ = upload.abort().await;
        }
        sent
    }

    /// Begins to write an object in parts (but for the last, of 5 MiB or more each).
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn begin_upload(&self, key: &str) -> Result<Upload, StepError> {
        let (path, failed) = (path(key)?, |error| self.failed(key, error));
        let Some(store) = &self.uploads else {
            let parts = self.objects.put_multipart(&path).await.map_err(failed)?;
            return Ok(Upload { id: None, parts });
        };
        let id = store.create_multipart(&path).await.map_err(failed)?;
        let parts = KnownUpload::new(Arc::clone(store), path, id.clone());
        Ok(Upload { id: Some(id), parts: Box::new(parts) })
    }

    /// Ends an upload that nobody will complete; one that is over is no error.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn abort_upload(&self, key: &str, id: &str) -> Result<(), StepError> {
        let Some(store) = &self.uploads else { return Ok(()) };
        match store.abort_multipart(&path(key)?, &id.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(key, error)),
        }
    }
}

/// An upload to a store that tells its id.
struct KnownUpload {
    store: Arc<dyn MultipartStore>,
    path: Path,
    id: MultipartId,
    begun: usize,
    done: Arc<Mutex<BTreeMap<usize, PartId>>>,
}

impl KnownUpload {
    fn new(store: Arc<dyn MultipartStore>, path: Path, id: MultipartId) -> Self {
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

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        self.store.complete_multipart(&self.path, &self.id, done.into_values().collect()).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.store.abort_multipart(&self.path, &self.id).await
    }
}
