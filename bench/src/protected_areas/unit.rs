//! A unit with its attributes, and the shapefile that it goes into.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use shapefile::dbase::{self, FieldName, FieldValue, Record};
use shapefile::{Point, Polygon, PolygonRing, Writer};
use zip::write::SimpleFileOptions;

use super::shape::Ring;
use crate::random::Random;

/// NAD83 in degrees, as ESRI writes it.
const PRJ: &str = r#"GEOGCS["GCS_North_American_1983",DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#;

const CATEGORIES: [&str; 6] = ["Fee", "Easement", "Designation", "Other", "Marine", "Proclamation"];
const MANAGERS: [(&str, &str); 8] = [
    ("FED", "Bureau of Land Management"),
    ("FED", "Forest Service"),
    ("FED", "National Park Service"),
    ("FED", "Fish and Wildlife Service"),
    ("STAT", "State Department of Natural Resources"),
    ("LOC", "County Land"),
    ("NGO", "The Nature Conservancy"),
    ("PVT", "Private Land Owner"),
];
const DESIGNATIONS: [(&str, &str); 6] = [
    ("NP", "National Park"),
    ("NF", "National Forest"),
    ("WA", "Wilderness Area"),
    ("NWR", "National Wildlife Refuge"),
    ("SP", "State Park"),
    ("CONE", "Conservation Easement"),
];
const NAMES: [&str; 10] =
    ["Cedar", "Bear", "Elk", "Clear", "Sand", "Pine", "Willow", "Eagle", "Granite", "Cottonwood"];

/// What is known of a unit besides its outline.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) rings: Vec<Ring>,
    /// Which of the rings are holes.
    pub(super) holes: Vec<bool>,
}

impl Unit {
    pub(super) fn solid(rings: Vec<Ring>) -> Unit {
        let holes = vec![false; rings.len()];
        Unit { rings, holes }
    }

    /// Vertices as the file counts them: the first of each ring is repeated at its end.
    pub(super) fn vertices(&self) -> u64 {
        self.rings.iter().map(|ring| ring.len() as u64 + 1).sum()
    }

    /// What its rings enclose, holes taken off. A degree of latitude is 110.6 km, an acre 4,047 m²; this is not
    /// geodesy, but a number to rank by.
    fn acres(&self) -> f64 {
        let area = |ring: &Ring| {
            let next = ring.iter().cycle().skip(1);
            let doubled: f64 = ring.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
            (doubled / 2.0).abs() * ring[0][1].to_radians().cos()
        };
        let signed = self.rings.iter().zip(&self.holes).map(
            |(ring, &hole)| {
                if hole { -area(ring) } else { area(ring) }
            },
        );
        signed.sum::<f64>().max(0.0) * 110_600.0 * 111_300.0 / 4_046.86
    }
}

/// A shapefile being written.
pub(super) struct UnitWriter {
    folder: tempfile::TempDir,
    writer: Writer<BufWriter<File>>,
}

const STEM: &str = "PADUS_like";

impl UnitWriter {
    /// The parts are written beside `out`, then zipped into it.
    pub(super) fn create(out: &Path) -> Result<UnitWriter, Box<dyn Error>> {
        let beside = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = tempfile::tempdir_in(beside.unwrap_or(Path::new(".")))?;
        let text = |table: dbase::TableWriterBuilder, name, length| {
            Ok::<_, Box<dyn Error>>(table.add_character_field(FieldName::try_from(name)?, length))
        };
        let mut table = dbase::TableWriterBuilder::new();
        for (name, length) in [
            ("Unit_ID", 10),
            ("Category", 18),
            ("Own_Type", 5),
            ("Mang_Type", 5),
            ("Mang_Name", 40),
            ("Des_Tp", 5),
            ("Unit_Nm", 80),
            ("State_Nm", 2),
            ("GAP_Sts", 1),
            ("IUCN_Cat", 25),
        ] {
            table = text(table, name, length)?;
        }
        table = table.add_numeric_field(FieldName::try_from("GIS_Acres")?, 16, 2);
        let writer = Writer::from_path(folder.path().join(STEM).with_extension("shp"), table)?;
        Ok(UnitWriter { folder, writer })
    }

    /// Writes a unit under this number.
    pub(super) fn write(
        &mut self,
        random: &mut Random,
        number: u64,
        unit: &Unit,
    ) -> Result<(), Box<dyn Error>> {
        let rings = unit.rings.iter().zip(&unit.holes).map(|(ring, &hole)| {
            let points = ring.iter().map(|&[x, y]| Point { x, y }).collect();
            if hole { PolygonRing::Inner(points) } else { PolygonRing::Outer(points) }
        });
        self.writer
            .write_shape_and_record(&Polygon::with_rings(rings.collect()), &record(random, number, unit))?;
        Ok(())
    }

    /// Zips what was written.
    pub(super) fn finish(self, out: &Path) -> Result<(), Box<dyn Error>> {
        let UnitWriter { folder, writer } = self;
        drop(writer);
        let mut zip = zip::ZipWriter::new(BufWriter::new(File::create(out)?));
        // The date is fixed: the same seed makes the same bytes.
        let options = SimpleFileOptions::default()
            .compression_level(Some(1))
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        for extension in ["shp", "shx", "dbf"] {
            let name = format!("{STEM}.{extension}");
            zip.start_file(&*name, options)?;
            std::io::copy(&mut File::open(folder.path().join(&name))?, &mut zip)?;
        }
        zip.start_file(format!("{STEM}.prj"), options)?;
        zip.write_all(PRJ.as_bytes())?;
        zip.finish()?.flush()?;
        Ok(())
    }
}

fn record(random: &mut Random, number: u64, unit: &Unit) -> Record {
    let (manager_type, manager) = *random.of(&MANAGERS);
    let (designation, kind) = *random.of(&DESIGNATIONS);
    let category = if random.chance(0.02) { "Proclamation" } else { *random.of(&CATEGORIES[..5]) };
    let name = format!("{} {} {kind} {}", random.of(&NAMES), random.of(&NAMES), random.below(1000));
    // Half of the units are 4, as in the real layer.
    let status: &str = random.of::<&str>(&["1", "2", "2", "3", "3", "4", "4", "4", "4", "4"]);
    let mut record = Record::default();
    let mut text = |field: &str, value: &str| {
        record.insert(field.to_owned(), FieldValue::Character(Some(value.to_owned())));
    };
    text("Unit_ID", &format!("{number:07}"));
    text("Category", category);
    text("Own_Type", manager_type);
    text("Mang_Type", manager_type);
    text("Mang_Name", manager);
    text("Des_Tp", designation);
    text("Unit_Nm", &name);
    text(
        "State_Nm",
        random.of::<&str>(&["AK", "AZ", "CA", "CO", "FL", "MT", "NV", "NY", "OR", "UT", "VT", "WY"]),
    );
    text("GAP_Sts", status);
    text(
        "IUCN_Cat",
        random.of::<&str>(&["II", "III", "IV", "V", "VI", "Other Conservation Area", "Unassigned"]),
    );
    record.insert("GIS_Acres".to_owned(), FieldValue::Numeric(Some(unit.acres())));
    record
}
