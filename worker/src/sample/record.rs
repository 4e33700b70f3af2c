//! One record, and how it is written.

use std::fmt::Write;

use super::place::{Place, Places};
use super::random::Random;
use super::taxon::{Taxa, Taxon};

/// What a record's name is to its taxon.
#[derive(Clone, Copy, PartialEq)]
enum Named {
    Species,
    Subspecies,
    Synonym,
    Genus,
    /// The name was not recognised: no key at all.
    Nothing,
}

/// When it was seen, as far as known.
#[derive(Clone, Copy)]
enum When {
    Unknown,
    Year(u32),
    Month(u32, u32),
    Day(u32, u32, u32),
}

/// A synthetic record.
pub(super) struct Record<'a> {
    number: u64,
    taxon: &'a Taxon,
    named: Named,
    when: When,
    /// Longitude and latitude in degrees.
    position: Option<[f64; 2]>,
    country: &'a str,
    state: &'a str,
    county: &'a str,
    issue: &'static str,
    has_geospatial_issues: bool,
    is_absent: bool,
    basis: &'static str,
    publisher: usize,
    individuals: Option<usize>,
    uncertainty_m: Option<usize>,
    elevation_m: Option<usize>,
    license: &'static str,
}

const PUBLISHERS: usize = 10;

impl<'a> Record<'a> {
    /// The record of this number; `random` is its own stream.
    pub(super) fn new(number: u64, random: &mut Random, places: &'a Places, taxa: &'a Taxa) -> Record<'a> {
        let taxon = random.mostly_first_of(taxa.all());
        let named = match random.below(1000) {
            0..50 => Named::Genus,
            50..100 => Named::Subspecies,
            100..130 => Named::Synonym,
            130..133 => Named::Nothing,
            _ => Named::Species,
        };
        let Place { longitude, latitude, county } = places.pick(random);
        let mut record = Record {
            number,
            taxon,
            named,
            when: when(random),
            position: Some([longitude, latitude]),
            country: country(&county.stusps, random),
            state: &county.stusps,
            county: &county.namelsad,
            issue: random.of::<&'static str>(&[
                "",
                "",
                "COORDINATE_ROUNDED",
                "GEODETIC_DATUM_ASSUMED_WGS84;COORDINATE_ROUNDED",
            ]),
            has_geospatial_issues: false,
            is_absent: false,
            basis: random.of::<&'static str>(&[
                "HUMAN_OBSERVATION",
                "HUMAN_OBSERVATION",
                "PRESERVED_SPECIMEN",
                "OBSERVATION",
                "OCCURRENCE",
            ]),
            publisher: random.below(PUBLISHERS),
            individuals: random.percent(30).then(|| 1 + random.below(20)),
            uncertainty_m: random.percent(70).then(|| 1 + random.below(5000)),
            elevation_m: random.percent(20).then(|| random.below(3000)),
            license: random.of::<&'static str>(&["CC0_1_0", "CC_BY_4_0", "CC_BY_NC_4_0"]),
        };
        record.spoil(random);
        record
    }

    /// Makes one record in nine one that a filter takes out or that lies in no county.
    fn spoil(&mut self, random: &mut Random) {
        match random.below(1000) {
            0..20 => self.move_abroad("CA", [random.between(-120.0, -75.0), random.between(50.0, 58.0)]),
            20..30 => self.move_abroad("MX", [random.between(-105.0, -98.0), random.between(18.0, 24.0)]),
            30..45 => self.is_absent = true,
            45..65 => self.position = None,
            65..75 => {
                self.position = Some([0.0, 0.0]);
                self.issue = "ZERO_COORDINATE";
                self.has_geospatial_issues = true;
            }
            75..90 => self.basis = "FOSSIL_SPECIMEN",
            90..110 => {
                self.move_abroad("US", [random.between(-70.0, -64.0), random.between(33.0, 38.0)]); // Atlantic
            }
            _ => {}
        }
    }

    fn move_abroad(&mut self, country: &'static str, position: [f64; 2]) {
        (self.country, self.position) = (country, Some(position));
        (self.state, self.county) = ("", "");
    }

    fn has_species(&self) -> bool {
        !matches!(self.named, Named::Genus | Named::Nothing)
    }
}

