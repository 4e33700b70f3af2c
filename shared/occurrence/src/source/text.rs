//! A text to record batches: header, batches in order, what was read.

use std::io::{self, Read};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bisonflow_contract::document::{LandingRecords, TaxonKeyShapes};

use super::blocks::{BLOCK_BYTES, Block, Blocks, MAX_LINE_BYTES};
use super::bytes_in::{EntryBytes, Source};
use super::layout::{From, Layout, unsupported};
use super::meta_xml::Description;
use super::pool::Pool;
use super::rejects::Rejects;
use super::rows::{Parsed, Parser, Plan};
use super::{ReadOptions, ReadSummary};
use crate::schema::schema_of;
use crate::{OccurrenceError, Place};

/// A batch ends early once its rows are this long together, so that long rows stay in memory's bounds.
const BATCH_BYTES: usize = 16 << 20;
/// Longest header line.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// How long pieces of a text may be, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) block: usize,
    pub(super) line: usize,
    pub(super) batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { block: BLOCK_BYTES, line: MAX_LINE_BYTES, batch: BATCH_BYTES }
    }
}

/// Cuts a text into the rows of one batch after the other. Where it cuts depends on the text only.
pub(super) struct Batches<R> {
    blocks: Blocks<R>,
    records: usize,
    bytes: usize,
}

/// Reading failed at this line.
pub(super) struct Failure {
    line: u64,
    error: io::Error,
}

impl<R: Read> Batches<R> {
    /// Gives the blocks of the next batch to `take`; false at the end.
    pub(super) fn next(&mut self, mut take: impl FnMut(Block)) -> Result<bool, Failure> {
        let (mut lines, mut bytes) = (0, 0);
        while lines < self.records && bytes < self.bytes {
            let block = self.blocks.next(self.records - lines);
            let Some(block) = block.map_err(|error| Failure { line: self.blocks.next_line(), error })? else {
                break;
            };
            lines += block.lines;
            bytes += block.len();
            take(block);
        }
        Ok(lines > 0)
    }

    pub(super) fn into_reader(self) -> R {
        self.blocks.into_reader()
    }
}

/// Reads the rows of a text.
pub(super) struct TextReader {
    work: Work,
    plan: Arc<Plan>,
    source: Source,
    place: Place,
    schema: SchemaRef,
    extra: Vec<String>,
    absent: Vec<&'static str>,
    threads: usize,
    records: LandingRecords,
    geospatial_issue_differs: u64,
    taxon_keys: TaxonKeyShapes,
    rejects: Rejects,
}

/// Who does it.
enum Work {
    Here(Box<(Batches<EntryBytes>, Parser)>),
    Pool(Pool<EntryBytes>),
    Done(Option<EntryBytes>),
}

/// The line that names the columns, or what it is instead.
fn header_line(line: &[u8], is_cut: bool) -> Result<String, &'static str> {
    if is_cut || line.len() > MAX_HEADER_BYTES {
        return Err("a first line of more than 1 MiB");
    }
    let text = std::str::from_utf8(line).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or("bytes that are no text in UTF-8")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.contains('\r') {
        return Err("lines that end with carriage returns alone");
    }
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

