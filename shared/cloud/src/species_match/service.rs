//! The client of the service: one name in, one answer out, with the patience of a good guest.

use std::time::Duration;

use bisonflow_contract::{Checklist, StepError};
use bisonflow_riis::resolve::{self, Accepted, Answer, Api, MatchType, NameQuery, Reply};
use reqwest::{StatusCode, Url};

use super::pace::Pace;
use crate::http::{causes, retry_after};

/// More of an answer is not read: a match is a few thousand bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Tries for one name before it is put aside.
const TRIES: u32 = 6;
/// Who watches is told of a pause from this on.
const TOLD_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between two tries that the service did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whom to ask, for what, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server, such as `https://api.gbif.org`.
    pub server: String,
    /// The service's version.
    pub api: Api,
    /// The checklist that names are looked up in.
    pub checklist: Checklist,
    /// At most so many requests begin in a second.
    pub requests_per_second: f64,
    /// At most so many requests are on their way at once.
    pub concurrency: usize,
    /// How long the service may answer nothing as it should, counted from its last answer, before we give up.
    pub patience: Duration,
    /// The pause after a first failure; it doubles with every further one.
    pub pause: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Who asks, and how to reach them.
    pub user_agent: String,
}

impl Settings {
    /// GBIF's own service, version 2, asked gently: 30 requests a second, 4 at once, 10 minutes of patience.
    pub fn gbif(checklist: Checklist) -> Settings {
        Settings {
            server: "https://api.gbif.org".into(),
            api: Api::V2,
            checklist,
            requests_per_second: 30.0,
            concurrency: 4,
            patience: Duration::from_secs(600),
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            user_agent: concat!("bisonflow/", env!("CARGO_PKG_VERSION"), " (resolving US-RIIS names)").into(),
        }
    }
}

/// GBIF's species match service.
pub struct SpeciesMatch {
    settings: Settings,
    server: Url,
    http: reqwest::Client,
    pace: Pace,
}

/// Why a request came to nothing.
struct Failure {
    /// What was found.
    found: String,
    kind: Kind,
}

enum Kind {
    /// We are too fast; how long to wait, if the service says so.
    TooFast(Option<Duration>),
    /// No answer, or none that can be used.
    Unusable,
    /// The service does not take this request: another try is no use.
    Refused,
    /// The service takes none of our requests.
    Forbidden,
}

impl SpeciesMatch {
    /// A client of the service.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] for a server that is no http(s) URL, a rate or a concurrency that is not
    /// positive, a checklist that is neither named nor a UUID, or version 1 with another checklist than the
    /// Backbone.
    pub fn new(settings: Settings) -> Result<SpeciesMatch, StepError> {
        let wrong = |why: String| StepError::invalid("species match service", why);
        let mut server = Url::parse(&settings.server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none())
            .ok_or_else(|| wrong(format!("server {:?}; expected an http(s) URL", settings.server)))?;
        if !server.path().ends_with('/') {
            server.set_path(&format!("{}/", server.path()));
        }
        settings.checklist.as_str().parse::<Checklist>()?;
        if settings.api == Api::V1 && !settings.checklist.is_backbone() {
            return Err(wrong(format!(
                "checklist {}; version 1 of the service knows the Backbone only: use version 2",
                settings.checklist
            )));
        }
        let rate = settings.requests_per_second;
        if !(rate > 0.0 && rate <= 1000.0) || settings.concurrency == 0 {
            return Err(wrong(format!(
                "{rate} requests a second, {} at once; expected more than 0 (and at most 1000 a second) of both",
                settings.concurrency
            )));
        }
        let http = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.timeout.min(Duration::from_secs(10)))
            .timeout(settings.timeout)
            .build()
            .map_err(|error| wrong(format!("cannot set up the HTTP client: {error}")))?;
        Ok(SpeciesMatch { pace: Pace::new(rate), settings, server, http })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The request for a name, by which its answer is kept.
    pub fn url(&self, query: &NameQuery) -> Url {
        let mut url = self.below(self.settings.api.path());
        url.query_pairs_mut().extend_pairs(query.parameters(self.settings.api, &self.settings.checklist));
        url
    }

    fn below(&self, path: &str) -> Url {
        self.server.join(path).expect("a path of letters and slashes joins any URL that can be a base")
    }

    /// Asks about one name. What fails is tried again, after a pause that grows, or as long as the service says.
    ///
    /// # Errors
    /// [`StepError::Throttled`] and [`StepError::SourceUnavailable`] when the service has answered nothing for
    /// as long as our patience lasts, or asks for a longer pause than that; [`StepError::InvalidInput`] if it
    /// refuses us. A name that gets nothing of use in six tries is
    /// [`Reply::Nothing`]: it may be the name, or the service.
    pub async fn ask(&self, query: &NameQuery) -> Result<Reply, StepError> {
        let mut answer =
            match self.get(self.url(query), |body| resolve::parse(self.settings.api, body)).await? {
                Ok(answer) => answer,
                Err(nothing) => return Ok(nothing),
            };
        if let Some(key) = key_to_ask_for(&answer) {
            let usage = self.get(self.below(&format!("v1/species/{key}")), resolve::parse_usage).await?;
            match usage {
                Ok(usage) => answer.accepted = Some(Accepted::Usage(usage)),
                Err(nothing) => return Ok(nothing),
            }
        }
        Ok(Reply::Answer(Box::new(answer)))
    }

