//! The tables of a summary, from sorted rows.

use rustc_hash::FxHashMap;

use crate::assessment::{Assessment, Group};
use crate::intern::{NONE, Sorted};
use crate::partial::Count;
use crate::{Names, SummarySpec, SummaryTable};

/// The counts of a key, an item (species or taxon) and a status. Texts are numbers: ids, and in the tables ranks.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) key: u32,
    pub(crate) item: u32,
    pub(crate) assessment: Assessment,
    first: i16, // above `last` while there is no year
    last: i16,
    occ: i64,
    undated: i64,
}

impl Row {
    pub(crate) fn new(key: u32, item: u32, assessment: Assessment, count: &Count) -> Row {
        let (first, last) = count.years().unwrap_or((i16::MAX, i16::MIN));
        Row { key, item, assessment, first, last, occ: count.occ, undated: count.undated }
    }

    /// Sorts the rows and adds up those of one key, item and status.
    pub(crate) fn roll_up(rows: &mut Vec<Row>) {
        rows.sort_unstable_by_key(Row::group);
        rows.dedup_by(|row, kept| {
            let same = row.group() == kept.group();
            if same {
                kept.add(row);
            }
            same
        });
    }

    fn group(&self) -> (u32, u32, Assessment) {
        (self.key, self.item, self.assessment)
    }

    fn add(&mut self, other: &Row) {
        self.occ = self.occ.saturating_add(other.occ);
        self.undated = self.undated.saturating_add(other.undated);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    fn year(&self, year: i16) -> Option<i32> {
        (self.first <= self.last).then_some(i32::from(year))
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
}

/// The annotated records of a summary, counted: its tables are views of it.
pub struct Merged<'a> {
    spec: &'a SummarySpec,
    rollups: Rollups<'a>,
    counts: Vec<CountRow>,
    riis_counts: Vec<CountRow>,
    riis: Vec<RiisRow>,
    records: u64,
    occurrences: u64,
}

/// Where the species list is among the tables.
const SPECIES_LIST: usize = 2;

impl<'a> Merged<'a> {
    pub(crate) fn new(spec: &'a SummarySpec, rollups: Rollups<'a>, total: &Count) -> Self {
        let figure = |count: i64| u64::try_from(count).expect("sums of counts above 0 are above 0");
        let (counts, riis_counts) = count_rows(&rollups);
        let riis = rollups.species.chunk_by(|a, b| a.key == b.key).map(riis_row).collect();
        let (records, occurrences) = (figure(total.records), figure(total.occ));
        Merged { spec, rollups, counts, riis_counts, riis, records, occurrences }
    }

    /// The annotated records that were counted.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// What every `occ_count` column sums up to: the records, or more where the key is a list.
    pub fn occurrences(&self) -> u64 {
        self.occurrences
    }

    /// The tables of the summary, in the order of [`SummarySpec::table_names`].
    ///
    /// Rows are grouped by the key, the first column of `by`; records outside the layer have a row with a null
    /// key. The other columns of `by`, `species` and `scientificname` are labels: of several, the one that most
    /// records bear, then the lowest by bytes; null and empty are none. Sorted by the bytes of the key, then of
    /// specieskey or taxonkey, then of riis_assessment, nulls last.
    pub fn tables(&self) -> Vec<SummaryTable<'_>> {
        let [counts, riis_counts, species, taxa, riis] = self.spec.table_names();
        vec![
            self.counts_table(counts, &self.counts, false),
            self.counts_table(riis_counts, &self.riis_counts, true),
            self.list_table(species, &self.rollups.species, ListOf::Species),
            self.list_table(taxa, &self.rollups.taxa, ListOf::Taxa),
            self.riis_table(riis),
        ]
    }

