//! The earliest record of each species in each region of a summary: what one worker found, its Parquet file, and the
//! best over all workers.

use arrow::array::{Array, AsArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type};
use bisonflow_occurrence::parquet_file::Texts;
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::evidence::{Evidence, EvidenceList, EvidenceOrder};
use crate::read::{self, column, texts};
use crate::{EventStart, Names, SummaryError, SummarySpec, SummaryTable};

/// The evidence of each pair of region and species: of one worker, or of all. Records outside the layer and records
/// without a species are of none.
///
/// Memory grows with the pairs, about 150 bytes for each.
///
/// ```
/// use bisonflow_summary::{EarliestDated, Evidence, SummarySpec};
/// let spec = SummarySpec { name: "state".into(), by: vec!["census_state".into()] };
/// let mut worker = EarliestDated::new(&spec);
/// let (kansas, oak) = (worker.code("KS"), worker.code("2880384"));
/// for (gbifid, date) in [("7", "2001-05"), ("9", "1999"), ("8", "1999-01-01")] {
///     let evidence = Evidence { gbifid: Some(gbifid), eventdate: Some(date), ..Evidence::default() };
///     worker.add(kansas, oak, evidence.order(2026), &evidence);
/// }
/// let mut all = EarliestDated::new(&spec);
/// all.add_partial(worker.to_parquet()?)?;
/// assert_eq!(all.find("KS", "2880384").and_then(|evidence| evidence.gbifid), Some("8"));
/// # Ok::<(), bisonflow_summary::SummaryError>(())
/// ```
pub struct EarliestDated {
    spec: SummarySpec,
    /// Keys of regions and species.
    texts: Texts,
    /// By region and species, the place of the evidence.
    pairs: FxHashMap<(u32, u32), u32>,
    evidence: EvidenceList,
}

/// The name of the table of a summary.
pub fn table_name(summary: &str) -> String {
    format!("{summary}_x_earliest_dated")
}

/// What the earliest records that a worker found for a summary are called; never like a summary.
pub fn partial_name(summary: &str) -> String {
    format!("{summary}.earliest_dated")
}

impl EarliestDated {
    /// Nothing found yet.
    pub fn new(spec: &SummarySpec) -> EarliestDated {
        EarliestDated {
            spec: spec.clone(),
            texts: Texts::default(),
            pairs: FxHashMap::default(),
            evidence: EvidenceList::default(),
        }
    }

    /// The number of a region's or a species' key, to be kept by whoever meets it again.
    pub fn code(&mut self, key: &str) -> u32 {
        self.texts.code(key)
    }

    /// The column of the region's key.
    pub fn key(&self) -> &str {
        &self.spec.by[0]
    }

    /// What its file is called among the partial counts.
    pub fn partial_name(&self) -> String {
        partial_name(&self.spec.name)
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds a record of a region and a species, by their numbers.
    pub fn add(&mut self, region: u32, species: u32, order: EvidenceOrder, evidence: &Evidence<'_>) {
        let next = u32::try_from(self.evidence.len()).expect("fewer pairs than u32 can number");
        let place = *self.pairs.entry((region, species)).or_insert(next);
        if place == next || self.evidence.is_better(place as usize, order, evidence) {
            self.evidence.put(place as usize, order, evidence);
        }
    }

    /// The evidence of a pair, by their keys.
    pub fn find(&self, region: &str, species: &str) -> Option<Evidence<'_>> {
        let pair = (self.texts.find(region)?, self.texts.find(species)?);
        Some(self.evidence.get(*self.pairs.get(&pair)? as usize))
    }

    /// The evidence as a Parquet file: the same bytes for the same records in any order.
    ///
    /// # Errors
    /// [`SummaryError::Parquet`] if it cannot be written.
    pub fn to_parquet(&self) -> Result<Bytes, SummaryError> {
        let rows = self.sorted();
        let evidence = self.evidence.in_order(rows.iter().map(|row| row.2 as usize));
        let mut table = SummaryTable::new(String::new(), rows.len());
        table.text(&self.spec.by[0], "", |row| Some(self.texts.text(rows[row].0)));
        table.text("specieskey", "", |row| Some(self.texts.text(rows[row].1)));
        evidence_columns(&mut table, &evidence, |row| row);
        table.to_parquet()
    }

    /// Adds what a worker found.
    ///
    /// # Errors
    /// [`SummaryError::Partial`] if it is no such file of this summary.
    pub fn add_partial(&mut self, bytes: Bytes) -> Result<(), SummaryError> {
        read::partial(&self.partial_name(), bytes, |batch| self.add_batch(batch))
    }

    fn add_batch(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let columns = EvidenceColumns::new(batch)?;
        let (regions, species) = (texts(batch, &self.spec.by[0])?, texts(batch, "specieskey")?);
        for row in 0..batch.num_rows() {
            if regions.is_null(row) || species.is_null(row) {
                return Err(format!("row {row}: no {} or no specieskey", self.spec.by[0]));
            }
            let pair = (self.texts.code(regions.value(row)), self.texts.code(species.value(row)));
            let (order, evidence) = columns.row(row);
            self.add(pair.0, pair.1, order, &evidence);
        }
        Ok(())
    }

    /// The pairs and the places of their evidence, in the order of the bytes of their keys.
    fn sorted(&self) -> Vec<(u32, u32, u32)> {
        let mut by_text: Vec<(&str, u32)> = self.texts.iter().zip(0..).collect();
        by_text.sort_unstable();
        let mut ranks = vec![0; by_text.len()];
        for (rank, &(_, code)) in (0u32..).zip(&by_text) {
            ranks[code as usize] = rank;
        }
        let rank = |code: u32| ranks[code as usize];
        let mut rows: Vec<(u32, u32, u32)> =
            self.pairs.iter().map(|(&(region, species), &place)| (region, species, place)).collect();
        rows.sort_unstable_by_key(|&(region, species, _)| (rank(region), rank(species)));
        rows
    }

