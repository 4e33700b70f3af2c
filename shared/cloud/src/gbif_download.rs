//! GBIF's own service of downloads: requesting one, what it knows of one, and whether its file can be had.

use std::time::Duration;

use bisonflow_contract::document::GbifDownload;
use bisonflow_contract::input::DownloadRequest;
use bisonflow_contract::{Checklist, DownloadKey, StepError};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use crate::http::{causes, retry_after};

/// Who asks.
const USER_AGENT: &str = concat!("bisonflow/", env!("CARGO_PKG_VERSION"));
const TIMEOUT: Duration = Duration::from_secs(15);
/// For a request of a download, whose predicate GBIF has to look through.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of GBIF's own words a message quotes, characters.
const QUOTED: usize = 500;
/// How often it is asked before somebody else has to try again.
const TRIES: u32 = 4;
/// The pause after a first failure; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// A longer pause is left to the state machine.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The service, such as `https://api.gbif.org`.
#[derive(Clone, Debug)]
pub struct GbifDownloads {
    client: Client,
    server: Url,
}

/// Who requests downloads from GBIF: a user's name, not the e-mail address, and the password.
#[derive(Deserialize)]
pub struct GbifAccount {
    username: String,
    password: String,
}

impl GbifAccount {
    /// Reads it as a secret holds it: `{"username": "…", "password": "…"}`.
    ///
    /// # Errors
    /// [`StepError::Internal`] that names the secret and quotes nothing of it.
    pub fn parse(secret: &str, text: &str) -> Result<GbifAccount, StepError> {
        // serde's message could quote what it found.
        serde_json::from_str(text).map_err(|_| {
            StepError::Internal(format!(
                "secret {secret:?}: expected the texts username and password of an account at GBIF, as JSON"
            ))
        })
    }
}

/// What the service says of a download; what it says besides is of no use to us.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    status: String,
    doi: Option<String>,
    license: Option<String>,
    created: Option<String>,
    size: Option<u64>,
    total_records: Option<u64>,
    number_datasets: Option<u64>,
    #[serde(default)]
    request: AboutRequest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutRequest {
    format: Option<String>,
    checklist_key: Option<String>,
    predicate: Option<serde_json::Value>,
}

