//! `cargo xtask reference make`: the county layer of `reference/`, from packages of public registries.
//!
//! Geometry: npm `us-atlas`, the Census Bureau's cartographic boundaries of 2017 as TopoJSON, 1:10 M.
//! Names: the attribute table of the Census Bureau's 2016 county file, in PyPI `plotly-geo`; its `LSAD` code
//! says what kind of county it is ("County", "Parish", "city"), which us-atlas leaves out.
//! The two are joined by FIPS code. They must agree, county by county, but for what the committed
//! `county_names_mismatches.tsv` explains. The same packages give the same bytes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The package with the geometry, and what npm says its tarball is.
const ATLAS: &str = "us-atlas@3.0.1";
const ATLAS_INTEGRITY: &str =
    "sha512-wEIZCq0ImPvGblTd8gZMqNNCPkQshugMUG/8nkSWXb02+XqNFREg9atHOKP9w6prLZTpqcLhSvdBW81MkV3/0Q==";
/// The package with the names, and its SHA-256, which pip checks.
const NAMES: &str = "plotly-geo==1.0.0";
const NAMES_SHA256: &str = "9f695ca0a48494c821d8ab612d33b092bc64ec8de86d021c5209cc0b217aa9ce";
const NAMES_TABLE: &str = "_plotly_geo/package_data/cb_2016_us_county_500k.dbf";

const LAYER: &str = "us_county_2017_10m.topojson";
const MISMATCHES: &str = "county_names_mismatches.tsv";
const MISMATCHES_HEADER: &str = "geoid\tgeometry\tname\treason";

/// FIPS code and postal code: 50 states, the District of Columbia and the five inhabited territories.
const STATES: [(&str, &str); 56] = [
    ("01", "AL"),
    ("02", "AK"),
    ("04", "AZ"),
    ("05", "AR"),
    ("06", "CA"),
    ("08", "CO"),
    ("09", "CT"),
    ("10", "DE"),
    ("11", "DC"),
    ("12", "FL"),
    ("13", "GA"),
    ("15", "HI"),
    ("16", "ID"),
    ("17", "IL"),
    ("18", "IN"),
    ("19", "IA"),
    ("20", "KS"),
    ("21", "KY"),
    ("22", "LA"),
    ("23", "ME"),
    ("24", "MD"),
    ("25", "MA"),
    ("26", "MI"),
    ("27", "MN"),
    ("28", "MS"),
    ("29", "MO"),
    ("30", "MT"),
    ("31", "NE"),
    ("32", "NV"),
    ("33", "NH"),
    ("34", "NJ"),
    ("35", "NM"),
    ("36", "NY"),
    ("37", "NC"),
    ("38", "ND"),
    ("39", "OH"),
    ("40", "OK"),
    ("41", "OR"),
    ("42", "PA"),
    ("44", "RI"),
    ("45", "SC"),
    ("46", "SD"),
    ("47", "TN"),
    ("48", "TX"),
    ("49", "UT"),
    ("50", "VT"),
    ("51", "VA"),
    ("53", "WA"),
    ("54", "WV"),
    ("55", "WI"),
    ("56", "WY"),
    ("60", "AS"),
    ("66", "GU"),
    ("69", "MP"),
    ("72", "PR"),
    ("78", "VI"),
];

/// Makes the layer file of `reference/` anew.
///
/// # Errors
/// What failed, and where: no npm or pip, a package that is not the pinned one, a county without a name or
/// with another one than the mismatch table explains.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference");
    let scratch = Scratch::new()?;
    let atlas = fetch_atlas(&scratch.0)?;
    let names = fetch_names(&scratch.0)?;
    let mismatches = fs::read_to_string(dir.join(MISMATCHES))
        .map_err(|error| format!("{}: {error}", dir.join(MISMATCHES).display()))?;
    let layer = layer(&atlas, &county_names(&names)?, &mismatches)?;
    fs::write(dir.join(LAYER), layer)?;
    Ok(())
}

