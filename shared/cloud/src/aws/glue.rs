//! The Glue database.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_glue::Client;
use aws_sdk_glue::operation::create_partition::CreatePartitionError;
use aws_sdk_glue::operation::create_table::CreateTableError;
use aws_sdk_glue::operation::delete_partition::DeletePartitionError;
use aws_sdk_glue::operation::delete_table::DeleteTableError;
use aws_sdk_glue::operation::get_partition::GetPartitionError;
use aws_sdk_glue::operation::get_table::GetTableError;
use aws_sdk_glue::operation::get_tables::GetTablesError;
use aws_sdk_glue::operation::start_crawler::StartCrawlerError;
use aws_sdk_glue::operation::update_table::UpdateTableError;
use aws_sdk_glue::types::builders::TableInputBuilder;
use aws_sdk_glue::types::{
    Column, CrawlerState as GlueCrawlerState, LastCrawlStatus, PartitionInput, SerDeInfo, StorageDescriptor,
    Table, TableInput,
};
use bisonflow_contract::layout::PARTITION_KEY;
use bisonflow_contract::{RunId, StepError};

use super::{failed, lacks};
use crate::catalog::{
    Catalog, CatalogColumn, CatalogTable, CrawlOutcome, CrawlStart, CrawlerState, CrawlerStatus, Created,
    LastCrawl, LatestSpec, SHOWS_RUN, TableSpec,
};

/// What reading a table calls.
pub const READ_TABLE: &[&str] = &["glue:GetTable"];
/// What [`crate::catalog::merge_table`] calls.
pub const MERGE_TABLE: &[&str] = &["glue:GetTable", "glue:CreateTable", "glue:UpdateTable"];
/// What reading a partition calls.
pub const READ_PARTITION: &[&str] = &["glue:GetPartition"];
/// What creating a partition calls.
pub const CREATE_PARTITION: &[&str] = &["glue:GetTable", "glue:CreatePartition", "glue:UpdatePartition"];
/// What showing a run as the latest calls.
pub const SHOW_RUN: &[&str] =
    &["glue:GetTables", "glue:GetTable", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"];
/// What starting and watching the crawler calls.
pub const CRAWL: &[&str] = &["glue:GetCrawler", "glue:StartCrawler"];
/// All of them.
pub const ACTIONS: &[&str] = &[
    "glue:GetTable",
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:GetPartition",
    "glue:CreatePartition",
    "glue:UpdatePartition",
    "glue:GetTables",
    "glue:DeleteTable",
    "glue:DeletePartition",
    "glue:GetCrawler",
    "glue:StartCrawler",
];

const PARQUET_SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
const PARQUET_INPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
const PARQUET_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";

/// One Glue database.
#[derive(Clone, Debug)]
pub struct GlueCatalog {
    client: Client,
    database: String,
}

impl GlueCatalog {
    /// The database of this name.
    pub fn new(config: &SdkConfig, database: impl Into<String>) -> Self {
        GlueCatalog { client: Client::new(config), database: database.into() }
    }

    async fn read(&self, name: &str) -> Result<Option<Table>, StepError> {
        match self.client.get_table().database_name(&self.database).name(name).send().await {
            Ok(answer) => Ok(Some(answer.table.ok_or_else(|| lacks("glue:GetTable", "a table"))?)),
            Err(error)
                if error.as_service_error().is_some_and(GetTableError::is_entity_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("glue:GetTable", &error)),
        }
    }

    async fn create(&self, table: TableInput) -> Result<Created, StepError> {
        match self.client.create_table().database_name(&self.database).table_input(table).send().await {
            Ok(_) => Ok(Created::Created),
            Err(error)
                if error.as_service_error().is_some_and(CreateTableError::is_already_exists_exception) =>
            {
                Ok(Created::AlreadyExists)
            }
            Err(error) => Err(failed("glue:CreateTable", &error)),
        }
    }

    /// Replaces a table, if it still has the version that was read.
    async fn update(&self, name: &str, read: Option<String>, table: TableInput) -> Result<(), StepError> {
        let request = self.client.update_table().database_name(&self.database);
        match request.set_version_id(read).table_input(table).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(is_update_conflict) => {
                Err(self.conflict(name))
            }
            Err(error) => Err(failed("glue:UpdateTable", &error)),
        }
    }

    fn conflict(&self, table: &str) -> StepError {
        StepError::TableConflict(format!("table {}.{table}: changed since it was read", self.database))
    }
}

fn to_column(column: &CatalogColumn) -> Result<Column, StepError> {
    Column::builder()
        .name(&column.name)
        .r#type(&column.glue_type)
        .set_comment((!column.comment.is_empty()).then(|| column.comment.clone()))
        .build()
        .map_err(wrong_request)
}

/// A request that lacks a field; all of ours are set.
fn wrong_request(error: aws_sdk_glue::error::BuildError) -> StepError {
    StepError::Internal(format!("cannot make a request to Glue: {error}"))
}

