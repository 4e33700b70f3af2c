//! One thread's share of the work: what it has numbered and counted so far.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, RecordBatch, UInt32Array,
};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use bisonflow_contract::StepError;
use bisonflow_contract::document::Tally;
use bisonflow_occurrence::Filters;
use bisonflow_occurrence::parquet_file::{ColumnValues, NO_TEXT, Texts};
use bisonflow_region::ZoneId;
use bisonflow_summary::{evidence, record_year};

use crate::counting::{Groups, NO_YEAR};
use crate::datasets::{self, Datasets};
use crate::earliest::Earliest;
use crate::regions::SetValues;
use crate::status::Outcomes;
use crate::taxon::{self, Taxa};
use crate::text::Text;
use crate::{Annotator, internal, wrong_type};

/// The columns that annotating reads, beside those of the filters and of [`Extras`].
const NEEDED_COLUMNS: [&str; 10] = [
    "decimallongitude",
    "decimallatitude",
    "taxonkey",
    "scientificname",
    "specieskey",
    "species",
    "acceptedtaxonkey",
    "acceptedscientificname",
    "year",
    "eventdate",
];

/// Annotates batches one after the other, and counts their records. Several sessions of one [`Annotator`] may work
/// side by side.
pub(crate) struct Session<'a> {
    pub(crate) annotator: &'a Annotator,
    /// Whose codes its columns are in, among the sessions that share a file.
    source: usize,
    run_year: i16,
    /// Whether the annotated records are written, not only counted.
    is_written: bool,
    pub(crate) taxa: Taxa,
    pub(crate) outcomes: Outcomes<'a>,
    pub(crate) datasets: Option<Datasets>,
    pub(crate) earliest: Option<Earliest>,
    /// `taxonkey species` of each taxon.
    key_species: Texts,
    key_species_codes: Vec<u32>,
    pub(crate) groups: Groups,
    pub(crate) tally: Tally,
}

/// What is found out beside the counts of the summaries.
#[derive(Clone, Copy)]
pub(crate) struct Extras {
    pub(crate) counts_datasets: bool,
    pub(crate) finds_earliest: bool,
}

