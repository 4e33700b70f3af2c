//! The types of a Parquet file's columns, as the catalogue writes them.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use bisonflow_cloud::Store;
use bisonflow_contract::StepError;
use object_store::ObjectStoreExt;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// How much of a file's end is read at first; most footers fit.
const FOOTER_GUESS_BYTES: u64 = 64 * 1024;

/// The types by lower-case column name, from the footer of a file of this length.
///
/// # Errors
/// [`StepError::CrawlFailed`] if it is no Parquet file; else as [`Store::get`].
pub(crate) async fn column_types(
    store: &Store,
    key: &str,
    bytes: u64,
) -> Result<BTreeMap<String, String>, StepError> {
    let damaged = |error: ParquetError| {
        StepError::CrawlFailed(format!("{}: not a Parquet file: {error}", store.uri_of(key)))
    };
    let footer = read_footer(store, key, bytes, damaged).await?;
    // What the file's own types say, whatever its writer thought of them.
    let schema = parquet_to_arrow_schema(footer.file_metadata().schema_descr(), None).map_err(damaged)?;
    let fields = schema.fields().iter();
    Ok(fields.map(|field| (field.name().to_lowercase(), glue_type(field.data_type()))).collect())
}

async fn read_footer(
    store: &Store,
    key: &str,
    bytes: u64,
    damaged: impl Fn(ParquetError) -> StepError,
) -> Result<ParquetMetaData, StepError> {
    let (objects, path) = store.object(key)?;
    let mut wanted = FOOTER_GUESS_BYTES.min(bytes);
    loop {
        let end = objects.get_range(&path, bytes - wanted..bytes).await;
        let end = end.map_err(|error| store.failed(key, error))?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&end, bytes) {
            Ok(()) => return reader.finish().map_err(damaged),
            Err(ParquetError::NeedMoreData(more)) if (wanted + 1..=bytes).contains(&(more as u64)) => {
                wanted = more as u64;
            }
            Err(error) => return Err(damaged(error)),
        }
    }
}

/// The type in Glue and Athena of what is read as this Arrow type.
fn glue_type(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::List(item) | DataType::LargeList(item) => {
            format!("array<{}>", glue_type(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields =
                fields.iter().map(|field| format!("{}:{}", field.name(), glue_type(field.data_type())));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(), // equal to no type of the catalogue
    }
}