impl TextReader {
    /// Reads the header and maps the columns.
    pub(super) fn new(
        input: EntryBytes,
        source: Source,
        description: Option<&Description>,
        place: Place,
        options: &ReadOptions,
        limits: Limits,
    ) -> Result<TextReader, OccurrenceError> {
        if let Some(encoding) = description.map(|description| &description.encoding)
            && !["utf-8", "utf8"].contains(&encoding.to_ascii_lowercase().as_str())
        {
            return Err(unsupported(place, format!("a text in {encoding}")));
        }
        // A description of another separator describes another file.
        let description = description.filter(|description| description.separator == "\t");
        let header_lines = description.map_or(1, |description| description.header_lines);
        let mut blocks = Blocks::new(input, limits.block, limits.line);
        let mut header = None;
        for number in 1..=header_lines {
            let block = blocks.next(1).map_err(|error| source.explain(place.line(number), error))?;
            let Some(block) = block else {
                return Err(unsupported(place, "an empty file"));
            };
            // Of several lines before the rows, nothing says which names the columns: the description does.
            if header_lines == 1 {
                let text = header_line(&block, block.over_long);
                header = Some(text.map_err(|found| unsupported(place.line(number), found))?);
            }
        }
        let layout = Layout::new(header.as_deref(), description, options, &place)?;
        let schema = schema_of(&layout.chosen, &layout.extra);
        let plan = Arc::new(Plan::new(&layout, Arc::clone(&schema), limits.line, options.coded));
        // What stands in every row has to fit into a batch as often.
        let constants = layout.columns.iter().filter_map(From::constant).map(str::len);
        let most = i32::MAX as usize / 4 / constants.max().unwrap_or(0).max(1);
        let records = options.batch_records.clamp(1, most.max(1));
        let batches = Batches { blocks, records, bytes: limits.batch };
        Ok(TextReader {
            work: Work::Here(Box::new((batches, Parser::new(Arc::clone(&plan))))),
            plan,
            source,
            schema,
            extra: layout.extra,
            absent: layout.absent,
            threads: options.threads,
            records: LandingRecords::default(),
            geospatial_issue_differs: 0,
            taxon_keys: TaxonKeyShapes::default(),
            rejects: Rejects::new(place.clone()),
            place,
        })
    }

    pub(super) fn absent_columns(&self) -> Vec<&'static str> {
        self.absent.clone()
    }

    pub(super) fn rejects(&mut self) -> &mut Rejects {
        &mut self.rejects
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, OccurrenceError> {
        if self.threads > 1 {
            self.work = match std::mem::replace(&mut self.work, Work::Done(None)) {
                Work::Here(here) => {
                    let keep = self.rejects.keeps_text();
                    Work::Pool(Pool::start(here.0, &self.plan, self.threads, keep))
                }
                other => other,
            };
        }
        loop {
            let Some(parsed) = self.next_parsed()? else {
                self.rejects.finish()?;
                return Ok(None);
            };
            let batch = self.add(parsed)?;
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }

    fn next_parsed(&mut self) -> Result<Option<Parsed>, OccurrenceError> {
        let result = match &mut self.work {
            Work::Done(_) => Ok(None),
            Work::Pool(pool) => pool.next(),
            Work::Here(here) => {
                let (batches, parser) = here.as_mut();
                parser.begin(self.rejects.keeps_text());
                let more = batches.next(|block| parser.block(&block));
                more.map(|more| more.then(|| parser.finish()))
            }
        };
        let next =
            result.map_err(|Failure { line, error }| self.source.explain(self.place.line(line), error))?;
        if next.is_none() {
            self.work = Work::Done(match std::mem::replace(&mut self.work, Work::Done(None)) {
                Work::Here(here) => Some(here.0.into_reader()),
                Work::Pool(pool) => pool.finish(),
                Work::Done(input) => input,
            });
        }
        Ok(next)
    }

    fn add(&mut self, parsed: Parsed) -> Result<Option<RecordBatch>, OccurrenceError> {
        self.records.read += parsed.read;
        self.records.ragged += parsed.ragged;
        self.records.landed += parsed.batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        self.geospatial_issue_differs += parsed.geospatial_issue_differs;
        self.taxon_keys.numeric += parsed.taxon_keys.numeric;
        self.taxon_keys.other += parsed.taxon_keys.other;
        self.taxon_keys.none += parsed.taxon_keys.none;
        self.rejects.add(parsed.aside)?;
        Ok(parsed.batch)
    }

    pub(super) fn summary(self) -> ReadSummary {
        let (rejected, unparsed) = self.rejects.counts();
        let (entry, entry_compressed) = match self.work {
            Work::Done(Some(input)) => {
                let (entry, compressed) = input.finish();
                (Some(entry), compressed)
            }
            _ => (None, None),
        };
        ReadSummary {
            records: LandingRecords { rejected, ..self.records },
            unparsed,
            geospatial_issue_differs: self.geospatial_issue_differs,
            taxon_keys: self.taxon_keys,
            entry_sha256: entry.as_ref().and_then(|entry| entry.sha256.clone()),
            entry_bytes: entry.as_ref().map(|entry| entry.bytes),
            entry_crc32: entry.map(|entry| entry.crc32),
            entry_compressed,
            extra_columns: self.extra,
        }
    }
}
