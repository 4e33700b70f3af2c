//! The tables of a summary, from sorted rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use rustc_hash::FxHashMap;

use crate::assessment::{Assessment, Group};
use crate::intern::{NONE, Sorted};
use crate::partial::Count;
use crate::{SummaryError, SummarySpec};

/// A table, ready to be written and catalogued.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryTable {
    /// Its name, in Glue and of its files.
    pub name: String,
    /// Its columns, in the order of the batch.
    pub columns: Vec<SummaryColumn>,
    /// Its rows, sorted.
    pub batch: RecordBatch,
    /// The annotated records that were counted.
    pub records: u64,
    /// What every `occ_count` column sums up to: the records, or more where the key is a list.
    pub occurrences: u64,
}

/// A column of a table, as Glue needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub glue_type: GlueType,
    /// What it holds.
    pub comment: String,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlueType {
    /// Text.
    String,
    /// A count.
    Bigint,
    /// A year.
    Int,
    /// A percentage.
    Double,
}

impl GlueType {
    /// The type as Glue writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            GlueType::String => "string",
            GlueType::Bigint => "bigint",
            GlueType::Int => "int",
            GlueType::Double => "double",
        }
    }
}

/// The counts of a key, an item (species or taxon) and a status. Texts are ranks.
pub(crate) struct Row {
    pub(crate) key: u32,
    pub(crate) item: u32,
    pub(crate) assessment: Assessment,
    pub(crate) count: Count,
}

impl Row {
    pub(crate) fn group(&self) -> (u32, u32, Assessment) {
        (self.key, self.item, self.assessment)
    }
}

/// The label of each key, as ranks.
pub(crate) type Labels = FxHashMap<u32, u32>;

/// Everything that the tables are made of.
pub(crate) struct Rollups<'a> {
    pub(crate) texts: Sorted<'a>,
    /// Sorted, one row per key, species and status.
    pub(crate) species: Vec<Row>,
    /// The same by taxon.
    pub(crate) taxa: Vec<Row>,
    /// For the columns of `by` after the key.
    pub(crate) places: Vec<Labels>,
    pub(crate) species_names: Labels,
    pub(crate) scientific_names: Labels,
    pub(crate) total: Count,
}

/// Lays the tables out.
pub(crate) fn lay_out(spec: &SummarySpec, rollups: &Rollups<'_>) -> Result<Vec<SummaryTable>, SummaryError> {
    let (counts, riis_counts) = count_rows(rollups);
    let drafts = [
        counts_table(spec, rollups, &counts, false),
        counts_table(spec, rollups, &riis_counts, true),
        list_table(spec, rollups, &rollups.species, ListOf::Species),
        list_table(spec, rollups, &rollups.taxa, ListOf::Taxa),
        riis_table(spec, rollups),
    ];
    let figure = |count: i64| u64::try_from(count).expect("sums of counts above 0 are above 0");
    let laid_out = spec.table_names().into_iter().zip(drafts).map(|(name, draft)| {
        let (columns, batch) = draft.finish()?;
        let (records, occurrences) = (figure(rollups.total.records), figure(rollups.total.occ));
        Ok(SummaryTable { name, columns, batch, records, occurrences })
    });
    laid_out.collect()
}

/// A name, what it means, and how to get it.
type Figure<From, To> = (&'static str, &'static str, fn(&From) -> To);

/// What is counted per key, or per key and status.
#[derive(Clone, Copy, Default)]
struct Figures {
    occ: i64,
    species: i64,
    taxa: i64,
    without_species: i64,
}

struct CountRow {
    key: u32,
    assessment: Option<Assessment>,
    figures: Figures,
}

/// The rows per key, and per key and status.
fn count_rows(rollups: &Rollups<'_>) -> (Vec<CountRow>, Vec<CountRow>) {
    let mut counts = Vec::new();
    let mut riis_counts = Vec::new();
    // Every counted group is in both lists, so both have the same keys.
    let keys = rollups.species.chunk_by(|a, b| a.key == b.key);
    for (species, taxa) in keys.zip(rollups.taxa.chunk_by(|a, b| a.key == b.key)) {
        let key = species[0].key;
        let mut all = Figures { species: distinct(species), taxa: distinct(taxa), ..Figures::default() };
        let mut by_status = [Figures::default(); Assessment::ALL.len()];
        for row in species {
            let status = &mut by_status[row.assessment as usize];
            for figures in [&mut all, &mut *status] {
                figures.occ += row.count.occ;
                if row.item == NONE {
                    figures.without_species += row.count.occ;
                }
            }
            status.species += i64::from(row.item != NONE); // one row per species and status
        }
        for row in taxa {
            by_status[row.assessment as usize].taxa += i64::from(row.item != NONE);
        }
        counts.push(CountRow { key, assessment: None, figures: all });
        for (assessment, figures) in Assessment::ALL.into_iter().zip(by_status) {
            if figures.occ > 0 {
                riis_counts.push(CountRow { key, assessment: Some(assessment), figures });
            }
        }
    }
    (counts, riis_counts)
}

