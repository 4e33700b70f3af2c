//! Laying the page out.

use std::collections::BTreeMap;
use std::fmt::Write;

use askama::Template;
use bisonflow_contract::document::{LayerCount, NewInRun, RiisCounts, SourceKind};
use bisonflow_contract::drift::DriftRow;
use sha2::{Digest, Sha256};

use crate::data::{DatasetLicences, NewSpeciesRow, RegionRow, Report, SpeciesRow, Summary};
use crate::flow;
use crate::map::{Drawn, draw};
use crate::markup::{Markup, count, escape, figure, percentage, readable, statistic};
use crate::scale::{FEW_RECORDS, Measure};

/// The page's only style and script.
const STYLE: &str = include_str!("../templates/report.css");
const SCRIPT: &str = include_str!("../templates/report.js");

/// A table of regions has no more rows: those with most records.
const MOST_ROWS: usize = 6_000;

impl Report {
    /// The page. The same report gives the same bytes.
    pub fn page(&self) -> String {
        let mut summaries = Vec::new();
        for summary in &self.summaries {
            summaries.push(SummaryView::new(self, summary));
        }
        let records = &self.ledger.records;
        let page = Page {
            report: self,
            policy: policy(),
            style: Markup::ours(STYLE.to_owned()),
            script: Markup::ours(SCRIPT.to_owned()),
            source_kind: source_kind(self.ledger.source.kind),
            flow: flow::draw(&self.ledger),
            read: figure(records.read, "ledger:records.read"),
            ragged: figure(records.ragged, "ledger:records.ragged"),
            rejected: figure(records.rejected, "ledger:records.rejected"),
            landed: figure(records.landed, "ledger:records.landed"),
            annotated: figure(records.annotated, "ledger:records.annotated"),
            filtered: self.filtered(),
            statuses: statuses(&self.ledger.riis),
            layers: self.layers(),
            drift: self.drift.rows.iter().enumerate().map(DriftView::new).collect(),
            states: self.states.and_then(|place| self.summaries.get(place)),
            summaries,
            few_records: FEW_RECORDS,
        };
        readable(page.render().expect("a template without fallible parts renders"))
    }

    /// The filters: name, what passes, records held back.
    fn filtered(&self) -> Vec<(String, String, Markup)> {
        let of = |(name, passes): &(String, String)| {
            let held = self.ledger.records.filtered.iter().find(|(known, _)| known.as_str() == name);
            let held = held.map_or(0, |(_, &held)| held);
            (name.clone(), passes.clone(), figure(held, &format!("ledger:records.filtered.{name}")))
        };
        self.filters.iter().map(of).collect()
    }

    /// The layers: what is known, and the records inside and outside.
    fn layers(&self) -> Vec<LayerView<'_>> {
        let of = |layer: &'_ crate::data::LayerNote| {
            let LayerCount { inside, outside } =
                self.ledger.layers.get(&layer.name).copied().unwrap_or_default();
            let from = |field| format!("ledger:layers.{}.{field}", layer.name);
            (figure(inside, &from("inside")), figure(outside, &from("outside")))
        };
        let view = |layer| {
            let (inside, outside) = of(layer);
            LayerView { layer, inside, outside }
        };
        self.layers.iter().map(view).collect()
    }
}

#[derive(Template)]
#[template(path = "report.html", whitespace = "minimize")]
struct Page<'a> {
    report: &'a Report,
    policy: String,
    style: Markup,
    script: Markup,
    source_kind: &'static str,
    flow: Markup,
    read: Markup,
    ragged: Markup,
    rejected: Markup,
    landed: Markup,
    annotated: Markup,
    filtered: Vec<(String, String, Markup)>,
    statuses: Vec<(&'static str, &'static str, Markup)>,
    layers: Vec<LayerView<'a>>,
    drift: Vec<DriftView<'a>>,
    states: Option<&'a Summary>,
    summaries: Vec<SummaryView<'a>>,
    few_records: i64,
}

