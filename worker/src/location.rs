//! Where a download is: a file or folder of this machine, an object or prefix in S3, or a URL.

use std::io::{Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use bisonflow_cloud::Store;
use bisonflow_contract::input::SourceUri;
use bisonflow_contract::{S3Uri, StepError};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::object_file::ObjectReader;

/// Who asks, as servers see it.
const USER_AGENT: &str = concat!("bisonflow/", env!("CARGO_PKG_VERSION"));

/// Anything that a download can be read from.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// Where a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file or folder of this machine.
    Local(PathBuf),
    /// An object, or a prefix that ends with `/`.
    S3(S3Uri),
    /// A file behind a URL.
    Http(String),
}

/// A file of a download.
pub struct SourceFile {
    /// What messages call it.
    pub name: String,
    /// Its URI.
    pub uri: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its ETag, without quotes.
    pub e_tag: Option<String>,
    open: Opener,
}

enum Opener {
    Local(PathBuf),
    Object(Arc<dyn ObjectStore>, Path, ObjectMeta, Handle),
}

impl SourceFile {
    /// Opens the file at its start.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if it cannot be opened.
    pub fn open(&self) -> Result<Box<dyn ReadSeek>, StepError> {
        match &self.open {
            Opener::Local(path) => std::fs::File::open(path)
                .map(|file| Box::new(file) as Box<dyn ReadSeek>)
                .map_err(|error| StepError::SourceUnavailable(format!("{}: {error}", self.uri))),
            Opener::Object(objects, path, meta, handle) => {
                Ok(Box::new(ObjectReader::new(objects.clone(), path.clone(), meta, handle.clone())))
            }
        }
    }
}

impl Location {
    /// The location that a person names: `s3://…`, `http(s)://…`, or a path.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if it is not well formed; [`StepError::DownloadNotAvailable`] for a path that does
    /// not exist.
    pub fn parse(text: &str) -> Result<Location, StepError> {
        if text.contains("://") && !text.starts_with("file://") {
            return Location::try_from(&SourceUri::try_from(text.to_owned())?);
        }
        let path = PathBuf::from(text.strip_prefix("file://").unwrap_or(text));
        let path = path.canonicalize().map_err(|error| {
            StepError::DownloadNotAvailable(format!("source {text:?} cannot be had: {error}; check the path"))
        })?;
        Ok(Location::Local(path))
    }

    /// What stands after the last `/`.
    pub fn name(&self) -> &str {
        match self {
            Location::Local(path) => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
            Location::S3(uri) => uri.name(),
            Location::Http(url) => {
                url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or_default()
            }
        }
    }

    /// The location as the run's documents carry it.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if a path is not UTF-8.
    pub fn uri(&self) -> Result<SourceUri, StepError> {
        match self {
            Location::Local(path) => {
                let text = path
                    .to_str()
                    .ok_or_else(|| StepError::invalid("source", "found a path that is not UTF-8"))?;
                SourceUri::try_from(format!("file://{text}"))
            }
            Location::S3(uri) => Ok(SourceUri::S3(uri.clone())),
            Location::Http(url) => Ok(SourceUri::Http(url.clone())),
        }
    }

    /// The files of the download: one, or all below a folder or prefix in the order of their names, hidden
    /// ones and markers (`_SUCCESS`, `citation.txt`) left out.
    ///
    /// # Errors
    /// [`StepError::DownloadNotAvailable`] if there is none; [`StepError::SourceUnavailable`] or
    /// [`StepError::Internal`] as [`Store::get`].
    pub fn files(&self, handle: &Handle) -> Result<Vec<SourceFile>, StepError> {
        let files = match self {
            Location::Local(path) => local_files(path)?,
            Location::S3(uri) => s3_files(uri, handle)?,
            Location::Http(url) => vec![http_file(url, handle)?],
        };
        if files.is_empty() {
            let uri = String::from(self.uri()?);
            return Err(StepError::DownloadNotAvailable(format!(
                "{uri}: found no file there; check the location"
            )));
        }
        Ok(files)
    }

