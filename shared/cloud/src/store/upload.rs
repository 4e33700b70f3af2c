//! Writing long objects in parts.

use bisonflow_contract::StepError;
use object_store::{Attributes, MultipartUpload, PutMultipartOptions, PutOptions};

use super::{SHA256, Store, path};

/// The length of the parts of a long object.
const PART_BYTES: usize = 10 * 1024 * 1024;

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
}