impl Page<'_> {
    /// Where the records outside the layer of a summary come from.
    fn outside_from(&self, summary: &str) -> String {
        format!("{summary}_counts:outside.occ_count")
    }

    /// Where the records of a dataset that changed come from.
    fn dataset_from(&self, place: &usize, field: &str) -> String {
        format!("drift:datasets.{place}.{field}")
    }

    /// Where the rows of a table come from.
    fn rows_from(&self, table: &str) -> String {
        format!("manifest:tables.{table}.rows")
    }
}

/// A figure of this run and the one before.
struct DriftView<'a> {
    row: &'a DriftRow,
    old: Markup,
    new: Markup,
}

impl<'a> DriftView<'a> {
    fn new((place, row): (usize, &'a DriftRow)) -> Self {
        let from = |field| format!("drift:rows.{place}.{field}");
        DriftView { row, old: figure(row.old, &from("old")), new: figure(row.new, &from("new")) }
    }
}

struct LayerView<'a> {
    layer: &'a crate::data::LayerNote,
    inside: Markup,
    outside: Markup,
}

/// A summary as the page shows it.
struct SummaryView<'a> {
    summary: &'a Summary,
    map: Option<MapView>,
    /// Why there is no map.
    no_map: String,
    /// The regions, most records first.
    rows: Vec<&'a RegionRow>,
    /// Regions with records.
    regions: Markup,
    left_out: usize,
    outside: Option<&'a RegionRow>,
    vintage: &'a str,
    scale: &'a str,
    is_coarse: bool,
}

struct MapView {
    svg: Markup,
    not_shown: usize,
    has_frames: bool,
    measures: Vec<MeasureView>,
}

struct MeasureView {
    title: &'static str,
    classes: [&'static str; 6],
    unclassed: &'static str,
    is_share: bool,
    is_records: bool,
}

impl<'a> SummaryView<'a> {
    fn new(report: &'a Report, summary: &'a Summary) -> Self {
        let is_region = |row: &&RegionRow| row.by.first().is_some_and(Option::is_some);
        let mut order: Vec<usize> = (0..summary.regions.len()).collect();
        order.retain(|&place| is_region(&&summary.regions[place]));
        let regions = order.len();
        order.sort_by_key(|&place| std::cmp::Reverse(summary.regions[place].occ_count)); // stable: then by key
        order.truncate(MOST_ROWS);
        let rows: Vec<&RegionRow> = order.iter().map(|&place| &summary.regions[place]).collect();
        // The map points into the table, so it knows the rows in the table's order.
        let in_order = Summary { regions: rows.iter().map(|&row| row.clone()).collect(), ..summary.clone() };
        let keys: BTreeMap<&str, usize> =
            rows.iter().enumerate().filter_map(|(place, row)| Some((row.by[0].as_deref()?, place))).collect();
        let (map, no_map) = match draw(&in_order, &keys, report.backdrop.as_ref()) {
            Drawn::None(why) => (None, why),
            Drawn::Map { svg, not_shown, has_frames } => {
                let measure = |measure: Measure| MeasureView {
                    title: measure.title(),
                    classes: measure.classes(),
                    unclassed: measure.unclassed(),
                    is_share: measure == Measure::Nonnative,
                    is_records: measure == Measure::Records,
                };
                let measures = Measure::ALL.map(measure).into();
                (Some(MapView { svg, not_shown, has_frames, measures }), String::new())
            }
        };
        let layer = report.layers.iter().find(|layer| layer.name == summary.layer);
        SummaryView {
            summary,
            map,
            no_map,
            left_out: regions - rows.len(),
            regions: figure(regions as u64, &format!("{}_counts:regions", summary.name)),
            rows,
            outside: summary.regions.iter().find(|row| !is_region(row)),
            vintage: layer.map_or("", |layer| &layer.vintage),
            scale: layer.map_or("", |layer| &layer.scale),
            is_coarse: layer.is_some_and(|layer| layer.is_coarse),
        }
    }