    /// The table `<name>_x_species_list`, of which the matrix is made.
    pub fn species_list(&self) -> SummaryTable<'_> {
        let name = self.spec.table_names()[SPECIES_LIST].clone();
        self.list_table(name, &self.rollups.species, ListOf::Species)
    }

    /// What the regions and the species are called.
    pub fn names(&self) -> Names {
        let Rollups { texts, species, places, species_names, .. } = &self.rollups;
        let mut names = Names::default();
        for row in species {
            if let Some(key) = texts.text(row.key) {
                names.add_place(key, places.iter().map(|labels| self.label(labels, row.key)));
            }
            if let Some(key) = texts.text(row.item) {
                names.add_species(key, self.label(species_names, row.item));
            }
        }
        names
    }

    /// The most severe status of each species in each region, in the order of `<name>_x_earliest_dated`.
    pub fn statuses(&self) -> Statuses {
        let pairs = self.rollups.species.chunk_by(|a, b| (a.key, a.item) == (b.key, b.item));
        let pairs = pairs.filter(|rows| rows[0].key != NONE && rows[0].item != NONE);
        Statuses(pairs.map(most_severe).collect())
    }

    fn counts_table<'t>(&'t self, name: String, rows: &'t [CountRow], by_status: bool) -> SummaryTable<'t> {
        let mut table = SummaryTable::new(name, rows.len());
        self.places(&mut table, |row| rows[row].key);
        if by_status {
            assessment(&mut table, |row| rows[row].assessment);
        }
        let columns: [Figure<Figures, i64>; 4] = [
            ("occ_count", "Occurrences", |f| f.occ),
            ("species_count", "Different specieskey", |f| f.species),
            ("taxon_count", "Different taxonkey; synonyms and subspecies count apart", |f| f.taxa),
            ("occ_without_species", "Occurrences without a specieskey", |f| f.without_species),
        ];
        for (name, comment, figure) in columns {
            table.bigint(name, comment, move |row| figure(&rows[row].figures));
        }
        table
    }

    fn list_table<'t>(&'t self, name: String, rows: &'t [Row], list: ListOf) -> SummaryTable<'t> {
        let [key, label] = match list {
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
            ListOf::Species => &self.rollups.species_names,
            ListOf::Taxa => &self.rollups.scientific_names,
        };
        let mut table = SummaryTable::new(name, rows.len());
        self.places(&mut table, |row| rows[row].key);
        table.text(key.0, key.1, |row| self.rollups.texts.text(rows[row].item));
        table.text(label.0, label.1, |row| self.label(labels, rows[row].item));
        assessment(&mut table, |row| Some(rows[row].assessment));
        table.bigint("occ_count", "Occurrences", |row| rows[row].occ);
        table.int("first_year", "First year of an occurrence", |row| rows[row].year(rows[row].first));
        table.int("last_year", "Last year of an occurrence", |row| rows[row].year(rows[row].last));
        let comment = "Occurrences without a year that can be believed";
        table.bigint("occ_undated", comment, |row| rows[row].undated);
        table
    }

    fn riis_table(&self, name: String) -> SummaryTable<'_> {
        let rows = &self.riis;
        let mut table = SummaryTable::new(name, rows.len());
        self.places(&mut table, |row| rows[row].key);
        let figures: [Figure<StatusCounts, i64>; 4] = [
            ("introduced", "introduced or established", |s| s.introduced),
            ("invasive", "invasive or widespread invasive", |s| s.invasive),
            (
                "nonnative",
                "introduced, established, invasive or widespread invasive",
                StatusCounts::nonnative,
            ),
            ("not_listed", "not in the register for this region; that does not mean native", |s| {
                s.not_listed
            }),
        ];
        let of_what: [Figure<RiisRow, StatusCounts>; 2] = [
            ("species", "Species, by their most severe status in the region,", |row| row.species),
            ("occ", "Occurrences", |row| row.occ),
        ];
        for (prefix, what, statuses) in of_what {
            let assessed = format!("{what} that the register can say something about");
            table
                .bigint(&format!("{prefix}_assessed"), &assessed, move |row| statuses(&rows[row]).assessed());
            for (name, comment, figure) in figures {
                let comment = format!("{what} {comment}");
                table.bigint(&format!("{prefix}_{name}"), &comment, move |row| figure(&statuses(&rows[row])));
            }
            for (name, _, figure) in figures {
                let comment = format!("100 * {prefix}_{name} / {prefix}_assessed; null where that is 0");
                let name = format!("pct_{prefix}_{name}");
                table.double(&name, &comment, move |row| {
                    let statuses = statuses(&rows[row]);
                    statuses.percentage(figure(&statuses))
                });
            }
        }
        table
    }

    /// The columns of `by`.
    fn places<'t>(
        &'t self,
        table: &mut SummaryTable<'t>,
        key_of: impl Fn(usize) -> u32 + Copy + Send + Sync + 't,
    ) {
        let key = &self.spec.by[0];
        let comment = "Key of the region; null: outside the layer";
        table.text(key, comment, move |row| self.rollups.texts.text(key_of(row)));
        for (name, labels) in self.spec.by[1..].iter().zip(&self.rollups.places) {
            let comment = format!("Label of {key}: the most frequent in the run");
            table.text(name, &comment, move |row| self.label(labels, key_of(row)));
        }
    }

    fn label(&self, labels: &Labels, key: u32) -> Option<&str> {
        labels.get(&key).and_then(|&rank| self.rollups.texts.text(rank))
    }
}

fn assessment<'t>(
    table: &mut SummaryTable<'t>,
    assessment: impl Fn(usize) -> Option<Assessment> + Send + Sync + 't,
) {
    let comment = "Status in the register (RIIS); not_listed does not mean native";
    table.text("riis_assessment", comment, move |row| assessment(row).map(Assessment::as_str));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListOf {
    Species,
    Taxa,
}

/// Statuses of pairs of region and species: of each the most severe one that the species has in the region.
#[derive(Debug)]
pub struct Statuses(Vec<Assessment>);

impl Statuses {
    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn of(&self, pair: usize) -> Assessment {
        self.0[pair]
    }
}

/// The most severe status of rows of one key and item; of two alike, the first by the bytes of its name.
fn most_severe(rows: &[Row]) -> Assessment {
    let statuses = rows.iter().map(|row| row.assessment);
    let worst = statuses.min_by_key(|assessment| (std::cmp::Reverse(assessment.severity()), *assessment));
    worst.expect("a chunk has a row")
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
                figures.occ += row.occ;
                if row.item == NONE {
                    figures.without_species += row.occ;
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

/// How many of something have which status.
#[derive(Clone, Copy, Default)]
struct StatusCounts {
    introduced: i64,
    invasive: i64,
    not_listed: i64,
}

impl StatusCounts {
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
    species: StatusCounts,
    occ: StatusCounts,
}

fn riis_row(rows: &[Row]) -> RiisRow {
    let mut riis =
        RiisRow { key: rows[0].key, species: StatusCounts::default(), occ: StatusCounts::default() };
    for row in rows {
        riis.occ.add(row.assessment, row.occ);
    }
    for rows in rows.chunk_by(|a, b| a.item == b.item).filter(|rows| rows[0].item != NONE) {
        riis.species.add(most_severe(rows), 1);
    }
    riis
}