impl GbifDownloads {
    /// The service at this server.
    ///
    /// # Errors
    /// [`StepError::Internal`] if that is no http(s) URL.
    pub fn new(server: &str) -> Result<GbifDownloads, StepError> {
        let wrong = |why: &dyn std::fmt::Display| {
            StepError::Internal(format!(
                "GBIF's service: found {server:?}, expected a URL like https://api.gbif.org: {why}"
            ))
        };
        let url = Url::parse(&format!("{}/", server.trim_end_matches('/'))).map_err(|error| wrong(&error))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong(&"not a server"));
        }
        let client = Client::builder().user_agent(USER_AGENT).timeout(TIMEOUT).build();
        Ok(GbifDownloads { client: client.map_err(|error| wrong(&error))?, server: url })
    }

    /// The server, with a final `/`.
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    /// Where the file of a download is; it redirects to wherever that lies.
    pub fn file_url(&self, key: &DownloadKey) -> String {
        format!("{}v1/occurrence/download/request/{key}.zip", self.server)
    }

    /// What GBIF says of a download whose file can be had.
    ///
    /// # Errors
    /// [`StepError::DownloadNotReady`] while it is being prepared; [`StepError::DownloadNotAvailable`] if there is no
    /// such download, it failed, or its file was erased; [`StepError::SourceUnavailable`] or
    /// [`StepError::Throttled`] if the service does not answer as it should.
    pub async fn ready(&self, key: &DownloadKey) -> Result<GbifDownload, StepError> {
        let about = self.about(key).await?;
        let lost = |why: &str| {
            Err(StepError::DownloadNotAvailable(format!(
                "GBIF download {key}: its status is {}: {why}; request the download again at GBIF and use the new key",
                about.status
            )))
        };
        match about.status.as_str() {
            "SUCCEEDED" => {}
            "PREPARING" | "RUNNING" | "SUSPENDED" => {
                return Err(StepError::DownloadNotReady(format!(
                    "GBIF download {key}: its status is {}; wait until GBIF has prepared it",
                    about.status
                )));
            }
            "CANCELLED" | "KILLED" => return lost("it was given up"),
            "FAILED" => return lost("GBIF could not make it"),
            "FILE_ERASED" => return lost("GBIF keeps files for a limited time"),
            _ => {
                return Err(StepError::SourceUnavailable(format!(
                    "GBIF download {key}: found the status {:?}, which we do not know",
                    about.status
                )));
            }
        }
        // 0 where GBIF does not know.
        let known = |count: Option<u64>| count.filter(|&count| count > 0);
        Ok(GbifDownload {
            key: key.clone(),
            citation: about.citation(),
            doi: about.doi,
            license: about.license,
            format: about.request.format,
            checklist: about.request.checklist_key.map(Checklist::from),
            predicate: about.request.predicate,
            created: about.created,
            bytes: known(about.size),
            records: known(about.total_records),
            datasets: known(about.number_datasets),
        })
    }

    /// Requests a download; GBIF may give the key of an earlier one that is the same. It sends no e-mail about it.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] with GBIF's own words if it does not take the request; [`StepError::Internal`] if it
    /// does not take the account, or the account would not be safe on the way; [`StepError::Throttled`] while too many
    /// downloads of the account are not finished; [`StepError::SourceUnavailable`] if it does not answer as it should.
    pub async fn request(
        &self,
        request: &DownloadRequest,
        checklist: Option<&Checklist>,
        account: &GbifAccount,
    ) -> Result<DownloadKey, StepError> {
        let is_here = matches!(self.server.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if self.server.scheme() != "https" && !is_here {
            return Err(StepError::Internal(format!(
                "GBIF's service: found {}, expected https://: a password is sent to no other server",
                self.server
            )));
        }
        let url = format!("{}v1/occurrence/download/request", self.server);
        let mut body = json!({
            "creator": account.username, "sendNotification": false,
            "format": request.format, "predicate": request.predicate,
        });
        if let Some(checklist) = checklist {
            body["checklistKey"] = checklist.gbif_key().into();
        }
        let silent =
            |why: String| StepError::SourceUnavailable(format!("GBIF download request: {url}: {why}"));
        let post = self.client.post(&url).timeout(REQUEST_TIMEOUT).header(CONTENT_TYPE, "application/json");
        let post = post.basic_auth(&account.username, Some(&account.password)).body(body.to_string());
        let answer = post.send().await.map_err(|error| silent(causes(error)))?;
        let status = answer.status();
        let said = answer.text().await.map_err(|error| silent(causes(error)))?;
        let said: String = said.trim().chars().take(QUOTED).collect();
        match status.as_u16() {
            200..=299 => said.trim_matches('"').parse().map_err(|_| {
                silent(format!("{status}, but found {said:?} where the key of a download should be"))
            }),
            400 | 413 | 422 => Err(StepError::invalid(
                "request",
                format_args!("GBIF does not take it ({status}): {said}; see the download API of GBIF"),
            )),
            401 | 403 => Err(StepError::Internal(format!(
                "GBIF download request: {url}: {status}: GBIF does not know the user or the password in the stack's \
                 secret (GbifCredentialsSecret), or the user may not request downloads"
            ))),
            // 420 is GBIF's own for too many downloads of a user that are not finished.
            420 | 429 => Err(StepError::Throttled(format!("GBIF download request: {url}: {status}: {said}"))),
            _ => Err(silent(format!("{status}: {said}"))),
        }
    }

    async fn about(&self, key: &DownloadKey) -> Result<About, StepError> {
        let url = format!("{}v1/occurrence/download/{key}", self.server);
        let mut pause = PAUSE;
        let mut tries = 1;
        loop {
            let (error, asked) = match self.ask(&url, key).await {
                Ok(about) => return Ok(about),
                Err(failure) => failure,
            };
            let wait = asked.unwrap_or(pause.mul_f64(0.5 + fastrand::f64()));
            if !error.is_transient() || tries == TRIES || wait > LONGEST_PAUSE {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            (tries, pause) = (tries + 1, pause * 2);
        }
    }

    /// Asks once; a failure says how long the service wants to be left alone.
    async fn ask(&self, url: &str, key: &DownloadKey) -> Result<About, (StepError, Option<Duration>)> {
        let silent =
            |why: String| (StepError::SourceUnavailable(format!("GBIF download {key}: {url}: {why}")), None);
        let answer = self.client.get(url).send().await.map_err(|error| silent(causes(error)))?;
        let (status, wait) = (answer.status(), retry_after(answer.headers()));
        match status {
            StatusCode::OK => {
                let body = answer.bytes().await.map_err(|error| silent(causes(error)))?;
                serde_json::from_slice(&body)
                    .map_err(|error| silent(format!("an answer that we cannot read: {error}")))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let unknown =
                    format!("GBIF download {key}: GBIF has no such download ({status}); check the key");
                Err((StepError::DownloadNotAvailable(unknown), None))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                Err((StepError::Throttled(format!("GBIF download {key}: {url}: {status}")), wait))
            }
            _ => Err((StepError::SourceUnavailable(format!("GBIF download {key}: {url}: {status}")), wait)),
        }
    }
}

impl About {
    /// The text that GBIF asks to be cited with.
    fn citation(&self) -> Option<String> {
        let doi = self.doi.as_deref()?;
        let day =
            self.created.as_deref().and_then(|moment| moment.get(..10)).and_then(|day| day.parse().ok());
        let day =
            day.map(|day: jiff::civil::Date| day.strftime(" (%-d %B %Y)").to_string()).unwrap_or_default();
        Some(format!("GBIF.org{day} GBIF Occurrence Download https://doi.org/{doi}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const KEY: &str = "0006607-230918134249559";

    /// A service that gives these answers one after the other, the last one again and again; its URL, and how often
    /// it was asked.
    async fn service(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut request, mut buffer) = (String::new(), [0; 2048]);
                // A request of a download ends with its body, an object.
                while !request.ends_with("\r\n\r\n") && !request.ends_with('}')
                    || request.starts_with("POST ") && !request.ends_with('}')
                {
                    let read = stream.read(&mut buffer).await.unwrap();
                    request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                }
                assert!(
                    request.starts_with(&format!("GET /v1/occurrence/download/{KEY} "))
                        || request.starts_with("POST /v1/occurrence/download/request ")
                );
                let number = counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                stream.write_all(answers[number].as_bytes()).await.unwrap();
            }
        });
        (url, asked)
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    fn about(status: &str) -> String {
        let body = serde_json::json!({
            "key": KEY, "doi": "10.15468/dl.abcdef", "status": status, "size": 1234, "totalRecords": 600,
            "license": "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
            "created": "2023-10-02T14:18:28.123+00:00", "numberDatasets": 0,
            "request": {"format": "DWCA", "predicate": {"type": "equals"}, "checklistKey": "col"},
        });
        answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
    }

    async fn ready(answers: Vec<String>) -> (Result<GbifDownload, StepError>, usize) {
        let (url, asked) = service(answers).await;
        let found = GbifDownloads::new(&url).unwrap().ready(&KEY.parse().unwrap()).await;
        (found, asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn what_gbif_knows_of_a_download_is_kept() {
        let busy = answer("503 Service Unavailable", "Retry-After: 0\r\n", "");
        let (found, asked) = ready(vec![busy, about("SUCCEEDED")]).await;
        let found = found.unwrap();
        assert_eq!(asked, 2);
        assert_eq!((found.records, found.datasets, found.bytes), (Some(600), None, Some(1234)));
        assert_eq!(
            (found.format.as_deref(), found.checklist),
            (Some("DWCA"), Some(Checklist::from("col".to_owned())))
        );
        assert_eq!(found.predicate, Some(serde_json::json!({"type": "equals"})));
        assert_eq!(
            found.citation.as_deref(),
            Some("GBIF.org (2 October 2023) GBIF Occurrence Download https://doi.org/10.15468/dl.abcdef")
        );
    }

    #[tokio::test]
    async fn a_request_is_answered_with_a_key_or_why_not() {
        let request: DownloadRequest = serde_json::from_value(
            serde_json::json!({"predicate": {"type": "equals", "key": "COUNTRY", "value": "US"}}),
        )
        .unwrap();
        let account = GbifAccount::parse("gbif", r#"{"username": "me", "password": "hidden!"}"#).unwrap();
        for (answer, expected, word) in [
            (answer("201 Created", "", KEY), "", ""),
            (answer("201 Created", "", "fine"), "SourceUnavailable", "fine"),
            (answer("400 Bad Request", "", "no such key"), "InvalidInput", "no such key"),
            (answer("413 Too Large", "", "too complex"), "InvalidInput", "too complex"),
            (answer("401 Unauthorized", "", ""), "Internal", "GbifCredentialsSecret"),
            (answer("420 Enhance Your Calm", "", "3 downloads"), "Throttled", "3 downloads"),
            (answer("429 Too Many Requests", "", ""), "Throttled", ""),
            (answer("503 Service Unavailable", "", ""), "SourceUnavailable", ""),
        ] {
            let (url, asked) = service(vec![answer.clone()]).await;
            let found = GbifDownloads::new(&url).unwrap().request(&request, None, &account).await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "it is never sent twice: {answer}");
            match found {
                Ok(key) => assert_eq!((key.to_string().as_str(), expected), (KEY, "")),
                Err(error) => {
                    assert_eq!(error.name().as_str(), expected, "{answer}: {error}");
                    assert!(error.to_string().contains(word), "{error}");
                    assert!(!error.to_string().contains("hidden!"), "{error}");
                }
            }
        }
        let open = GbifDownloads::new("http://example.org").unwrap().request(&request, None, &account).await;
        assert!(open.unwrap_err().to_string().contains("https"));
        let secret = GbifAccount::parse("gbif", "hidden!").err().unwrap().to_string();
        assert!(secret.contains("\"gbif\"") && !secret.contains("hidden!"), "{secret}");
    }

    #[tokio::test]
    async fn every_status_has_its_error() {
        let lost = ["CANCELLED", "KILLED", "FAILED", "FILE_ERASED"]
            .map(|status| (about(status), "DownloadNotAvailable"));
        let waits = ["PREPARING", "RUNNING", "SUSPENDED"].map(|status| (about(status), "DownloadNotReady"));
        let others = [
            (answer("404 Not Found", "", ""), "DownloadNotAvailable"),
            (answer("410 Gone", "", ""), "DownloadNotAvailable"),
            (answer("429 Too Many Requests", "Retry-After: 3600\r\n", ""), "Throttled"),
            (answer("503 Service Unavailable", "Retry-After: 3600\r\n", ""), "SourceUnavailable"),
            (about("DREAMING"), "SourceUnavailable"),
        ];
        for (answer, name) in lost.into_iter().chain(waits).chain(others) {
            let (found, asked) = ready(vec![answer.clone()]).await;
            let error = found.unwrap_err();
            assert_eq!((error.name().as_str(), asked), (name, 1), "{answer}: {error}");
            assert!(error.to_string().contains(KEY), "{error}");
        }
        assert!(
            GbifDownloads::new("ftp://api.gbif.org").is_err() && GbifDownloads::new("api.gbif.org").is_err()
        );
    }
}