    /// What tells this content from any other: the SHA-256 for local files, else URI, ETag and length.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if a file cannot be read.
    pub fn identity(&self, files: &[SourceFile]) -> Result<String, StepError> {
        let mut hash = Sha256::new();
        for file in files {
            match &file.open {
                Opener::Local(_) => {
                    let mut reader = file.open()?;
                    let mut buffer = vec![0; 1 << 16];
                    loop {
                        let read = reader.read(&mut buffer).map_err(|error| {
                            StepError::SourceUnavailable(format!("{}: {error}", file.uri))
                        })?;
                        if read == 0 {
                            break;
                        }
                        hash.update(&buffer[..read]);
                    }
                }
                Opener::Object(..) => {
                    hash.update(format!("{}\n{:?}\n{}\n", file.uri, file.e_tag, file.bytes).as_bytes());
                }
            }
        }
        Ok(bisonflow_contract::id::hex(&hash.finalize()))
    }
}

impl TryFrom<&SourceUri> for Location {
    type Error = StepError;
    fn try_from(uri: &SourceUri) -> Result<Location, StepError> {
        Ok(match uri {
            SourceUri::S3(uri) => Location::S3(uri.clone()),
            SourceUri::Http(url) => Location::Http(url.clone()),
            SourceUri::File(uri) => return Location::parse(uri),
        })
    }
}

fn is_data(name: &str) -> bool {
    !name.starts_with(['.', '_']) && name != "citation.txt"
}

fn local_files(path: &std::path::Path) -> Result<Vec<SourceFile>, StepError> {
    let unavailable =
        |error: std::io::Error| StepError::SourceUnavailable(format!("{}: {error}", path.display()));
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unavailable)? {
            let entry = entry.map_err(unavailable)?;
            if entry.path().is_file() && is_data(&entry.file_name().to_string_lossy()) {
                paths.push(entry.path());
            }
        }
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    let file = |path: PathBuf| {
        Ok(SourceFile {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            uri: format!("file://{}", path.display()),
            bytes: path.metadata().map_err(unavailable)?.len(),
            e_tag: None,
            open: Opener::Local(path),
        })
    };
    paths.into_iter().map(file).collect()
}

fn s3_files(uri: &S3Uri, handle: &Handle) -> Result<Vec<SourceFile>, StepError> {
    let store = Store::bucket(uri.bucket())?;
    let (objects, _) = store.object("")?;
    let file = |meta: ObjectMeta| SourceFile {
        name: meta.location.filename().unwrap_or_default().to_owned(),
        uri: store.uri_of(meta.location.as_ref()),
        bytes: meta.size,
        e_tag: meta.e_tag.as_ref().map(|tag| tag.trim_matches('"').to_owned()),
        open: Opener::Object(objects.clone(), meta.location.clone(), meta, handle.clone()),
    };
    if !uri.key().is_empty()
        && !uri.key().ends_with('/')
        && let Some(meta) = handle.block_on(store.head(uri.key()))?
    {
        return Ok(vec![file(meta)]);
    }
    let found = handle.block_on(store.list(uri.key()))?;
    Ok(found.into_iter().filter(|meta| meta.location.filename().is_some_and(is_data)).map(file).collect())
}

fn http_file(url: &str, handle: &Handle) -> Result<SourceFile, StepError> {
    let options = ClientOptions::new()
        .with_user_agent(http_user_agent())
        .with_allow_http(url.starts_with("http://"))
        .with_timeout_disabled();
    let objects = HttpBuilder::new()
        .with_url(url)
        .with_client_options(options)
        .build()
        .map_err(|error| StepError::invalid("source", error))?;
    // The URL itself is the store's root: a path would be encoded anew and a query lost.
    let path = Path::default();
    let meta = handle.block_on(objects.head(&path)).map_err(|error| match error {
        object_store::Error::NotFound { .. } => {
            StepError::DownloadNotAvailable(format!("{url}: the server has no such file; check the URL"))
        }
        error => StepError::SourceUnavailable(format!("{url}: {error}")),
    })?;
    if meta.size > 0 {
        let probe = handle.block_on(objects.get_range(&path, 0..1));
        if matches!(probe, Err(object_store::Error::NotSupported { .. })) {
            return Err(StepError::UnsupportedFormat(format!(
                "{url}: the server does not serve parts of files (HTTP ranges), which reading needs; download the \
                 file and name the copy"
            )));
        }
    }
    Ok(SourceFile {
        name: Location::Http(url.to_owned()).name().to_owned(),
        uri: url.to_owned(),
        bytes: meta.size,
        e_tag: meta.e_tag.as_ref().map(|tag| tag.trim_matches('"').to_owned()),
        open: Opener::Object(Arc::new(objects), path, meta, handle.clone()),
    })
}

fn http_user_agent() -> object_store::HeaderValue {
    object_store::HeaderValue::from_static(USER_AGENT)
}
