//! Text and Parquet of the shape of GBIF downloads, as large as is asked for.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bisonflow_occurrence::{ReadOptions, parquet_file};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use crate::layers::real_file;
use crate::random::Random;

/// Writes tab-separated text of so many records, in `folder` unless it is there: the 600 real rows of 257 columns,
/// each with its own number, place, date and, in half of them, other keys. With `absent`, every third record is one
/// of absence, which the filters hold back.
///
/// # Errors
/// The real rows are not there, or what the file system says.
pub fn text(folder: &Path, records: u64, absent: bool) -> Result<PathBuf, Box<dyn Error>> {
    let path = folder.join(format!("occurrence-{records}{}.txt", if absent { "-third-absent" } else { "" }));
    if path.exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(folder)?;
    let archive = real_file("gbif/us-2022-600-dwca.zip")
        .ok_or("the benches of text need ../shared/data/gbif/us-2022-600-dwca.zip, which is not there")?;
    let mut text = String::new();
    zip::ZipArchive::new(File::open(archive)?)?.by_name("occurrence.txt")?.read_to_string(&mut text)?;
    let mut lines = text.lines();
    let header = lines.next().ok_or("an empty file")?;
    let names: Vec<&str> = header.split('\t').collect();
    let place = |name: &str| names.iter().position(|found| *found == name).ok_or(format!("no column {name}"));
    let [id, lon, lat] = [place("gbifID")?, place("decimalLongitude")?, place("decimalLatitude")?];
    let [year, month, day, date] = [place("year")?, place("month")?, place("day")?, place("eventDate")?];
    let keys = [place("taxonKey")?, place("speciesKey")?];
    let status = place("occurrenceStatus")?;
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    let number = |cell: &str| cell.parse::<f64>().ok();

    let unfinished = path.with_extension("unfinished");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
    writeln!(out, "{header}")?;
    let mut random = Random::new(records);
    let mut line = String::new();
    for record in 0..records {
        let row = &rows[random.below(rows.len())];
        let other_key = random.chance(0.5).then(|| random.below(40));
        let when = [1950 + random.below(75), 1 + random.below(12), 1 + random.below(28)];
        line.clear();
        for (column, cell) in row.iter().enumerate() {
            if column > 0 {
                line.push('\t');
            }
            match column {
                _ if column == id => write!(line, "{}", 4_000_000_000 + record)?,
                _ if column == lon || column == lat => match number(cell) {
                    Some(degrees) => {
                        let moved = degrees + 0.3 * random.normal();
                        write!(line, "{:.*}", 4 + random.below(3), moved)?;
                    }
                    None => line.push_str(cell),
                },
                _ if column == year => write!(line, "{}", when[0])?,
                _ if column == month => write!(line, "{}", when[1])?,
                _ if column == day => write!(line, "{}", when[2])?,
                _ if column == date => write!(line, "{}-{:02}-{:02}T10:20:00", when[0], when[1], when[2])?,
                _ if column == status && absent && record % 3 == 0 => line.push_str("ABSENT"),
                _ if keys.contains(&column) => match (other_key, cell.parse::<u64>()) {
                    (Some(other), Ok(key)) => write!(line, "{}", key + other as u64)?,
                    _ => line.push_str(cell),
                },
                _ => line.push_str(cell),
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    out.flush()?;
    std::fs::rename(unfinished, &path)?;
    Ok(path)
}

/// In which form GBIF gives a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Darwin Core archive of the 257 columns.
    Dwca,
    /// A zip with one text of the 50 columns of simple CSV.
    SimpleCsv,
    /// The text of 257 columns by itself.
    Text,
}

impl Form {
    /// What a table calls it.
    pub fn said(self) -> &'static str {
        match self {
            Form::Dwca => "Darwin Core archive (zip, 257 columns) to Parquet",
            Form::SimpleCsv => "simple CSV (zip, 50 columns) to Parquet",
            Form::Text => "plain text (257 columns) to Parquet",
        }
    }

    /// The entry of the records, if it is an archive.
    pub fn entry(self) -> Option<&'static str> {
        match self {
            Form::Dwca => Some("occurrence.txt"),
            Form::SimpleCsv => Some("occurrences.csv"),
            Form::Text => None,
        }
    }
}

