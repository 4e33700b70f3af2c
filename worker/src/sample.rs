//! A deterministic, clearly labelled synthetic download: a Darwin Core archive over real US counties, and a
//! small register to go with it.
//!
//! The same number and seed give the same bytes on any machine. A record depends on the seed and its own number
//! only, so a small sample is the beginning of a large one. Memory does not grow with the number.

mod place;
mod random;
mod record;
mod taxon;

use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use bisonflow_contract::StepError;
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use place::Places;
use random::Random;
use record::{COLUMNS, Record};
use taxon::Taxa;

use crate::whole_file::{self, WholeFile, unwritten};

/// What [`write`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFiles {
    /// The download, `sample-<records>.zip`.
    pub zip: PathBuf,
    /// The register, `sample-riis.csv`, in the form of version 1.
    pub riis: PathBuf,
}

/// Above this many records `occurrence.txt` may pass 4 GiB, and its entry needs zip64 sizes.
const RECORDS_BELOW_4_GIB: u64 = 5_000_000;

/// Writes a synthetic download of this many records, and its register, into `dir`, which is made if absent.
///
/// # Errors
/// [`StepError::Internal`] naming the file that could not be written, and why. Files appear whole or not at all.
pub fn write(dir: &Path, records: u64, seed: u64) -> Result<SampleFiles, StepError> {
    let files =
        SampleFiles { zip: dir.join(format!("sample-{records}.zip")), riis: dir.join("sample-riis.csv") };
    std::fs::create_dir_all(dir).map_err(|error| unwritten(dir, error))?;
    let taxa = Taxa::new();
    let zip = WholeFile::create(&files.zip)?;
    write_zip(zip.as_file(), records, seed, &taxa).map_err(|error| unwritten(&files.zip, error))?;
    zip.finish()?;
    whole_file::write(&files.riis, taxa.register().as_bytes())?;
    Ok(files)
}

fn write_zip(out: impl Write + Seek, records: u64, seed: u64, taxa: &Taxa) -> io::Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(out));
    // Nothing of the machine or the hour goes into the file.
    let options =
        SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o644);
    zip.start_file("meta.xml", options)?;
    zip.write_all(meta_xml().as_bytes())?;
    zip.start_file("metadata.xml", options)?;
    zip.write_all(metadata_xml(records, seed).as_bytes())?;
    zip.start_file("occurrence.txt", options.large_file(records > RECORDS_BELOW_4_GIB))?;
    write_occurrences(&mut BufWriter::with_capacity(1 << 20, &mut zip), records, seed, taxa)?;
    zip.finish()?.flush()
}

