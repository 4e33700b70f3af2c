//! What can be told about a source before anything of it is read.

use async_trait::async_trait;
use bisonflow_cloud::Store;
use bisonflow_contract::id::hex;
use bisonflow_contract::input::SourceUri;
use bisonflow_contract::{RunId, S3Uri, StepError};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, Error, GetOptions, ObjectMeta, ObjectStore, RetryConfig};
use sha2::{Digest, Sha256};

/// Who asks, as servers see it.
const USER_AGENT: &str = concat!("bisonflow/", env!("CARGO_PKG_VERSION"));

/// What tells the content of a source from any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStat {
    /// ETag, without quotes; of a prefix, the SHA-256 of its files' names, ETags and lengths.
    pub e_tag: Option<String>,
    /// When it was changed last, where only that is known.
    pub last_modified: Option<String>,
    /// Its length in bytes; of a prefix, that of all its files.
    pub bytes: u64,
}

impl SourceStat {
    /// The plan's `source_identity`; none if nothing but the length is known, which tells nothing apart.
    pub fn identity(&self) -> Option<String> {
        let tag = self.e_tag.as_ref().map(|tag| format!("etag {tag}"));
        let moment = || self.last_modified.as_ref().map(|moment| format!("last modified {moment}"));
        tag.or_else(moment).map(|known| format!("{known}, {} bytes", self.bytes))
    }

    /// The run of the source with this content.
    pub fn run_id(&self, uri: &SourceUri) -> RunId {
        let tag = self.e_tag.as_deref().unwrap_or_default();
        match uri {
            SourceUri::S3(uri) => RunId::of_file(s3_name(uri), &[uri.bucket(), uri.key(), tag]),
            SourceUri::Http(url) | SourceUri::File(url) => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                match &self.e_tag {
                    Some(tag) => RunId::of_file(name, &[url, tag]),
                    None => {
                        let moment = self.last_modified.as_deref().unwrap_or_default();
                        RunId::of_file(name, &[url, moment, &self.bytes.to_string()])
                    }
                }
            }
        }
    }
}

