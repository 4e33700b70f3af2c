//! The script that an instance runs at its start: one fixed text with a few checked values.

use bisonflow_contract::StepError;

const SCRIPT: &str = include_str!("user-data.sh");

/// The script for one control document. It holds no secret: whoever may describe the instance can read it.
///
/// # Errors
/// [`StepError::Internal`] naming a value that could be anything but what it should be to a shell.
pub(crate) fn user_data(
    control_uri: &str,
    image: &str,
    region: &str,
    log_group: &str,
) -> Result<String, StepError> {
    let letter = |c: char| c.is_ascii_alphanumeric();
    check("the control document", control_uri, |c| letter(c) || "-._=/:".contains(c))?;
    check("WORKER_IMAGE", image, |c| letter(c) || "-._/:@".contains(c))?;
    check("the region", region, |c| letter(c) || c == '-')?;
    check("WORKER_LOG_GROUP", log_group, |c| letter(c) || "-._/".contains(c))?;
    let values =
        [("@CONTROL@", control_uri), ("@IMAGE@", image), ("@REGION@", region), ("@LOG_GROUP@", log_group)];
    Ok(values.iter().fold(SCRIPT.to_owned(), |script, (place, value)| script.replace(place, value)))
}

fn check(what: &str, value: &str, allowed: impl Fn(char) -> bool) -> Result<(), StepError> {
    // A leading dash would be an option.
    if !value.is_empty() && !value.starts_with('-') && value.chars().all(allowed) {
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
        for (control, image, region, log_group) in [
            ("s3://data/x'; rm -rf /", "image", "us-east-1", "/bisonflow/worker"),
            ("s3://data/$(id)", "image", "us-east-1", "/bisonflow/worker"),
            (CONTROL, "image latest", "us-east-1", "/bisonflow/worker"),
            (CONTROL, "-v/:/host", "us-east-1", "/bisonflow/worker"),
            (CONTROL, "", "us-east-1", "/bisonflow/worker"),
            (CONTROL, "image", "us-east-1\n", "/bisonflow/worker"),
            (CONTROL, "image", "us-east-1", "/bisonflow/`id`"),
        ] {
            let error = user_data(control, image, region, log_group).unwrap_err();
            assert!(error.to_string().contains("may not enter"), "{error}");
        }
    }

    fn script(image: &str) -> String {
        user_data(CONTROL, image, "us-east-1", "/bisonflow/worker").unwrap()
    }

    #[test]
    fn the_script_fits_and_has_no_placeholder_left() {
        let script = script(ECR);
        assert!(script.len() < 16 * 1024 && script.starts_with("#!/bin/bash\n"));
        let is_placeholder = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase());
        assert!(!script.split('@').any(is_placeholder), "{script}");
    }

    /// Runs the script with commands that only write down how they were called, and what they were told; `fails` says
    /// with which status a call that begins so ends.
    fn calls(image: &str, fails: &[(&str, i32)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let cases: String =
            fails.iter().map(|(call, status)| format!("'{call}'*) exit {status} ;;\n")).collect();
        for command in ["shutdown", "aws", "dnf", "docker", "sleep"] {
            let file = folder.path().join(command);
            let body = format!(
                "#!/bin/sh\necho \"{command} $*\" >>'{log}'\ncase \"{command} $*\" in\n{cases}\
                 'aws s3 cp'*) echo '{{\"task_token\": \"secret\"}}' ;;\n\
                 *send-task-failure*) cat >>'{log}' ;;\nesac\n",
                log = log.display()
            );
            fs::write(&file, body).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        Command::new("bash").arg("-c").arg(script(image)).env("PATH", path).status().unwrap();
        fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
    }

    const PULL: &str = "docker pull --quiet worker:1";

    #[test]
    fn the_worker_runs_and_the_instance_powers_off_whatever_happens() {
        let land = format!(
            "docker run --rm --network host -e AWS_REGION=us-east-1 --log-driver awslogs \
             --log-opt awslogs-region=us-east-1 --log-opt awslogs-group=/bisonflow/worker \
             --log-opt awslogs-stream=land/run=gbif-1/control/0123456789abcdef.json \
             worker:1 land --control {CONTROL}"
        );
        for status in [0, 64, 65, 70, 75] {
            let expected = ["shutdown -P +1500", PULL, &land, "shutdown -P now"];
            assert_eq!(
                calls("worker:1", &[("docker run", status)]),
                expected,
                "the worker ends with {status}"
            );
        }
    }

    #[test]
    fn what_the_worker_cannot_report_is_reported_for_it() {
        let fetch = format!("aws s3 cp --only-show-errors --region us-east-1 {CONTROL} -");
        let send =
            "aws stepfunctions send-task-failure --region us-east-1 --cli-input-json file:///dev/stdin";
        let pulls = [PULL, "sleep 10", PULL];
        for (failing, status, before, words) in [
            ("docker pull", 1, pulls.as_slice(), "status 1 while it was pulling worker:1"),
            ("docker run", 125, &[PULL, "docker run"], "status 125 while it was running worker:1"),
            ("docker run", 137, &[PULL, "docker run"], "status 137 while it was running worker:1"),
        ] {
            let calls = calls("worker:1", &[(failing, status)]);
            let (first, rest) = calls.split_first().unwrap();
            assert_eq!(first, "shutdown -P +1500");
            let (told, rest) = rest.split_at(before.len());
            assert!(told.iter().zip(before).all(|(told, call)| told.starts_with(call)), "{told:?}");
            let [fetched, sent, body, end] = rest else { panic!("{rest:?}") };
            assert_eq!(
                (fetched.as_str(), sent.as_str(), end.as_str()),
                (fetch.as_str(), send, "shutdown -P now")
            );
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((&body["taskToken"], &body["error"]), (&"secret".into(), &"Internal".into()));
            assert!(body["cause"].as_str().unwrap().contains(words), "{body}");
            let secrets = calls.iter().filter(|call| call.contains("secret")).count();
            assert_eq!(secrets, 1, "the token is in no argument: {calls:?}");
        }
        // It powers off, too, where nothing can be reported.
        let calls = calls("worker:1", &[("docker", 1), ("aws", 1)]);
        assert_eq!(calls.last().unwrap(), "shutdown -P now", "{calls:?}");
    }

    #[test]
    fn an_image_in_ecr_is_logged_in_to_in_its_own_region() {
        let calls = calls(ECR, &[]);
        assert!(calls.contains(&"aws ecr get-login-password --region us-west-2".to_owned()), "{calls:?}");
        let login =
            "docker login --username AWS --password-stdin 111122223333.dkr.ecr.us-west-2.amazonaws.com";
        assert!(calls.contains(&login.to_owned()), "{calls:?}");
        assert_eq!(calls.last().unwrap(), "shutdown -P now");
    }
}
