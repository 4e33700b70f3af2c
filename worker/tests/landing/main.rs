//! `bisonflow land` as a process that is killed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KILLS: usize = 10;

fn bisonflow() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bisonflow"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Lands in parts of a row group of 500 records each.
fn land(source: &Path, out: &Path) -> Command {
    let mut command = bisonflow();
    command.args(["land", "--row-group-records", "500", "--part-bytes", "1", "--source"]).arg(source);
    command.arg("--out").arg(out);
    command
}

/// Every file below a folder and its bytes, but for the moments in landing.json.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(of) = folders.pop() {
        for entry in std::fs::read_dir(of).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read(&path).unwrap();
                let name = path.strip_prefix(folder).unwrap().to_owned();
                let content = match name.ends_with("landing.json") {
                    false => text,
                    true => {
                        let mut landing: serde_json::Value = serde_json::from_slice(&text).unwrap();
                        landing.as_object_mut().unwrap().remove("landed_at").unwrap();
                        landing.to_string().into_bytes()
                    }
                };
                found.insert(name, content);
            }
        }
    }
    found
}

#[test]
fn a_worker_that_is_killed_again_and_again_lands_every_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = bisonflow().args(["sample", "--records", "20000", "--out"]).arg(path("sample")).status();
    assert!(made.unwrap().success());
    let source = path("sample").join("sample-20000.zip");

    let begun = Instant::now();
    assert!(land(&source, &path("whole")).status().unwrap().success());
    let whole_time = begun.elapsed();
    let expected = files(&path("whole"));
    assert_eq!(
        expected.keys().filter(|name| name.extension().is_some_and(|end| end == "parquet")).count(),
        40
    );

    let mut killed_at = Vec::new();
    for _ in 0..KILLS {
        let mut worker = land(&source, &path("out")).spawn().unwrap();
        let moment = whole_time.mul_f64(fastrand::f64());
        std::thread::sleep(moment.max(Duration::from_millis(1)));
        worker.kill().unwrap(); // SIGKILL
        worker.wait().unwrap();
        killed_at.push(moment);
    }
    assert!(land(&source, &path("out")).status().unwrap().success(), "killed after {killed_at:?}");
    let found = files(&path("out"));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected), "killed after {killed_at:?}");
    assert!(found == expected, "killed after {killed_at:?}");
}