/// A folder of our own that goes when we go.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Box<dyn Error>> {
        let dir = std::env::temp_dir().join(format!("bisonflow-reference-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind in the temporary folder harms nobody, and there is no one left to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program in `dir` and returns what it says.
fn output(dir: &Path, program: &str, args: &[&str]) -> Result<String, Box<dyn Error>> {
    let said = Command::new(program).args(args).current_dir(dir).output();
    let said = said.map_err(|error| format!("{program}: {error}; it is needed to make the county layer"))?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr);
        return Err(format!("{program} {}: {}\n{why}", args.join(" "), said.status).into());
    }
    Ok(String::from_utf8(said.stdout)?)
}

/// The text of `counties-10m.json`.
fn fetch_atlas(dir: &Path) -> Result<String, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Packed {
        filename: String,
        integrity: String,
    }
    let said = output(dir, "npm", &["pack", "--json", "--silent", ATLAS])?;
    let packed: Vec<Packed> = serde_json::from_str(&said)?;
    let packed = packed.first().ok_or("npm pack: no package")?;
    if packed.integrity != ATLAS_INTEGRITY {
        return Err(format!("{ATLAS}: integrity {}, expected {ATLAS_INTEGRITY}", packed.integrity).into());
    }
    output(dir, "tar", &["-xzf", &packed.filename])?;
    Ok(fs::read_to_string(dir.join("package/counties-10m.json"))?)
}

/// The bytes of the names' attribute table (dBASE).
fn fetch_names(dir: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    fs::write(dir.join("requirements.txt"), format!("{NAMES} --hash=sha256:{NAMES_SHA256}\n"))?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"];
    let pinned = ["--require-hashes", "--dest", "names", "--requirement", "requirements.txt"];
    output(dir, "python3", &[pip.as_slice(), pinned.as_slice()].concat())?;
    let wheel = fs::read_dir(dir.join("names"))?.next().ok_or("pip download: no wheel")??.path();
    output(dir, "python3", &["-m", "zipfile", "-e", &wheel.to_string_lossy(), "."])?;
    Ok(fs::read(dir.join(NAMES_TABLE))?)
}

/// A county by its name alone and with its legal suffix.
#[derive(Debug, PartialEq)]
struct CountyName {
    name: String,
    namelsad: String,
}

/// The counties of the Census Bureau's attribute table, by FIPS code.
fn county_names(dbf: &[u8]) -> Result<BTreeMap<String, CountyName>, Box<dyn Error>> {
    let rows = dbase_rows(dbf, ["GEOID", "NAME", "LSAD"])?;
    rows.into_iter()
        .map(|[geoid, name, lsad]| {
            let suffix = suffix(&lsad).ok_or_else(|| format!("county {geoid}: unknown LSAD {lsad:?}"))?;
            Ok((geoid, CountyName { namelsad: format!("{name}{suffix}"), name }))
        })
        .collect()
}

/// What the Census Bureau's legal/statistical area description appends to a county's name.
/// <https://www.census.gov/library/reference/code-lists/legal-status-codes.html>
fn suffix(lsad: &str) -> Option<&'static str> {
    Some(match lsad {
        "00" => "",
        "03" => " City and Borough",
        "04" => " Borough",
        "05" => " Census Area",
        "06" => " County",
        "07" => " District",
        "10" => " Island",
        "12" => " Municipality",
        "13" => " Municipio",
        "15" => " Parish",
        "25" => " city",
        _ => return None,
    })
}