/// Mostly the territory's own code, as GBIF has it; now and then US, so that territories can be seen.
fn country(state: &str, random: &mut Random) -> &'static str {
    let of_its_own = match state {
        "PR" => "PR",
        "VI" => "VI",
        "GU" => "GU",
        "AS" => "AS",
        "MP" => "MP",
        _ => return "US",
    };
    if random.percent(40) { "US" } else { of_its_own }
}

fn when(random: &mut Random) -> When {
    let unit = random.unit();
    let year = 2025 - (unit * unit * unit * 130.0) as u32; // most are recent
    let (month, day) = (1 + random.below(12) as u32, 1 + random.below(28) as u32);
    match random.below(100) {
        0..2 => When::Unknown,
        2..5 => When::Year(year),
        5..8 => When::Month(year, month),
        _ => When::Day(year, month, day),
    }
}

/// Appends the cell; a cell of a record is text without tabs and line ends.
type Cell = fn(&Record<'_>, &mut String);

/// Appends a value. Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($argument:tt)*) => { write!($out, $($argument)*).expect("a string grows") };
}

fn put_option(out: &mut String, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        put!(out, "{value}");
    }
}

fn put_name(record: &Record<'_>, out: &mut String) {
    let taxon = record.taxon;
    match record.named {
        Named::Species => put!(out, "{} {}", taxon.species, taxon.author),
        Named::Subspecies => put!(out, "{} ficta Synthetic data", taxon.species),
        Named::Synonym => put!(out, "{} ficticia Synthetic data", taxon.genus()),
        Named::Genus => put!(out, "{}", taxon.genus()),
        Named::Nothing => out.push_str("incertae sedis"),
    }
}

fn put_date(when: When, out: &mut String) {
    match when {
        When::Unknown => {}
        When::Year(year) => put!(out, "{year}"),
        When::Month(year, month) => put!(out, "{year}-{month:02}-01/{year}-{month:02}-28"),
        When::Day(year, month, day) => put!(out, "{year}-{month:02}-{day:02}"),
    }
}

