//! GBIF's monthly snapshots on AWS, used in place.

use bisonflow_cloud::Store;
use bisonflow_contract::document::{Landing, LandingRecords, Part, Plan, Source, SourceKind, TaxonKeyShapes};
use bisonflow_contract::input::Options;
use bisonflow_contract::{Checklist, SnapshotDate, StepError};

use crate::source::stat_of;

/// A snapshot that exists.
pub(crate) struct Snapshot {
    uri: String,
    identity: String,
    parts: Vec<Part>,
}

impl Snapshot {
    /// The snapshot of this date.
    ///
    /// # Errors
    /// [`StepError::DownloadNotAvailable`] if there is none; [`StepError::InvalidInput`] if the options ask for
    /// columns that no snapshot has; else as [`Store::list`].
    pub(crate) async fn find(
        gbif: &Store,
        date: &SnapshotDate,
        options: &Options,
    ) -> Result<Snapshot, StepError> {
        if !options.columns.is_empty() {
            let why =
                format_args!("found {:?}, expected none: a snapshot has no other columns", options.columns);
            return Err(StepError::invalid("options.columns", why));
        }
        let folder = format!("occurrence/{date}/occurrence.parquet/");
        let mut files = gbif.list(&folder).await?;
        files.retain(|file| {
            let name = file.location.filename().unwrap_or_default();
            file.size > 0 && !name.starts_with(['.', '_'])
        });
        let uri = gbif.uri_of(&folder);
        let Some(stat) = stat_of(&files) else {
            return Err(StepError::DownloadNotAvailable(format!(
                "snapshot: there are no files below {uri}; GBIF makes one on the first day of each month"
            )));
        };
        let part = |file: &object_store::ObjectMeta| (gbif.uri_of(file.location.as_ref()), file.size);
        let parts = files.iter().map(part).map(|(uri, bytes)| Part { uri, records: None, bytes }).collect();
        Ok(Snapshot { uri, identity: stat.identity().unwrap_or_default(), parts })
    }

    /// What tells its content from any other.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// What landed, by this plan; `count-subsets` fills the records in when it has read the footers.
    pub(crate) fn landing(&self, plan: &Plan) -> Landing {
        Landing {
            run_id: plan.run_id.clone(),
            generation: plan.generation,
            source: Source {
                kind: SourceKind::Snapshot,
                uri: self.uri.clone(),
                bytes: self.parts.iter().map(|part| part.bytes).sum(),
                entry_sha256: None,
                entry_crc32: None,
                entry_bytes: None,
                entry_compressed: None,
                sha256: None,
                etag: None,
                doi: None,
                records_declared: None,
            },
            source_identity: plan.source_identity.clone(),
            checklist: plan.checklist.clone().unwrap_or_else(Checklist::unknown),
            extra_columns: Vec::new(),
            row_group_records: 0,
            records: LandingRecords::default(),
            unparsed: Default::default(),
            geospatial_issue_differs: 0,
            taxon_keys: TaxonKeyShapes::default(),
            gbif: None,
            parts: self.parts.clone(),
            landed_at: plan.planned_at,
        }
    }
}
