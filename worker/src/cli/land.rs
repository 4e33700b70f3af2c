//! `bisonflow land` as a person calls it, outside of the workflow.

use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::input::MAX_ROW_GROUP_RECORDS;
use bisonflow_contract::{RunId, StepError};
use tokio::runtime::Handle;

use super::arguments::LandArguments;
use crate::land::{self, LandRequest, PART_BYTES};
use crate::location::{Download, Location};
use crate::run::Held;
use crate::stop::Stop;
use crate::{control, report};

/// Lands the download; the same again finds it landed, and what would land otherwise takes its place.
///
/// # Errors
/// As [`land::land`] and [`control::land`].
pub(super) fn land(arguments: LandArguments, handle: &Handle) -> Result<(), StepError> {
    if let Some(control) = &arguments.control {
        return control::land(control, handle);
    }
    let (Some(source), Some(out)) = (&arguments.source, &arguments.out) else {
        return Err(StepError::invalid("land", "found neither --control nor both of --source and --out"));
    };
    let Download { location, gbif } = Download::find(source, &arguments.gbif_api, handle)?;
    let store = Store::open(out)?;
    let content = Location::identity(&location.files(handle)?);
    let run_id = RunId::of_file(location.name(), &[&content]);
    let run = RunStore::new(&store, &run_id);
    let _held = Held::take(&run, &run_id)?;
    let request = LandRequest {
        run: &run,
        run_id,
        generation: 1,
        location: &location,
        source_identity: Some(identity(&arguments, content)),
        columns: arguments.columns,
        only: arguments.only.map(|only| only.names().map(str::to_owned).collect()),
        sha256: !arguments.no_sha256,
        row_group_records: arguments.row_group_records,
        part_bytes: arguments.part_bytes,
        checklist: arguments.checklist,
        gbif,
        threads: arguments.threads,
        stop: Stop::default(),
    };
    let landing = land::land(&request, handle)?;
    report::print_landing(&store, &landing)
}

/// What tells the landing from any other: the content, and what else than usual was asked for. (`--only` and
/// `--no-sha256` are told apart by the landing itself.)
fn identity(arguments: &LandArguments, mut identity: String) -> String {
    let mut add = |what: &str, value: &str| identity += &format!(", {what} {value}");
    if !arguments.columns.is_empty() {
        add("columns", &arguments.columns.join(","));
    }
    if arguments.row_group_records != MAX_ROW_GROUP_RECORDS {
        add("row groups of", &arguments.row_group_records.to_string());
    }
    if arguments.part_bytes != PART_BYTES {
        add("parts of", &arguments.part_bytes.to_string());
    }
    if let Some(checklist) = &arguments.checklist {
        add("checklist", checklist.as_str());
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use bisonflow_contract::ErrorName;
    use clap::Parser;

    fn land_with(source: &str, out: &str, more: &str) -> Result<(), StepError> {
        let words = ["land", "--source", source, "--out", out].into_iter().chain(more.split_whitespace());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        match Command::parse_from(["bisonflow"].into_iter().chain(words)) {
            Command::Land(arguments) => land(*arguments, runtime.handle()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_landed_otherwise_is_landed_anew_and_what_cannot_land_takes_nothing_away() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.txt");
        let text = "gbifID\tdecimalLatitude\tdecimalLongitude\teventID\n1\t2\t3\tx\n2\t2\t3\ty\n";
        std::fs::write(&source, text).unwrap();
        let (source, out) = (source.to_str().unwrap(), folder.path().join("out"));
        let landing = || {
            let run = std::fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
            let landing = std::fs::read(run.join("landing.json")).unwrap();
            let landing: bisonflow_contract::document::Landing = serde_json::from_slice(&landing).unwrap();
            (landing.extra_columns, landing.row_group_records, landing.checklist, landing.landed_at)
        };
        let to = out.to_str().unwrap();
        land_with(source, to, "").unwrap();
        let first = landing();
        assert!(first.0.is_empty());
        land_with(source, to, "").unwrap();
        assert_eq!(landing(), first, "the same is not done again");
        let error = land_with(source, to, "--columns evntID").unwrap_err().to_string();
        assert!(error.contains("eventid"), "{error}");
        assert_eq!(landing(), first, "a slip of the pen takes nothing away");
        let run_id = std::fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().file_name();
        let run_id: RunId = run_id.to_str().unwrap().trim_start_matches("run=").parse().unwrap();
        let held = Held::take(&RunStore::new(&Store::folder(&out).unwrap(), &run_id), &run_id).unwrap();
        let error = land_with(source, to, "--columns eventID").unwrap_err();
        assert_eq!(error.name(), ErrorName::RunTakenOver, "one process at a time: {error}");
        drop(held);
        land_with(source, to, "--columns eventID").unwrap();
        assert_eq!(landing().0, ["eventid"]);
        land_with(source, to, "--row-group-records 1 --checklist col").unwrap();
        let last = landing();
        assert_eq!((last.0.len(), last.1, last.2.as_str()), (0, 1, "col"));
    }

    #[test]
    fn without_sha256_is_another_landing() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.txt");
        std::fs::write(&source, "gbifID\tdecimalLatitude\tdecimalLongitude\n1\t2\t3\n").unwrap();
        let (source, out) = (source.to_str().unwrap(), folder.path().join("out"));
        let hashes = || {
            let run = std::fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
            let landing = std::fs::read(run.join("landing.json")).unwrap();
            let landing: bisonflow_contract::document::Landing = serde_json::from_slice(&landing).unwrap();
            (landing.source.entry_sha256, landing.source.sha256, landing.source.entry_crc32)
        };
        let to = out.to_str().unwrap();
        let crc32 = Some("0491273b".to_owned());
        land_with(source, to, "--no-sha256").unwrap();
        assert_eq!(hashes(), (None, None, crc32.clone()));
        land_with(source, to, "").unwrap();
        let sha256 = Some("c587c71fddc57ce3b800005765c7a7548fd49a86e8b947b5bc8b1536217ac113".to_owned());
        assert_eq!(hashes(), (sha256.clone(), sha256, crc32));
        land_with(source, to, "--no-sha256").unwrap();
        assert_eq!(hashes().0, None);
    }
}