/// These columns of every row of a dBASE III table, trimmed.
///
/// Header: number of rows at byte 4 (u32), length of the header at 8 (u16), of a row at 10 (u16); from byte 32
/// a descriptor of 32 bytes per column with its name (11 bytes) and, at 16, its width. A row begins with
/// its deletion mark. All little-endian.
fn dbase_rows<const N: usize>(dbf: &[u8], names: [&str; N]) -> Result<Vec<[String; N]>, Box<dyn Error>> {
    let number = |range: std::ops::Range<usize>| -> Result<usize, Box<dyn Error>> {
        let bytes = dbf.get(range).ok_or("attribute table: shorter than its header")?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let (rows, header_bytes, row_bytes) = (number(4..8)?, number(8..10)?, number(10..12)?);
    let header = dbf.get(32..header_bytes).ok_or("attribute table: shorter than its header")?;
    let mut columns = BTreeMap::new();
    let mut start = 1; // the deletion mark
    for descriptor in header.chunks_exact(32) {
        let name = descriptor[..11].split(|&byte| byte == 0).next().unwrap_or_default();
        let width = usize::from(descriptor[16]);
        columns.insert(String::from_utf8_lossy(name).into_owned(), start..start + width);
        start += width;
    }
    let mut spans = Vec::with_capacity(N);
    for name in names {
        spans.push(columns.get(name).ok_or_else(|| format!("attribute table: no column {name}"))?.clone());
    }
    let body = dbf.get(header_bytes..header_bytes + rows * row_bytes).ok_or("attribute table: truncated")?;
    body.chunks_exact(row_bytes)
        .map(|row| {
            let mut cells = [const { String::new() }; N];
            for (cell, span) in cells.iter_mut().zip(&spans) {
                let bytes = row.get(span.clone()).ok_or("attribute table: column beyond the row")?;
                *cell = std::str::from_utf8(bytes)?.trim().to_string();
            }
            Ok(cells)
        })
        .collect()
}

/// The part of a TopoJSON that we read.
#[derive(Deserialize)]
struct Topology {
    objects: Objects,
    arcs: Vec<Vec<[i64; 2]>>,
}

#[derive(Deserialize)]
struct Objects {
    counties: Collection,
}

#[derive(Deserialize)]
struct Collection {
    geometries: Vec<Geometry>,
}

#[derive(Deserialize)]
struct Geometry {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    arcs: serde_json::Value,
    properties: AtlasProperties,
}

#[derive(Deserialize)]
struct AtlasProperties {
    name: String,
}

#[derive(Serialize)]
struct County<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    properties: Properties<'a>,
    arcs: &'a serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Properties<'a> {
    geoid: &'a str,
    stusps: &'a str,
    namelsad: &'a str,
}

/// The layer: the counties' geometry as it is, by FIPS code, a line each, with their names.
fn layer(
    atlas: &str,
    names: &BTreeMap<String, CountyName>,
    mismatches: &str,
) -> Result<String, Box<dyn Error>> {
    let mut topology: Topology = serde_json::from_str(atlas)?;
    let counties = &mut topology.objects.counties.geometries;
    counties.sort_by(|a, b| a.id.cmp(&b.id));
    check_names(counties, names, mismatches)?;

    let bbox = numbers(atlas, "\"bbox\":", ']')?;
    let transform = numbers(atlas, "\"transform\":", '}')?;
    let mut lines = Vec::with_capacity(counties.len());
    for county in counties.iter() {
        let (_, stusps) =
            STATES.iter().find(|(fips, _)| county.id.starts_with(fips)).ok_or("a county of no state")?;
        let namelsad =
            &names.get(&county.id).ok_or_else(|| format!("county {}: no name", county.id))?.namelsad;
        let properties = Properties { geoid: &county.id, stusps, namelsad };
        lines.push(serde_json::to_string(&County {
            kind: &county.kind,
            id: &county.id,
            properties,
            arcs: &county.arcs,
        })?);
    }
    let arcs = topology.arcs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(format!(
        "{{\"type\":\"Topology\",\"bbox\":{bbox},\"transform\":{transform},\n\
         \"objects\":{{\"counties\":{{\"type\":\"GeometryCollection\",\"geometries\":[\n{}\n]}}}},\n\
         \"arcs\":[\n{}\n]}}\n",
        lines.join(",\n"),
        arcs.join(",\n"),
    ))
}

/// The source's text from behind `name` to `end`: its numbers to the last digit.
fn numbers<'a>(atlas: &'a str, name: &str, end: char) -> Result<&'a str, Box<dyn Error>> {
    let (_, rest) = atlas.split_once(name).ok_or_else(|| format!("TopoJSON without {name}"))?;
    let text = rest.split_inclusive(end).next().unwrap_or_default();
    Ok(text)
}

