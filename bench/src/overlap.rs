//! Records annotated end to end in a layer whose units overlap, compared with what GEOS and the rule of the layer
//! say: of the units that hold a record the one of the lowest GAP status, then the smallest, then the lowest id.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use bisonflow_occurrence::parquet_file::RecordWriter;

use crate::layers::BenchLayer;
use crate::ours::Annotating;
use crate::protected_areas::anywhere;
use crate::random::Random;

/// Records of a batch of the file.
const BATCH_RECORDS: usize = 1 << 16;

/// Writes records, annotates them in `layers`, the last of which has units that overlap, and compares.
///
/// # Errors
/// A difference, or whatever kept it from being looked for.
pub fn run(python: &Path, work: &Path, layers: &[BenchLayer], records: u64) -> Result<(), Box<dyn Error>> {
    let source = work.join("overlap-records.parquet");
    write_records(&source, records)?;
    let begun = Instant::now();
    let annotating = Annotating::new(layers, None)?;
    eprintln!("overlap: index of {} layers in {:.1} s", layers.len(), begun.elapsed().as_secs_f64());
    let annotated = work.join("overlap-annotated.parquet");
    let begun = Instant::now();
    let passed = annotating.pass(&source, Some(&annotated), &COLUMNS)?;
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("overlap: {} records annotated in {seconds:.1} s", passed.annotated);
    if (passed.read, passed.annotated) != (records, records) {
        return Err(format!("overlap: {records} records written, {passed:?}").into());
    }
    drop(annotating);
    let layer = layers.last().ok_or("overlap: no layer")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/overlap.py");
    let status = Command::new(python).arg(script).arg(&layer.path).arg(&annotated).status()?;
    for file in [source, annotated] {
        std::fs::remove_file(file)?;
    }
    if status.success() { Ok(()) } else { Err(format!("overlap: {status}").into()) }
}

const COLUMNS: [&str; 7] = [
    "gbifid",
    "countrycode",
    "decimallatitude",
    "decimallongitude",
    "taxonrank",
    "taxonkey",
    "basisofrecord",
];

/// Records that no filter holds back: half of them anywhere, half in clusters.
fn write_records(path: &PathBuf, records: u64) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(20_260_701);
    let towns: Vec<[f64; 2]> = (0..400).map(|_| anywhere(&mut random)).collect();
    let mut writer: Option<RecordWriter<_>> = None;
    let mut written = 0;
    while written < records {
        let count = (records - written).min(BATCH_RECORDS as u64);
        let (lon, lat): (Vec<f64>, Vec<f64>) = (0..count)
            .map(|record| {
                let mut place = if record % 2 == 0 { anywhere(&mut random) } else { *random.of(&towns) };
                let reach = if record % 2 == 0 { 0.01 } else { 10_f64.powf(random.between(-3.0, 0.0)) };
                place.iter_mut().for_each(|degrees| *degrees += reach * random.normal());
                (place[0].clamp(-180.0, 180.0), place[1])
            })
            .unzip();
        let ids: StringArray = (written..written + count).map(|id| Some(id.to_string())).collect();
        let same = |text: &str| -> ArrayRef {
            Arc::new((0..count).map(|_| Some(text.to_owned())).collect::<StringArray>())
        };
        let columns: [ArrayRef; 7] = [
            Arc::new(ids),
            same("US"),
            Arc::new(Float64Array::from(lat)),
            Arc::new(Float64Array::from(lon)),
            same("SPECIES"),
            same("1"),
            same("HUMAN_OBSERVATION"),
        ];
        let columns = COLUMNS.into_iter().zip(columns).map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                let out = BufWriter::new(File::create(path)?);
                writer.insert(RecordWriter::new(out, batch.schema(), 1_000_000)?)
            }
        };
        writer.write(&batch)?;
        written += count;
    }
    writer.map(RecordWriter::finish).transpose()?;
    Ok(())
}
