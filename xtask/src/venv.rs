//! The Python environment with the pinned tools, made once for each state of the requirements.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Done, step, target, workspace};

/// A Python environment.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// The environment of the local cloud and the tests.
    pub(crate) fn ready() -> Done<Venv> {
        Venv::of("local-cloud/requirements.txt")
    }

    /// The environment of these pinned requirements; made if it is not there. It lies among the build results,
    /// named after the requirements, so that it is shared and never stale.
    pub(crate) fn of(requirements: &str) -> Done<Venv> {
        let requirements = workspace().join(requirements);
        let mut hasher = DefaultHasher::new();
        std::fs::read(&requirements)?.hash(&mut hasher);
        let folder = target()?.join(format!("venv-{:016x}", hasher.finish()));
        let venv = Venv { folder };
        let complete = venv.folder.join("complete");
        if !complete.exists() {
            if venv.folder.exists() {
                std::fs::remove_dir_all(&venv.folder)?;
            }
            let python = ["python3.13", "python3.12", "python3.11", "python3"]
                .into_iter()
                .find(|name| is_recent(name));
            let python = python.ok_or("no Python 3.11 or later found: install one")?;
            step("Python environment", Command::new(python).args(["-m", "venv"]).arg(&venv.folder))?;
            let mut install = venv.python();
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
            step("Python tools", install.arg(&requirements))?;
            std::fs::write(complete, "")?;
        }
        Ok(venv)
    }

    /// Its Python, with our modules in reach.
    pub(crate) fn python(&self) -> Command {
        self.tool("python")
    }

    /// One of its programs, as if the environment were active.
    pub(crate) fn tool(&self, name: &str) -> Command {
        let mut tool = Command::new(self.bin().join(name));
        self.activate(&mut tool);
        tool.current_dir(workspace()).env("PYTHONPATH", workspace().join("local-cloud"));
        tool
    }

    /// Puts the environment's programs first in the path of `command`.
    pub(crate) fn activate(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.bin()).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(paths) {
            command.env("PATH", path);
        }
        command.env("VIRTUAL_ENV", &self.folder).env("SAM_CLI_TELEMETRY", "0").env_remove("PYTHONHOME");
    }

    fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }
}

fn is_recent(python: &str) -> bool {
    let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    Command::new(Path::new(python)).args(["-c", check]).output().is_ok_and(|output| output.status.success())
}