/// The names of all columns that annotating with these filters reads, each once, in order.
pub(crate) fn needed_columns(filters: &Filters, extras: Extras) -> Vec<&'static str> {
    let mut names: Vec<_> = NEEDED_COLUMNS.into_iter().chain(filters.columns()).collect();
    if extras.counts_datasets {
        names.extend(datasets::COLUMNS);
    }
    if extras.finds_earliest {
        names.extend(evidence::COLUMNS);
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The records of a batch that passed the filters.
pub(crate) struct Annotated {
    /// Which records of the batch these are.
    pub keep: BooleanArray,
    /// Their columns as they were.
    pub kept: RecordBatch,
    zones: Vec<u32>,
    taxa: Vec<u32>,
    outcomes: Vec<u32>,
}

impl<'a> Session<'a> {
    /// Sessions whose columns go into the same file have different sources, from 0. `run_year` is the last year that
    /// a record can have; `is_written` says whether the annotated records are written, not only counted.
    pub(crate) fn new(
        annotator: &'a Annotator,
        source: usize,
        run_year: i16,
        extras: Extras,
        is_written: bool,
    ) -> Self {
        Session {
            annotator,
            source,
            run_year,
            is_written,
            taxa: Taxa::new(taxon::COLUMNS),
            outcomes: Outcomes::default(),
            datasets: extras.counts_datasets.then(Datasets::new),
            earliest: extras.finds_earliest.then(|| Earliest::new(run_year)),
            key_species: Texts::default(),
            key_species_codes: Vec::new(),
            groups: Groups::new(),
            tally: annotator.empty_tally(),
        }
    }

    /// Filters, annotates and counts a batch. `filters` are the annotator's, or those of them that matter here. The
    /// batch's columns are those of `occurrences` or some of them (one that is absent counts as null); texts may come
    /// with a dictionary.
    ///
    /// # Errors
    /// [`StepError::Internal`] if a column has another type.
    pub(crate) fn annotate(
        &mut self,
        filters: &Filters,
        batch: &RecordBatch,
    ) -> Result<Annotated, StepError> {
        let outcome = filters.apply(batch);
        let records = batch.num_rows();
        self.tally.records += records as u64;
        for (name, count) in outcome.filtered {
            *self.tally.filtered.entry(name).or_default() += count;
        }
        let kept = if outcome.keep.true_count() == records {
            batch.clone()
        } else {
            filter_record_batch(batch, &outcome.keep).map_err(internal)?
        };
        let datasets =
            self.datasets.as_mut().map(|datasets| datasets.read(batch, &outcome.keep)).transpose()?;
        let zones = self.locate(&kept)?;
        let mut taxa = Vec::with_capacity(kept.num_rows());
        self.taxa.number(&kept, &mut taxa)?;
        if let Some(earliest) = &mut self.earliest {
            earliest.add(&kept, &zones, &taxa, &self.taxa)?;
        }
        if self.is_written {
            self.extend_key_species();
        }
        let years = Years::new(&kept)?.all(kept.num_rows(), self.run_year);
        self.groups.add(&zones, &taxa, &years);
        if let (Some(datasets), Some(of_kept)) = (&mut self.datasets, &datasets) {
            for (&dataset, &year) in of_kept.iter().zip(&years) {
                datasets.annotated(dataset, (year != NO_YEAR).then_some(year));
            }
        }
        let mut outcomes = Vec::new();
        if self.is_written {
            let register = self.annotator.register.as_ref();
            outcomes.extend(zones.iter().zip(&taxa).map(|(&zone, &taxon)| {
                self.outcomes.of(register, &self.taxa, taxon, self.annotator.zones.standing(zone))
            }));
        }
        self.tally.annotated += kept.num_rows() as u64;
        Ok(Annotated { keep: outcome.keep, kept, zones, taxa, outcomes })
    }

    /// The zone of each record; one without coordinates is outside.
    fn locate(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, StepError> {
        let (longitude, latitude) =
            (coordinates(batch, "decimallongitude")?, coordinates(batch, "decimallatitude")?);
        let mut zones = vec![ZoneId::NONE; batch.num_rows()];
        self.annotator.index.locate(&longitude, &latitude, &mut zones);
        Ok(zones.into_iter().map(|zone| zone.index() as u32).collect())
    }

    fn extend_key_species(&mut self) {
        let mut joined = String::new();
        for taxon in self.key_species_codes.len() as u32..self.taxa.len() as u32 {
            let text = |column| self.taxa.text(taxon, column);
            let code = match (text(taxon::TAXONKEY), text(taxon::SPECIES)) {
                (Some(key), Some(species)) => {
                    joined.clear();
                    joined.push_str(key);
                    joined.push(' ');
                    joined.push_str(species);
                    self.key_species.code(&joined)
                }
                _ => NO_TEXT,
            };
            self.key_species_codes.push(code);
        }
    }

    /// The columns that annotating adds, in the order of [`Annotator::schema`].
    ///
    /// # Errors
    /// [`StepError::Internal`].
    pub(crate) fn added_columns<'s>(
        &'s self,
        annotated: &'s Annotated,
    ) -> Result<Vec<ColumnValues<'s>>, StepError> {
        let source = self.source;
        let mut columns = Vec::new();
        for (place, layer) in self.annotator.layers.iter().enumerate() {
            for (column, codes) in layer.columns.iter().zip(&self.annotator.zones.codes[place]) {
                columns.push(match &column.values {
                    SetValues::Texts { texts, .. } => {
                        ColumnValues::Coded { source, codes: &annotated.zones, table: codes, texts }
                    }
                    SetValues::Lists(lists) => {
                        let sets = &self.annotator.zones.sets[place];
                        let rows: UInt32Array =
                            annotated.zones.iter().map(|&zone| Some(sets[zone as usize])).collect();
                        ColumnValues::Array(take(lists, &rows, None).map_err(internal)?)
                    }
                });
            }
        }
        let Outcomes { codes, texts, .. } = &self.outcomes;
        columns.extend(codes.iter().zip(texts).map(|(table, texts)| ColumnValues::Coded {
            source,
            codes: &annotated.outcomes,
            table,
            texts,
        }));
        columns.push(ColumnValues::Coded {
            source,
            codes: &annotated.taxa,
            table: &self.key_species_codes,
            texts: &self.key_species,
        });
        Ok(columns)
    }

    /// The first `count` columns of the records as they were; those of the taxon by their codes.
    pub(crate) fn kept_columns<'s>(
        &'s self,
        annotated: &'s Annotated,
        count: usize,
    ) -> Result<Vec<ColumnValues<'s>>, StepError> {
        let schema = annotated.kept.schema();
        let columns = schema.fields().iter().zip(annotated.kept.columns()).take(count);
        let values = columns.map(|(field, array)| {
            Ok(match taxon::COLUMNS.iter().position(|name| name == field.name()) {
                Some(place) => ColumnValues::Coded {
                    source: self.source,
                    codes: &annotated.taxa,
                    table: &self.taxa.codes[place],
                    texts: &self.taxa.texts[place],
                },
                None => ColumnValues::Array(ArrayRef::clone(array)),
            })
        });
        values.collect()
    }
}

/// The coordinates of a column, what is null as no number.
fn coordinates<'a>(batch: &'a RecordBatch, name: &str) -> Result<Cow<'a, [f64]>, StepError> {
    let Some(array) = batch.column_by_name(name) else {
        return Ok(Cow::Owned(vec![f64::NAN; batch.num_rows()]));
    };
    let array: &Float64Array = array
        .as_primitive_opt::<Float64Type>()
        .ok_or_else(|| wrong_type(name, &DataType::Float64, array.data_type()))?;
    if array.null_count() == 0 {
        return Ok(Cow::Borrowed(array.values()));
    }
    Ok(Cow::Owned(array.iter().map(|value| value.unwrap_or(f64::NAN)).collect()))
}

/// What the records of a batch say of their year.
struct Years<'a> {
    years: Option<&'a Int32Array>,
    dates: Text<'a>,
}

impl<'a> Years<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Years<'a>, StepError> {
        let typed = |array: &'a ArrayRef| {
            let found = array.as_primitive_opt::<Int32Type>();
            found.ok_or_else(|| wrong_type("year", &DataType::Int32, array.data_type()))
        };
        let years = batch.column_by_name("year").map(typed).transpose()?;
        let dates = Text::of(batch, "eventdate")?;
        Ok(Years { years, dates })
    }

    /// The year of each record, or [`NO_YEAR`].
    fn all(&self, rows: usize, run_year: i16) -> Vec<i16> {
        let of_date = |row| self.of_date(row, run_year).unwrap_or(NO_YEAR);
        let Some(years) = self.years else { return (0..rows).map(of_date).collect() };
        let year = |(row, &year)| match record_year(Some(year), None, run_year) {
            Some(year) if years.is_valid(row) => year,
            _ => of_date(row),
        };
        years.values().iter().enumerate().map(year).collect()
    }

    fn of_date(&self, row: usize, run_year: i16) -> Option<i16> {
        record_year(None, self.dates.at(row), run_year)
    }
}
