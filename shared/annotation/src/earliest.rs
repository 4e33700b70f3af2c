//! The earliest record of each species in each zone.
//!
//! Nearly all records are later than the earliest that was met before: that is found out with one look at a table of
//! zones and species. Of those that are better, the values are gathered once for each batch, not for each record.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use bisonflow_contract::StepError;
use bisonflow_occurrence::parquet_file::{NO_TEXT, is_same};
use bisonflow_summary::evidence::{Evidence, EvidenceList, EvidenceOrder, gbifid_order, uncertainty_order};
use bisonflow_summary::{EarliestDated, EventStart};

use crate::slots::{AHEAD, FREE, Slots};
use crate::taxon::{SPECIESKEY, Taxa};
use crate::text::Text;
use crate::wrong_type;

#[cfg(test)]
mod tests;

/// Not of this batch.
const NO_ROW: u32 = u32::MAX;
/// Not met before.
const NO_ENTRY: u32 = u32::MAX;

/// The evidence of each zone and species. Memory grows with the different ones.
pub(crate) struct Earliest {
    run_year: i16,
    /// By taxon the code of its species, or [`NO_TEXT`].
    species: Vec<u32>,
    /// The dictionary of dates that came last, and the start of each of its entries.
    dates: Option<(StringArray, Vec<EventStart>)>,
    /// By zone and species, the start of the best record so far, and its entry.
    best: Slots<Best>,
    /// By the entry of a slot.
    evidence: EvidenceList,
    /// By entry, its zone and species.
    groups: Vec<u64>,
    /// By entry, the record of this batch that is better than its evidence.
    rows: Vec<u32>,
    /// The entries that have such a record.
    changed: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Best {
    start: EventStart,
    entry: u32,
}

impl Earliest {
    pub(crate) fn new(run_year: i16) -> Earliest {
        Earliest {
            run_year,
            species: Vec::new(),
            dates: None,
            best: Slots::new(Best { start: EventStart::UNDATED, entry: NO_ENTRY }),
            evidence: EvidenceList::default(),
            groups: Vec::new(),
            rows: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Looks at the records of a batch, of which the zones and the taxa are known.
    pub(crate) fn add(
        &mut self,
        batch: &RecordBatch,
        zones: &[u32],
        numbers: &[u32],
        taxa: &Taxa,
    ) -> Result<(), StepError> {
        let columns = Columns::new(batch)?;
        let starts = self.starts(&columns);
        let is_key = |code: u32| code != NO_TEXT && !matches!(taxa.texts[SPECIESKEY].text(code), "" | "0");
        let codes = &taxa.codes[SPECIESKEY][self.species.len()..];
        self.species.extend(codes.iter().map(|&code| if is_key(code) { code } else { NO_TEXT }));
        let records = zones.chunks(AHEAD).zip(numbers.chunks(AHEAD)).zip(starts.chunks(AHEAD));
        for (chunk, ((zones, numbers), starts)) in records.enumerate() {
            self.best.make_room(AHEAD);
            let (mut groups, mut places) = ([FREE; AHEAD], [0; AHEAD]);
            for (at, (&zone, &taxon)) in zones.iter().zip(numbers).enumerate() {
                let species = self.species[taxon as usize];
                if species != NO_TEXT {
                    groups[at] = u64::from(zone) << 32 | u64::from(species);
                    places[at] = self.best.home(groups[at]);
                }
            }
            // These loads do not wait for each other.
            let found = places.map(|place| *self.best.at(place));
            for (at, &start) in starts.iter().enumerate() {
                let group = groups[at];
                if group == FREE || (found[at].group == group && found[at].value.start < start) {
                    continue;
                }
                self.compare(group, start, chunk * AHEAD + at, &columns);
            }
        }
        for entry in self.changed.drain(..) {
            let entry = entry as usize;
            let row = std::mem::replace(&mut self.rows[entry], NO_ROW) as usize;
            let mut issue = String::new();
            let evidence = columns.evidence(row, &mut issue);
            self.evidence.put(entry, columns.order(row, starts[row]), &evidence);
        }
        Ok(())
    }

    /// Compares a record with the best of its group.
    fn compare(&mut self, group: u64, start: EventStart, row: usize, columns: &Columns<'_>) {
        let place = self.best.take(group);
        let Best { start: best, entry } = *self.best.value(place);
        let (next, row) = (self.groups.len() as u32, row as u32);
        if entry == NO_ENTRY {
            *self.best.value(place) = Best { start, entry: next };
            self.groups.push(group);
            self.rows.push(row);
            // Evidence has its place at once, so that entries are its places.
            let order = columns.order(row as usize, start);
            self.evidence.put(next as usize, order, &Evidence::default());
            self.changed.push(next);
            return;
        }
        if best < start || (best == start && !self.is_better(entry as usize, start, row as usize, columns)) {
            return;
        }
        self.best.value(place).start = start;
        if std::mem::replace(&mut self.rows[entry as usize], row) == NO_ROW {
            self.changed.push(entry);
        }
    }

    /// Whether a record is better than another with the same start.
    fn is_better(&self, entry: usize, start: EventStart, row: usize, columns: &Columns<'_>) -> bool {
        let (mut of_this, mut of_other) = (String::new(), String::new());
        let order = columns.order(row, start);
        match self.rows[entry] {
            NO_ROW => {
                let best = self.evidence.order(entry);
                order < best
                    || order == best
                        && self.evidence.is_better(entry, order, &columns.evidence(row, &mut of_this))
            }
            other => {
                let best = columns.order(other as usize, start);
                order < best
                    || order == best
                        && columns
                            .evidence(row, &mut of_this)
                            .precedes(&columns.evidence(other as usize, &mut of_other))
            }
        }
    }

    /// The start of each record.
    fn starts(&mut self, columns: &Columns<'_>) -> Vec<EventStart> {
        let run_year = self.run_year;
        let of_year = |row| EventStart::of(None, columns.year(row), run_year);
        let rows = 0..columns.rows;
        match columns.dates {
            Text::Absent => rows.map(of_year).collect(),
            Text::Plain(dates) => {
                let start = |row| {
                    let date = dates.is_valid(row).then(|| dates.value(row));
                    EventStart::of(date, columns.year(row), run_year)
                };
                rows.map(start).collect()
            }
            Text::Coded(dates, entries) => {
                let last = self.dates.take().filter(|(last, _)| is_same(last, entries));
                let of_entry = |entry| EventStart::of(entry, None, run_year);
                let (_, starts) = self.dates.insert(
                    last.unwrap_or_else(|| (entries.clone(), entries.iter().map(of_entry).collect())),
                );
                let start = |row| {
                    let start = if dates.is_valid(row) {
                        starts[dates.keys().value(row) as usize]
                    } else {
                        EventStart::UNDATED
                    };
                    if start == EventStart::UNDATED { of_year(row) } else { start }
                };
                rows.map(start).collect()
            }
        }
    }

    /// Adds all evidence to that of a summary. `regions` are the keys of a zone's regions by their numbers there.
    pub(crate) fn finish<'z>(
        &self,
        taxa: &Taxa,
        earliest: &mut EarliestDated,
        regions: impl Fn(u32) -> &'z [u32],
    ) {
        let mut codes = vec![NO_TEXT; taxa.texts[SPECIESKEY].len()];
        for (entry, &group) in self.groups.iter().enumerate() {
            let (zone, species) = ((group >> 32) as u32, group as u32);
            let regions = regions(zone);
            if regions.is_empty() {
                continue;
            }
            let code = &mut codes[species as usize];
            if *code == NO_TEXT {
                *code = earliest.code(taxa.texts[SPECIESKEY].text(species));
            }
            let (order, evidence) = (self.evidence.order(entry), self.evidence.get(entry));
            for &region in regions {
                earliest.add(region, *code, order, &evidence);
            }
        }
    }
}

/// The columns of a batch that evidence is made of.
struct Columns<'a> {
    rows: usize,
    dates: Text<'a>,
    years: Option<&'a Int32Array>,
    numbers: [Option<&'a Float64Array>; 3],
    gbifid: Text<'a>,
    datasetkey: Text<'a>,
    basisofrecord: Text<'a>,
    issue: Option<(&'a ListArray, &'a StringArray)>,
}

impl<'a> Columns<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Columns<'a>, StepError> {
        let text = |name| Text::of(batch, name);
        let number = |name: &str| {
            let array = batch.column_by_name(name);
            let typed = |array: &'a ArrayRef| {
                let found = array.as_primitive_opt::<Float64Type>();
                found.ok_or_else(|| wrong_type(name, &DataType::Float64, array.data_type()))
            };
            array.map(typed).transpose()
        };
        let years = batch.column_by_name("year").map(|array| {
            let found = array.as_primitive_opt::<Int32Type>();
            found.ok_or_else(|| wrong_type("year", &DataType::Int32, array.data_type()))
        });
        let issue = batch.column_by_name("issue").map(|array| {
            let list = array.as_list_opt::<i32>();
            let found = list.and_then(|list| Some((list, list.values().as_string_opt::<i32>()?)));
            found.ok_or_else(|| {
                wrong_type("issue", &DataType::new_list(DataType::Utf8, true), array.data_type())
            })
        });
        Ok(Columns {
            rows: batch.num_rows(),
            dates: text("eventdate")?,
            years: years.transpose()?,
            numbers: [
                number("decimallatitude")?,
                number("decimallongitude")?,
                number("coordinateuncertaintyinmeters")?,
            ],
            gbifid: text("gbifid")?,
            datasetkey: text("datasetkey")?,
            basisofrecord: text("basisofrecord")?,
            issue: issue.transpose()?,
        })
    }