    /// What `url` answers; the inner error is the reply to a name that gets nothing of use.
    async fn get<T>(
        &self,
        url: Url,
        parse: impl Fn(&[u8]) -> Result<T, resolve::Nonsense>,
    ) -> Result<Result<T, Reply>, StepError> {
        let (mut tries, mut slowed) = (0, 0);
        loop {
            self.pace.turn().await;
            let failure = match self.try_once(&url, &parse).await {
                Ok(answer) => {
                    self.pace.answered();
                    return Ok(Ok(answer));
                }
                Err(failure) => failure,
            };
            let pause = self.pause(tries + slowed);
            let pause = match failure.kind {
                Kind::Refused => return Ok(Err(Reply::Nothing { found: failure.found, refused: true })),
                Kind::Forbidden => {
                    return Err(StepError::InvalidInput(format!(
                        "{url}: {}; the service does not let us ask: check the server",
                        failure.found
                    )));
                }
                Kind::TooFast(asked) => {
                    slowed += 1;
                    asked.map_or(pause, |asked| asked.max(self.settings.pause))
                }
                Kind::Unusable => {
                    tries += 1;
                    if tries >= TRIES {
                        return Ok(Err(Reply::Nothing { found: failure.found, refused: false }));
                    }
                    pause
                }
            };
            let silence = self.pace.silence();
            if silence + pause > self.settings.patience {
                return Err(self.out_of_patience(&url, &failure, silence, pause));
            }
            if pause >= TOLD_PAUSE {
                tracing::warn!(seconds = pause.as_secs(), "{}: waiting", failure.found);
            } else {
                tracing::debug!(%url, ?pause, "{}: trying again", failure.found);
            }
            match failure.kind {
                Kind::TooFast(_) => self.pace.hold(pause),
                _ => tokio::time::sleep(pause).await,
            }
        }
    }

    fn out_of_patience(&self, url: &Url, failure: &Failure, silence: Duration, pause: Duration) -> StepError {
        let (silence, pause) = (silence.as_secs(), pause.as_secs());
        let Failure { found, kind } = failure;
        let patience = self.settings.patience.as_secs();
        match kind {
            Kind::TooFast(_) => StepError::Throttled(format!(
                "{url}: {found}; no answer for {silence} s, the next try would be in {pause} s, our patience is \
                 {patience} s: run the same again later, at a lower rate; what was answered is kept"
            )),
            _ => StepError::SourceUnavailable(format!(
                "{url}: {found}; no answer for {silence} s, our patience is {patience} s: check the server and \
                 the network, and run the same again; what was answered is kept"
            )),
        }
    }

    /// The pause before the next try: twice that of the try before, three quarters to five quarters of it, so
    /// that those who failed together do not come back together.
    fn pause(&self, tries: u32) -> Duration {
        let pause = self.settings.pause.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE);
        pause.mul_f64(0.75 + 0.5 * fastrand::f64())
    }

    async fn try_once<T>(
        &self,
        url: &Url,
        parse: &impl Fn(&[u8]) -> Result<T, resolve::Nonsense>,
    ) -> Result<T, Failure> {
        let unusable = |found: String| Failure { found, kind: Kind::Unusable };
        let mut response =
            self.http.get(url.clone()).send().await.map_err(|error| unusable(causes(error)))?;
        let status = response.status();
        if status == StatusCode::OK {
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| unusable(causes(error)))? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_ANSWER_BYTES {
                    return Err(unusable(format!("an answer of more than {MAX_ANSWER_BYTES} bytes")));
                }
            }
            return parse(&body).map_err(|nonsense| unusable(nonsense.to_string()));
        }
        let wait = retry_after(response.headers());
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => Kind::TooFast(wait),
            StatusCode::SERVICE_UNAVAILABLE if wait.is_some() => Kind::TooFast(wait),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Forbidden,
            StatusCode::REQUEST_TIMEOUT => Kind::Unusable,
            status if status.is_client_error() => Kind::Refused,
            _ => Kind::Unusable,
        };
        Err(Failure { found: format!("answered {status}"), kind })
    }
}

/// The key of an accepted name that the answer does not tell more about, where it matters.
fn key_to_ask_for(answer: &Answer) -> Option<&str> {
    match &answer.accepted {
        Some(Accepted::Key(key))
            if answer.match_type == MatchType::Exact && key.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Some(key)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let base = Settings::gbif(Checklist::backbone());
        let col = Checklist::from("col".to_owned());
        for (settings, expected) in [
            (Settings { server: "ftp://api.gbif.org".into(), ..base.clone() }, "expected an http(s) URL"),
            (Settings { server: "api.gbif.org".into(), ..base.clone() }, "expected an http(s) URL"),
            (Settings { checklist: Checklist::unknown(), ..base.clone() }, "expected backbone, col"),
            (Settings { api: Api::V1, checklist: col.clone(), ..base.clone() }, "the Backbone only"),
            (Settings { requests_per_second: 0.0, ..base.clone() }, "expected more than 0"),
            (Settings { requests_per_second: f64::NAN, ..base.clone() }, "expected more than 0"),
            (Settings { concurrency: 0, ..base.clone() }, "expected more than 0"),
        ] {
            let Err(error) = SpeciesMatch::new(settings) else { panic!("{expected}") };
            assert!(matches!(error, StepError::InvalidInput(_)), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let service =
            SpeciesMatch::new(Settings { server: "http://localhost:1/gbif".into(), ..base }).unwrap();
        let query =
            NameQuery::new("Canis lupus familiaris", "Linnaeus, 1758", "Subspecies", "Animalia").unwrap();
        assert_eq!(
            service.url(&query).as_str(),
            "http://localhost:1/gbif/v2/species/match?scientificName=Canis+lupus+familiaris&\
             scientificNameAuthorship=Linnaeus%2C+1758&taxonRank=SUBSPECIES&kingdom=Animalia&strict=true&\
             checklistKey=d7dddbf4-2cf0-4f39-9b2a-bb099caae36c"
        );
    }
}
