//! A download that is requested from GBIF: once, whoever asks for it how often.
//!
//! The key that GBIF gives is remembered in the bucket by what was requested. Who asks for the same later gets that
//! download, and whoever wants the records as they are now says `force`. Of several executions that ask at the same
//! time one requests it: the document is written, without a key, before GBIF is asked.

use std::sync::Arc;

use bisonflow_cloud::Store;
use bisonflow_cloud::executions::Executions;
use bisonflow_cloud::gbif_download::{GbifAccount, GbifDownloads};
use bisonflow_cloud::run_store::{read, to_json};
use bisonflow_cloud::secrets::Secrets;
use bisonflow_cloud::store::Conditional;
use bisonflow_contract::document::RequestedDownload;
use bisonflow_contract::id::hex;
use bisonflow_contract::input::{DownloadRequest, Options};
use bisonflow_contract::layout::requested_download;
use bisonflow_contract::{DownloadKey, StepError};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tracing::info;

/// What a stack says that has no account at GBIF.
pub const NO_SECRET: &str = "none";
/// How often a document that others write at the same time is looked at again.
const TRIES: usize = 5;

/// Requests downloads from GBIF.
pub struct DownloadRequests {
    /// GBIF's service of downloads.
    pub gbif: GbifDownloads,
    /// The secret with the account, or [`NO_SECRET`].
    pub secret: String,
    /// Where that secret is.
    pub secrets: Arc<dyn Secrets>,
}

impl DownloadRequests {
    /// The key of the download that an execution asks for: the one remembered, or a new one.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if the stack has no account; [`StepError::SourceUnavailable`] while another execution
    /// is at it; else as [`GbifDownloads::request`], [`Secrets::secret`] and [`Store::get`].
    pub async fn key(
        &self,
        store: &Store,
        executions: &impl Executions,
        asked: (&DownloadRequest, &Options),
        execution_arn: &str,
        now: Timestamp,
    ) -> Result<DownloadKey, StepError> {
        let (request, options) = asked;
        let pending = RequestedDownload {
            request: request.clone(),
            checklist: options.checklist.clone(),
            execution_arn: execution_arn.to_owned(),
            requested_at: now,
            download_key: None,
        };
        let document = document_of(&pending);
        for _ in 0..TRIES {
            // The ETag first: if the document changes before it is read, the conditional write will fail.
            let e_tag = store.head(&document).await?.and_then(|meta| meta.e_tag);
            let held: Option<RequestedDownload> = read(store, &document).await?;
            let begun = match (held, e_tag) {
                (None, _) => store.put_if_absent(&document, to_json(&pending)).await?,
                (Some(held), e_tag) => {
                    let is_ours = held.execution_arn == execution_arn;
                    match &held.download_key {
                        Some(key) if is_ours || !options.force => return Ok(key.clone()),
                        // We asked, and did not come to write the answer down.
                        None if is_ours => Conditional::Written,
                        None if !executions.status(&held.execution_arn).await?.is_over() => {
                            return Err(StepError::SourceUnavailable(format!(
                                "request: {} is requesting the same download at this moment; try again",
                                held.execution_arn
                            )));
                        }
                        _ => match e_tag {
                            Some(e_tag) => store.put_if_match(&document, to_json(&pending), &e_tag).await?,
                            None => Conditional::Conflict,
                        },
                    }
                }
            };
            if begun == Conditional::Conflict {
                continue;
            }
            let key = self.request(request, options).await?;
            let done = RequestedDownload { download_key: Some(key.clone()), ..pending };
            store.put(&document, to_json(&done)).await?;
            info!(%key, document, "requested from GBIF");
            return Ok(key);
        }
        Err(StepError::SourceUnavailable(format!(
            "{}: other executions wrote it {TRIES} times meanwhile; try again",
            store.uri_of(&document)
        )))
    }

    async fn request(&self, request: &DownloadRequest, options: &Options) -> Result<DownloadKey, StepError> {
        if self.secret == NO_SECRET {
            return Err(StepError::invalid(
                "request",
                "this stack has no account at GBIF: give it one by its parameter GbifCredentialsSecret, or request the \
                 download at gbif.org and name its download_key",
            ));
        }
        let account = GbifAccount::parse(&self.secret, &self.secrets.secret(&self.secret).await?)?;
        self.gbif.request(request, options.checklist.as_ref(), &account).await
    }
}

/// Where a request is remembered: by what is requested, in whatever order its fields came.
fn document_of(asked: &RequestedDownload) -> String {
    let what = (&asked.request, &asked.checklist);
    requested_download(&hex(&Sha256::digest(to_json(&what))))
}
