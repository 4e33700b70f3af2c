//! Uploads to a bucket that were begun and not completed: what a process leaves that is killed while it writes. Nobody
//! sees them, and S3 keeps what was sent, and charges for it, until they are aborted.

use std::sync::Arc;
use std::time::Duration;

use bisonflow_contract::StepError;
use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use reqwest::Url;

use super::{Store, plain_http};

/// How often a list is asked for where S3 does not answer, and how long to wait before it is asked for again.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// How many lists are worked off, of 1,000 uploads each.
const LISTS: usize = 100;

/// Lists and aborts the open uploads of a bucket. `object_store` aborts an upload by its id, but cannot list any.
pub(super) struct BucketUploads {
    objects: Arc<AmazonS3>,
    /// The bucket itself.
    url: String,
    region: String,
}

/// An upload by the two things that name it.
#[derive(Debug, PartialEq, Eq)]
struct OpenUpload {
    key: String,
    id: String,
}

/// Why there is no list, and whether there may be one a moment later.
struct NoList {
    why: String,
    is_transient: bool,
}

impl NoList {
    fn for_good(error: impl std::fmt::Display) -> NoList {
        NoList { why: error.to_string(), is_transient: false }
    }

    fn for_now(error: &object_store::client::HttpError) -> NoList {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        NoList { why: format!("{error}{cause}"), is_transient: true }
    }
}