/// How many different items the rows of one key have; none is no item.
fn distinct(rows: &[Row]) -> i64 {
    rows.chunk_by(|a, b| a.item == b.item).filter(|rows| rows[0].item != NONE).count() as i64
}

fn counts_table(spec: &SummarySpec, rollups: &Rollups<'_>, rows: &[CountRow], by_status: bool) -> Draft {
    let mut draft = Draft::default();
    draft.places(spec, rollups, || rows.iter().map(|row| row.key));
    if by_status {
        draft.assessment(rows.iter().filter_map(|row| row.assessment));
    }
    let columns: [Figure<Figures, i64>; 4] = [
        ("occ_count", "Occurrences", |f| f.occ),
        ("species_count", "Different specieskey", |f| f.species),
        ("taxon_count", "Different taxonkey; synonyms and subspecies count apart", |f| f.taxa),
        ("occ_without_species", "Occurrences without a specieskey", |f| f.without_species),
    ];
    for (name, comment, figure) in columns {
        draft.bigint(name, comment, rows.iter().map(|row| figure(&row.figures)));
    }
    draft
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListOf {
    Species,
    Taxa,
}

fn list_table(spec: &SummarySpec, rollups: &Rollups<'_>, rows: &[Row], list: ListOf) -> Draft {
    let [key, name] = match list {
        ListOf::Species => [
            ("specieskey", "Key of the species in the run's checklist; null: none"),
            ("species", "Name of the species: the most frequent in the run"),
        ],
        ListOf::Taxa => [
            ("taxonkey", "Key of the taxon in the run's checklist; null: none"),
            ("scientificname", "Name of the taxon: the most frequent in the run"),
        ],
    };
    let labels = match list {
        ListOf::Species => &rollups.species_names,
        ListOf::Taxa => &rollups.scientific_names,
    };
    let mut draft = Draft::default();
    draft.places(spec, rollups, || rows.iter().map(|row| row.key));
    draft.text(key.0, key.1, rows.iter().map(|row| rollups.texts.text(row.item)));
    draft.text(name.0, name.1, rows.iter().map(|row| label(rollups, labels, row.item)));
    draft.assessment(rows.iter().map(|row| row.assessment));
    draft.bigint("occ_count", "Occurrences", rows.iter().map(|row| row.count.occ));
    let years = || rows.iter().map(|row| row.count.years());
    draft.int(
        "first_year",
        "First year of an occurrence",
        years().map(|years| years.map(|(first, _)| first)),
    );
    draft.int("last_year", "Last year of an occurrence", years().map(|years| years.map(|(_, last)| last)));
    draft.bigint(
        "occ_undated",
        "Occurrences without a year that can be believed",
        rows.iter().map(|row| row.count.undated),
    );
    draft
}

fn label<'a>(rollups: &Rollups<'a>, labels: &Labels, key: u32) -> Option<&'a str> {
    labels.get(&key).and_then(|&rank| rollups.texts.text(rank))
}

/// How many of something have which status.
#[derive(Clone, Copy, Default)]
struct Statuses {
    introduced: i64,
    invasive: i64,
    not_listed: i64,
}

impl Statuses {
    fn add(&mut self, assessment: Assessment, count: i64) {
        match assessment.group() {
            Group::Introduced => self.introduced += count,
            Group::Invasive => self.invasive += count,
            Group::NotListed => self.not_listed += count,
            Group::NotAssessed => {}
        }
    }

    fn nonnative(&self) -> i64 {
        self.introduced + self.invasive
    }

    fn assessed(&self) -> i64 {
        self.nonnative() + self.not_listed
    }

    /// `count` in per cent of what was assessed.
    fn percentage(&self, count: i64) -> Option<f64> {
        (self.assessed() > 0).then(|| 100.0 * count as f64 / self.assessed() as f64)
    }
}

struct RiisRow {
    key: u32,
    species: Statuses,
    occ: Statuses,
}

