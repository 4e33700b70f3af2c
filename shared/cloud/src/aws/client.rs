//! What all adapters share: configuration, and step errors from the SDK's.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bisonflow_contract::StepError;

/// One try of one call; the SDK makes up to three.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// What all clients share: region, credentials and endpoint (`AWS_ENDPOINT_URL`) from the environment as AWS
/// defines them, and timeouts. Load it once per process.
pub async fn config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await
}

/// The step error for a failed call of `action` (`glue:GetTable`).
#[cfg(any(
    feature = "batch",
    feature = "ec2",
    feature = "glue",
    feature = "secretsmanager",
    feature = "sfn"
))]
pub(super) fn failed<E: ProvideErrorMetadata + std::error::Error>(action: &str, error: &E) -> StepError {
    classify(action, error.code(), &DisplayErrorContext(error).to_string())
}

/// Without a code nothing reached the service, or nothing came back in time.
fn classify(action: &str, code: Option<&str>, context: &str) -> StepError {
    match code {
        None
        | Some(
            "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "InternalServerException"
            | "InternalServiceException"
            | "OperationTimeoutException"
            | "RequestTimeout"
            | "RequestTimeoutException"
            | "ServerException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "Unavailable",
        ) => StepError::SourceUnavailable(format!("{action} did not answer; try again: {context}")),
        Some(
            "BandwidthLimitExceeded"
            | "EC2ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "SlowDown"
            | "ThrottledException"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException",
        ) => StepError::Throttled(format!("{action} is called too often; wait and try again: {context}")),
        Some(
            "AccessDenied"
            | "AccessDeniedException"
            | "UnauthorizedOperation"
            | "UnauthorizedException"
            | "AuthFailure",
        ) => StepError::Internal(format!("{action} is denied; allow it in this function's role: {context}")),
        Some(code) => StepError::Internal(format!("{action} was refused with {code}: {context}")),
    }
}

/// The error of an answer that lacks what the service promises.
#[cfg(any(feature = "batch", feature = "ec2", feature = "glue", feature = "secretsmanager"))]
pub(super) fn lacks(action: &str, what: &str) -> StepError {
    StepError::Internal(format!("{action} answered without {what}; report this as a bug"))
}

#[cfg(test)]
mod tests {
    use bisonflow_contract::ErrorName;

    use super::*;

    #[test]
    fn codes_become_stable_names() {
        for (code, name) in [
            (None, ErrorName::SourceUnavailable),
            (Some("ThrottlingException"), ErrorName::Throttled),
            (Some("RequestLimitExceeded"), ErrorName::Throttled),
            (Some("InternalServiceException"), ErrorName::SourceUnavailable),
            (Some("AccessDeniedException"), ErrorName::Internal),
            (Some("UnauthorizedOperation"), ErrorName::Internal),
            (Some("VcpuLimitExceeded"), ErrorName::Internal),
        ] {
            let error = classify("glue:GetTable", code, "context");
            assert_eq!(error.name(), name, "{code:?}");
            assert!(error.to_string().contains("glue:GetTable"));
        }
    }
}
