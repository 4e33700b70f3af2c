//! What every `main` needs: telemetry, the environment, and for the functions the Lambda runtime.

use std::collections::BTreeMap;

use bisonflow_contract::StepError;
use tracing_subscriber::EnvFilter;

/// How log lines look; they go to standard error, and `RUST_LOG` chooses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// One JSON object per line, for machines; `info` and above unless told otherwise.
    Json,
    /// Plain lines, for people who watch a progress bar; `warn` and above unless told otherwise.
    Text,
}

/// Sets up telemetry, once per process; a second call does nothing.
pub fn telemetry(logs: Logs) {
    let default = if logs == Logs::Json { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It fails only if telemetry is set up already, and that is fine.
    let _ = match logs {
        Logs::Json => builder.json().flatten_event(true).with_current_span(true).try_init(),
        Logs::Text => builder.with_target(false).try_init(),
    };
}

/// The environment variables that a process asked for, all present.
#[derive(Clone, Debug)]
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Reads these variables, all at once.
    ///
    /// # Errors
    /// [`StepError::Internal`] naming every one that is missing or empty.
    pub fn read(names: &[&'static str]) -> Result<Environment, StepError> {
        Self::from_lookup(names, |name| std::env::var(name).ok())
    }

    fn from_lookup(
        names: &[&'static str],
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Environment, StepError> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for &name in names {
            match lookup(name).filter(|value| !value.trim().is_empty()) {
                Some(value) => _ = found.insert(name, value),
                None => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(Environment(found));
        }
        Err(StepError::Internal(format!(
            "environment variables missing or empty: {}; set them in template.yaml",
            missing.join(", ")
        )))
    }

    /// A variable that was asked for.
    ///
    /// # Panics
    /// If it was not among the names read.
    pub fn var(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not among the variables that were read"))
    }

    /// A variable that holds a list, separated by commas; parts are trimmed and empty ones left out.
    ///
    /// # Panics
    /// As [`Environment::var`].
    pub fn list(&self, name: &str) -> Vec<String> {
        let parts = self.var(name).split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }
}

#[cfg(feature = "lambda")]
pub use lambda::{diagnostic, serve};

#[cfg(feature = "lambda")]
mod lambda {
    use bisonflow_contract::StepError;
    use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    /// Answers invocations until the process ends: the payload parsed, the handler asked, its error given the
    /// stable name that the state machine matches.
    ///
    /// # Errors
    /// If the Lambda runtime cannot be reached.
    pub async fn serve<Request, Response, Handler>(handler: Handler) -> Result<(), lambda_runtime::Error>
    where
        Request: DeserializeOwned,
        Response: Serialize,
        Handler: AsyncFn(Request) -> Result<Response, StepError>,
    {
        let handler = &handler;
        lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
            answer(handler, event.payload).await.map_err(|error| {
                tracing::error!(error = error.name().as_str(), cause = %error, "the step failed");
                diagnostic(&error)
            })
        }))
        .await
    }

    async fn answer<Request, Response, Handler>(
        handler: &Handler,
        payload: Value,
    ) -> Result<Response, StepError>
    where
        Request: DeserializeOwned,
        Handler: AsyncFn(Request) -> Result<Response, StepError>,
    {
        handler(bisonflow_contract::parse("request", payload)?).await
    }

    /// The error as Lambda reports it: `errorType` is the stable name.
    pub fn diagnostic(error: &StepError) -> Diagnostic {
        Diagnostic { error_type: error.name().as_str().to_owned(), error_message: error.to_string() }
    }

    #[cfg(test)]
    mod tests {
        use bisonflow_contract::add_annotation_fields::Request;
        use serde_json::json;

        use super::*;

        #[tokio::test]
        async fn an_unknown_field_is_named_and_the_error_keeps_its_name() {
            let payload =
                json!({"run": {"run_id": "a", "generation": 1, "execution_arn": "x"}, "spot": true});
            let error = answer(&async |_: Request| Ok(()), payload).await.unwrap_err();
            let diagnostic = diagnostic(&error);
            assert_eq!(diagnostic.error_type, "InvalidInput");
            assert!(diagnostic.error_message.contains("spot"), "{}", diagnostic.error_message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_variable_is_reported_at_once() {
        let values = [("BUCKET", "data"), ("EMPTY", " "), ("SUBNET_IDS", "subnet-1, subnet-2,")];
        let lookup =
            |name: &str| values.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned());
        let error = Environment::from_lookup(&["BUCKET", "EMPTY", "ABSENT"], lookup).unwrap_err().to_string();
        assert!(error.contains("EMPTY, ABSENT") && !error.contains("BUCKET"), "{error}");
        let environment = Environment::from_lookup(&["BUCKET", "SUBNET_IDS"], lookup).unwrap();
        assert_eq!(environment.var("BUCKET"), "data");
        assert_eq!(environment.list("SUBNET_IDS"), ["subnet-1", "subnet-2"]);
    }
}
