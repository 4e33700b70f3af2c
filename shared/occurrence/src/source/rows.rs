//! Blocks of rows to record batches. Nothing here reads: any thread may do it, for any part of a text.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use bisonflow_contract::document::TaxonKeyShapes;

use super::blocks::{Block, KEPT_BYTES};
use super::count_taxon_key;
use super::fill::Filling;
use super::layout::{From, Layout};
use super::rejects::{Aside, At, BLANK};
use super::split::{Field, Rows, Span, Splitter};
use crate::issue::is_geospatial;
use crate::schema::{ColumnKind, columns, position};
use crate::value;

const OVER_LONG: &str = "over-long row";
/// Stands for the tabs of a row that is no UTF-8; no row has as many.
const BAD_UTF8: u32 = u32::MAX;

/// Whether a key is none: nothing, white space, or the NULs of a file that was not written to its end.
pub(super) fn is_blank(key: &str) -> bool {
    key.chars().all(|one| one.is_whitespace() || one.is_control())
}

/// How the rows of a text become batches; the same for all of them.
#[derive(Debug)]
pub(super) struct Plan {
    splitter: Splitter,
    schema: SchemaRef,
    kinds: Vec<ColumnKind>,
    cells: Vec<Cells>,
    /// Fields in a full row.
    width: usize,
    /// Longest row, bytes.
    line_limit: usize,
    /// Whether texts come with a dictionary where that pays.
    coded: bool,
    gbifid: Cells,
    taxon_key: Option<Cells>,
    /// The record's issues, and what GBIF says of them.
    geospatial: Option<(Cells, Cells)>,
}

/// Where the cells of a column are.
#[derive(Clone, Debug)]
enum Cells {
    Field(Field),
    Constant(String),
    Nowhere,
}

/// What became of some blocks.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The records; none when there is none.
    pub(super) batch: Option<RecordBatch>,
    pub(super) read: u64,
    pub(super) ragged: u64,
    pub(super) geospatial_issue_differs: u64,
    pub(super) taxon_keys: TaxonKeyShapes,
    pub(super) aside: Aside,
}

impl Plan {
    /// For a text of this layout; `chosen` are the places of the wanted columns in it.
    pub(super) fn new(layout: &Layout, schema: SchemaRef, line_limit: usize, coded: bool) -> Plan {
        let all_columns = &layout.columns;
        let of = |name| position(name).expect("a column of the schema");
        let wanted: Vec<&From> = layout.chosen.iter().map(|&column| &all_columns[column]).collect();
        let besides = [&all_columns[of("gbifid")], &layout.geospatial];
        let fields: Vec<usize> = wanted.iter().copied().chain(besides).filter_map(From::field).collect();
        let splitter = Splitter::new(&fields);
        let cells = |from: &From| match from {
            From::Field(index) => splitter.field(*index).map_or(Cells::Nowhere, Cells::Field),
            From::Constant(text) => Cells::Constant(text.clone()),
            From::Nowhere => Cells::Nowhere,
        };
        let chosen = |name| layout.chosen.contains(&of(name)).then(|| cells(&all_columns[of(name)]));
        let kind = |&column: &usize| columns().get(column).map_or(ColumnKind::String, |column| column.kind);
        let geospatial = cells(&layout.geospatial);
        Plan {
            kinds: layout.chosen.iter().map(kind).collect(),
            cells: wanted.iter().map(|from| cells(from)).collect(),
            width: layout.width,
            line_limit,
            coded,
            gbifid: cells(besides[0]),
            taxon_key: chosen("taxonkey"),
            geospatial: chosen("issue")
                .filter(|_| !matches!(geospatial, Cells::Nowhere))
                .zip(Some(geospatial)),
            schema,
            splitter,
        }
    }
}