    /// The rows of the table of regions.
    fn body(&self) -> Markup {
        let mut html = String::new();
        for row in &self.rows {
            let key = row.by[0].as_deref().unwrap_or_default();
            write!(html, "<tr data-key=\"{}\">", escape(key)).expect("writing to a text does not fail");
            // The name first: the first label, else the key.
            let name = row.by.get(1).and_then(Option::as_deref).unwrap_or(key);
            write!(html, "<th scope=\"row\">{}</th>", escape(name)).expect("writing to a text does not fail");
            for text in self.others(row) {
                write!(html, "<td>{}", escape(text)).expect("writing to a text does not fail");
            }
            for value in [
                row.occ_count,
                row.species_count,
                row.species_introduced,
                row.species_invasive,
                row.species_assessed,
            ] {
                write!(html, "<td class=n>{}", count(value)).expect("writing to a text does not fail");
            }
            write!(
                html,
                "<td class=n>{}<td class=n>{}",
                percentage(row.pct_species_nonnative),
                count(row.occ_nonnative)
            )
            .expect("writing to a text does not fail");
            html.push('\n');
        }
        Markup::ours(html)
    }

    /// What describes a region beside its name: its key, and the other labels.
    fn others<'r>(&self, row: &'r RegionRow) -> impl Iterator<Item = &'r str> + use<'r> {
        let has_label = row.by.len() > 1;
        let key = row.by.first().filter(|_| has_label);
        key.into_iter().chain(row.by.iter().skip(2)).map(|text| text.as_deref().unwrap_or_default())
    }

    /// The columns of the table of regions that describe the region, in its order.
    fn by(&self) -> Vec<&'a str> {
        let by = &self.summary.by;
        let name = by.get(1).unwrap_or(&by[0]);
        let has_label = by.len() > 1;
        let key = by.first().filter(|_| has_label);
        [name].into_iter().chain(key).chain(by.iter().skip(2)).map(String::as_str).collect()
    }

    /// Why it is not known what is new.
    fn not_compared(&self) -> Option<&'a str> {
        match &self.summary.new_in_run {
            NewInRun::NotCompared { because } => Some(because),
            NewInRun::Compared { .. } => None,
        }
    }

    /// What is new: the run that it was compared with, and new pairs, nonnative and notable ones.
    fn compared(&self) -> Option<(&'a str, Markup, Markup, Markup)> {
        let NewInRun::Compared { with, pairs, nonnative, notable, .. } = &self.summary.new_in_run else {
            return None;
        };
        let count = |field: &str, value: u64| {
            figure(value, &format!("manifest:new_in_run.{}.compared.{field}", self.summary.name))
        };
        Some((
            with.as_str(),
            count("pairs", *pairs),
            count("nonnative", *nonnative),
            count("notable", *notable),
        ))
    }

    /// Whether the table of what is new has more rows than the page.
    fn has_more_new(&self) -> bool {
        let shown = self.summary.new_species.len() as u64;
        matches!(&self.summary.new_in_run, NewInRun::Compared { pairs, .. } if *pairs > shown)
    }

    /// The statistics: column, what it is, value.
    fn diversity(&self) -> Vec<(&'a str, &'a str, String)> {
        let one = |one: &'a crate::data::Diversity| (&*one.column, &*one.comment, statistic(one.value));
        self.summary.diversity.iter().map(one).collect()
    }
}

/// A bar of the records by status, in per cent of all.
fn bar(riis: &RiisCounts) -> Markup {
    let whole = riis.total().max(1) as f64;
    let mut svg = String::from(
        "<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
    );
    let mut left = 0.0;
    for (name, _, records) in by_status(riis) {
        let width = 100.0 * records as f64 / whole;
        if records > 0 {
            write!(svg, "<rect class=\"s-{name}\" x=\"{left:.2}\" width=\"{width:.2}\" height=\"10\"/>")
                .expect("writing to a text does not fail");
        }
        left += width;
    }
    svg.push_str("</svg>");
    Markup::ours(svg)
}

