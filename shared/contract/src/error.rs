//! The stable error names: the contract with the state machine.

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! step_errors {
    ($($(#[$doc:meta])* $name:ident, $transient:literal;)+) => {
        /// The name of an error as `errorType` carries it and as Retry and Catch match it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ErrorName { $($(#[$doc])* $name),+ }

        impl ErrorName {
            /// Every name, in the order of the documentation.
            pub const ALL: &[ErrorName] = &[$(ErrorName::$name),+];

            /// The name as the state machine knows it.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorName::$name => stringify!($name)),+ }
            }

            /// Whether a later try may succeed without anybody changing anything.
            pub fn is_transient(self) -> bool {
                match self { $(ErrorName::$name => $transient),+ }
            }
        }

        /// An error of a step: its stable name and one sentence that says what failed, where, what was
        /// expected and found, and what to do.
        #[derive(Clone, Debug, PartialEq, Eq, Error)]
        pub enum StepError { $($(#[$doc])* #[error("{0}")] $name(String)),+ }

        impl StepError {
            /// The stable name.
            pub fn name(&self) -> ErrorName {
                match self { $(StepError::$name(_) => ErrorName::$name),+ }
            }

            /// The error of this name with this sentence, as read back from a document.
            pub fn from_name(name: ErrorName, sentence: String) -> Self {
                match name { $(ErrorName::$name => StepError::$name(sentence)),+ }
            }
        }
    };
}

step_errors! {
    /// The execution's input, an option or a request is wrong.
    InvalidInput, false;
    /// GBIF has no such download, or it failed, or its file is gone.
    DownloadNotAvailable, false;
    /// The source is not an occurrence download that we can read.
    UnsupportedFormat, false;
    /// The archive is damaged: truncated, wrong checksum.
    CorruptArchive, false;
    /// A layer, layers.toml or the register is wrong, or its keys belong to another checklist.
    BadReferenceData, false;
    /// The ledger does not add up: records would be lost or counted twice.
    CountMismatch, false;
    /// A subset could not be annotated.
    SubsetFailed, false;
    /// The crawl ended without the run's partition.
    CrawlFailed, false;
    /// A person did not approve of the run: it is finished and not published.
    NotApproved, false;
    /// Another execution holds the run.
    RunTakenOver, false;
    /// Something that should not happen: a bug, or a deployment that lacks a permission.
    Internal, false;
    /// GBIF is still preparing the download.
    DownloadNotReady, true;
    /// A source or a service did not answer.
    SourceUnavailable, true;
    /// No instance can be had.
    CapacityUnavailable, true;
    /// The Spot instance was taken back.
    SpotInterrupted, true;
    /// The crawler is at work for somebody else.
    CrawlerBusy, true;
    /// A table was changed by somebody else at the same time.
    TableConflict, true;
    /// A service asked us to slow down.
    Throttled, true;
}

impl StepError {
    /// [`StepError::InvalidInput`]: `what` (a field or document) is wrong, and `why` says what was found and
    /// what is allowed.
    pub fn invalid(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        StepError::InvalidInput(format!("{what}: {why}"))
    }

    /// Whether a later try may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        self.name().is_transient()
    }

    /// The exit code of a process that ends with this error: 64 usage, 65 bad data, 70 our fault,
    /// 75 temporary (sysexits.h); AWS Batch retries 75 only.
    pub fn exit_code(&self) -> u8 {
        match self.name() {
            ErrorName::InvalidInput => 64,
            ErrorName::Internal => 70,
            name if name.is_transient() => 75,
            _ => 65,
        }
    }
}

impl std::fmt::Display for ErrorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_json_and_back() {
        for &name in ErrorName::ALL {
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<ErrorName>(&json).unwrap(), name);
            assert_eq!(StepError::from_name(name, "why".into()).name(), name);
        }
    }

    #[test]
    fn batch_retries_exactly_the_transient_errors() {
        for &name in ErrorName::ALL {
            let code = StepError::from_name(name, String::new()).exit_code();
            assert_eq!(code == 75, name.is_transient(), "{name}");
        }
    }
}
