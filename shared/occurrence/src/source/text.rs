//! Rows of text to record batches.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, Int32Builder, ListBuilder, RecordBatch, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::SchemaRef;
use bisonflow_contract::document::{LandingRecords, TaxonKeyShapes};

use super::bytes_in::{EntryBytes, Source};
use super::layout::{From, Layout, unsupported};
use super::lines::{Line, Lines};
use super::meta_xml::Description;
use super::rejects::{At, Rejects};
use super::{ReadOptions, ReadSummary, count_taxon_key};
use crate::issue::is_geospatial;
use crate::schema::{ColumnKind, columns, list_element, position, schema};
use crate::{OccurrenceError, Place, value};

/// A batch ends early once its rows are this long together, so that rows of megabytes stay in memory's bounds.
const BATCH_BYTES: usize = 64 << 20;
/// Longest header line.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// Reads the rows of a text.
pub(super) struct TextReader {
    lines: Lines<EntryBytes>,
    source: Source,
    place: Place,
    layout: Layout,
    schema: SchemaRef,
    batch_records: usize,
    builders: Vec<Builder>,
    tabs: Vec<usize>,
    gbifid: usize,
    issue: usize,
    taxon_key: usize,
    records: LandingRecords,
    geospatial_issue_differs: u64,
    taxon_keys: TaxonKeyShapes,
    rejects: Rejects,
}

impl TextReader {
    /// Reads the header and maps the columns.
    pub(super) fn new(
        mut lines: Lines<EntryBytes>,
        source: Source,
        description: Option<&Description>,
        place: Place,
        options: &ReadOptions,
    ) -> Result<TextReader, OccurrenceError> {
        if let Some(encoding) = description.map(|description| &description.encoding)
            && !["utf-8", "utf8"].contains(&encoding.to_ascii_lowercase().as_str())
        {
            return Err(unsupported(place, format!("a text in {encoding}")));
        }
        // A description of another separator describes another file.
        let description = description.filter(|description| description.separator == "\t");
        let header_lines = description.map_or(1, |description| description.header_lines);
        let mut header = None;
        for number in 1..=header_lines {
            let line = lines.next().map_err(|error| source.explain(place.line(number), error))?;
            let Some(line) = line else { break };
            let bytes = lines.bytes(&line);
            if header.is_none() {
                let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_HEADER_BYTES);
                let text = text.filter(|text| !line.over_long && !text.contains('\0'));
                let text =
                    text.ok_or_else(|| unsupported(place.line(1), "bytes that are no text in UTF-8"))?;
                header = Some(text.trim_start_matches('\u{feff}').to_owned());
            }
        }
        if header.is_none() && header_lines > 0 {
            return Err(unsupported(place, "an empty file"));
        }
        let layout = Layout::new(header.as_deref(), description, &options.extra_columns, &place)?;
        let kinds = columns().iter().map(|column| column.kind);
        let builders =
            kinds.chain(layout.extra.iter().map(|_| ColumnKind::String)).map(Builder::new).collect();
        let of = |name| position(name).expect("a column of the schema");
        Ok(TextReader {
            lines,
            source,
            schema: schema(&layout.extra),
            batch_records: options.batch_records.max(1),
            builders,
            tabs: Vec::with_capacity(layout.width),
            gbifid: of("gbifid"),
            issue: of("issue"),
            taxon_key: of("taxonkey"),
            records: LandingRecords::default(),
            geospatial_issue_differs: 0,
            taxon_keys: TaxonKeyShapes::default(),
            rejects: Rejects::new(place.clone()),
            place,
            layout,
        })
    }

    pub(super) fn rejects(&mut self) -> &mut Rejects {
        &mut self.rejects
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, OccurrenceError> {
        let (mut landed, mut bytes) = (0, 0);
        while landed < self.batch_records && bytes < BATCH_BYTES {
            let next = self.records.read + 2;
            let line = self.lines.next();
            let line = line.map_err(|error| self.source.explain(self.place.line(next), error))?;
            let Some(line) = line else { break };
            let length = self.lines.bytes(&line).len();
            if length == 0
                && self.lines.is_last().map_err(|error| self.source.explain(self.place.clone(), error))?
            {
                break;
            }
            self.records.read += 1;
            if self.row(&line)? {
                landed += 1;
                bytes += length;
            }
        }
        if landed == 0 {
            self.rejects.finish()?;
            return Ok(None);
        }
        self.records.landed += landed as u64;
        let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        Ok(Some(batch.expect("the builders are those of the schema and equally long")))
    }

    /// Takes one row; whether it landed.
    fn row(&mut self, line: &Line) -> Result<bool, OccurrenceError> {
        let bytes = self.lines.bytes(line);
        let at = At { line: line.number, byte_offset: Some(line.byte_offset), gbifid: "" };
        if line.over_long {
            self.rejects.row(at, "over-long row", bytes)?;
            return Ok(false);
        }
        if bytes.is_empty() {
            self.rejects.row(at, "blank line", bytes)?;
            return Ok(false);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.rejects.row(at, "bad UTF-8", bytes)?;
            return Ok(false);
        };
        self.tabs.clear();
        self.tabs.extend(memchr::memchr_iter(b'\t', bytes));
        let row = Row { text, tabs: &self.tabs };
        let gbifid = value::unquote(row.cell(&self.layout.columns[self.gbifid]));
        let at = At { gbifid: gbifid.trim(), ..at };
        if row.fields() > self.layout.width {
            self.rejects.row(at, "more fields than the header", bytes)?;
            return Ok(false);
        }
        if at.gbifid.is_empty() {
            self.rejects.row(at, "no gbifID", bytes)?;
            return Ok(false);
        }
        if row.fields() < self.layout.width {
            self.records.ragged += 1;
        }
        let names = &self.schema;
        for (column, (builder, from)) in self.builders.iter_mut().zip(&self.layout.columns).enumerate() {
            let cell = row.cell(from);
            if cell.is_empty() {
                builder.append_null();
                continue;
            }
            let cell = value::unquote(cell);
            if !builder.append(&cell) {
                self.rejects.value(at, names.field(column).name(), &cell)?;
            }
        }
        count_taxon_key(
            &mut self.taxon_keys,
            &value::unquote(row.cell(&self.layout.columns[self.taxon_key])),
        );
        if let Some(said) = value::boolean(&value::unquote(row.cell(&self.layout.geospatial))) {
            let issues = value::unquote(row.cell(&self.layout.columns[self.issue]));
            self.geospatial_issue_differs += u64::from(said != value::items(&issues).any(is_geospatial));
        }
        Ok(true)
    }

    pub(super) fn summary(self) -> ReadSummary {
        let hashes = self.lines.reader().hashes();
        ReadSummary {
            records: LandingRecords { rejected: self.rejects.rejected, ..self.records },
            unparsed: self.rejects.unparsed,
            geospatial_issue_differs: self.geospatial_issue_differs,
            taxon_keys: self.taxon_keys,
            entry_sha256: Some(hashes.sha256_hex()),
            entry_crc32: Some(hashes.crc32_hex()),
            extra_columns: self.layout.extra,
        }
    }
}