fn write_occurrences(out: &mut impl Write, records: u64, seed: u64, taxa: &Taxa) -> io::Result<()> {
    let places = Places::new(&mut Random::new(seed, 0));
    let header: Vec<&str> = COLUMNS.iter().map(|(term, _)| name_of(term)).collect();
    writeln!(out, "{}", header.join("\t"))?;
    let mut line = String::new();
    for number in 1..=records {
        let record = Record::new(number, &mut Random::new(seed, number), &places, taxa);
        line.clear();
        for (_, cell) in COLUMNS {
            cell(&record, &mut line);
            line.push('\t');
        }
        line.pop();
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

/// The last part of a term's URI: what the header line calls it.
fn name_of(term: &str) -> &str {
    term.rsplit('/').next().unwrap_or(term)
}

fn meta_xml() -> String {
    let mut fields = String::new();
    for (index, (term, _)) in COLUMNS.iter().enumerate() {
        fields += &format!("    <field index=\"{index}\" term=\"{term}\"/>\n");
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="metadata.xml">
  <core encoding="UTF-8" fieldsTerminatedBy="\t" linesTerminatedBy="\n" fieldsEnclosedBy="" ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Occurrence">
    <files>
      <location>occurrence.txt</location>
    </files>
    <id index="0"/>
{fields}  </core>
</archive>
"#
    )
}

fn metadata_xml(records: u64, seed: u64) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="eml://ecoinformatics.org/eml-2.1.1" packageId="bisonflow-sample-{records}-{seed}" system="bisonflow" scope="system" xml:lang="en">
  <dataset>
    <title>SYNTHETIC sample of {records} occurrence records (seed {seed}): not observations</title>
    <abstract>
      <para>Made by `bisonflow sample` to try the workflow. No organism was seen at any of these places. Do not cite, publish or merge with real data.</para>
    </abstract>
  </dataset>
</eml:eml>
"#
    )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs::File;
    use std::io::Read;

    use super::*;

    fn occurrences(zip: &Path) -> Vec<BTreeMap<String, String>> {
        let mut archive = zip::ZipArchive::new(File::open(zip).unwrap()).unwrap();
        let mut text = String::new();
        archive.by_name("occurrence.txt").unwrap().read_to_string(&mut text).unwrap();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
        lines
            .map(|line| {
                let cells: Vec<&str> = line.split('\t').collect();
                assert_eq!(cells.len(), header.len(), "{line}");
                header.iter().map(ToString::to_string).zip(cells.into_iter().map(String::from)).collect()
            })
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let made = |folder: &str, seed| {
            let files = write(&dir.path().join(folder), 200, seed).unwrap();
            (std::fs::read(files.zip).unwrap(), std::fs::read(files.riis).unwrap())
        };
        assert_eq!(made("a", 7), made("b", 7));
        assert_ne!(made("c", 8).0, made("a", 7).0);
    }

    #[test]
    fn every_kind_of_record_is_there_and_says_that_it_is_synthetic() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), 5_000, 1).unwrap();
        assert!(files.zip.ends_with("sample-5000.zip"));
        let rows = occurrences(&files.zip);
        assert_eq!(rows.len(), 5_000);
        let ids: BTreeSet<&str> = rows.iter().map(|row| row["gbifID"].as_str()).collect();
        assert_eq!(ids.len(), 5_000);
        for row in &rows {
            assert!(row["datasetKey"].starts_with("00000000-0000-0000-0000-"));
            assert!(row["occurrenceRemarks"].starts_with("SYNTHETIC"));
        }
        for (column, value) in [
            ("countryCode", "CA"),
            ("countryCode", "PR"),
            ("occurrenceStatus", "ABSENT"),
            ("hasCoordinate", "false"),
            ("hasGeospatialIssues", "true"),
            ("taxonRank", "GENUS"),
            ("taxonRank", "SUBSPECIES"),
            ("basisOfRecord", "FOSSIL_SPECIMEN"),
            ("taxonomicStatus", "SYNONYM"),
            ("taxonKey", ""),
            ("eventDate", ""),
            ("stateProvince", "AK"),
            ("stateProvince", "HI"),
            ("stateProvince", "KS"),
            ("species", "Bromus tectorum"),
        ] {
            assert!(rows.iter().any(|row| row[column] == value), "no record with {column} {value:?}");
        }
        let publishers: BTreeSet<&str> = rows.iter().map(|row| row["publishingOrgKey"].as_str()).collect();
        assert_eq!(publishers.len(), 10);
    }

    #[test]
    fn every_column_of_occurrences_is_there() {
        let names: BTreeSet<String> = COLUMNS.iter().map(|(term, _)| name_of(term).to_lowercase()).collect();
        assert_eq!(names.len(), COLUMNS.len());
        for column in bisonflow_occurrence::schema::columns() {
            assert!(names.contains(column.name), "{}", column.name);
        }
    }

    #[test]
    fn the_register_speaks_of_the_download() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), 5_000, 1).unwrap();
        let csv = std::fs::read(&files.riis).unwrap();
        let register = bisonflow_riis::Register::read("sample-riis.csv", &csv).unwrap();
        for region in bisonflow_riis::RiisRegion::ALL {
            assert!(register.rows_of(region) > 10, "{region}");
        }
        assert!(register.conflicts().is_empty() && register.rows_without_key() > 0);
        let mut kinds = BTreeSet::new();
        for row in occurrences(&files.zip) {
            let outcome = register.assess(
                Some(&row["stateProvince"]),
                Some(&row["acceptedTaxonKey"]),
                Some(&row["taxonKey"]),
                Some(&row["speciesKey"]),
            );
            kinds.extend(outcome.matched_key.map(bisonflow_riis::MatchedKey::as_str));
        }
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["accepted", "species", "taxon"]);
    }
}