impl BucketUploads {
    /// Those of the bucket that `objects` was built for by this builder.
    pub(super) fn new(builder: &AmazonS3Builder, bucket: &str, objects: Arc<AmazonS3>) -> BucketUploads {
        let configured = |key| builder.get_config_value(&key);
        let region = configured(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = configured(AmazonS3ConfigKey::S3Endpoint)
            .or_else(|| configured(AmazonS3ConfigKey::Endpoint))
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let url = format!("{}/{bucket}", endpoint.trim_end_matches('/'));
        BucketUploads { objects, url, region }
    }

    /// The open uploads of keys that begin so, the first 1,000 of them.
    async fn list(&self, prefix: &str) -> Result<Vec<OpenUpload>, NoList> {
        let mut url = Url::parse(&self.url).map_err(NoList::for_good)?;
        url.query_pairs_mut().append_pair("uploads", "").append_pair("prefix", prefix);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(NoList::for_good)?;
        let credential = self.objects.credentials().get_credential().await.map_err(NoList::for_good)?;
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
        authorizer.try_authorize(&mut request, None).map_err(NoList::for_good)?;
        let options = ClientOptions::new().with_allow_http(plain_http());
        let client = ReqwestConnector::default().connect(&options).map_err(NoList::for_good)?;
        let answer = client.execute(request).await.map_err(|error| NoList::for_now(&error))?;
        let status = answer.status();
        let text = answer.into_body().bytes().await.map_err(|error| NoList::for_now(&error))?;
        let text = String::from_utf8_lossy(&text);
        if !status.is_success() {
            let why = format!("{status}: {}", text.chars().take(300).collect::<String>());
            return Err(NoList { why, is_transient: status.is_server_error() });
        }
        let mut uploads = uploads_of(&text).map_err(NoList::for_good)?;
        // Some emulators give all there are.
        uploads.retain(|upload| upload.key.starts_with(prefix));
        Ok(uploads)
    }

    /// The same; asked for again where S3 does not answer.
    async fn list_at_last(&self, prefix: &str) -> Result<Vec<OpenUpload>, String> {
        let mut tries = 1;
        loop {
            match self.list(prefix).await {
                Err(error) if error.is_transient && tries < TRIES => tokio::time::sleep(tries * PAUSE).await,
                list => return list.map_err(|error| error.why),
            }
            tries += 1;
        }
    }
}

/// The uploads in an answer of `ListMultipartUploads`.
fn uploads_of(answer: &str) -> Result<Vec<OpenUpload>, String> {
    let document = roxmltree::Document::parse(answer).map_err(|error| error.to_string())?;
    let uploads = document.root_element().children().filter(|node| node.has_tag_name("Upload"));
    let text = |upload: roxmltree::Node<'_, '_>, name: &str| {
        let child = upload.children().find(|node| node.has_tag_name(name));
        child
            .and_then(|node| node.text())
            .map(str::to_owned)
            .ok_or_else(|| format!("an upload without {name}"))
    };
    uploads
        .map(|upload| Ok(OpenUpload { key: text(upload, "Key")?, id: text(upload, "UploadId")? }))
        .collect()
}

impl Store {
    /// Aborts the open uploads of keys that begin so, whoever began them: who still writes one of them fails. A folder
    /// has none (see [`Store::delete_unfinished`]). Of a bucket this takes `s3:ListBucketMultipartUploads` and
    /// `s3:AbortMultipartUpload`.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if they cannot be listed or are still listed when they should be aborted; else as
    /// [`Store::get`].
    pub async fn abort_uploads(&self, prefix: &str) -> Result<(), StepError> {
        let Some(uploads) = &self.uploads else { return Ok(()) };
        let failed = |why: String| {
            StepError::SourceUnavailable(format!("{}: listing open uploads: {why}", self.uri_of(prefix)))
        };
        // What was aborted is no longer listed, so that the next list begins with what is left.
        for _ in 0..LISTS {
            let open = uploads.list_at_last(prefix).await.map_err(failed)?;
            if open.is_empty() {
                return Ok(());
            }
            for OpenUpload { key, id } in open {
                tracing::info!(key, "aborting an upload that was left open");
                let path = Path::parse(&key)
                    .map_err(|error| StepError::Internal(format!("{}: {error}", self.uri_of(&key))))?;
                match uploads.objects.abort_multipart(&path, &id).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(self.failed(&key, error)),
                }
            }
        }
        Err(failed(format!("there are more after {LISTS} lists of them were aborted")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_s3_names_keys_and_ids() {
        let answer = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>
            <Upload><Key>occurrences/run=a/part-00001.parquet</Key><UploadId>VXBs</UploadId>
            <Initiator><ID>x</ID></Initiator></Upload>
            <Upload><Key>a&amp;b</Key><UploadId>2</UploadId></Upload></ListMultipartUploadsResult>"#;
        let expected = [("occurrences/run=a/part-00001.parquet", "VXBs"), ("a&b", "2")];
        let expected = expected.map(|(key, id)| OpenUpload { key: key.into(), id: id.into() });
        assert_eq!(uploads_of(answer).unwrap(), expected);
        assert!(uploads_of("<a/>").unwrap().is_empty() && uploads_of("nothing").is_err());
        assert!(uploads_of("<a><Upload><Key>k</Key></Upload></a>").unwrap_err().contains("UploadId"));
    }

    #[test]
    fn a_list_is_asked_of_the_bucket_that_the_objects_are_in() {
        let url = |more: &[(AmazonS3ConfigKey, &str)]| {
            let builder = AmazonS3Builder::new().with_bucket_name("data").with_region("eu-west-1");
            let builder =
                more.iter().fold(builder, |builder, (key, value)| builder.with_config(*key, *value));
            let objects = Arc::new(builder.clone().build().unwrap());
            BucketUploads::new(&builder, "data", objects).url
        };
        assert_eq!(url(&[]), "https://s3.eu-west-1.amazonaws.com/data");
        let endpoint = (AmazonS3ConfigKey::Endpoint, "http://127.0.0.1:5000/");
        assert_eq!(url(&[endpoint]), "http://127.0.0.1:5000/data");
        let of_s3 = (AmazonS3ConfigKey::S3Endpoint, "http://127.0.0.1:6000");
        assert_eq!(url(&[endpoint, of_s3]), "http://127.0.0.1:6000/data");
    }

    #[tokio::test]
    async fn what_has_no_open_uploads_aborts_none() {
        let folder = tempfile::tempdir().unwrap();
        for store in [Store::memory(), Store::folder(folder.path()).unwrap()] {
            store.abort_uploads("occurrences/run=a/").await.unwrap();
        }
    }
}