/// A row, split.
struct Row<'a> {
    text: &'a str,
    tabs: &'a [usize],
}

impl<'a> Row<'a> {
    fn fields(&self) -> usize {
        self.tabs.len() + 1
    }

    /// The cell as it stands in the row; empty when there is none.
    fn cell(&self, from: &'a From) -> &'a str {
        match from {
            From::Nowhere => "",
            From::Constant(text) => text,
            From::Field(index) if *index > self.tabs.len() => "",
            From::Field(index) => {
                let start = if *index == 0 { 0 } else { self.tabs[index - 1] + 1 };
                let end = self.tabs.get(*index).copied().unwrap_or(self.text.len());
                &self.text[start..end]
            }
        }
    }
}

enum Builder {
    String(StringBuilder),
    Int(Int32Builder),
    Double(Float64Builder),
    Timestamp(TimestampMillisecondBuilder),
    StringList(ListBuilder<StringBuilder>),
}

impl Builder {
    fn new(kind: ColumnKind) -> Builder {
        match kind {
            ColumnKind::String => Builder::String(StringBuilder::new()),
            ColumnKind::Int => Builder::Int(Int32Builder::new()),
            ColumnKind::Double => Builder::Double(Float64Builder::new()),
            ColumnKind::Timestamp => {
                Builder::Timestamp(TimestampMillisecondBuilder::new().with_data_type(kind.arrow_type()))
            }
            ColumnKind::StringList => {
                Builder::StringList(ListBuilder::new(StringBuilder::new()).with_field(list_element()))
            }
        }
    }

    fn append_null(&mut self) {
        match self {
            Builder::String(builder) => builder.append_null(),
            Builder::Int(builder) => builder.append_null(),
            Builder::Double(builder) => builder.append_null(),
            Builder::Timestamp(builder) => builder.append_null(),
            Builder::StringList(builder) => builder.append_null(),
        }
    }

    /// Appends the cell's value, or null; whether the cell is empty or parses.
    fn append(&mut self, cell: &str) -> bool {
        if cell.is_empty() {
            self.append_null();
            return true;
        }
        match self {
            Builder::String(builder) => {
                builder.append_value(cell);
                true
            }
            Builder::Int(builder) => {
                let value = value::int(cell);
                builder.append_option(value);
                value.is_some()
            }
            Builder::Double(builder) => {
                let value = value::double(cell);
                builder.append_option(value);
                value.is_some()
            }
            Builder::Timestamp(builder) => {
                let value = value::timestamp_ms(cell);
                builder.append_option(value);
                value.is_some()
            }
            Builder::StringList(builder) => {
                let mut any = false;
                for item in value::items(cell) {
                    builder.values().append_value(item);
                    any = true;
                }
                builder.append(any);
                true
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::String(builder) => Arc::new(builder.finish()),
            Builder::Int(builder) => Arc::new(builder.finish()),
            Builder::Double(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::StringList(builder) => Arc::new(builder.finish()),
        }
    }
}
