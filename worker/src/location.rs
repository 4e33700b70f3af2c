//! Where a download is: a file or folder of this machine, an object or prefix in S3, or a URL.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bisonflow_cloud::Store;
use bisonflow_cloud::gbif_download::GbifDownloads;
use bisonflow_contract::document::GbifDownload;
use bisonflow_contract::input::SourceUri;
use bisonflow_contract::{DownloadKey, S3Uri, StepError};
use object_store::ObjectMeta;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::remote_file::{self, Patience, ReadAhead, RemoteFile, Trouble};
use crate::stop::Stop;

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

/// GBIF's service.
pub const GBIF_API: &str = "https://api.gbif.org";

/// A download: where it is, and what GBIF says of it, if it is known by its key.
pub struct Download {
    /// Where it is.
    pub location: Location,
    /// What GBIF says of it.
    pub gbif: Option<GbifDownload>,
}

impl Download {
    /// The download that a person names: its location as [`Location::parse`] has it, or its key at GBIF, whose service
    /// at `gbif_api` is then asked about it. A file of that name is nearer than GBIF.
    ///
    /// # Errors
    /// As [`Location::parse`] and [`Download::of_key`].
    pub fn find(text: &str, gbif_api: &str, handle: &Handle) -> Result<Download, StepError> {
        match text.parse() {
            Ok(key) if !Path::new(text).exists() => Download::of_key(&key, gbif_api, handle),
            _ => Ok(Location::parse(text)?.into()),
        }
    }

    /// The download that GBIF's service at `gbif_api` knows by its key.
    ///
    /// # Errors
    /// As [`GbifDownloads::ready`], and [`StepError::InvalidInput`] for what is no server.
    pub fn of_key(key: &DownloadKey, gbif_api: &str, handle: &Handle) -> Result<Download, StepError> {
        let downloads =
            GbifDownloads::new(gbif_api).map_err(|error| StepError::invalid("--gbif-api", error))?;
        let gbif = handle.block_on(downloads.ready(key))?;
        Ok(Download { location: Location::Http(downloads.file_url(key)), gbif: Some(gbif) })
    }
}

impl From<Location> for Download {
    fn from(location: Location) -> Download {
        Download { location, gbif: None }
    }
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
    /// With its content mark.
    Local(PathBuf, String),
    Remote(Arc<RemoteFile>, Handle),
}

impl SourceFile {
    /// Opens the file at its start; who waits for one that lies elsewhere can be told to stop.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if it cannot be opened, [`StepError::DownloadNotAvailable`] if it is gone or
    /// nobody may read it.
    pub fn open(&self, stop: &Stop) -> Result<Box<dyn ReadSeek>, StepError> {
        match &self.open {
            Opener::Local(path, _) => std::fs::File::open(path)
                .map(|file| Box::new(file) as Box<dyn ReadSeek>)
                .map_err(|error| unreadable(path, &error)),
            Opener::Remote(file, handle) => {
                Ok(Box::new(ReadAhead::new(Arc::clone(file), handle.clone(), stop.clone())))
            }
        }
    }

    /// What tells the content of the file from any other, where that is known: of a file of this machine its length
    /// and when it was last changed. Nothing is read for it: to hash 350 GB takes longer than to land them.
    pub fn content_mark(&self) -> Option<String> {
        match &self.open {
            Opener::Local(_, mark) => Some(mark.clone()),
            Opener::Remote(file, _) => file.content_mark(),
        }
    }