    fn year(&self, row: usize) -> Option<i32> {
        self.years.filter(|years| years.is_valid(row)).map(|years| years.value(row))
    }

    fn number(&self, place: usize, row: usize) -> Option<f64> {
        let numbers = self.numbers[place].filter(|numbers| numbers.is_valid(row));
        numbers.map(|numbers| numbers.value(row)).filter(|number| !number.is_nan())
    }

    fn order(&self, row: usize, start: EventStart) -> EvidenceOrder {
        EvidenceOrder {
            start,
            uncertainty: uncertainty_order(self.number(2, row)),
            gbifid: gbifid_order(self.gbifid.at(row)),
        }
    }

    /// The evidence of a record; `issue` is to hold its issues.
    fn evidence<'s>(&self, row: usize, issue: &'s mut String) -> Evidence<'s>
    where
        'a: 's,
    {
        if let Some((lists, texts)) = self.issue.filter(|(lists, _)| lists.is_valid(row)) {
            let offsets = lists.value_offsets();
            for at in offsets[row] as usize..offsets[row + 1] as usize {
                if texts.is_valid(at) {
                    issue.push_str(if issue.is_empty() { "" } else { ";" });
                    issue.push_str(texts.value(at));
                }
            }
        }
        let text = |text: &Text<'a>| text.at(row).filter(|text| !text.is_empty());
        Evidence {
            gbifid: text(&self.gbifid),
            eventdate: text(&self.dates),
            year: self.year(row),
            decimallatitude: self.number(0, row),
            decimallongitude: self.number(1, row),
            uncertainty_m: self.number(2, row),
            datasetkey: text(&self.datasetkey),
            basisofrecord: text(&self.basisofrecord),
            issue: Some(&**issue).filter(|issue| !issue.is_empty()),
        }
    }
}

