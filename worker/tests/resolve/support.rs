//! A register, a stand-in for the Catalogue of Life, and the program to run against it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use bisonflow_cloud::species_match::stand_in::{Behaviour, Seen, StandIn};

pub(crate) const HEADER: &str = "\u{feff}locality,scientificName,scientificNameAuthorship,taxonRank,Introduced or Invasive,\
                      kingdom,GBIF taxonKey,occurrenceID\n";

/// A register of so many names, with the two that must stay apart from their species.
pub(crate) fn register(dir: &Path, names: usize) -> PathBuf {
    let mut text = HEADER.to_owned();
    text += "L48,Phragmites australis ssp. australis,(Cav.) Trin. ex Steud.,Subspecies,Introduced,Plantae,7226752,reed\n";
    text += "AK,Canis lupus familiaris,\"Linnaeus, 1758\",Subspecies,Invasive,Animalia,6164210,dog\n";
    for n in 2..names {
        text += &format!("L48,Aus bus{n},L.,Species,Invasive,Plantae,{n},row{n}\n");
    }
    let path = dir.join("register.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// The Catalogue of Life, as far as the test needs it: it sinks both subspecies into their species.
pub(crate) fn catalogue_of_life(seen: &Seen) -> Behaviour {
    assert_eq!(seen.parameter("checklistKey"), "7ddf754f-d193-4cc9-b351-99906754a03b");
    let (name, rank) = (seen.parameter("scientificName"), seen.parameter("taxonRank"));
    let key: String =
        name.split(' ').map(|word| &word[..1]).chain([name.len().to_string().as_str()]).collect();
    let species = name.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let (status, accepted) = match rank.as_str() {
        "SUBSPECIES" => (
            "SYNONYM",
            format!(r#"{{"key":"WHOLE","name":"{species}","rank":"SPECIES","status":"ACCEPTED"}}"#),
        ),
        _ => ("ACCEPTED", "null".to_owned()),
    };
    Behaviour::Answer(format!(
        r#"{{"usage":{{"key":"{key}","name":"{name}","rank":"{rank}","status":"{status}"}},"acceptedUsage":{accepted},
        "classification":[{{"key":"E","name":"Eukaryota","rank":"DOMAIN"}},{{"key":"K","name":"{}","rank":"KINGDOM"}}],
        "diagnostics":{{"matchType":"EXACT","confidence":98}},"synonym":{}}}"#,
        seen.parameter("kingdom"),
        status == "SYNONYM"
    ))
}

pub(crate) fn command(register: &Path, server: &StandIn, out: &Path) -> Command {
    command_at("1000", register, server, out)
}

pub(crate) fn command_at(rate: &str, register: &Path, server: &StandIn, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bisonflow"));
    command.args([
        "riis",
        "resolve",
        "--checklist",
        "col",
        "--rate",
        rate,
        "--server",
        server.url(),
        "--out",
    ]);
    command.arg(out).arg(register).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn finish(child: Child) -> (Output, String) {
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

/// Names of the files in a folder whose names end so, sorted.
pub(crate) fn files(dir: &Path, extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(extension));
    names.sort();
    names
}