fn from_column(column: &Column) -> CatalogColumn {
    CatalogColumn::new(
        column.name(),
        column.r#type().unwrap_or_default(),
        column.comment().unwrap_or_default(),
    )
}

/// Parquet files below a location.
fn parquet_storage(columns: &[CatalogColumn], location: &str) -> Result<StorageDescriptor, StepError> {
    let columns = columns.iter().map(to_column).collect::<Result<Vec<_>, _>>()?;
    let serde = SerDeInfo::builder()
        .serialization_library(PARQUET_SERDE)
        .parameters("serialization.format", "1")
        .build();
    Ok(StorageDescriptor::builder()
        .set_columns(Some(columns))
        .location(location)
        .input_format(PARQUET_INPUT)
        .output_format(PARQUET_OUTPUT)
        .serde_info(serde)
        .build())
}

/// A table of Parquet files, as far as a name, a description, columns and a location go.
fn parquet_table(
    name: &str,
    description: &str,
    columns: &[CatalogColumn],
    location: &str,
) -> Result<TableInputBuilder, StepError> {
    Ok(TableInput::builder()
        .name(name)
        .description(description)
        .table_type("EXTERNAL_TABLE")
        .parameters("classification", "parquet")
        .parameters("EXTERNAL", "TRUE")
        .storage_descriptor(parquet_storage(columns, location)?))
}

fn table_input(spec: &TableSpec) -> Result<TableInput, StepError> {
    let run = CatalogColumn::new(PARTITION_KEY, "string", "the run that made the rows");
    let table = parquet_table(&spec.name, &spec.description, &spec.columns, &spec.location)?;
    table.partition_keys(to_column(&run)?).build().map_err(wrong_request)
}

fn latest_input(spec: &LatestSpec) -> Result<TableInput, StepError> {
    let table = parquet_table(&spec.name, &spec.description, &spec.columns, &spec.location)?;
    table.parameters(SHOWS_RUN, spec.run_id.as_str()).build().map_err(wrong_request)
}

fn to_catalog_table(table: &Table) -> CatalogTable {
    let storage = table.storage_descriptor();
    let columns = storage.map(|storage| storage.columns().iter().map(from_column).collect());
    CatalogTable {
        name: table.name().to_owned(),
        columns: columns.unwrap_or_default(),
        location: storage.and_then(StorageDescriptor::location).unwrap_or_default().to_owned(),
        version_id: table.version_id().map(str::to_owned),
        parameters: table.parameters.clone().unwrap_or_default().into_iter().collect(),
    }
}

/// The part of a table that UpdateTable takes: without it, what is not passed is lost.
fn to_input(table: Table) -> Result<TableInput, StepError> {
    TableInput::builder()
        .name(table.name)
        .set_description(table.description)
        .set_owner(table.owner)
        .set_last_access_time(table.last_access_time)
        .set_last_analyzed_time(table.last_analyzed_time)
        .retention(table.retention)
        .set_storage_descriptor(table.storage_descriptor)
        .set_partition_keys(table.partition_keys)
        .set_view_original_text(table.view_original_text)
        .set_view_expanded_text(table.view_expanded_text)
        .set_table_type(table.table_type)
        .set_parameters(table.parameters)
        .set_target_table(table.target_table)
        .build()
        .map_err(wrong_request)
}

fn timestamp(time: &aws_smithy_types::DateTime) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}

#[async_trait]
impl Catalog for GlueCatalog {
    async fn table(&self, name: &str) -> Result<Option<CatalogTable>, StepError> {
        Ok(self.read(name).await?.as_ref().map(to_catalog_table))
    }

    async fn create_table(&self, spec: &TableSpec) -> Result<Created, StepError> {
        self.create(table_input(spec)?).await
    }

    async fn update_columns(&self, read: &CatalogTable, columns: &[CatalogColumn]) -> Result<(), StepError> {
        let Some(mut table) = self.read(&read.name).await? else { return Err(self.conflict(&read.name)) };
        if table.version_id != read.version_id {
            return Err(self.conflict(&read.name));
        }
        let columns = columns.iter().map(to_column).collect::<Result<Vec<_>, _>>()?;
        let storage = table.storage_descriptor.get_or_insert_with(|| StorageDescriptor::builder().build());
        storage.columns = Some(columns);
        self.update(&read.name, read.version_id.clone(), to_input(table)?).await
    }

    async fn partition(&self, table: &str, run: &RunId) -> Result<Option<String>, StepError> {
        let request = self
            .client
            .get_partition()
            .database_name(&self.database)
            .table_name(table)
            .partition_values(run.as_str());
        match request.send().await {
            Ok(answer) => {
                let partition = answer.partition.ok_or_else(|| lacks("glue:GetPartition", "a partition"))?;
                let location = partition.storage_descriptor.and_then(|storage| storage.location);
                Ok(Some(location.ok_or_else(|| lacks("glue:GetPartition", "a location"))?))
            }
            Err(error)
                if error.as_service_error().is_some_and(GetPartitionError::is_entity_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("glue:GetPartition", &error)),
        }
    }