/// The statuses: name, what it means, records.
fn by_status(riis: &RiisCounts) -> [(&'static str, &'static str, u64); 6] {
    [
        ("introduced", "introduced", riis.introduced),
        ("established", "introduced, established", riis.established),
        ("invasive", "invasive", riis.invasive),
        ("widespread_invasive", "widespread invasive", riis.widespread_invasive),
        (
            "not_listed",
            "the register has no row for the taxon and region; this does not mean native",
            riis.not_listed,
        ),
        ("not_assessed", "no region of the register, no key, or no register", riis.not_assessed),
    ]
}

fn statuses(riis: &RiisCounts) -> Vec<(&'static str, &'static str, Markup)> {
    by_status(riis)
        .into_iter()
        .map(|(name, meaning, records)| (name, meaning, figure(records, &format!("ledger:riis.{name}"))))
        .collect()
}

/// A text, or a dash for none.
fn or_dash(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("–")
}

/// Counts of a state by status, as text.
fn state_counts(row: &RegionRow) -> Vec<String> {
    by_status(&row.occ_by_status)
        .into_iter()
        .map(|(_, _, records)| count(i64::try_from(records).unwrap_or(i64::MAX)))
        .collect()
}

fn source_kind(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Dwca => "a Darwin Core archive",
        SourceKind::SimpleCsv => "a GBIF simple CSV download",
        SourceKind::Text => "a text file",
        SourceKind::SimpleParquet => "a GBIF simple Parquet download",
        SourceKind::Parquet => "Parquet files",
        SourceKind::Snapshot => "a GBIF snapshot, used in place",
    }
}

/// What the page may do: its own style and script, by their hashes, and nothing else.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(STYLE)),
        base64(&Sha256::digest(SCRIPT))
    )
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

impl DatasetLicences {
    /// All annotated records.
    fn records(&self) -> i64 {
        self.licences.iter().map(|licence| licence.annotated).sum()
    }

    /// The share of a licence in per cent, as text.
    fn share(&self, annotated: &i64) -> String {
        let all = self.records();
        percentage((all > 0).then(|| 100.0 * *annotated as f64 / all as f64))
    }

    /// The share of the records whose licence forbids commercial use, in per cent.
    fn noncommercial(&self) -> String {
        let is = |license: &Option<String>| license.as_ref().is_some_and(|text| text.contains("NC"));
        let records = self.licences.iter().filter(|one| is(&one.license)).map(|one| one.annotated).sum();
        self.share(&records)
    }
}

impl NewSpeciesRow {
    /// Where GBIF shows the record.
    fn href(&self) -> Option<String> {
        let gbifid = self.gbifid.as_ref().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
        gbifid.map(|gbifid| format!("https://www.gbif.org/occurrence/{gbifid}"))
    }

    /// Latitude and longitude, in degrees.
    fn place(&self) -> String {
        let [latitude, longitude] = self.coordinates.map(|degrees| degrees.unwrap_or(f64::NAN));
        format!("{latitude}, {longitude}")
    }

    /// The uncertainty in metres.
    fn metres(&self) -> String {
        self.uncertainty_m.map_or("–".to_owned(), |metres| metres.to_string())
    }
}

impl SpeciesRow {
    /// Where GBIF shows the species, for keys of its Backbone, which are all digits.
    fn href(&self) -> Option<String> {
        let is_number =
            !self.specieskey.is_empty() && self.specieskey.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| format!("https://www.gbif.org/species/{}", self.specieskey))
    }

    fn year(year: &Option<i32>) -> String {
        year.map_or("–".to_owned(), |year| year.to_string())
    }
}