    /// What made reading it fail, if it lies elsewhere, or that it is not what it was.
    pub fn trouble(&self) -> Option<Trouble> {
        match &self.open {
            Opener::Local(path, mark) => match path.metadata().and_then(|found| local_mark(&found)) {
                Ok(found) if found == *mark => None,
                _ => Some(Trouble::Changed(format!("{}: the file was changed while it was read", self.uri))),
            },
            Opener::Remote(file, _) => file.trouble(),
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
        Location::local(Path::new(text.strip_prefix("file://").unwrap_or(text)))
    }

    /// A path of this machine.
    ///
    /// # Errors
    /// [`StepError::DownloadNotAvailable`] if it does not exist.
    pub fn local(path: &Path) -> Result<Location, StepError> {
        let whole = path.canonicalize().map_err(|error| {
            StepError::DownloadNotAvailable(format!("source {path:?} cannot be had: {error}; check the path"))
        })?;
        Ok(Location::Local(whole))
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

    /// The location as the run's documents carry it: without what a URL may hold of secrets.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if a path is not UTF-8.
    pub fn uri(&self) -> Result<SourceUri, StepError> {
        match self {
            Location::Local(path) => {
                let path = std::path::absolute(path)
                    .map_err(|error| StepError::invalid("source", format!("{}: {error}", path.display())))?;
                let text = path
                    .to_str()
                    .ok_or_else(|| StepError::invalid("source", "found a path that is not UTF-8"))?;
                SourceUri::try_from(format!("file://{text}"))
            }
            Location::S3(uri) => Ok(SourceUri::S3(uri.clone())),
            Location::Http(url) => Ok(SourceUri::Http(remote_file::shown(url))),
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

    /// What tells these files from any others: URIs, lengths, and ETags or when they were last changed.
    pub fn identity(files: &[SourceFile]) -> String {
        let mut hash = Sha256::new();
        for file in files {
            let mark = match &file.open {
                Opener::Local(_, mark) => format!("{}\n{mark}\n", file.uri),
                Opener::Remote(remote, _) => {
                    format!("{}\n{:?}\n{}\n", remote.address(), file.e_tag, file.bytes)
                }
            };
            hash.update(mark.as_bytes());
        }
        bisonflow_contract::id::hex(&hash.finalize())
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

/// Whether a file is of the download, by its path below the folder or prefix that is named.
fn is_data(path: &str) -> bool {
    path.split('/').all(|name| !name.starts_with(['.', '_']))
        && path.rsplit('/').next() != Some("citation.txt")
}

fn unreadable(path: &Path, error: &std::io::Error) -> StepError {
    let found = format!("source {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
            StepError::DownloadNotAvailable(format!("{found}; check the path and who may read it"))
        }
        _ => StepError::SourceUnavailable(found),
    }
}

/// The file, or the files below the folder, in the order of their paths.
fn local_files(path: &Path) -> Result<Vec<SourceFile>, StepError> {
    let mut paths = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            paths.push(folder);
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?.path();
            let below = entry.strip_prefix(path).unwrap_or(&entry).to_string_lossy();
            if is_data(&below) {
                folders.push(entry);
            }
        }
    }
    paths.sort();
    let file = |path: PathBuf| {
        let unavailable = |error: std::io::Error| unreadable(&path, &error);
        let found = path.metadata().map_err(unavailable)?;
        let mark = local_mark(&found).map_err(unavailable)?;
        Ok(SourceFile {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            uri: format!("file://{}", path.display()),
            bytes: found.len(),
            e_tag: None,
            open: Opener::Local(path, mark),
        })
    };
    paths.into_iter().map(file).collect()
}

fn local_mark(found: &std::fs::Metadata) -> std::io::Result<String> {
    let changed = jiff::Timestamp::try_from(found.modified()?).map_err(std::io::Error::other)?;
    Ok(format!("{} bytes, changed {changed}", found.len()))
}

fn s3_files(uri: &S3Uri, handle: &Handle) -> Result<Vec<SourceFile>, StepError> {
    let store = Store::bucket(uri.bucket())?;
    let (objects, _) = store.object("")?;
    let file = |meta: ObjectMeta| {
        let name = meta.location.filename().unwrap_or_default().to_owned();
        let file = RemoteFile::object(store.uri_of(meta.location.as_ref()), Arc::clone(&objects), &meta);
        remote_file(name, file, handle)
    };
    if !uri.key().is_empty()
        && !uri.key().ends_with('/')
        && let Some(meta) = handle.block_on(store.head(uri.key()))?
    {
        return Ok(vec![file(meta)]);
    }
    let found = handle.block_on(store.list(uri.key()))?;
    let below = |meta: &ObjectMeta| meta.location.as_ref().get(uri.key().len()..).is_some_and(is_data);
    Ok(found.into_iter().filter(below).map(file).collect())
}

fn http_file(url: &str, handle: &Handle) -> Result<SourceFile, StepError> {
    let file = handle.block_on(RemoteFile::at_url(url, Patience::default()))?;
    Ok(remote_file(Location::Http(url.to_owned()).name().to_owned(), file, handle))
}

fn remote_file(name: String, file: RemoteFile, handle: &Handle) -> SourceFile {
    SourceFile {
        name,
        uri: file.uri().to_owned(),
        bytes: file.bytes(),
        e_tag: file.e_tag(),
        open: Opener::Remote(Arc::new(file), handle.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_folder_are_those_at_any_depth_but_for_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "b",
            "a/1",
            "a/b/2",
            "a/_temporary/3",
            ".hidden/4",
            "_SUCCESS",
            "a/citation.txt",
            "my-citation.txt",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let root = format!("file://{}/", folder.path().display());
        let files = local_files(folder.path()).unwrap();
        let found: Vec<_> = files.iter().map(|file| file.uri.strip_prefix(&root).unwrap()).collect();
        assert_eq!(found, ["a/1", "a/b/2", "b", "my-citation.txt"]);
    }

    #[test]
    fn a_file_of_this_machine_is_known_by_its_length_and_its_last_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("occurrence.txt");
        std::fs::write(&path, "gbifID\n1\n").unwrap();
        let files = || local_files(&path).unwrap();
        let before = files();
        assert_eq!(Location::identity(&before), Location::identity(&files()));
        assert!(before[0].trouble().is_none());

        // Other content of the same length, a microsecond later.
        std::fs::write(&path, "gbifID\n2\n").unwrap();
        let changed = before[0].content_mark().unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_micros(1);
        file.set_modified(later).unwrap();
        assert_ne!(changed, files()[0].content_mark().unwrap());
        assert_ne!(Location::identity(&before), Location::identity(&files()));
        assert!(matches!(before[0].trouble(), Some(Trouble::Changed(_))));

        std::fs::remove_file(&path).unwrap();
        assert!(matches!(before[0].trouble(), Some(Trouble::Changed(_))));
    }
}
