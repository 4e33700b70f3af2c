//! Objects below a root: a bucket, a folder, or memory.

mod open_uploads;
mod upload;

use std::io;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Duration;

use bisonflow_contract::{S3Uri, StepError};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attribute, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig, UpdateVersion,
};

use open_uploads::BucketUploads;

/// How much of a long object is asked for at once, bytes, and how many such requests are on their way.
const PIECE_BYTES: u64 = 8 << 20;
const PIECES_IN_FLIGHT: usize = 8;
/// The entry of an object's metadata that tells the SHA-256 of its content.
const SHA256: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("sha256"));

/// Where an instance asks for the credentials of its role: the last resort of who has no others.
const METADATA_SERVICE: [&str; 2] = ["/latest/api/token", "/latest/meta-data/iam/"];

/// How long a patient store tries a request again.
const PATIENCE: Duration = Duration::from_secs(600);

/// The IAM actions that a [`Store`] may need, by what is done with it.
pub mod actions {
    /// Reading objects.
    pub const READ: &[&str] = &["s3:GetObject"];
    /// Reading one version of an object.
    pub const READ_VERSION: &[&str] = &["s3:GetObjectVersion"];
    /// Listing, and telling absence from a missing permission.
    pub const LIST: &[&str] = &["s3:ListBucket"];
    /// Writing objects.
    pub const WRITE: &[&str] = &["s3:PutObject"];
    /// Deleting objects.
    pub const DELETE: &[&str] = &["s3:DeleteObject"];
}

/// What a conditional write found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// Written.
    Written,
    /// Somebody else was first: the object exists, or is no longer the one expected.
    Conflict,
}

/// An object as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Stat {
    /// Length, ETag and version.
    pub meta: ObjectMeta,
    /// The SHA-256 of its content, where whoever wrote it said so ([`Store::put_pieces_with_sha256`]).
    pub sha256: Option<String>,
}

/// Objects below a root. Keys are relative to it, without a leading `/`.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// Uploads that were not completed, where they stay.
    uploads: Option<Arc<BucketUploads>>,
    uri: String,
    /// `PutMode::Update` works; a folder has no ETag to compare with.
    conditional_update: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// Whether an S3 client for this process may use plain HTTP: only where an emulator's endpoint says so.
fn plain_http() -> bool {
    std::env::var("AWS_ENDPOINT_URL").is_ok_and(|url| url.starts_with("http://"))
}

impl Store {
    /// A bucket; region, credentials and endpoint come from the environment as AWS defines them.
    ///
    /// # Errors
    /// [`StepError::Internal`] if the environment lacks what S3 needs.
    pub fn bucket(bucket: &str) -> Result<Store, StepError> {
        Store::bucket_with(bucket, RetryConfig::default())
    }

    fn bucket_with(bucket: &str, retry: RetryConfig) -> Result<Store, StepError> {
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_allow_http(plain_http());
        let builder = builder.with_retry(retry);
        let objects = Arc::new(builder.clone().build().map_err(|error| {
            StepError::Internal(format!("cannot set up S3 for bucket {bucket}: {error}"))
        })?);
        Ok(Store {
            uploads: Some(Arc::new(BucketUploads::new(&builder, bucket, Arc::clone(&objects)))),
            objects,
            uri: format!("s3://{bucket}"),
            conditional_update: true,
        })
    }

    /// The same store, for long work: each request to a bucket is tried again for ten minutes. Whether there are
    /// credentials has to be known by then: who has none would wait as long.
    ///
    /// # Errors
    /// As [`Store::bucket`].
    pub fn patient(&self) -> Result<Store, StepError> {
        match self.uri.strip_prefix("s3://") {
            Some(bucket) if self.uploads.is_some() => Store::bucket_with(
                bucket,
                RetryConfig {
                    max_retries: usize::MAX, // it is the time that ends it
                    retry_timeout: PATIENCE,
                    ..RetryConfig::default()
                },
            ),
            _ => Ok(self.clone()),
        }
    }