/// The last part of a key, also of one that ends with `/`.
fn s3_name(uri: &S3Uri) -> &str {
    uri.key().trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// The port to sources.
#[async_trait]
pub trait Sources: Send + Sync {
    /// What is there; nothing is `None`.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if nobody answers; [`StepError::Internal`] for a missing permission;
    /// [`StepError::DownloadNotAvailable`] if the server refuses.
    async fn stat(&self, uri: &SourceUri) -> Result<Option<SourceStat>, StepError>;
}

/// S3 and the web.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteSources;

#[async_trait]
impl Sources for RemoteSources {
    async fn stat(&self, uri: &SourceUri) -> Result<Option<SourceStat>, StepError> {
        match uri {
            SourceUri::S3(uri) => stat_in(&Store::bucket(uri.bucket())?, uri.key()).await,
            SourceUri::Http(url) => stat_http(url).await,
            SourceUri::File(uri) => Err(StepError::invalid(
                "source",
                format_args!("found {uri}: a workflow reads s3:// and https:// only; upload the file"),
            )),
        }
    }
}

/// What is at a key: an object, or else the objects below it.
pub(crate) async fn stat_in(store: &Store, key: &str) -> Result<Option<SourceStat>, StepError> {
    if key.trim_end_matches('/').is_empty() {
        let found = store.uri_of(key);
        return Err(StepError::invalid(
            "source",
            format_args!("found {found}, expected a key after the bucket"),
        ));
    }
    if !key.ends_with('/')
        && let Some(meta) = store.head(key).await?
    {
        return Ok(Some(SourceStat { e_tag: e_tag(&meta), last_modified: None, bytes: meta.size }));
    }
    Ok(stat_of(&store.list(&format!("{}/", key.trim_end_matches('/'))).await?))
}

/// What several objects are together.
pub(crate) fn stat_of(files: &[ObjectMeta]) -> Option<SourceStat> {
    if files.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    for file in files {
        let tag = e_tag(file).unwrap_or_default();
        hash.update(format!("{}\t{tag}\t{}\n", file.location, file.size).as_bytes());
    }
    Some(SourceStat {
        e_tag: Some(hex(&hash.finalize())),
        last_modified: None,
        bytes: files.iter().map(|file| file.size).sum(),
    })
}

fn e_tag(meta: &ObjectMeta) -> Option<String> {
    meta.e_tag.as_deref().map(|tag| tag.trim_matches('"').to_owned())
}

/// Asks with GET, whose body is dropped unread: signed URLs and many servers refuse HEAD.
async fn stat_http(url: &str) -> Result<Option<SourceStat>, StepError> {
    let options = ClientOptions::new()
        .with_user_agent(object_store::HeaderValue::from_static(USER_AGENT))
        .with_allow_http(url.starts_with("http://"));
    let retry = RetryConfig {
        max_retries: 3,
        retry_timeout: std::time::Duration::from_secs(30),
        ..RetryConfig::default()
    };
    // The URL itself is the store's root: a path would be encoded anew and a query lost.
    let server = HttpBuilder::new()
        .with_url(url)
        .with_client_options(options)
        .with_retry(retry)
        .build()
        .map_err(|error| StepError::invalid("source", format_args!("{url}: {error}")))?;
    match server.get_opts(&Path::default(), GetOptions::default()).await {
        Ok(answer) => {
            let meta = answer.meta;
            let moment = meta.last_modified; // the epoch where the server does not say
            Ok(Some(SourceStat {
                e_tag: e_tag(&meta),
                last_modified: (moment.timestamp() > 0).then(|| moment.to_rfc3339()),
                bytes: meta.size,
            }))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => {
            let text = chain(&error);
            if ["401", "403", "410"].iter().any(|status| text.contains(&format!("status code: {status}"))) {
                return Err(StepError::DownloadNotAvailable(format!(
                    "{url}: the server refuses it; check the URL and whether everybody may read it: {text}"
                )));
            }
            Err(StepError::SourceUnavailable(format!("{url}: {text}")))
        }
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes; the URL.
    async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a/us%20data.zip?token=1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /a/us%20data.zip?token=1 HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn a_server_says_what_a_url_is() {
        for (answer, expected) in [
            ("200 OK\r\nETag: \"abc\"\r\nContent-Length: 5\r\n\r\nhello", Ok(Some("etag abc, 5 bytes"))),
            (
                "200 OK\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 5\r\n\r\nhello",
                Ok(Some("last modified 2015-10-21T07:28:00+00:00, 5 bytes")),
            ),
            ("404 Not Found\r\nContent-Length: 0\r\n\r\n", Ok(None)),
            ("410 Gone\r\nContent-Length: 0\r\n\r\n", Err("DownloadNotAvailable")),
            ("403 Forbidden\r\nContent-Length: 0\r\n\r\n", Err("DownloadNotAvailable")),
            ("200 OK\r\nConnection: close\r\n\r\nhello", Err("SourceUnavailable")),
        ] {
            let url = server(Box::leak(format!("HTTP/1.1 {answer}").into_boxed_str())).await;
            let found = RemoteSources.stat(&SourceUri::Http(url)).await;
            let found = found.map(|stat| stat.and_then(|stat| stat.identity()));
            let found = found.map_err(|error| (error.name().as_str(), error));
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{answer}"),
                (Err((name, _)), Err(expected)) => assert_eq!(*name, expected, "{found:?}"),
                _ => panic!("{answer}: {found:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_prefix_is_known_by_all_its_files() {
        let store = Store::memory();
        assert_eq!(stat_in(&store, "uploads/nothing.zip").await.unwrap(), None);
        store.put("uploads/set/000000", "one").await.unwrap();
        let one = stat_in(&store, "uploads/set").await.unwrap().unwrap();
        store.put("uploads/set/000001", "two").await.unwrap();
        let two = stat_in(&store, "uploads/set/").await.unwrap().unwrap();
        assert_eq!((one.bytes, two.bytes), (3, 6));
        assert_ne!(one.identity(), two.identity());
        let uri = SourceUri::S3("s3://bucket/uploads/set/".parse().unwrap());
        assert!(two.run_id(&uri).as_str().starts_with("upload-set-"), "{}", two.run_id(&uri));
        assert!(matches!(stat_in(&store, "/").await, Err(StepError::InvalidInput(_))));
    }

    #[test]
    fn another_content_is_another_run() {
        let uri = SourceUri::Http("https://example.org/data/us.zip?x=1".into());
        let stat = |e_tag: Option<&str>, last_modified: Option<&str>, bytes| SourceStat {
            e_tag: e_tag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
            bytes,
        };
        let stats = [
            stat(Some("a"), None, 1),
            stat(Some("b"), None, 1),
            stat(None, Some("2015"), 1),
            stat(None, Some("2016"), 1),
            stat(None, Some("2015"), 2),
            stat(None, None, 2),
        ];
        let mut ids: Vec<RunId> = stats.iter().map(|stat| stat.run_id(&uri)).collect();
        assert!(ids.iter().all(|id| id.as_str().starts_with("upload-us-zip-")), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), stats.len());
        assert_eq!(stats[5].identity(), None);
    }
}
