//! A file that lies elsewhere, behind a URL or in S3, of which any range of bytes can be had.
//!
//! A connection that is lost is taken up where it stopped. Between tries there are pauses that grow, with chance in
//! them, or as long as the server asks for (`Retry-After`); as long as bytes come, it goes on. A server that answers
//! with another range than was asked for is asked again; a file that has changed is never read on.

mod read_ahead;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
mod tries;
mod url;

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bisonflow_cloud::http::{causes, retry_after};
use bisonflow_contract::StepError;
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, LAST_MODIFIED, RANGE};
use reqwest::{Client, StatusCode, Url};

pub use read_ahead::ReadAhead;
pub use tries::Patience;
use tries::Tries;
pub use url::shown;
use url::without_user;

/// Who asks, as servers see it.
const USER_AGENT: &str = concat!("bisonflow/", env!("CARGO_PKG_VERSION"));
/// A connection that gives nothing for so long is lost.
const SILENCE: Duration = Duration::from_secs(60);
/// Why a file cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is another file now: begin anew.
    Changed(String),
    /// Anything else.
    Failed(StepError),
}

impl From<Trouble> for StepError {
    fn from(trouble: Trouble) -> StepError {
        match trouble {
            Trouble::Changed(how) => StepError::SourceUnavailable(format!("{how}; try again")),
            Trouble::Failed(error) => error,
        }
    }
}

/// What one try at a range came to, if not to the range.
enum Failure {
    /// Another try may do, after so long if the server says so.
    Again(String, Option<Duration>),
    /// Another try may do; nobody answered this one.
    Unanswered(String),
    End(Trouble),
}

/// A file that lies elsewhere.
pub struct RemoteFile {
    uri: String,
    bytes: u64,
    e_tag: Option<String>,
    last_modified: Option<String>,
    whereabouts: Whereabouts,
    patience: Patience,
    trouble: OnceLock<Trouble>,
}

enum Whereabouts {
    Url {
        client: Client,
        url: Url,
        /// Where redirects led to the last time: the server that redirects is not asked for every range.
        redirected: Mutex<Url>,
    },
    Object(Arc<dyn ObjectStore>, Path),
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile")
            .field("uri", &self.uri)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl RemoteFile {
    /// The file behind a URL: asks for its first byte.
    ///
    /// # Errors
    /// [`StepError::DownloadNotAvailable`] if there is none or it is not given; [`StepError::UnsupportedFormat`] if the
    /// server gives whole files only; [`StepError::SourceUnavailable`] if it does not answer;
    /// [`StepError::InvalidInput`] for what is no URL.
    pub async fn at_url(url: &str, patience: Patience) -> Result<RemoteFile, StepError> {
        let url =
            Url::parse(url).map_err(|error| StepError::invalid("source", format_args!("{url}: {error}")))?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(SILENCE)
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| StepError::Internal(format!("cannot set up HTTP: {error}")))?;
        let mut file = RemoteFile {
            uri: shown(url.as_str()),
            bytes: 0,
            e_tag: None,
            last_modified: None,
            whereabouts: Whereabouts::Url { client, redirected: Mutex::new(url.clone()), url },
            patience,
            trouble: OnceLock::new(),
        };
        let mut tries = Tries::new(Patience { silence: patience.first_answer, ..patience });
        let (headers, bytes) = loop {
            match file.first_byte().await {
                Ok(found) => break found,
                Err(Failure::End(trouble)) => return Err(trouble.into()),
                Err(Failure::Again(why, after)) => {
                    tries.patience.silence = patience.silence;
                    tries.pause(&file.uri, 0, &why, after).await?;
                }
                Err(Failure::Unanswered(why)) => tries.pause(&file.uri, 0, &why, None).await?,
            }
        };
        file.bytes = bytes;
        file.e_tag = text(&headers, ETAG);
        file.last_modified = text(&headers, LAST_MODIFIED);
        Ok(file)
    }

    /// An object that `meta` tells of.
    pub fn object(uri: String, objects: Arc<dyn ObjectStore>, meta: &ObjectMeta) -> RemoteFile {
        RemoteFile {
            uri,
            bytes: meta.size,
            e_tag: meta.e_tag.clone(),
            last_modified: Some(meta.last_modified.to_rfc3339()),
            whereabouts: Whereabouts::Object(objects, meta.location.clone()),
            patience: Patience::default(),
            trouble: OnceLock::new(),
        }
    }