fn riis_table(spec: &SummarySpec, rollups: &Rollups<'_>) -> Draft {
    let rows: Vec<RiisRow> = rollups.species.chunk_by(|a, b| a.key == b.key).map(riis_row).collect();
    let mut draft = Draft::default();
    draft.places(spec, rollups, || rows.iter().map(|row| row.key));
    let figures: [Figure<Statuses, i64>; 4] = [
        ("introduced", "introduced or established", |s| s.introduced),
        ("invasive", "invasive or widespread invasive", |s| s.invasive),
        ("nonnative", "introduced, established, invasive or widespread invasive", Statuses::nonnative),
        ("not_listed", "not in the register for this region; that does not mean native", |s| s.not_listed),
    ];
    let of_what: [Figure<RiisRow, Statuses>; 2] = [
        ("species", "Species, by their most severe status in the region,", |row| row.species),
        ("occ", "Occurrences", |row| row.occ),
    ];
    for (prefix, what, statuses) in of_what {
        let statuses = || rows.iter().map(statuses);
        let assessed = format!("{what} that the register can say something about");
        draft.bigint(&format!("{prefix}_assessed"), &assessed, statuses().map(|s| s.assessed()));
        for (name, comment, figure) in figures {
            let comment = format!("{what} {comment}");
            draft.bigint(&format!("{prefix}_{name}"), &comment, statuses().map(|s| figure(&s)));
        }
        for (name, _, figure) in figures {
            let comment = format!("100 * {prefix}_{name} / {prefix}_assessed; null where that is 0");
            let name = format!("pct_{prefix}_{name}");
            draft.double(&name, &comment, statuses().map(|s| s.percentage(figure(&s))));
        }
    }
    draft
}

fn riis_row(rows: &[Row]) -> RiisRow {
    let mut riis = RiisRow { key: rows[0].key, species: Statuses::default(), occ: Statuses::default() };
    for row in rows {
        riis.occ.add(row.assessment, row.count.occ);
    }
    for rows in rows.chunk_by(|a, b| a.item == b.item).filter(|rows| rows[0].item != NONE) {
        let worst = rows.iter().map(|row| row.assessment).max_by_key(|assessment| assessment.severity());
        riis.species.add(worst.expect("a chunk has a row"), 1);
    }
    riis
}

/// A table in the making.
#[derive(Default)]
struct Draft {
    columns: Vec<SummaryColumn>,
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Draft {
    fn push(&mut self, name: &str, comment: &str, glue_type: GlueType, array: ArrayRef) {
        let (data_type, nullable) = match glue_type {
            GlueType::String => (DataType::Utf8, true),
            GlueType::Bigint => (DataType::Int64, false),
            GlueType::Int => (DataType::Int32, true),
            GlueType::Double => (DataType::Float64, true),
        };
        self.columns.push(SummaryColumn { name: name.to_owned(), glue_type, comment: comment.to_owned() });
        self.fields.push(Field::new(name, data_type, nullable));
        self.arrays.push(array);
    }

    fn text<'a>(&mut self, name: &str, comment: &str, cells: impl Iterator<Item = Option<&'a str>>) {
        self.push(name, comment, GlueType::String, Arc::new(cells.collect::<StringArray>()));
    }

    fn bigint(&mut self, name: &str, comment: &str, cells: impl Iterator<Item = i64>) {
        self.push(name, comment, GlueType::Bigint, Arc::new(cells.collect::<Int64Array>()));
    }

    fn int(&mut self, name: &str, comment: &str, cells: impl Iterator<Item = Option<i16>>) {
        let cells = cells.map(|year| year.map(i32::from));
        self.push(name, comment, GlueType::Int, Arc::new(cells.collect::<Int32Array>()));
    }

    fn double(&mut self, name: &str, comment: &str, cells: impl Iterator<Item = Option<f64>>) {
        self.push(name, comment, GlueType::Double, Arc::new(cells.collect::<Float64Array>()));
    }

    fn assessment(&mut self, cells: impl Iterator<Item = Assessment>) {
        let comment = "Status in the register (RIIS); not_listed does not mean native";
        self.text("riis_assessment", comment, cells.map(|assessment| Some(assessment.as_str())));
    }

    /// The columns of `by`.
    fn places<I: Iterator<Item = u32>>(
        &mut self,
        spec: &SummarySpec,
        rollups: &Rollups<'_>,
        keys: impl Fn() -> I,
    ) {
        let key = &spec.by[0];
        let comment = "Key of the region; null: outside the layer";
        self.text(key, comment, keys().map(|key| rollups.texts.text(key)));
        for (name, labels) in spec.by[1..].iter().zip(&rollups.places) {
            let comment = format!("Label of {key}: the most frequent in the run");
            self.text(name, &comment, keys().map(|key| label(rollups, labels, key)));
        }
    }

    fn finish(self) -> Result<(Vec<SummaryColumn>, RecordBatch), SummaryError> {
        let batch = RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)?;
        Ok((self.columns, batch))
    }
}