const fn empty(_: &Record<'_>, _: &mut String) {}

/// The columns of `occurrence.txt`: the term, and how a record fills it.
pub(super) const COLUMNS: &[(&str, Cell)] = &[
    ("http://rs.gbif.org/terms/1.0/gbifID", |r, out| put!(out, "{}", r.number)),
    ("http://purl.org/dc/terms/license", |r, out| out.push_str(r.license)),
    ("http://purl.org/dc/terms/rightsHolder", |r, out| put!(out, "Synthetic publisher {}", r.publisher)),
    ("http://rs.tdwg.org/dwc/terms/institutionCode", |r, out| put!(out, "SYNTHETIC-{}", r.publisher)),
    ("http://rs.tdwg.org/dwc/terms/collectionCode", |_, out| out.push_str("SAMPLE")),
    ("http://rs.tdwg.org/dwc/terms/datasetName", |_, out| out.push_str("SYNTHETIC sample data")),
    ("http://rs.tdwg.org/dwc/terms/basisOfRecord", |r, out| out.push_str(r.basis)),
    ("http://rs.tdwg.org/dwc/terms/occurrenceID", |r, out| put!(out, "urn:synthetic:{}", r.number)),
    ("http://rs.tdwg.org/dwc/terms/catalogNumber", |r, out| put!(out, "S{}", r.number)),
    ("http://rs.tdwg.org/dwc/terms/recordNumber", empty),
    ("http://rs.tdwg.org/dwc/terms/recordedBy", |r, out| {
        put!(out, "Synthetic Recorder {}", r.number % 97);
        if r.number % 5 == 0 {
            put!(out, ";Synthetic Recorder {}", r.number % 89);
        }
    }),
    ("http://rs.tdwg.org/dwc/terms/individualCount", |r, out| put_option(out, r.individuals)),
    ("http://rs.tdwg.org/dwc/terms/establishmentMeans", empty),
    ("http://rs.tdwg.org/dwc/terms/occurrenceStatus", |r, out| {
        out.push_str(if r.is_absent { "ABSENT" } else { "PRESENT" });
    }),
    ("http://rs.tdwg.org/dwc/terms/occurrenceRemarks", |_, out| {
        out.push_str("SYNTHETIC: not an observation")
    }),
    ("http://rs.tdwg.org/dwc/terms/eventDate", |r, out| put_date(r.when, out)),
    ("http://rs.tdwg.org/dwc/terms/year", |r, out| match r.when {
        When::Unknown => {}
        When::Year(year) | When::Month(year, _) | When::Day(year, _, _) => put!(out, "{year}"),
    }),
    ("http://rs.tdwg.org/dwc/terms/month", |r, out| match r.when {
        When::Unknown | When::Year(_) => {}
        When::Month(_, month) | When::Day(_, month, _) => put!(out, "{month}"),
    }),
    ("http://rs.tdwg.org/dwc/terms/day", |r, out| match r.when {
        When::Unknown | When::Year(_) | When::Month(..) => {}
        When::Day(_, _, day) => put!(out, "{day}"),
    }),
    ("http://rs.tdwg.org/dwc/terms/countryCode", |r, out| out.push_str(r.country)),
    ("http://rs.tdwg.org/dwc/terms/stateProvince", |r, out| out.push_str(r.state)),
    ("http://rs.tdwg.org/dwc/terms/county", |r, out| out.push_str(r.county)),
    ("http://rs.tdwg.org/dwc/terms/locality", |_, out| out.push_str("synthetic locality")),
    ("http://rs.tdwg.org/dwc/terms/decimalLatitude", |r, out| {
        put_option(out, r.position.map(|[_, latitude]| format!("{latitude:.5}")));
    }),
    ("http://rs.tdwg.org/dwc/terms/decimalLongitude", |r, out| {
        put_option(out, r.position.map(|[longitude, _]| format!("{longitude:.5}")));
    }),
    ("http://rs.tdwg.org/dwc/terms/coordinateUncertaintyInMeters", |r, out| {
        put_option(out, r.uncertainty_m.filter(|_| r.position.is_some()).map(|metres| format!("{metres}.0")));
    }),
    ("http://rs.tdwg.org/dwc/terms/coordinatePrecision", empty),
    ("http://rs.tdwg.org/dwc/terms/identifiedBy", |r, out| {
        put!(out, "Synthetic Identifier {}", r.number % 53);
    }),
    ("http://rs.tdwg.org/dwc/terms/dateIdentified", |r, out| {
        if let When::Day(..) = r.when {
            put_date(r.when, out);
            out.push_str("T12:00:00");
        }
    }),
    ("http://rs.tdwg.org/dwc/terms/typeStatus", empty),
    ("http://rs.tdwg.org/dwc/terms/scientificName", put_name),
    ("http://rs.tdwg.org/dwc/terms/kingdom", |r, out| out.push_str(r.taxon.lineage[0])),
    ("http://rs.tdwg.org/dwc/terms/phylum", |r, out| out.push_str(r.taxon.lineage[1])),
    ("http://rs.tdwg.org/dwc/terms/class", |r, out| out.push_str(r.taxon.lineage[2])),
    ("http://rs.tdwg.org/dwc/terms/order", |r, out| out.push_str(r.taxon.lineage[3])),
    ("http://rs.tdwg.org/dwc/terms/family", |r, out| out.push_str(r.taxon.lineage[4])),
    ("http://rs.tdwg.org/dwc/terms/genus", |r, out| {
        if r.named != Named::Nothing {
            out.push_str(r.taxon.genus());
        }
    }),
    ("http://rs.tdwg.org/dwc/terms/infraspecificEpithet", |r, out| {
        if r.named == Named::Subspecies {
            out.push_str("ficta");
        }
    }),
    ("http://rs.tdwg.org/dwc/terms/taxonRank", |r, out| {
        out.push_str(match r.named {
            Named::Genus => "GENUS",
            Named::Subspecies => "SUBSPECIES",
            Named::Species | Named::Synonym | Named::Nothing => "SPECIES",
        });
    }),
    ("http://rs.tdwg.org/dwc/terms/taxonomicStatus", |r, out| {
        out.push_str(match r.named {
            Named::Synonym => "SYNONYM",
            Named::Nothing => "",
            Named::Species | Named::Subspecies | Named::Genus => "ACCEPTED",
        });
    }),
    ("http://rs.gbif.org/terms/1.0/datasetKey", |r, out| {
        put!(out, "00000000-0000-0000-0000-{:012}", r.publisher);
    }),
    ("http://rs.gbif.org/terms/1.0/publishingOrgKey", |r, out| {
        put!(out, "00000000-0000-0000-0001-{:012}", r.publisher);
    }),
    ("http://rs.gbif.org/terms/1.0/lastInterpreted", |_, out| out.push_str("2026-01-01T00:00:00.000Z")),
    ("http://rs.gbif.org/terms/1.0/elevation", |r, out| {
        put_option(out, r.elevation_m.map(|metres| format!("{metres}.0")));
    }),
    ("http://rs.gbif.org/terms/1.0/elevationAccuracy", |r, out| {
        put_option(out, r.elevation_m.map(|_| "0.0"));
    }),
    ("http://rs.gbif.org/terms/1.0/depth", empty),
    ("http://rs.gbif.org/terms/1.0/depthAccuracy", empty),
    ("http://rs.gbif.org/terms/1.0/issue", |r, out| {
        if r.position.is_some() {
            out.push_str(r.issue);
        }
    }),
    ("http://rs.gbif.org/terms/1.0/mediaType", |r, out| {
        if r.number % 4 == 0 {
            out.push_str("StillImage");
        }
    }),
    ("http://rs.gbif.org/terms/1.0/hasCoordinate", |r, out| put!(out, "{}", r.position.is_some())),
    ("http://rs.gbif.org/terms/1.0/hasGeospatialIssues", |r, out| {
        put!(out, "{}", r.has_geospatial_issues);
    }),
    ("http://rs.gbif.org/terms/1.0/taxonKey", |r, out| match r.named {
        Named::Species => put!(out, "{}", r.taxon.species_key),
        Named::Subspecies => put!(out, "{}", r.taxon.subspecies_key()),
        Named::Synonym => put!(out, "{}", r.taxon.synonym_key()),
        Named::Genus => put!(out, "{}", r.taxon.genus_key()),
        Named::Nothing => {}
    }),
    ("http://rs.gbif.org/terms/1.0/acceptedTaxonKey", |r, out| match r.named {
        Named::Species | Named::Synonym => put!(out, "{}", r.taxon.species_key),
        Named::Subspecies => put!(out, "{}", r.taxon.subspecies_key()),
        Named::Genus => put!(out, "{}", r.taxon.genus_key()),
        Named::Nothing => {}
    }),
    ("http://rs.gbif.org/terms/1.0/speciesKey", |r, out| {
        put_option(out, r.has_species().then_some(r.taxon.species_key));
    }),
    ("http://rs.gbif.org/terms/1.0/species", |r, out| {
        put_option(out, r.has_species().then_some(&r.taxon.species));
    }),
    ("http://rs.gbif.org/terms/1.0/acceptedScientificName", |r, out| match r.named {
        Named::Nothing => {}
        Named::Synonym => put!(out, "{} {}", r.taxon.species, r.taxon.author),
        Named::Species | Named::Subspecies | Named::Genus => put_name(r, out),
    }),
    ("http://rs.gbif.org/terms/1.0/verbatimScientificName", put_name),
    ("http://rs.gbif.org/terms/1.0/verbatimScientificNameAuthorship", |r, out| {
        if r.named == Named::Species {
            out.push_str(r.taxon.author);
        }
    }),
];