    /// Where it is, in full: a URL may hold secrets.
    pub fn address(&self) -> &str {
        match &self.whereabouts {
            Whereabouts::Url { url, .. } => url.as_str(),
            Whereabouts::Object(..) => &self.uri,
        }
    }

    /// Where it is, as everybody may read it.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its ETag, without quotes.
    pub fn e_tag(&self) -> Option<String> {
        self.e_tag.as_ref().map(|tag| tag.trim_matches('"').to_owned())
    }

    /// What tells this content from any other: the ETag, or else when it was changed last; none if the server says
    /// neither.
    pub fn content_mark(&self) -> Option<String> {
        let mark = self.e_tag.as_ref().or(self.last_modified.as_ref())?;
        Some(format!("{mark}, {} bytes", self.bytes))
    }

    /// What made reading fail, if it did; an error of whoever read it says less.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.get().cloned()
    }

    /// These bytes, all of them.
    ///
    /// # Errors
    /// [`Trouble`], which [`RemoteFile::trouble`] says from then on, too.
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes, Trouble> {
        let wanted = (range.end - range.start) as usize;
        let mut content = BytesMut::with_capacity(wanted);
        let mut tries = Tries::new(self.patience);
        while content.len() < wanted {
            let before = content.len();
            let at = range.start + before as u64;
            let failure = match self.ask(at..range.end, &mut content).await {
                Ok(()) if content.len() >= wanted => break,
                Ok(()) => Failure::Again("the answer ended early".into(), None),
                Err(failure) => failure,
            };
            if content.len() > before {
                tries.begin_anew();
            }
            let paused = match failure {
                Failure::End(trouble) => Err(trouble),
                Failure::Again(why, after) => tries.pause(&self.uri, at, &why, after).await,
                Failure::Unanswered(why) => tries.pause(&self.uri, at, &why, None).await,
            };
            paused.map_err(|trouble| self.trouble.get_or_init(|| trouble).clone())?;
        }
        Ok(content.freeze())
    }

    /// Asks once; what comes of the range goes to `content`.
    async fn ask(&self, range: Range<u64>, content: &mut BytesMut) -> Result<(), Failure> {
        match &self.whereabouts {
            Whereabouts::Object(objects, path) => {
                // A weak tag says nothing of bytes.
                let if_match = self.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
                let options = GetOptions { range: Some(range.into()), if_match, ..GetOptions::default() };
                let got = async { objects.get_opts(path, options).await?.bytes().await };
                match got.await {
                    Ok(bytes) => content.extend_from_slice(&bytes),
                    Err(error) => return Err(self.failure_of_store(error)),
                }
                Ok(())
            }
            Whereabouts::Url { .. } => self.ask_server(range, content).await,
        }
    }

    fn failure_of_store(&self, error: object_store::Error) -> Failure {
        let uri = &self.uri;
        match error {
            object_store::Error::Precondition { .. } => self.changed("another ETag"),
            object_store::Error::NotFound { .. } => {
                let gone = format!("{uri}: it is gone; upload it again");
                Failure::End(Trouble::Failed(StepError::DownloadNotAvailable(gone)))
            }
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                let denied = format!("{uri}: access denied; give this role the permission: {error}");
                Failure::End(Trouble::Failed(StepError::Internal(denied)))
            }
            error => Failure::Again(error.to_string(), None),
        }
    }

    fn changed(&self, how: &str) -> Failure {
        Failure::End(Trouble::Changed(format!("{}: the file was changed while it was read: {how}", self.uri)))
    }

    /// Headers and length of the file behind a URL.
    async fn first_byte(&self) -> Result<(HeaderMap, u64), Failure> {
        let response = self.send(0..1).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE
            && text(response.headers(), CONTENT_RANGE).is_some_and(|range| range.trim() == "bytes */0")
        {
            return Ok((response.headers().clone(), 0));
        }
        let response = self.check_status(response)?;
        let (_, bytes) = content_range(response.headers())?;
        Ok((response.headers().clone(), bytes))
    }

    async fn ask_server(&self, range: Range<u64>, content: &mut BytesMut) -> Result<(), Failure> {
        let mut response = self.check_status(self.send(range.clone()).await?)?;
        let (start, bytes) = content_range(response.headers())?;
        let of_content = |tag: &str| tag.trim_start_matches("W/").to_owned();
        let (known, found) = match &self.e_tag {
            Some(tag) => (Some(of_content(tag)), text(response.headers(), ETAG).as_deref().map(of_content)),
            None => (self.last_modified.clone(), text(response.headers(), LAST_MODIFIED)),
        };
        if bytes != self.bytes {
            return Err(self.changed(&format!("{bytes} bytes, not {}", self.bytes)));
        }
        if found.is_some() && found != known {
            return Err(self.changed("another ETag or date"));
        }
        if start != range.start {
            let why = format!("asked for bytes from {} on, it gave those from {start} on", range.start);
            return Err(Failure::Again(why, None));
        }
        let end = content.len() + (range.end - range.start) as usize;
        while let Some(chunk) = response.chunk().await.map_err(|error| Failure::Again(causes(error), None))? {
            content.extend_from_slice(&chunk[..chunk.len().min(end - content.len())]);
        }
        Ok(())
    }

    async fn send(&self, range: Range<u64>) -> Result<reqwest::Response, Failure> {
        let Whereabouts::Url { client, redirected, .. } = &self.whereabouts else {
            return Err(Failure::End(Trouble::Failed(StepError::Internal("an object has no URL".into()))));
        };
        let place = redirected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut request = client.get(place).header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        if let Some(tag) = self.e_tag.as_ref().filter(|tag| !tag.starts_with("W/")) {
            request = request.header(IF_MATCH, tag);
        }
        request.send().await.map_err(|error| match error.is_redirect() {
            true => Failure::End(Trouble::Failed(StepError::DownloadNotAvailable(format!(
                "{}: it redirects again and again ({}); check the URL",
                self.uri,
                causes(error)
            )))),
            false => Failure::Unanswered(causes(error)),
        })
    }

    /// The answer if it is part of the file; else why it is not.
    fn check_status(&self, response: reqwest::Response) -> Result<reqwest::Response, Failure> {
        let (status, uri) = (response.status(), &self.uri);
        if let Whereabouts::Url { url, redirected, .. } = &self.whereabouts {
            let mut place = redirected.lock().unwrap_or_else(PoisonError::into_inner);
            if status == StatusCode::PARTIAL_CONTENT {
                // Without user and password, the answer's URL is no redirect's.
                *place = if *response.url() == without_user(url) { url } else { response.url() }.clone();
                return Ok(response);
            }
            if *place != *url && status.is_client_error() {
                // Where redirects led to may not be valid for ever.
                *place = url.clone();
                return Err(Failure::Again(format!("{}: {status}", response.url()), Some(Duration::ZERO)));
            }
        }
        let end = |error| Err(Failure::End(Trouble::Failed(error)));
        match status {
            // It has given parts before: somebody answers in its place.
            StatusCode::OK if self.bytes > 0 => {
                Err(Failure::Again("it gave no part of the file".into(), None))
            }
            status if status.is_redirection() => end(StepError::DownloadNotAvailable(format!(
                "{uri}: it redirects ({status}) to nowhere that can be read; check the URL"
            ))),
            StatusCode::OK => end(StepError::UnsupportedFormat(format!(
                "{uri}: the server does not serve parts of files (HTTP ranges), which reading needs; download the \
                 file and name the copy"
            ))),
            StatusCode::NOT_FOUND | StatusCode::GONE => end(StepError::DownloadNotAvailable(format!(
                "{uri}: the server has no such file ({status}); check the URL"
            ))),
            StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => {
                Err(self.changed(&format!("the server says {status}")))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Again(status.to_string(), retry_after(response.headers())))
            }
            status if status.is_client_error() => end(StepError::DownloadNotAvailable(format!(
                "{uri}: the server refuses it ({status}); check the URL and whether everybody may read it"
            ))),
            status => Err(Failure::Again(status.to_string(), retry_after(response.headers()))),
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// `Content-Range: bytes START-END/TOTAL`: where it starts, and the length of the file.
fn content_range(headers: &HeaderMap) -> Result<(u64, u64), Failure> {
    let found = text(headers, CONTENT_RANGE).unwrap_or_default();
    if found.trim().ends_with("/*") {
        return Err(Failure::End(Trouble::Failed(StepError::UnsupportedFormat(
            "the server does not say how long the file is (Content-Range), which reading needs; download the file and \
             name the copy"
                .into(),
        ))));
    }
    let parsed = found.trim().strip_prefix("bytes ").and_then(|range| {
        let (range, total) = range.split_once('/')?;
        Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
    });
    parsed.ok_or_else(|| Failure::Again(format!("a Content-Range of {found:?}"), None))
}