    /// A folder, made if absent.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if it is no folder, and as [`unwritable`].
    pub fn folder(folder: &FsPath) -> Result<Store, StepError> {
        if folder.is_file() {
            return Err(StepError::invalid(folder.display(), "it is a file, not a folder"));
        }
        let wrong = |error: io::Error| unwritable(folder, &error);
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let folder = folder.canonicalize().map_err(wrong)?;
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| StepError::invalid(folder.display(), error))?;
        Ok(Store {
            objects: Arc::new(objects.with_automatic_cleanup(true)),
            uploads: None,
            uri: folder.display().to_string(),
            conditional_update: false,
        })
    }

    /// Memory, for tests.
    pub fn memory() -> Store {
        let objects = Arc::new(InMemory::new());
        Store { objects, uploads: None, uri: "s3://memory".into(), conditional_update: true }
    }

    /// The root that a text names: `s3://bucket` or a folder.
    ///
    /// # Errors
    /// As [`Store::bucket`] and [`Store::folder`].
    pub fn open(root: &str) -> Result<Store, StepError> {
        if root.starts_with("s3://") {
            let uri: S3Uri = root.parse()?;
            if !uri.key().is_empty() {
                return Err(StepError::invalid(
                    "root",
                    format_args!("found {root}, expected a bucket without a key"),
                ));
            }
            Store::bucket(uri.bucket())
        } else {
            Store::folder(FsPath::new(root))
        }
    }

    /// [`Store::open`] for what is only read: a folder is not made.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if there is no such folder; else as [`Store::open`].
    pub fn open_existing(root: &str) -> Result<Store, StepError> {
        if !root.starts_with("s3://") && !FsPath::new(root).is_dir() {
            let what = if FsPath::new(root).exists() { "a file" } else { "not there" };
            return Err(StepError::invalid(
                "root",
                format_args!("found {root}, which is {what}; expected a folder or s3://BUCKET"),
            ));
        }
        Store::open(root)
    }

    /// `s3://bucket` or the folder's path; never ends with `/`.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The URI of a key.
    pub fn uri_of(&self, key: &str) -> String {
        format!("{}/{key}", self.uri)
    }

    /// The object store itself and the path of a key in it, for readers that stream.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if the key is not one an object store can hold.
    pub fn object(&self, key: &str) -> Result<(Arc<dyn ObjectStore>, Path), StepError> {
        Ok((self.objects.clone(), path(key)?))
    }

    /// The content of an object; absent is `None`.
    ///
    /// # Errors
    /// [`StepError::Throttled`], [`StepError::SourceUnavailable`], or [`StepError::Internal`] for a missing permission.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StepError> {
        self.get_version(key, None).await
    }

    /// The content of one version of an object; absent is `None`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_version(&self, key: &str, version: Option<&str>) -> Result<Option<Bytes>, StepError> {
        let options = GetOptions { version: version.map(str::to_owned), ..GetOptions::default() };
        match self.objects.get_opts(&path(key)?, options).await {
            Ok(result) => result.bytes().await.map(Some).map_err(|error| self.failed(key, error)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// Length, ETag and version of an object; absent is `None`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, StepError> {
        match self.objects.head(&path(key)?).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// Length, ETag, version and, where it is known, the SHA-256 of an object; absent is `None`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn stat(&self, key: &str) -> Result<Option<Stat>, StepError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.objects.get_opts(&path(key)?, options).await {
            Ok(result) => {
                let sha256 = result.attributes.get(&SHA256).map(|value| value.to_string());
                Ok(Some(Stat { meta: result.meta, sha256 }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// The first bytes of one version of an object, at most `bytes` (≥ 1); absent is `None`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn beginning(
        &self,
        key: &str,
        version: Option<&str>,
        bytes: u64,
    ) -> Result<Option<Bytes>, StepError> {
        let options = GetOptions {
            range: Some((0..bytes).into()),
            version: version.map(str::to_owned),
            ..GetOptions::default()
        };
        match self.objects.get_opts(&path(key)?, options).await {
            Ok(result) => result.bytes().await.map(Some).map_err(|error| self.failed(key, error)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// Gives one version of an object of `bytes` bytes to `take`, piece by piece in order: what is too long for
    /// memory. Several pieces are on their way at the same time.
    ///
    /// # Errors
    /// The first of `take`; [`StepError::SourceUnavailable`] if the object is not there; else as [`Store::get`].
    pub async fn get_pieces(
        &self,
        key: &str,
        version: Option<&str>,
        bytes: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let at = path(key)?;
        let piece = async |number: u64| {
            let start = number * PIECE_BYTES;
            let options = GetOptions {
                range: Some((start..(start + PIECE_BYTES).min(bytes)).into()),
                version: version.map(str::to_owned),
                ..GetOptions::default()
            };
            self.objects.get_opts(&at, options).await?.bytes().await
        };
        let mut pieces =
            futures::stream::iter(0..bytes.div_ceil(PIECE_BYTES)).map(piece).buffered(PIECES_IN_FLIGHT);
        while let Some(piece) = pieces.next().await {
            take(&piece.map_err(|error| self.failed(key, error))?)?;
        }
        Ok(())
    }

    /// Writes an object, whole or not at all.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn put(&self, key: &str, content: impl Into<PutPayload> + Send) -> Result<(), StepError> {
        self.objects.put(&path(key)?, content.into()).await.map_err(|error| self.failed(key, error))?;
        Ok(())
    }

    /// Writes an object only if there is none (`If-None-Match: *`).
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn put_if_absent(
        &self,
        key: &str,
        content: impl Into<PutPayload> + Send,
    ) -> Result<Conditional, StepError> {
        self.put_conditional(key, content.into(), PutMode::Create).await
    }

    /// Writes an object only if it is still the one with this ETag (`If-Match`). In a folder, which has one
    /// writer, it is written as it is.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn put_if_match(
        &self,
        key: &str,
        content: impl Into<PutPayload> + Send,
        e_tag: &str,
    ) -> Result<Conditional, StepError> {
        let mode = if self.conditional_update {
            PutMode::Update(UpdateVersion { e_tag: Some(e_tag.to_owned()), version: None })
        } else {
            PutMode::Overwrite
        };
        self.put_conditional(key, content.into(), mode).await
    }

    async fn put_conditional(
        &self,
        key: &str,
        content: PutPayload,
        mode: PutMode,
    ) -> Result<Conditional, StepError> {
        match self.objects.put_opts(&path(key)?, content, PutOptions::from(mode)).await {
            Ok(_) => Ok(Conditional::Written),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Conditional::Conflict)
            }
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// All objects below a prefix that ends with `/`, in the order of their keys; empty if there are none.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, StepError> {
        let folder = path(prefix.trim_end_matches('/'))?;
        let mut found: Vec<ObjectMeta> = self
            .objects
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|error| self.failed(prefix, error))?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }

    /// The names of the folders right below a prefix that ends with `/`, sorted; empty if there are none.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StepError> {
        let folder = path(prefix.trim_end_matches('/'))?;
        let found = self.objects.list_with_delimiter(Some(&folder)).await;
        let found = found.map_err(|error| self.failed(prefix, error))?;
        let name = |path: Path| path.filename().map(str::to_owned);
        let mut names: Vec<String> = found.common_prefixes.into_iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// Deletes objects; absent ones are no error.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn delete(&self, keys: impl IntoIterator<Item = String>) -> Result<(), StepError> {
        let mut deletions = futures::stream::iter(keys)
            .map(async |key| match self.objects.delete(&path(&key)?).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.failed(&key, error)),
            })
            .buffer_unordered(16);
        while let Some(deleted) = deletions.next().await {
            deleted?;
        }
        Ok(())
    }

    /// Deletes what processes that were killed while writing have left below a prefix of a folder: files named
    /// after their target, `#` and a number. A bucket has no such files (its lifecycle rule ends old uploads).
    ///
    /// # Errors
    /// [`StepError::Internal`] if a file cannot be deleted.
    pub fn delete_unfinished(&self, prefix: &str) -> Result<(), StepError> {
        if self.uri.starts_with("s3://") {
            return Ok(());
        }
        let folder = FsPath::new(&self.uri).join(prefix);
        let failed = |error: std::io::Error| StepError::Internal(format!("{}: {error}", folder.display()));
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let number = name.rsplit_once('#').map_or("", |(_, number)| number);
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The step error for an object store's: what failed, at which URI, and what to do.
    pub fn failed(&self, key: &str, error: object_store::Error) -> StepError {
        let at = self.uri_of(key);
        match error {
            error if error.to_string().contains("<Code>NoSuchBucket</Code>") => {
                StepError::invalid(at, "there is no such bucket; check its name")
            }
            object_store::Error::NotFound { .. } => StepError::SourceUnavailable(format!("{at}: not there")),
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                StepError::Internal(format!("{at}: access denied; give this role the permission: {error}"))
            }
            error => match self.of_this_machine(&error) {
                Some(why) => StepError::Internal(format!("{at}: {why}")),
                None => {
                    let text = error.to_string();
                    if METADATA_SERVICE.iter().any(|path| text.contains(path)) {
                        StepError::SourceUnavailable(format!(
                            "{at}: no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`aws configure \
                             export-credentials --format env` prints those of a profile), or work where a role gives \
                             them; the instance's metadata service was asked for some: {text}"
                        ))
                    } else if text.contains("SlowDown") || text.contains("429 Too Many Requests") {
                        StepError::Throttled(format!("{at}: {text}"))
                    } else {
                        StepError::SourceUnavailable(format!("{at}: {text}"))
                    }
                }
            },
        }
    }

    /// The step error for a file of records that could not be written, with what led to it: of a folder, this
    /// machine's disk has to be looked after; of a bucket, it may go better the next time.
    pub fn unwritten(&self, key: &str, error: &(dyn std::error::Error + 'static)) -> StepError {
        let at = self.uri_of(key);
        match self.of_this_machine(error) {
            Some(why) => StepError::Internal(format!("writing {at}: {why}")),
            None => StepError::SourceUnavailable(format!("writing {at}: {error}")),
        }
    }

    /// Of a folder, what the system says and what to do about it, if it is the system that an error comes from.
    fn of_this_machine(&self, error: &(dyn std::error::Error + 'static)) -> Option<String> {
        if self.uri.starts_with("s3://") {
            return None;
        }
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        let of_system = |error: &&(dyn std::error::Error + 'static)| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some())
        };
        let found = causes.find(of_system)?.downcast_ref::<io::Error>()?;
        let advice = match found.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "make room there or choose another folder, then do the same again"
            }
            _ => "look after the folder or choose another one, then do the same again",
        };
        Some(format!("{found}; {advice}"))
    }
}

