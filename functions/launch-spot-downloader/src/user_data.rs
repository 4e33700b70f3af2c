//! The script that an instance runs at its start: one fixed text with three checked values.

use bisonflow_contract::StepError;

const SCRIPT: &str = include_str!("user-data.sh");

/// The script for one control document. It holds no secret: whoever may describe the instance can read it.
///
/// # Errors
/// [`StepError::Internal`] naming a value that could be anything but what it should be to a shell.
pub(crate) fn user_data(control_uri: &str, image: &str, region: &str) -> Result<String, StepError> {
    let letter = |c: char| c.is_ascii_alphanumeric();
    check("the control document", control_uri, |c| letter(c) || "-._=/:".contains(c))?;
    check("WORKER_IMAGE", image, |c| letter(c) || "-._/:@".contains(c))?;
    check("the region", region, |c| letter(c) || c == '-')?;
    Ok(SCRIPT.replace("@CONTROL@", control_uri).replace("@IMAGE@", image).replace("@REGION@", region))
}

fn check(what: &str, value: &str, allowed: impl Fn(char) -> bool) -> Result<(), StepError> {
    if value.chars().next().is_some_and(|first| first.is_ascii_alphanumeric()) && value.chars().all(allowed) {
        return Ok(());
    }
    Err(StepError::Internal(format!("{what}: found {value:?}, which may not enter the instance's script")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    const CONTROL: &str = "s3://data/runs/run=gbif-1/control/0123456789abcdef.json";
    const ECR: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com/bisonflow@sha256:ab12";

    #[test]
    fn nothing_that_a_shell_understands_gets_in() {
        for (control, image, region) in [
            ("s3://data/x'; rm -rf /", "image", "us-east-1"),
            ("s3://data/$(id)", "image", "us-east-1"),
            (CONTROL, "image latest", "us-east-1"),
            (CONTROL, "-v/:/host", "us-east-1"),
            (CONTROL, "", "us-east-1"),
            (CONTROL, "image", "us-east-1\n"),
        ] {
            let error = user_data(control, image, region).unwrap_err();
            assert!(error.to_string().contains("may not enter"), "{error}");
        }
    }

    #[test]
    fn the_script_fits_and_has_no_placeholder_left() {
        let script = user_data(CONTROL, ECR, "us-east-1").unwrap();
        assert!(
            script.len() < 16 * 1024 && script.starts_with("#!/bin/bash\n") && !script.contains("@CONTROL")
        );
    }

    /// Runs the script with commands that only write down how they were called.
    fn calls(image: &str, docker_exit: i32) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        for (command, exit) in [("shutdown", 0), ("aws", 0), ("dnf", 0), ("docker", docker_exit)] {
            let file = folder.path().join(command);
            let body = format!("#!/bin/sh\necho \"{command} $*\" >>'{}'\nexit {exit}\n", log.display());
            fs::write(&file, body).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let script = user_data(CONTROL, image, "us-east-1").unwrap();
        Command::new("bash").arg("-c").arg(script).env("PATH", path).status().unwrap();
        fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_worker_runs_and_the_instance_powers_off_whatever_happens() {
        let land = format!(
            "docker run --rm --network host -e AWS_REGION=us-east-1 worker:1 land --control {CONTROL}"
        );
        for docker_exit in [0, 75] {
            let expected = ["shutdown -P +1500", &land, "shutdown -P now"];
            assert_eq!(calls("worker:1", docker_exit), expected, "docker exits with {docker_exit}");
        }
    }

    #[test]
    fn an_image_in_ecr_is_logged_in_to_in_its_own_region() {
        let calls = calls(ECR, 0);
        assert!(calls.contains(&"aws ecr get-login-password --region us-west-2".to_owned()), "{calls:?}");
        let login =
            "docker login --username AWS --password-stdin 111122223333.dkr.ecr.us-west-2.amazonaws.com";
        assert!(calls.contains(&login.to_owned()), "{calls:?}");
        assert_eq!(calls.last().unwrap(), "shutdown -P now");
    }
}
