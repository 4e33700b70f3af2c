//! The county layer that the repository carries: complete, unambiguous, and named as the Census Bureau names it.
#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Postal codes of the 50 states, the District of Columbia and the five inhabited territories.
const STATES: &str = "AK AL AR AS AZ CA CO CT DC DE FL GA GU HI IA ID IL IN KS KY LA MA MD ME MI MN MO MP MS MT \
                      NC ND NE NH NJ NM NV NY OH OK OR PA PR RI SC SD TN TX UT VA VI VT WA WI WV WY";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// GEOID, STUSPS and NAMELSAD of every county.
fn counties() -> Vec<[String; 3]> {
    let path = repository().join("reference/us_county_2017_10m.topojson");
    let topology: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let geometries = topology["objects"]["counties"]["geometries"].as_array().unwrap();
    geometries
        .iter()
        .map(|county| {
            assert_eq!(county["id"], county["properties"]["GEOID"]);
            ["GEOID", "STUSPS", "NAMELSAD"]
                .map(|name| county["properties"][name].as_str().unwrap().to_string())
        })
        .collect()
}

#[test]
fn every_county_has_a_code_a_state_and_a_name_of_its_own() {
    let states: BTreeSet<&str> = STATES.split_whitespace().collect();
    assert_eq!(states.len(), 56);
    let counties = counties();
    assert_eq!(counties.len(), 3_231);
    let (mut codes, mut names, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for [geoid, stusps, namelsad] in &counties {
        assert!(geoid.len() == 5 && geoid.bytes().all(|byte| byte.is_ascii_digit()), "{geoid}");
        assert!(states.contains(stusps.as_str()), "{geoid}: {stusps}");
        assert!(!namelsad.trim().is_empty(), "{geoid}");
        assert!(codes.insert(geoid), "{geoid} twice");
        assert!(names.insert((stusps, namelsad)), "{stusps} {namelsad} twice");
        seen.insert(stusps.as_str());
    }
    assert_eq!(seen, states);
    assert!(counties.is_sorted(), "by GEOID");
}

#[test]
fn kinds_of_counties_are_named_by_their_legal_suffix() {
    let counties = counties();
    let names: BTreeMap<&str, String> =
        counties.iter().map(|[geoid, state, name]| (geoid.as_str(), format!("{state} {name}"))).collect();
    for (geoid, expected) in [
        ("20045", "KS Douglas County"),
        ("22071", "LA Orleans Parish"),
        ("24005", "MD Baltimore County"),
        ("24510", "MD Baltimore city"),
        ("32510", "NV Carson City"),
        ("11001", "DC District of Columbia"),
        ("02020", "AK Anchorage Municipality"),
        ("02110", "AK Juneau City and Borough"),
        ("02158", "AK Kusilvak Census Area"),
        ("02261", "AK Valdez-Cordova Census Area"),
        ("35013", "NM Doña Ana County"),
        ("46102", "SD Oglala Lakota County"),
        ("72097", "PR Mayagüez Municipio"),
        ("78010", "VI St. Croix Island"),
    ] {
        assert_eq!(names[geoid], expected, "{geoid}");
    }
}

#[test]
fn names_are_those_of_the_census_file_of_2020() {
    let archive = repository().join("../shared/data/regions/us_county_2017_10m.zip");
    if !archive.exists() {
        eprintln!("not run: the real data is not there");
        return;
    }
    // Python is at hand wherever the local cloud is, and reads a zip without a further dependency here.
    let script = "import sys, zipfile\n\
                  sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('us_county_2017_10m.dbf'))";
    let dbf = Command::new("python3").args(["-c", script]).arg(&archive).output().unwrap();
    assert!(dbf.status.success(), "{}", String::from_utf8_lossy(&dbf.stderr));
    let census = attributes(&dbf.stdout);
    let mismatches =
        std::fs::read_to_string(repository().join("reference/county_names_mismatches.tsv")).unwrap();
    let explained: BTreeSet<&str> = mismatches.lines().filter_map(|line| line.split('\t').next()).collect();

    let counties = counties();
    assert_eq!(census.len(), counties.len());
    for [geoid, stusps, namelsad] in counties {
        let [state, name] = &census[&geoid];
        assert_eq!(stusps, *state, "{geoid}");
        assert!(
            namelsad == *name || explained.contains(geoid.as_str()),
            "{geoid}: {namelsad}, Census {name}"
        );
    }
}

/// STUSPS and NAMELSAD by GEOID of a dBASE table.
fn attributes(dbf: &[u8]) -> BTreeMap<String, [String; 2]> {
    let number = |at: usize| usize::from(u16::from_le_bytes([dbf[at], dbf[at + 1]]));
    let (header_bytes, row_bytes) = (number(8), number(10));
    let mut columns = BTreeMap::new();
    let mut start = 1; // the deletion mark
    for descriptor in dbf[32..header_bytes].chunks_exact(32) {
        let name = descriptor[..11].split(|&byte| byte == 0).next().unwrap();
        let end = start + usize::from(descriptor[16]);
        columns.insert(std::str::from_utf8(name).unwrap(), start..end);
        start = end;
    }
    let rows = dbf[header_bytes..].chunks_exact(row_bytes);
    rows.map(|row| {
        let cell =
            |name: &str| encoded_once(std::str::from_utf8(&row[columns[name].clone()]).unwrap().trim());
        (cell("GEOID"), [cell("STUSPS"), cell("NAMELSAD")])
    })
    .collect()
}

/// The text of a cell that was encoded as UTF-8 twice, as this copy of the table has "MayagÃ¼ez".
fn encoded_once(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_string())
}