impl Plan {
    /// The schema of a batch, some columns of which may have come with a dictionary.
    fn schema_of(&self, arrays: &[ArrayRef]) -> SchemaRef {
        if !self.coded {
            return Arc::clone(&self.schema);
        }
        let fields = self.schema.fields().iter().zip(arrays).map(|(field, array)| {
            if field.data_type() == array.data_type() {
                return Arc::clone(field);
            }
            Arc::new(field.as_ref().clone().with_data_type(array.data_type().clone()))
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Parses blocks; what it needs again and again is kept from batch to batch.
#[derive(Debug)]
pub(super) struct Parser {
    plan: Arc<Plan>,
    rows: Rows,
    fillings: Vec<Filling>,
    landed: usize,
    notes: Vec<Note>,
    parsed: Parsed,
}

/// Something to keep aside.
#[derive(Debug)]
struct Note {
    span: Span,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Why, and where the row's gbifID is, if it was looked for.
    Rejected(&'static str, (usize, usize)),
    /// A column of the batch, and the place of the row among those that land.
    Unparsed(usize, usize),
}

impl Parser {
    pub(super) fn new(plan: Arc<Plan>) -> Parser {
        let fillings = plan.kinds.iter().map(|&kind| Filling::new(kind, plan.coded)).collect();
        let rows = Rows::default();
        Parser { plan, rows, fillings, landed: 0, notes: Vec::new(), parsed: Parsed::new(Aside::default()) }
    }

    /// Begins a batch; the text of what is no record is kept if somebody wants it.
    pub(super) fn begin(&mut self, keep_text: bool) {
        self.parsed = Parsed::new(Aside::new(keep_text));
    }

    /// The batch of all blocks since its beginning.
    pub(super) fn finish(&mut self) -> Parsed {
        let landed = std::mem::take(&mut self.landed);
        if landed > 0 {
            let arrays: Vec<ArrayRef> = self.fillings.iter_mut().map(Filling::finish).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(landed));
            let batch = RecordBatch::try_new_with_options(self.plan.schema_of(&arrays), arrays, &options);
            self.parsed.batch = Some(batch.expect("the arrays are those of the schema and equally long"));
        }
        std::mem::replace(&mut self.parsed, Parsed::new(Aside::default()))
    }

    /// Takes the rows of a block.
    pub(super) fn block(&mut self, block: &Block) {
        self.parsed.read += block.lines as u64;
        if block.over_long {
            let at = At { line: block.first_line, byte_offset: Some(block.byte_offset), gbifid: "" };
            self.parsed.aside.row(at, OVER_LONG, block);
            return;
        }
        let plan = Arc::clone(&self.plan);
        plan.splitter.split(block, block.lines, &mut self.rows);
        // UTF-8 is checked once for all rows; only when some are bad, each is.
        let text = match simdutf8::basic::from_utf8(block) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.without_bad_rows(block)),
        };
        let kept = self.keep_records(&plan, block, &text);
        let columns = self.fillings.iter_mut().zip(&plan.cells).enumerate();
        for (column, (filling, cells)) in columns {
            let (rows, notes) = (&self.rows, &mut self.notes);
            let failed =
                |row: usize| notes.push(Note { span: rows.spans[row], what: What::Unparsed(column, row) });
            match cells {
                Cells::Nowhere => filling.nulls(kept),
                Cells::Field(field) => filling.cells(&text, rows.ranges(*field, kept), failed),
                Cells::Constant(cell) => {
                    filling.cells(cell, std::iter::repeat_n((0, cell.len()), kept), failed);
                }
            }
        }
        self.landed += kept;
        self.count_taxon_keys(&plan, &text, kept);
        self.compare_issues(&plan, &text, kept);
        self.tell(&plan, block, &text);
    }

    /// The block with the rows that are no UTF-8 overwritten; these are rejected.
    fn without_bad_rows(&mut self, block: &Block) -> String {
        let mut bytes = block.to_vec();
        for span in &mut self.rows.spans {
            if std::str::from_utf8(span.of(block)).is_err() {
                bytes[span.start as usize..span.end as usize].fill(b'?');
                span.tabs = BAD_UTF8;
            }
        }
        String::from_utf8(bytes).expect("only good rows are left")
    }

    /// Notes the rows that are no record and moves the others together; returns how many these are.
    fn keep_records(&mut self, plan: &Plan, block: &Block, text: &str) -> usize {
        let full = u32::try_from(plan.width.saturating_sub(1)).unwrap_or(BAD_UTF8).min(BAD_UTF8 - 1);
        let limit = plan.line_limit;
        let any_long = block.len() > limit;
        let (mut kept, mut ragged) = (0, 0);
        for place in 0..self.rows.spans.len() {
            let span = self.rows.spans[place];
            let gbifid = plan.gbifid.range(&self.rows, place);
            let begins_plainly =
                gbifid.0 < gbifid.1 && matches!(text.as_bytes()[gbifid.0], b'!' | b'#'..=b'~');
            if span.tabs != full || !begins_plainly || any_long {
                let rejected = if any_long && span.bytes_with_cr(block) > limit {
                    Some((OVER_LONG, (0, 0)))
                } else if span.start == span.end {
                    Some((BLANK, (0, 0)))
                } else if span.tabs == BAD_UTF8 {
                    Some(("bad UTF-8", (0, 0)))
                } else if span.tabs > full {
                    Some(("more fields than the header", gbifid))
                } else if is_blank(&value::unquote(&text[gbifid.0..gbifid.1])) {
                    Some(("no gbifID", (0, 0)))
                } else {
                    None
                };
                if let Some((reason, gbifid)) = rejected {
                    self.notes.push(Note { span, what: What::Rejected(reason, gbifid) });
                    continue;
                }
                ragged += u64::from(span.tabs < full);
            }
            self.rows.keep(place, kept);
            kept += 1;
        }
        self.parsed.ragged += ragged;
        kept
    }

    /// The shape of a taxon key is counted under what it may belong to.
    fn count_taxon_keys(&mut self, plan: &Plan, text: &str, kept: usize) {
        let Some(cells) = &plan.taxon_key else { return };
        let shapes = &mut self.parsed.taxon_keys;
        for place in 0..kept {
            count_taxon_key(shapes, &value::unquote(cells.cell(&self.rows, text, place)));
        }
    }

    /// Compares what GBIF says of geospatial issues with the issues themselves.
    fn compare_issues(&mut self, plan: &Plan, text: &str, kept: usize) {
        let Some((issues, said)) = &plan.geospatial else { return };
        for place in 0..kept {
            let Some(said) = value::boolean(&value::unquote(said.cell(&self.rows, text, place))) else {
                continue;
            };
            let issues = value::unquote(issues.cell(&self.rows, text, place));
            let differs = said != value::items(&issues).any(is_geospatial);
            self.parsed.geospatial_issue_differs += u64::from(differs);
        }
    }

    /// Puts what was noted aside, in the order of the text.
    fn tell(&mut self, plan: &Plan, block: &Block, text: &str) {
        self.notes.sort_by_key(|note| note.span.index);
        for Note { span, what } in self.notes.drain(..) {
            let gbifid = match what {
                What::Rejected(_, (start, end)) => &text[start..end],
                What::Unparsed(_, place) => plan.gbifid.cell(&self.rows, text, place),
            };
            let gbifid = value::unquote(gbifid);
            let at = At {
                line: block.first_line + u64::from(span.index),
                byte_offset: Some(block.byte_offset + u64::from(span.start)),
                gbifid: gbifid.trim(),
            };
            match what {
                What::Rejected(reason, _) => {
                    let bytes = span.of(block);
                    let kept =
                        if reason == OVER_LONG { KEPT_BYTES.min(plan.line_limit) } else { bytes.len() };
                    self.parsed.aside.row(at, reason, &bytes[..kept.min(bytes.len())]);
                }
                What::Unparsed(column, place) => {
                    let cell = value::unquote(plan.cells[column].cell(&self.rows, text, place));
                    self.parsed.aside.value(at, plan.schema.field(column).name(), &cell);
                }
            }
        }
    }
}

impl Cells {
    /// Where the cell is in the text of the rows; empty when it is none of its fields.
    fn range(&self, rows: &Rows, place: usize) -> (usize, usize) {
        match self {
            Cells::Field(field) => rows.range(*field, place),
            Cells::Constant(_) | Cells::Nowhere => (0, 0),
        }
    }

    fn cell<'a>(&'a self, rows: &Rows, text: &'a str, place: usize) -> &'a str {
        match self {
            Cells::Constant(cell) => cell,
            Cells::Nowhere => "",
            Cells::Field(field) => {
                let (start, end) = rows.range(*field, place);
                &text[start..end]
            }
        }
    }
}

impl Parsed {
    fn new(aside: Aside) -> Parsed {
        Parsed {
            batch: None,
            read: 0,
            ragged: 0,
            geospatial_issue_differs: 0,
            taxon_keys: TaxonKeyShapes::default(),
            aside,
        }
    }
}
