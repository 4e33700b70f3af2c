//! What each stage of a landing does a second, by itself on one processor, from memory to memory.

use std::error::Error;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bisonflow_occurrence::parquet_file::RecordWriter;
use bisonflow_occurrence::{ReadOptions, open};
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use crate::measure::{Measured, repeat};

/// What is done to all bytes of a text, or to the records in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The entry of the archive becomes text, whose CRC-32 is checked.
    Inflate,
    /// SHA-256 of the text.
    Hash,
    /// Lines become batches of the full table.
    Parse,
    /// Batches of the full table become Parquet.
    Encode,
}

impl Stage {
    /// All of them, in the order in which a record comes to them.
    pub const ALL: [Stage; 4] = [Stage::Inflate, Stage::Hash, Stage::Parse, Stage::Encode];

    /// How tables call it.
    pub fn said(self) -> &'static str {
        match self {
            Stage::Inflate => "inflate, with CRC-32",
            Stage::Hash => "SHA-256 of the text",
            Stage::Parse => "parse, full table",
            Stage::Encode => "encode, full table (ZSTD 1)",
        }
    }
}

/// Arguments of one measurement, in a process of its own.
#[derive(Args, Debug)]
pub struct StageArguments {
    /// The stage.
    stage: Stage,
    /// A Darwin Core archive.
    archive: PathBuf,
    /// How often it is measured.
    runs: usize,
}

/// Records of a batch, as the landing has them.
const BATCH_RECORDS: usize = 1 << 16;
/// Most records in a row group, as the landing has it.
const ROW_GROUP_RECORDS: usize = 1_000_000;

/// Measures a stage. The amount is bytes of text; what is found are records, or bytes where there are no records yet.
///
/// # Errors
/// The archive cannot be read.
pub fn measure(arguments: &StageArguments) -> Result<Measured, Box<dyn Error>> {
    let &StageArguments { stage, ref archive, runs } = arguments;
    let zip = std::fs::read(archive)?;
    let mut text = Vec::new();
    inflate(&zip, &mut text)?;
    let bytes = text.len() as u64;
    match stage {
        Stage::Inflate => repeat(runs, bytes, || {
            text.clear();
            inflate(&zip, &mut text)
        }),
        Stage::Hash => repeat(runs, bytes, || {
            std::hint::black_box(Sha256::digest(&text));
            Ok(bytes)
        }),
        Stage::Parse => {
            let text = text.into();
            repeat(runs, bytes, || parse(&text, |_, _| Ok(())))
        }
        Stage::Encode => {
            let (mut schema, mut batches) = (None, Vec::new());
            parse(&text.into(), |of, batch| {
                schema.get_or_insert_with(|| of.clone());
                batches.push(batch);
                Ok(())
            })?;
            let schema = schema.ok_or("an archive without records")?;
            repeat(runs, bytes, || encode(&schema, &batches))
        }
    }
}

/// Appends the text of the archive; the length of all of it.
fn inflate(zip: &[u8], text: &mut Vec<u8>) -> Result<u64, Box<dyn Error>> {
    zip::ZipArchive::new(Cursor::new(zip))?.by_name("occurrence.txt")?.read_to_end(text)?;
    Ok(text.len() as u64)
}

/// Gives the batches of a text, as the landing has them, to `take`; the number of records.
fn parse(
    text: &Arc<[u8]>,
    mut take: impl FnMut(&SchemaRef, RecordBatch) -> Result<(), Box<dyn Error>>,
) -> Result<u64, Box<dyn Error>> {
    let options =
        ReadOptions { batch_records: BATCH_RECORDS, coded: true, sha256: false, ..ReadOptions::default() };
    let mut download = open(Cursor::new(Arc::clone(text)), "occurrence.txt", text.len() as u64, options)?;
    let (schema, mut records) = (download.schema(), 0);
    while let Some(batch) = download.next_batch()? {
        records += batch.num_rows() as u64;
        take(&schema, batch)?;
    }
    Ok(records)
}

/// Writes the batches as a Parquet file in memory; the number of records.
fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<u64, Box<dyn Error>> {
    let mut writer = RecordWriter::new(Vec::new(), schema.clone(), ROW_GROUP_RECORDS)?;
    for batch in batches {
        writer.write(batch)?;
    }
    std::hint::black_box(writer.finish()?);
    Ok(batches.iter().map(|batch| batch.num_rows() as u64).sum())
}