    /// The rows of the table.
    pub fn rows<'a>(&'a self, names: &'a Names) -> EarliestRows<'a> {
        EarliestRows { of: self, names, rows: self.sorted() }
    }
}

/// The rows of the table `<summary>_x_earliest_dated`, sorted by the bytes of the region's key, then of specieskey.
pub struct EarliestRows<'a> {
    of: &'a EarliestDated,
    names: &'a Names,
    rows: Vec<(u32, u32, u32)>,
}

impl EarliestRows<'_> {
    /// The table: a row per region and species.
    pub fn table(&self) -> SummaryTable<'_> {
        let mut table = SummaryTable::new(table_name(self.summary()), self.rows.len());
        self.key_columns(&mut table, |row| row);
        evidence_columns(&mut table, self.evidence(), |row| self.place(row));
        table
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn summary(&self) -> &str {
        &self.of.spec.name
    }

    /// The column of the region's key.
    pub(crate) fn key(&self) -> &str {
        self.of.key()
    }

    /// The keys of the region and the species of a row.
    pub(crate) fn pair(&self, row: usize) -> (&str, &str) {
        let (region, species, _) = self.rows[row];
        (self.of.texts.text(region), self.of.texts.text(species))
    }

    /// Where the evidence of a row is.
    pub(crate) fn place(&self, row: usize) -> usize {
        self.rows[row].2 as usize
    }

    pub(crate) fn evidence(&self) -> &EvidenceList {
        &self.of.evidence
    }

    pub(crate) fn names(&self) -> &Names {
        self.names
    }

    /// Appends the columns of the region and the species of rows.
    pub(crate) fn key_columns<'t>(
        &'t self,
        table: &mut SummaryTable<'t>,
        of: impl Fn(usize) -> usize + Copy + Send + Sync + 't,
    ) {
        self.names.place_columns(table, &self.of.spec, move |row| self.pair(of(row)).0);
        self.names.species_columns(table, move |row| self.pair(of(row)).1);
    }
}

/// Appends the columns of evidence.
pub(crate) fn evidence_columns<'a>(
    table: &mut SummaryTable<'a>,
    evidence: &'a EvidenceList,
    place: impl Fn(usize) -> usize + Copy + Send + Sync + 'a,
) {
    let comment = "Earliest day that eventdate allows, of an interval its start; else the first day of year; null: \
                   no record of the species in the region is dated";
    table.date("event_start", comment, move |row| evidence.order(place(row)).start.days());
    table.text("gbifid", "Of the record", move |row| evidence.own(place(row))[0]);
    table.text("eventdate", "Date of the record as it landed", move |row| evidence.own(place(row))[1]);
    table.int("year", "Year of the record as it landed", move |row| evidence.year(place(row)));
    table.double("decimallatitude", "Degrees", move |row| evidence.numbers(place(row))[0]);
    table.double("decimallongitude", "Degrees", move |row| evidence.numbers(place(row))[1]);
    table.double("coordinateuncertaintyinmeters", "Metres", move |row| evidence.numbers(place(row))[2]);
    table.text("datasetkey", "Key of the dataset in GBIF", move |row| evidence.text(place(row), 0));
    table.text("basisofrecord", "Kind of the record", move |row| evidence.text(place(row), 1));
    let comment = "What GBIF found amiss in the record, joined with ;";
    table.text("issue", comment, move |row| evidence.text(place(row), 2));
}

/// The columns of evidence of a batch.
struct EvidenceColumns<'a> {
    start: &'a Date32Array,
    year: &'a Int32Array,
    numbers: [&'a Float64Array; 3],
    texts: [&'a StringArray; 5],
}

impl<'a> EvidenceColumns<'a> {
    fn new(batch: &'a RecordBatch) -> Result<EvidenceColumns<'a>, String> {
        let number =
            |name| Ok::<_, String>(column(batch, name, &DataType::Float64)?.as_primitive::<Float64Type>());
        let text = |name| texts(batch, name);
        Ok(EvidenceColumns {
            start: column(batch, "event_start", &DataType::Date32)?.as_primitive::<Date32Type>(),
            year: column(batch, "year", &DataType::Int32)?.as_primitive::<Int32Type>(),
            numbers: [
                number("decimallatitude")?,
                number("decimallongitude")?,
                number("coordinateuncertaintyinmeters")?,
            ],
            texts: [
                text("gbifid")?,
                text("eventdate")?,
                text("datasetkey")?,
                text("basisofrecord")?,
                text("issue")?,
            ],
        })
    }

    fn row(&self, row: usize) -> (EvidenceOrder, Evidence<'a>) {
        let [latitude, longitude, uncertainty] =
            self.numbers.map(|column| column.is_valid(row).then(|| column.value(row)));
        let [gbifid, eventdate, datasetkey, basisofrecord, issue] =
            self.texts.map(|column| column.is_valid(row).then(|| column.value(row)));
        let evidence = Evidence {
            gbifid,
            eventdate,
            year: self.year.is_valid(row).then(|| self.year.value(row)),
            decimallatitude: latitude,
            decimallongitude: longitude,
            uncertainty_m: uncertainty,
            datasetkey,
            basisofrecord,
            issue,
        };
        let start = EventStart::of_days(self.start.is_valid(row).then(|| self.start.value(row)));
        (evidence.order_from(start), evidence)
    }
}