/// Writes a download of so many records in this form, in `folder` unless it is there; see [`text`]. A text of more
/// than 4 GB is removed once it is in its archive.
///
/// # Errors
/// As [`text`].
pub fn download(folder: &Path, records: u64, form: Form) -> Result<PathBuf, Box<dyn Error>> {
    let Some(entry) = form.entry() else { return text(folder, records, false) };
    let path = folder.join(format!("{}-{records}.zip", entry.replace('.', "-")));
    if path.exists() {
        return Ok(path);
    }
    let source = text(folder, records, false)?;
    let unfinished = path.with_extension("unfinished");
    let mut zip = zip::ZipWriter::new(BufWriter::with_capacity(1 << 20, File::create(&unfinished)?));
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    zip.start_file(entry, options)?;
    let mut lines = BufReader::with_capacity(1 << 20, File::open(&source)?);
    if form == Form::SimpleCsv {
        write_simple_csv(&mut lines, &mut zip)?;
    } else {
        std::io::copy(&mut lines, &mut zip)?;
        zip.start_file("meta.xml", options)?;
        let archive = real_file("gbif/us-2022-600-dwca.zip").ok_or("the real rows are not there")?;
        std::io::copy(&mut zip::ZipArchive::new(File::open(archive)?)?.by_name("meta.xml")?, &mut zip)?;
    }
    zip.finish()?.flush()?;
    std::fs::rename(unfinished, &path)?;
    if std::fs::metadata(&source)?.len() > 4_000_000_000 {
        std::fs::remove_file(source)?;
    }
    Ok(path)
}

/// Writes the columns of simple CSV of a text, in the order of the schema.
fn write_simple_csv(lines: &mut impl BufRead, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (mut line, mut places) = (String::new(), Vec::new());
    // The last three columns are of Darwin Core archives only.
    let columns = bisonflow_occurrence::schema::columns();
    let columns = &columns[..columns.len() - 3];
    while lines.read_line(&mut line)? > 0 {
        let cells: Vec<&str> = line.trim_end_matches('\n').split('\t').collect();
        if places.is_empty() {
            let place = |name: &str| cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
            places = columns.iter().filter_map(|column| place(column.name)).collect();
        }
        for (number, &place) in places.iter().enumerate() {
            out.write_all(if number == 0 { b"" } else { b"\t" })?;
            out.write_all(cells.get(place).copied().unwrap_or_default().as_bytes())?;
        }
        out.write_all(b"\n")?;
        line.clear();
    }
    Ok(())
}

/// Writes Parquet with the columns of GBIF's snapshots, Snappy, of the records of a text, beside it unless it is there.
///
/// # Errors
/// What reading and writing say.
pub fn snapshot(text: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let path = text.with_extension("parquet");
    if path.exists() {
        return Ok(path);
    }
    let file = File::open(text)?;
    let bytes = file.metadata()?.len();
    let mut download =
        bisonflow_occurrence::open(file, &text.display().to_string(), bytes, ReadOptions::default())?;
    // The last three columns are of Darwin Core archives only.
    let snapshot: Vec<usize> = (0..download.schema().fields().len() - 3).collect();
    let schema = download.schema().project(&snapshot)?.into();
    // By another writer, as the snapshots are: nothing in it is taken on trust.
    let properties: WriterProperties = parquet_file::writer_properties(1_000_000)
        .into_builder()
        .set_created_by("parquet-mr version 1.12.3".to_owned())
        .set_compression(Compression::SNAPPY)
        .build();
    let unfinished = path.with_extension("unfinished");
    let mut writer = ArrowWriter::try_new(File::create(&unfinished)?, schema, Some(properties))?;
    while let Some(batch) = download.next_batch()? {
        writer.write(&batch.project(&snapshot)?)?;
    }
    writer.close()?;
    std::fs::rename(unfinished, &path)?;
    Ok(path)
}

/// Writes a Parquet file's row groups again and again, `times` in all, beside it unless it is there.
///
/// # Errors
/// What reading and writing say.
pub fn repeated(parquet: &Path, times: usize) -> Result<PathBuf, Box<dyn Error>> {
    let path = parquet.with_extension(format!("x{times}.parquet"));
    if path.exists() {
        return Ok(path);
    }
    let source = File::open(parquet)?;
    let footer = SerializedFileReader::new(source.try_clone()?)?;
    let metadata = footer.metadata();
    let schema = metadata.file_metadata().schema_descr().root_schema_ptr();
    let unfinished = path.with_extension("unfinished");
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata.file_metadata().key_value_metadata().cloned());
    let mut writer =
        SerializedFileWriter::new(File::create(&unfinished)?, schema, properties.build().into())?;
    for _ in 0..times {
        for group in metadata.row_groups() {
            let mut out = writer.next_row_group()?;
            for column in group.columns() {
                let close = parquet::column::writer::ColumnCloseResult {
                    bytes_written: column.compressed_size() as u64,
                    rows_written: group.num_rows() as u64,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                out.append_column(&source, close)?;
            }
            out.close()?;
        }
    }
    writer.close()?;
    std::fs::rename(unfinished, &path)?;
    Ok(path)
}
