//! A file of this machine that appears under its name whole, or not at all.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bisonflow_contract::StepError;
use tempfile::NamedTempFile;

/// A file that is not whole yet: it has its name, and is seen, from [`WholeFile::finish`] on. Without that nothing of it
/// stays.
///
/// ```
/// use std::io::Write;
/// use bisonflow::whole_file::WholeFile;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("regions.index");
/// let file = WholeFile::create(&path).unwrap();
/// file.as_file().write_all(b"all of it").unwrap();
/// assert!(!path.exists());
/// file.finish().unwrap();
/// assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
/// ```
pub struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file, in a folder that is there; what a killed process left of an earlier try is deleted. Who may read
    /// it is as for any new file.
    ///
    /// # Errors
    /// As [`unwritten`] has it.
    pub fn create(path: &Path) -> Result<WholeFile, StepError> {
        let begin = || {
            let folder = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
            let mut prefix = OsString::from(".");
            prefix.push(path.file_name().unwrap_or_default());
            prefix.push(".unfinished-");
            for entry in folder.read_dir()? {
                let entry = entry?;
                if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
                    std::fs::remove_file(entry.path())?;
                }
            }
            let all = Permissions::from_mode(0o666); // less what the umask takes
            tempfile::Builder::new().prefix(&prefix).permissions(all).tempfile_in(folder)
        };
        let file = begin().map_err(|error: io::Error| unwritten(path, error))?;
        Ok(WholeFile { file, path: path.to_owned() })
    }

    /// What to write to.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives it its name, in place of what had it before.
    ///
    /// # Errors
    /// As [`unwritten`] has it.
    pub fn finish(self) -> Result<(), StepError> {
        let WholeFile { file, path } = self;
        let named = file.as_file().sync_all().and_then(|()| Ok(file.persist(&path)?));
        named.map(drop).map_err(|error| unwritten(&path, error))
    }
}

/// Writes a file of these bytes.
///
/// # Errors
/// As [`unwritten`] has it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StepError> {
    let file = WholeFile::create(path)?;
    file.as_file().write_all(bytes).map_err(|error| unwritten(path, error))?;
    file.finish()
}

/// [`StepError::Internal`] for a file or folder of this machine that cannot be written, with what to do.
pub fn unwritten(path: &Path, error: impl std::fmt::Display) -> StepError {
    StepError::Internal(format!(
        "writing {}: {error}; make room there or choose another folder, then do the same again",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bisonflow_contract::ErrorName;

    #[test]
    fn what_is_not_finished_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write(&path, b"before").unwrap();
        std::fs::write(folder.path().join(".a.csv.unfinished-killed"), "half").unwrap();
        let names = || folder.path().read_dir().unwrap().count();
        let file = WholeFile::create(&path).unwrap();
        file.as_file().write_all(b"half").unwrap();
        assert_eq!(names(), 2, "what was killed is gone");
        drop(file);
        assert_eq!((std::fs::read(&path).unwrap().as_slice(), names()), (b"before".as_slice(), 1));
        write(&path, b"after").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named_with_what_to_do() {
        let error = write(Path::new("/proc/regions.index"), b"").unwrap_err();
        assert_eq!(error.name(), ErrorName::Internal);
        assert!(error.to_string().contains("/proc/regions.index") && error.to_string().contains("choose"));
    }
}