/// Checks that both sources have the same counties under the same names, but for what the table explains, and
/// that the table explains nothing else.
fn check_names(
    counties: &[Geometry],
    names: &BTreeMap<String, CountyName>,
    mismatches: &str,
) -> Result<(), Box<dyn Error>> {
    let mut found: BTreeMap<&str, [&str; 2]> = BTreeMap::new();
    for county in counties {
        found.insert(&county.id, [&county.properties.name, ""]);
    }
    for (geoid, name) in names {
        found.entry(geoid).or_default()[1] = &name.name;
    }
    found.retain(|_, [geometry, name]| geometry != name);

    let mut lines = mismatches.lines();
    if lines.next() != Some(MISMATCHES_HEADER) {
        return Err(format!("{MISMATCHES}: the first line is not {MISMATCHES_HEADER:?}").into());
    }
    let mut explained = BTreeMap::new();
    for line in lines {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [geoid, geometry, name, reason] if !reason.is_empty() => {
                explained.insert(geoid, [geometry, name]);
            }
            _ => return Err(format!("{MISMATCHES}: {line:?} is not four cells, the last a reason").into()),
        }
    }
    if found != explained {
        return Err(format!("{MISMATCHES}: explains {explained:?}, but found are {found:?}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one row in the layout that [`dbase_rows`] describes.
    fn table(columns: &[(&str, &str)]) -> Vec<u8> {
        let header_bytes = 32 + 32 * columns.len() + 1;
        let row_bytes = 1 + columns.iter().map(|(_, cell)| cell.len() + 2).sum::<usize>();
        let mut dbf = vec![3, 26, 11, 23, 1, 0, 0, 0];
        dbf.extend((header_bytes as u16).to_le_bytes());
        dbf.extend((row_bytes as u16).to_le_bytes());
        dbf.resize(32, 0);
        for (name, cell) in columns {
            let mut descriptor = [0; 32];
            descriptor[..name.len()].copy_from_slice(name.as_bytes());
            descriptor[16] = cell.len() as u8 + 2;
            dbf.extend(descriptor);
        }
        dbf.push(b'\r');
        dbf.push(b' ');
        for (_, cell) in columns {
            dbf.extend(cell.as_bytes());
            dbf.extend(b"  ");
        }
        dbf
    }

    const ATLAS_OF_ONE: &str = r#"{"type":"Topology","bbox":[0,0,1,1],"transform":{"scale":[0.5,0.25],"translate":[-179.14733999999999,1]},
        "objects":{"counties":{"type":"GeometryCollection","geometries":[
        {"type":"Polygon","arcs":[[0]],"id":"22071","properties":{"name":"Orleans"}}]}},"arcs":[[[0,0],[1,1],[1,-1],[-2,0]]]}"#;

    #[test]
    fn a_county_gets_its_suffix_by_its_code() {
        let names =
            county_names(&table(&[("GEOID", "72097"), ("NAME", "Mayagüez"), ("LSAD", "13")])).unwrap();
        assert_eq!(names["72097"].namelsad, "Mayagüez Municipio");
        let error = county_names(&table(&[("GEOID", "1"), ("NAME", "x"), ("LSAD", "99")])).unwrap_err();
        assert!(error.to_string().contains("LSAD \"99\""), "{error}");
        let error = county_names(&table(&[("GEOID", "1"), ("NAME", "x")])).unwrap_err();
        assert!(error.to_string().contains("no column LSAD"), "{error}");
    }

    #[test]
    fn sources_that_disagree_need_a_reason() {
        let orleans = CountyName { name: "Orleans".into(), namelsad: "Orleans Parish".into() };
        let atoll = CountyName { name: "Rose".into(), namelsad: "Rose Island".into() };
        let names = BTreeMap::from([("22071".to_string(), orleans), ("60030".to_string(), atoll)]);
        let error = layer(ATLAS_OF_ONE, &names, MISMATCHES_HEADER).unwrap_err().to_string();
        assert!(error.contains("60030"), "{error}");
        let explained = format!("{MISMATCHES_HEADER}\n60030\t\tRose\ta reef\n");
        let layer = layer(ATLAS_OF_ONE, &names, &explained).unwrap();
        assert!(layer.contains("-179.14733999999999"), "{layer}");
        let line = r#"{"type":"Polygon","id":"22071","properties":{"GEOID":"22071","STUSPS":"LA","NAMELSAD":"Orleans Parish"},"arcs":[[0]]}"#;
        assert!(layer.contains(line), "{layer}");
    }
}