/// The error of a file or folder of this machine that cannot be made or written, with what to do:
/// [`StepError::Internal`] where the machine does not allow it, else [`StepError::InvalidInput`].
pub fn unwritable(path: &FsPath, error: &io::Error) -> StepError {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let path = path.display();
    match error.kind() {
        StorageFull | QuotaExceeded => StepError::Internal(format!(
            "{path}: {error}; make room there or choose another folder, then do the same again"
        )),
        PermissionDenied | ReadOnlyFilesystem => StepError::Internal(format!(
            "{path}: {error}; make it writable or choose another folder, then do the same again"
        )),
        _ => StepError::invalid(path, error),
    }
}

/// The path of a key, used as it is.
fn path(key: &str) -> Result<Path, StepError> {
    Path::parse(key).map_err(|error| StepError::invalid(format_args!("key {key:?}"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_conditional_write_has_one_winner() {
        let folder = tempfile::tempdir().unwrap();
        for store in [Store::memory(), Store::folder(folder.path()).unwrap()] {
            let key = "runs/run=a/plan.json";
            assert_eq!(store.get(key).await.unwrap(), None);
            assert_eq!(store.put_if_absent(key, "1").await.unwrap(), Conditional::Written);
            assert_eq!(store.put_if_absent(key, "2").await.unwrap(), Conditional::Conflict);
            assert_eq!(store.get(key).await.unwrap().unwrap(), "1");
        }
        let store = Store::memory();
        store.put("k", "1").await.unwrap();
        let first = store.head("k").await.unwrap().unwrap().e_tag.unwrap();
        assert_eq!(store.put_if_match("k", "2", &first).await.unwrap(), Conditional::Written);
        assert_eq!(store.put_if_match("k", "3", &first).await.unwrap(), Conditional::Conflict);
        assert_eq!(store.get("k").await.unwrap().unwrap(), "2");
    }

    #[tokio::test]
    async fn pieces_make_one_object_or_none() {
        let folder = tempfile::tempdir().unwrap();
        for store in [Store::memory(), Store::folder(folder.path()).unwrap()] {
            for count in [0_usize, 1, 3, 25] {
                let piece = |place: usize| vec![place as u8; 1_000_000];
                let pieces = (0..count).map(|place| Ok::<_, StepError>(piece(place)));
                store.put_pieces("csv/a.csv", pieces).await.unwrap();
                let whole: Vec<u8> = (0..count).flat_map(piece).collect();
                assert!(store.get("csv/a.csv").await.unwrap().unwrap() == whole, "{count} pieces");
            }
            let broken = (0..25).map(|place| match place {
                24 => Err(StepError::Internal("no more".into())),
                _ => Ok(vec![0; 1_000_000]),
            });
            assert!(store.put_pieces("csv/b.csv", broken).await.unwrap_err().to_string().contains("no more"));
            assert_eq!(store.get("csv/b.csv").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn long_objects_are_read_in_pieces_and_keep_their_sha256() {
        let store = Store::memory();
        let content: Vec<u8> = (0..3 * PIECE_BYTES as usize + 7).map(|at| (at % 251) as u8).collect();
        let pieces = content.chunks(1 << 20).map(|piece| Ok::<_, StepError>(piece.to_vec()));
        store.put_pieces_with_sha256("reference/a", "abc", pieces).await.unwrap();
        store.put("reference/b", "short").await.unwrap();
        let stat = store.stat("reference/a").await.unwrap().unwrap();
        assert_eq!((stat.meta.size, stat.sha256.as_deref()), (content.len() as u64, Some("abc")));
        assert_eq!(store.stat("reference/b").await.unwrap().unwrap().sha256, None);
        assert_eq!(store.stat("reference/c").await.unwrap(), None);
        let mut read = Vec::new();
        let take = |piece: &[u8]| {
            read.extend_from_slice(piece);
            Ok(())
        };
        store.get_pieces("reference/a", None, stat.meta.size, take).await.unwrap();
        assert!(read == content);
        assert_eq!(store.beginning("reference/b", None, 3).await.unwrap().unwrap(), "sho");
        assert_eq!(store.beginning("reference/b", None, 300).await.unwrap().unwrap(), "short");
        assert_eq!(store.beginning("reference/c", None, 3).await.unwrap(), None);
    }

    #[test]
    fn a_file_is_no_root() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.zip");
        std::fs::write(&file, "").unwrap();
        let told = |store: Result<Store, StepError>| {
            let error = store.unwrap_err();
            assert_eq!(error.exit_code(), 64, "{error}");
            error.to_string()
        };
        let root = file.to_str().unwrap();
        assert!(told(Store::open(root)).contains("it is a file, not a folder"));
        assert!(told(Store::open_existing(root)).contains("which is a file; expected a folder"));
        assert!(told(Store::open_existing("absent")).contains("which is not there"));
    }

    #[test]
    fn who_has_no_credentials_or_no_bucket_is_told_so() {
        let error = |text: &str| object_store::Error::Generic { store: "S3", source: text.into() };
        let bucket = "404 Not Found: <Error><Code>NoSuchBucket</Code><Message>…</Message></Error>";
        let nowhere = object_store::Error::NotFound { path: "a".into(), source: bucket.into() };
        for error in [error(bucket), nowhere] {
            assert!(matches!(Store::memory().failed("a", error), StepError::InvalidInput(_)));
        }
        let told = |text| Store::memory().failed("a", error(text)).to_string();
        let asked = "Error performing PUT http://169.254.169.254/latest/api/token in 3ms";
        assert!(told(asked).contains("set AWS_ACCESS_KEY_ID") && told(asked).contains(asked));
        assert!(!told("Error performing GET http://127.0.0.1/bucket/a").contains("AWS_ACCESS_KEY_ID"));
    }

    #[tokio::test]
    async fn what_a_killed_writer_left_is_deleted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        store.delete_unfinished("annotated/run=a/").unwrap();
        for key in ["part-00000.parquet", "part-00000.parquet#1", "part-00000.parquet#12", "a#b", "a#"] {
            std::fs::create_dir_all(folder.path().join("annotated/run=a")).unwrap();
            std::fs::write(folder.path().join("annotated/run=a").join(key), "x").unwrap();
        }
        store.delete_unfinished("annotated/run=a/").unwrap();
        let left = std::fs::read_dir(folder.path().join("annotated/run=a")).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a#", "a#b", "part-00000.parquet"]);
    }

    #[tokio::test]
    async fn lists_and_deletes_below_a_prefix_only() {
        let store = Store::memory();
        for key in ["a/run=x/1", "a/run=x/2", "a/run=xy/1", "b/1"] {
            store.put(key, "").await.unwrap();
        }
        let keys =
            |found: Vec<ObjectMeta>| found.into_iter().map(|m| m.location.to_string()).collect::<Vec<_>>();
        assert_eq!(keys(store.list("a/run=x/").await.unwrap()), ["a/run=x/1", "a/run=x/2"]);
        store.delete(["a/run=x/1".to_owned(), "a/absent".to_owned()]).await.unwrap();
        assert_eq!(keys(store.list("a/").await.unwrap()), ["a/run=x/2", "a/run=xy/1"]);
        assert!(store.list("nothing/").await.unwrap().is_empty());
        store.put("a/run=z", "").await.unwrap();
        assert_eq!(store.folders("a/").await.unwrap(), ["run=x", "run=xy"]);
        assert!(store.folders("nothing/").await.unwrap().is_empty());
    }
}