/// The regions of rows of places, as the numbers of their keys in an [`EarliestDated`]: several where the key is a list,
/// none outside the layer.
pub(crate) struct Regions {
    numbers: Vec<u32>,
    ends: Vec<usize>,
}

impl Regions {
    pub(crate) fn new(places: &RecordBatch, earliest: &mut EarliestDated) -> Result<Regions, StepError> {
        let name = earliest.key().to_owned();
        let array = places
            .column_by_name(&name)
            .ok_or_else(|| StepError::Internal(format!("no layer writes {name}, which a summary is by")))?;
        let list = array.as_list_opt::<i32>();
        let texts = Text::new(&name, list.map_or(array, ListArray::values))?;
        let mut regions = Regions { numbers: Vec::new(), ends: Vec::with_capacity(places.num_rows()) };
        for row in 0..places.num_rows() {
            let elements = match list {
                None => row..row + 1,
                Some(list) if list.is_null(row) => 0..0,
                Some(list) => list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize,
            };
            let keys = elements.filter_map(|element| texts.at(element));
            regions.numbers.extend(keys.map(|key| earliest.code(key)));
            regions.ends.push(regions.numbers.len());
        }
        Ok(regions)
    }

    pub(crate) fn of(&self, row: usize) -> &[u32] {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.numbers[begin..self.ends[row]]
    }
}
