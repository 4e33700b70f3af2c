//! Identifiers, parsed once at the edge: what has the type is well formed.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::StepError;

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = StepError;
            fn try_from(text: String) -> Result<Self, StepError> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = StepError;
            fn from_str(text: &str) -> Result<Self, StepError> {
                if Self::is_well_formed(text) {
                    Ok($name(text.to_owned()))
                } else {
                    Err(StepError::InvalidInput(format!(
                        concat!("found {:?}, which is not a ", stringify!($name), ": expected ", $allowed),
                        text
                    )))
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $allowed})
            }
        }
    };
}

string_id!(
    /// A run: names its folders, its Batch job and its partition. `[a-z0-9-]`, at most 64 bytes.
    ///
    /// ```
    /// use bisonflow_contract::{DownloadKey, RunId};
    /// let key: DownloadKey = "0006607-230918134249559".parse().unwrap();
    /// assert_eq!(RunId::of_download(&key).as_str(), "gbif-0006607-230918134249559");
    /// assert!("../etc".parse::<RunId>().is_err());
    /// ```
    RunId, "^[a-z0-9][a-z0-9-]{0,63}$", "1 to 64 of a-z, 0-9 and -, not starting with -"
);

string_id!(
    /// The key of a GBIF download.
    DownloadKey, "^[0-9]{7,}-[0-9]{15}$", "seven or more digits, a hyphen, fifteen digits, like 0006607-230918134249559"
);

string_id!(
    /// The date of a GBIF monthly snapshot on AWS, `YYYY-MM-DD`.
    SnapshotDate, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "a date as YYYY-MM-DD, like 2026-07-01"
);

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// First 8 hexadecimal digits of the SHA-256 of the parts, joined by a newline.
fn short_hash(parts: &[&str]) -> String {
    hex(&Sha256::digest(parts.join("\n").as_bytes()))[..8].to_owned()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

impl RunId {
    fn is_well_formed(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=64).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(allowed)
    }

    /// The run of a GBIF download: `gbif-<key>`.
    pub fn of_download(key: &DownloadKey) -> RunId {
        RunId(format!("gbif-{key}"))
    }

    /// The run of a GBIF snapshot: `snapshot-<date>`.
    pub fn of_snapshot(date: &SnapshotDate) -> RunId {
        RunId(format!("snapshot-{date}"))
    }

    /// The run of a file: `gbif-<key>` for a file named `<download key>.zip`, else `upload-<slug>-<8 hex>`.
    ///
    /// `name` is the last part of the path or URL; `identity` tells this content from any other: bucket, key
    /// and ETag in S3; URL, ETag or Last-Modified and length over HTTP; the content's SHA-256 for a local file.
    pub fn of_file(name: &str, identity: &[&str]) -> RunId {
        if let Some(key) = name.strip_suffix(".zip").and_then(|stem| stem.parse::<DownloadKey>().ok()) {
            return RunId::of_download(&key);
        }
        let mut slug = String::new();
        for c in name.chars() {
            match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9') => slug.push(c),
                _ if slug.ends_with('-') || slug.is_empty() => {}
                _ => slug.push('-'),
            }
            if slug.len() == 40 {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        let slug = if slug.is_empty() { "file" } else { slug };
        RunId(format!("upload-{slug}-{}", short_hash(identity)))
    }
}

impl DownloadKey {
    fn is_well_formed(text: &str) -> bool {
        text.split_once('-').is_some_and(|(number, moment)| {
            number.len() >= 7
                && all_digits(number)
                && moment.len() == 15
                && all_digits(moment)
                && text.len() <= 59
        })
    }
}

impl SnapshotDate {
    fn is_well_formed(text: &str) -> bool {
        text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
    }
}

/// `s3://bucket/key`: the key is used as it is, never decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct S3Uri {
    bucket: String,
    key: String,
}

impl S3Uri {
    /// The URI of an object.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if the bucket's name is not one that S3 allows, or the key is longer than
    /// 1,024 bytes.
    pub fn new(bucket: &str, key: &str) -> Result<S3Uri, StepError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(allowed) {
            return Err(StepError::InvalidInput(format!(
                "found bucket {bucket:?}: expected 3 to 63 of a-z, 0-9, - and ."
            )));
        }
        if key.len() > 1024 {
            return Err(StepError::InvalidInput("found an S3 key longer than 1,024 bytes".into()));
        }
        Ok(S3Uri { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key, without a leading `/`; empty for the bucket itself.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What stands after the last `/` of the key.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for S3Uri {
    type Err = StepError;
    fn from_str(text: &str) -> Result<S3Uri, StepError> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| {
            StepError::InvalidInput(format!("found {text:?}: expected an S3 URI like s3://bucket/key"))
        })?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        S3Uri::new(bucket, key)
    }
}

impl TryFrom<String> for S3Uri {
    type Error = StepError;
    fn try_from(text: String) -> Result<S3Uri, StepError> {
        text.parse()
    }
}

impl From<S3Uri> for String {
    fn from(uri: S3Uri) -> String {
        uri.to_string()
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl JsonSchema for S3Uri {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "S3Uri".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^s3://[a-z0-9.-]{3,63}/.*$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "0006607-23",
            "x; rm -rf /",
            "",
            "0006607-2309181342495590",
            "../../x",
            "0006607 -230918134249559",
        ] {
            assert!(text.parse::<DownloadKey>().is_err(), "{text:?}");
        }
        for text in ["", "-a", "A", "a_b", "a/b", "é", &"a".repeat(65)] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
        for text in ["2026-02-30", "2026-7-1", "20260701", "2026-07-01T00:00:00Z"] {
            assert!(text.parse::<SnapshotDate>().is_err(), "{text:?}");
        }
        for text in ["s3:/x", "https://x/y", "s3://UPPER/x", "s3://a/b"] {
            assert!(text.parse::<S3Uri>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_named_like_a_download_is_that_download() {
        let run = RunId::of_file("0006607-230918134249559.zip", &["b", "k", "e"]);
        assert_eq!(run.as_str(), "gbif-0006607-230918134249559");
    }

    #[test]
    fn any_name_gives_a_well_formed_run_id() {
        for name in
            ["Über uns.zip", "----", "", "a b  c.ZIP", &"x".repeat(300), "us-2022-600-dwca.zip", "日本"]
        {
            let run = RunId::of_file(name, &["bucket", name, "etag"]);
            assert!(RunId::is_well_formed(run.as_str()), "{name:?} gave {run}");
        }
        assert_ne!(RunId::of_file("a.zip", &["1"]), RunId::of_file("a.zip", &["2"]));
    }

    #[test]
    fn an_s3_key_is_used_as_it_is() {
        let uri: S3Uri = "s3://bison-data/uploads/a b%20c+d=é.zip".parse().unwrap();
        assert_eq!(uri.key(), "uploads/a b%20c+d=é.zip");
        assert_eq!(uri.name(), "a b%20c+d=é.zip");
        assert_eq!(uri.to_string(), "s3://bison-data/uploads/a b%20c+d=é.zip");
    }
}
