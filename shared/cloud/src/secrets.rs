//! The port to secrets: texts that are kept apart from everything else.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bisonflow_contract::StepError;

/// Secrets by their names.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The text of a secret; no message ever quotes it.
    ///
    /// # Errors
    /// [`StepError::Internal`] if there is no such secret or it may not be read; [`StepError::SourceUnavailable`] or
    /// [`StepError::Throttled`] if the service does not answer as it should.
    async fn secret(&self, name: &str) -> Result<String, StepError>;
}

/// Secrets in memory, for tests.
#[derive(Clone, Default)]
pub struct MemorySecrets(pub BTreeMap<String, String>);

#[async_trait]
impl Secrets for MemorySecrets {
    async fn secret(&self, name: &str) -> Result<String, StepError> {
        let found = self.0.get(name).cloned();
        found.ok_or_else(|| StepError::Internal(format!("there is no secret {name:?}")))
    }
}