    async fn create_partition(&self, table: &str, run: &RunId, location: &str) -> Result<(), StepError> {
        let Some(mut storage) = self.read(table).await?.and_then(|table| table.storage_descriptor) else {
            return Err(StepError::Internal(format!(
                "table {}.{table}: not there, so it can have no partition",
                self.database
            )));
        };
        storage.location = Some(location.to_owned());
        let input = PartitionInput::builder()
            .values(run.as_str())
            .parameters("classification", "parquet")
            .storage_descriptor(storage)
            .build();
        let request = self
            .client
            .create_partition()
            .database_name(&self.database)
            .table_name(table)
            .partition_input(input.clone());
        match request.send().await {
            Ok(_) => return Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreatePartitionError::is_already_exists_exception) => {}
            Err(error) => return Err(failed("glue:CreatePartition", &error)),
        }
        self.client
            .update_partition()
            .database_name(&self.database)
            .table_name(table)
            .partition_value_list(run.as_str())
            .partition_input(input)
            .send()
            .await
            .map_err(|error| failed("glue:UpdatePartition", &error))?;
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<CatalogTable>, StepError> {
        let mut pages = self.client.get_tables().database_name(&self.database).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| match error.as_service_error() {
                Some(GetTablesError::EntityNotFoundException(_)) => StepError::invalid(
                    "database",
                    format_args!(
                        "found {}, which is no Glue database of this account and region",
                        self.database
                    ),
                ),
                _ => failed("glue:GetTables", &error),
            })?;
            found.extend(page.table_list().iter().map(to_catalog_table));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn show_run(&self, spec: &LatestSpec) -> Result<(), StepError> {
        let input = latest_input(spec)?;
        let Some(table) = self.table(&spec.name).await? else {
            return match self.create(input).await? {
                Created::Created => Ok(()),
                Created::AlreadyExists => Err(self.conflict(&spec.name)),
            };
        };
        if table.location == spec.location
            && table.columns == spec.columns
            && table.parameters.get(SHOWS_RUN).is_some_and(|run| *run == spec.run_id.as_str())
        {
            return Ok(());
        }
        self.update(&spec.name, table.version_id, input).await
    }

    async fn delete_table(&self, name: &str) -> Result<(), StepError> {
        match self.client.delete_table().database_name(&self.database).name(name).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(DeleteTableError::is_entity_not_found_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(failed("glue:DeleteTable", &error)),
        }
    }

    async fn delete_partition(&self, table: &str, run: &RunId) -> Result<(), StepError> {
        let request = self
            .client
            .delete_partition()
            .database_name(&self.database)
            .table_name(table)
            .partition_values(run.as_str());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeletePartitionError::is_entity_not_found_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(failed("glue:DeletePartition", &error)),
        }
    }

    async fn crawler(&self, name: &str) -> Result<CrawlerStatus, StepError> {
        let action = "glue:GetCrawler";
        let answer =
            self.client.get_crawler().name(name).send().await.map_err(|error| failed(action, &error))?;
        let crawler = answer.crawler.ok_or_else(|| lacks(action, "a crawler"))?;
        let state = match crawler.state() {
            Some(GlueCrawlerState::Ready) => CrawlerState::Ready,
            Some(GlueCrawlerState::Stopping) => CrawlerState::Stopping,
            _ => CrawlerState::Running,
        };
        let elapsed = jiff::SignedDuration::from_millis(crawler.crawl_elapsed_time());
        let last_crawl = crawler.last_crawl().and_then(|last| {
            Some(LastCrawl {
                outcome: match last.status()? {
                    LastCrawlStatus::Succeeded => CrawlOutcome::Succeeded,
                    LastCrawlStatus::Cancelled => CrawlOutcome::Cancelled,
                    _ => CrawlOutcome::Failed,
                },
                started_at: timestamp(last.start_time()?)?,
                message: last.error_message().map(str::to_owned),
            })
        });
        Ok(CrawlerStatus {
            state,
            running_since: (state == CrawlerState::Running).then(|| jiff::Timestamp::now() - elapsed),
            last_crawl,
        })
    }

    async fn start_crawler(&self, name: &str) -> Result<CrawlStart, StepError> {
        match self.client.start_crawler().name(name).send().await {
            Ok(_) => Ok(CrawlStart::Started),
            Err(error)
                if error.as_service_error().is_some_and(StartCrawlerError::is_crawler_running_exception) =>
            {
                Ok(CrawlStart::AlreadyRunning)
            }
            Err(error) => Err(failed("glue:StartCrawler", &error)),
        }
    }
}

/// Somebody else changed or deleted the table in between.
fn is_update_conflict(error: &UpdateTableError) -> bool {
    error.is_concurrent_modification_exception() || error.is_entity_not_found_exception()
}
