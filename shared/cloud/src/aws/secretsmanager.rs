//! Secrets Manager.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use bisonflow_contract::StepError;

use super::{failed, lacks};
use crate::secrets::Secrets;

/// All that is called.
pub const ACTIONS: &[&str] = &["secretsmanager:GetSecretValue"];

/// The secrets of this account and region.
#[derive(Clone, Debug)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// The secrets that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        SecretsManager { client: Client::new(config) }
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn secret(&self, name: &str) -> Result<String, StepError> {
        let action = ACTIONS[0];
        match self.client.get_secret_value().secret_id(name).send().await {
            Ok(answer) => answer.secret_string.ok_or_else(|| lacks(action, "a text")),
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                Err(StepError::Internal(format!(
                    "{action}: there is no secret {name:?}; make it, or give the stack the name of another one"
                )))
            }
            Err(error) => Err(failed(action, &error)),
        }
    }
}
