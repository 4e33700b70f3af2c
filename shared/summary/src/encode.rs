//! Tables as bytes.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::SummaryError;

/// Who the files say wrote them, in the form that readers parse.
pub(crate) const CREATED_BY: &str = concat!("bisonflow version ", env!("CARGO_PKG_VERSION"));

/// A batch as a Parquet file, compressed with zstd: the same bytes for the same batch.
///
/// # Errors
/// [`SummaryError::Parquet`] if a column has a type that Parquet does not know.
pub fn to_parquet(batch: &RecordBatch) -> Result<Bytes, SummaryError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(CREATED_BY.to_owned())
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options)?;
    writer.write(batch)?;
    writer.close()?;
    Ok(bytes.into())
}

/// Appends the cell of a row.
type Push<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// A batch as CSV (RFC 4180, UTF-8, lines end with LF) with a header.
///
/// Null is an empty cell and an empty text is `""`. A text that a spreadsheet would take for a formula, because
/// it begins with `=`, `+`, `-`, `@`, TAB or CR, gets a single quote `'` before it; the Parquet file has it as
/// it is.
///
/// # Errors
/// [`SummaryError::ColumnType`] for a column that is neither text, Int32, Int64, Float64, Date32 nor Boolean.
pub fn to_csv(batch: &RecordBatch) -> Result<Vec<u8>, SummaryError> {
    let schema = batch.schema();
    let mut columns: Vec<Push<'_>> = Vec::new();
    let mut csv = String::new();
    for (place, (field, column)) in schema.fields().iter().zip(batch.columns()).enumerate() {
        if place > 0 {
            csv.push(',');
        }
        push_text(&mut csv, field.name());
        columns.push(match column.data_type() {
            DataType::Utf8 => {
                let column = column.as_string::<i32>();
                Box::new(|row, csv| push_text(csv, column.value(row)))
            }
            DataType::Int32 => {
                let column = column.as_primitive::<Int32Type>();
                Box::new(|row, csv| csv.push_str(&column.value(row).to_string()))
            }
            DataType::Int64 => {
                let column = column.as_primitive::<Int64Type>();
                Box::new(|row, csv| csv.push_str(&column.value(row).to_string()))
            }
            DataType::Float64 => {
                let column = column.as_primitive::<Float64Type>();
                Box::new(|row, csv| csv.push_str(&column.value(row).to_string()))
            }
            DataType::Date32 => {
                let column = column.as_primitive::<Date32Type>();
                Box::new(|row, csv| {
                    csv.extend(column.value_as_date(row).map(|day| day.to_string()));
                })
            }
            DataType::Boolean => {
                let column = column.as_boolean();
                Box::new(|row, csv| csv.push_str(if column.value(row) { "true" } else { "false" }))
            }
            found => {
                return Err(SummaryError::ColumnType {
                    column: field.name().clone(),
                    expected: "text, Int32, Int64, Float64, Date32 or Boolean",
                    found: found.to_string(),
                });
            }
        });
    }
    csv.push('\n');
    for row in 0..batch.num_rows() {
        for (place, (push, column)) in columns.iter().zip(batch.columns()).enumerate() {
            if place > 0 {
                csv.push(',');
            }
            if !column.is_null(row) {
                push(row, &mut csv);
            }
        }
        csv.push('\n');
    }
    Ok(csv.into_bytes())
}

fn push_text(csv: &mut String, text: &str) {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        csv.push('"');
        csv.push_str(guard);
        csv.push_str(&text.replace('"', "\"\""));
        csv.push('"');
    } else {
        csv.push_str(guard);
        csv.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn batch(texts: &[Option<&str>]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("n", DataType::Int64, false),
            Field::new("pct", DataType::Float64, true),
        ]);
        let rows = texts.len();
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(texts.iter().copied().collect::<StringArray>()),
            Arc::new((0..rows).map(|row| -(row as i64)).collect::<Int64Array>()),
            Arc::new((0..rows).map(|row| (row > 0).then(|| 100.0 / row as f64)).collect::<Float64Array>()),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn csv_quotes_what_must_be_quoted_and_disarms_formulas() {
        for (text, cell) in [
            ("Mayagüez", "Mayagüez"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("", "\"\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("a=b", "a=b"),
            ("×Hybrida", "×Hybrida"),
        ] {
            let csv = String::from_utf8(to_csv(&batch(&[Some(text)])).unwrap()).unwrap();
            assert_eq!(csv, format!("name,n,pct\n{cell},0,\n"), "{text:?}");
        }
        let csv = String::from_utf8(to_csv(&batch(&[None, None, Some("c")])).unwrap()).unwrap();
        assert_eq!(csv, "name,n,pct\n,0,\n,-1,100\nc,-2,50\n", "a number may begin with a minus");
    }

    #[test]
    fn a_csv_reader_gets_the_texts_back() {
        let texts = ["a,b", "\"", "", "line\nfeed", "\r\n"];
        let csv = to_csv(&batch(&texts.map(Some))).unwrap();
        let mut reader = csv::Reader::from_reader(&csv[..]);
        let read: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
        assert_eq!(read, ["a,b", "\"", "", "line\nfeed", "'\r\n"]);
    }

    #[test]
    fn parquet_comes_back_and_says_who_wrote_it() {
        let batch = batch(&[Some("a"), None, Some("")]);
        let bytes = to_parquet(&batch).unwrap();
        assert_eq!(bytes, to_parquet(&batch).unwrap());
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        assert_eq!(builder.metadata().file_metadata().created_by(), Some(CREATED_BY));
        let read: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [batch]);
    }
}
