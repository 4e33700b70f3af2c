//! The local cloud, started and stopped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::command::{Done, output, workspace};
use crate::venv::Venv;

/// A running local cloud with the stack of template.yaml; it ends when this is dropped.
pub(crate) struct LocalCloud<'a> {
    venv: &'a Venv,
    process: Child,
    endpoint: String,
    region: String,
    /// The stack's bucket.
    pub(crate) bucket: String,
    /// The stack's state machine.
    pub(crate) state_machine_arn: String,
    /// The folder with the logs.
    pub(crate) state: PathBuf,
}

impl<'a> LocalCloud<'a> {
    /// Starts the local cloud with the programs in `binaries`; `state` is made anew.
    pub(crate) fn start(venv: &'a Venv, binaries: &Path, state: PathBuf) -> Done<LocalCloud<'a>> {
        if state.exists() {
            std::fs::remove_dir_all(&state)?;
        }
        std::fs::create_dir_all(&state)?;
        let errors = state.join("standard-error.log");
        let mut command = venv.python();
        command.args(["-m", "local_cloud", "--template"]).arg(workspace().join("template.yaml"));
        command.arg("--state").arg(&state).arg("--binaries").arg(binaries).args(["--wait-seconds", "1"]);
        // There is no GBIF here: a register is used with the keys that it has.
        command.args(["--parameter", "SpeciesMatchServer=none"]);
        // Nobody is there to approve.
        command.args(["--parameter", "HoldForApproval=false"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&errors)?);
        let mut process = command.spawn()?;
        let mut line = String::new();
        let stdout = process.stdout.take().ok_or("the local cloud has no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).map_err(|_| {
            let why = std::fs::read_to_string(&errors).unwrap_or_default();
            format!("the local cloud did not start; its logs are in {}\n{why}", state.display())
        })?;
        let text = |name: &str| {
            ready[name].as_str().map(str::to_owned).ok_or(format!("the local cloud names no {name}"))
        };
        Ok(LocalCloud {
            venv,
            endpoint: text("endpoint")?,
            region: text("region")?,
            bucket: text("bucket")?,
            state_machine_arn: text("state_machine_arn")?,
            process,
            state,
        })
    }

    fn drive(&self, command: &str) -> Command {
        let mut drive = self.venv.python();
        drive.args(["-m", "local_cloud.drive", "--endpoint", &self.endpoint, command]);
        drive
    }

    /// Uploads a file.
    pub(crate) fn upload(&self, file: &Path, key: &str) -> Done {
        output(self.drive("upload").arg(file).arg(self.uri(key)))?;
        Ok(())
    }

    /// Brings reference data into the bucket with the worker in `binaries`, as it is done with AWS.
    pub(crate) fn push_reference(
        &self,
        binaries: &Path,
        layers: Option<&Path>,
        register: Option<&Path>,
    ) -> Done {
        let mut push = Command::new(binaries.join("bisonflow"));
        push.args(["reference", "push", "--to", &format!("s3://{}", self.bucket)]);
        for (name, file) in [("--layers", layers), ("--riis", register)] {
            if let Some(file) = file {
                push.arg(name).arg(file);
            }
        }
        push.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", &self.region);
        push.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
        eprint!("{}", output(&mut push)?);
        Ok(())
    }

    /// Starts an execution with this input; its ARN.
    pub(crate) fn start_execution(&self, input: &Value) -> Done<String> {
        let mut start = self.drive("start-execution");
        start.args(["--state-machine-arn", &self.state_machine_arn, &input.to_string()]);
        Ok(output(&mut start)?.trim().to_owned())
    }

    /// Shows the states of an execution until its end; whether it succeeded.
    pub(crate) fn wait(&self, arn: &str) -> Done<bool> {
        Ok(self.drive("wait-execution").arg(arn).status()?.success())
    }

    /// The same for the execution that an upload started.
    pub(crate) fn wait_for_upload(&self, key: &str) -> Done<bool> {
        let mut wait = self.drive("wait-for-upload-execution");
        wait.args(["--state-machine-arn", &self.state_machine_arn, &self.uri(key)]);
        Ok(wait.status()?.success())
    }

    /// Copies everything below a prefix into a folder.
    pub(crate) fn download(&self, prefix: &str, folder: &Path) -> Done {
        output(self.drive("download").arg(self.uri(prefix)).arg(folder))?;
        Ok(())
    }

    /// The tables and partitions of the catalogue.
    pub(crate) fn tables(&self) -> Done<Value> {
        Ok(serde_json::from_str(&output(&mut self.drive("tables"))?)?)
    }

    /// The URI of a key in the stack's bucket.
    pub(crate) fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }
}

impl Drop for LocalCloud<'_> {
    fn drop(&mut self) {
        // It ends, with all that it started, when its standard input closes.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
