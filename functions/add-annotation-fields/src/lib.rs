//! The workflow step `AddAnnotationFields`: brings the columns of `occurrences` and `annotated` up to date.
//!
//! After its first crawl the crawler adds partitions but no columns, so this step does. Columns are appended;
//! none is ever removed, moved or given another type.

use bisonflow_cloud::catalog::{Catalog, CatalogColumn, TableSpec, merge_table};
use bisonflow_cloud::{RunStore, Store, reference};
use bisonflow_contract::StepError;
use bisonflow_contract::add_annotation_fields::{Request, Response};
use bisonflow_contract::document::Landing;
use bisonflow_contract::layout::{ANNOTATED, OCCURRENCES};
use bisonflow_occurrence::schema;
use bisonflow_region::LayersConfig;
use tracing::info;

/// The environment variables that the function reads.
pub const ENV: &[&str] = &["BUCKET", "GLUE_DATABASE"];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "glue:GetTable",
    "glue:CreateTable",
    "glue:UpdateTable",
];

/// The columns after the layers' fields, and what they mean.
const STATUS_COLUMNS: [(&str, &str); 6] = [
    ("riis_region", "Region of the register: AK, HI or L48; null elsewhere"),
    ("riis_occurrence_id", "The register's row that decided"),
    (
        "riis_assessment",
        "introduced, established, invasive, widespread_invasive, not_listed (which is not native) or not_assessed",
    ),
    ("riis_matched_key", "Which key matched: accepted, taxon or species (inherited from the species)"),
    ("riis_reason", "Why: matched, not_listed, territory, outside_layer or no_key"),
    ("taxonkey_species", "taxonkey and species, for counting by taxon"),
];

/// What the step works with.
pub struct AddAnnotationFields<C> {
    /// The data bucket.
    pub store: Store,
    /// The database.
    pub catalog: C,
}

impl<C: Catalog> AddAnnotationFields<C> {
    /// Merges this run's columns into both tables; doing it again changes nothing.
    ///
    /// # Errors
    /// [`StepError::TableConflict`] if others kept changing a table; [`StepError::BadReferenceData`] if a
    /// column is there with another type; [`StepError::RunTakenOver`]; else as the ports.
    pub async fn handle(&self, request: Request) -> Result<Response, StepError> {
        let run = RunStore::new(&self.store, &request.run.run_id);
        let plan = run.check_owner(&request.run).await?;
        let landing = run.landing().await?;
        let layers = reference::layers_config(&self.store, &plan).await?;
        reference::check_extra_columns(&layers, &landing.extra_columns)?;

        let occurrences = self.table(
            OCCURRENCES,
            "Landed GBIF occurrence records, one partition per run",
            occurrence_columns(&landing),
        );
        let annotated = self.table(
            ANNOTATED,
            "Records that passed the filters, with their regions and their status in the register",
            occurrences.columns.iter().cloned().chain(annotation_columns(&layers)).collect(),
        );
        let occurrences_added = merge_table(&self.catalog, &occurrences).await?;
        let annotated_added = merge_table(&self.catalog, &annotated).await?;
        info!(occurrences_added, annotated_added, "columns are up to date");
        Ok(Response { occurrences_added, annotated_added })
    }

    fn table(&self, name: &str, description: &str, columns: Vec<CatalogColumn>) -> TableSpec {
        let location = format!("{}/{name}/", self.store.uri());
        TableSpec { name: name.into(), description: description.into(), location, columns }
    }
}

/// The schema's columns, then this run's further ones.
fn occurrence_columns(landing: &Landing) -> Vec<CatalogColumn> {
    let fixed = schema::columns().iter();
    let fixed = fixed.map(|column| CatalogColumn::new(column.name, column.kind.glue_type(), column.comment));
    let extra = landing.extra_columns.iter();
    let extra = extra.map(|name| CatalogColumn::new(name, "string", "Kept from the source as it was"));
    fixed.chain(extra).collect()
}

/// The layers' fields in the order of layers.toml, then the status.
fn annotation_columns(layers: &LayersConfig) -> Vec<CatalogColumn> {
    let fields = layers.annotation_fields().into_iter().map(|field| {
        let layer = layers.layers.iter().find(|layer| layer.name == field.layer);
        let vintage = layer.map(|layer| format!(" ({}, {})", layer.vintage, layer.scale)).unwrap_or_default();
        let kind = if field.is_list { "array<string>" } else { "string" };
        CatalogColumn::new(field.name, kind, format!("Of the regions of layer {}{vintage}", field.layer))
    });
    let status = STATUS_COLUMNS.map(|(name, comment)| CatalogColumn::new(name, "string", comment));
    fields.chain(status).collect()
}

#[cfg(test)]
mod tests {
    use bisonflow_cloud::aws::glue;
    use bisonflow_cloud::catalog::MemoryCatalog;
    use bisonflow_contract::id::hex;
    use bisonflow_contract::{ErrorName, RunRef};
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;

    const LAYERS: &str = r#"
        riis_region_from = "census_state"
        [[layer]]
        name = "county"
        source = "counties.json"
        vintage = "2017"
        scale = "1:500k"
        id = "GEOID"
        fields = { census_state = "STUSPS", county_geoid = "GEOID" }
        [[layer]]
        name = "pad"
        source = "pad.json"
        vintage = "2021"
        scale = "1:500k"
        id = "UNIT"
        overlap = "all"
        fields = { pad_unit = "UNIT" }
    "#;

    async fn step(extra_columns: &[&str]) -> AddAnnotationFields<MemoryCatalog> {
        let store = Store::memory();
        let sha256 = hex(&Sha256::digest(LAYERS.as_bytes()));
        let uri = "s3://memory/reference/layers.toml";
        let pin = json!({"uri": uri, "version_id": null, "sha256": sha256, "bytes": LAYERS.len()});
        let plan = json!({
            "run_id": "gbif-1", "generation": 1, "execution_arn": "arn:ours",
            "planned_at": "2026-09-02T04:11:07Z", "input": {"source": "s3://data/uploads/a.zip"},
            "source_identity": null, "checklist": null,
            "reference": {"layers_toml": pin, "layer_sources": {}, "riis": null},
        });
        let source = json!({
            "kind": "dwca", "uri": "s3://data/uploads/a.zip", "bytes": 1, "entry_sha256": null,
            "entry_crc32": null, "sha256": null, "etag": null, "doi": null, "records_declared": null,
        });
        let landing = json!({
            "run_id": "gbif-1", "generation": 1, "source": source, "source_identity": null,
            "checklist": "backbone", "extra_columns": extra_columns, "row_group_records": 1000,
            "records": {"read": 1, "ragged": 0, "rejected": 0, "landed": 1}, "unparsed": {},
            "geospatial_issue_differs": 0, "taxon_keys": {"numeric": 1, "other": 0, "none": 0},
            "parts": [], "landed_at": "2026-09-02T05:00:00Z",
        });
        store.put("reference/layers.toml", LAYERS).await.unwrap();
        store.put("runs/run=gbif-1/plan.json", plan.to_string()).await.unwrap();
        store.put("runs/run=gbif-1/landing.json", landing.to_string()).await.unwrap();
        AddAnnotationFields { store, catalog: MemoryCatalog::new() }
    }

    fn request() -> Request {
        let run =
            RunRef { run_id: "gbif-1".parse().unwrap(), generation: 1, execution_arn: "arn:ours".into() };
        Request { run }
    }

    fn names(step: &AddAnnotationFields<MemoryCatalog>, table: &str) -> Vec<String> {
        step.catalog.state().tables[table].columns.iter().map(|column| column.name.clone()).collect()
    }

    #[test]
    fn asks_for_what_it_calls_and_no_more() {
        assert_eq!(ACTIONS[3..], *glue::MERGE_TABLE);
    }

    #[tokio::test]
    async fn both_tables_get_their_columns_typed_and_commented_and_only_once() {
        let step = step(&["County"]).await;
        let added = step.handle(request()).await.unwrap();
        assert_eq!((added.occurrences_added, added.annotated_added), (54, 54 + 3 + 6));
        let again = step.handle(request()).await.unwrap();
        assert_eq!((again.occurrences_added, again.annotated_added), (0, 0));

        let annotated = step.catalog.state().tables["annotated"].clone();
        assert_eq!(annotated.location, "s3://memory/annotated/");
        let end: Vec<_> =
            annotated.columns[53..].iter().map(|c| (c.name.as_str(), c.glue_type.as_str())).collect();
        assert_eq!(
            end,
            [
                ("county", "string"),
                ("census_state", "string"),
                ("county_geoid", "string"),
                ("pad_unit", "array<string>"),
                ("riis_region", "string"),
                ("riis_occurrence_id", "string"),
                ("riis_assessment", "string"),
                ("riis_matched_key", "string"),
                ("riis_reason", "string"),
                ("taxonkey_species", "string"),
            ]
        );
        for column in &annotated.columns {
            assert!((1..=255).contains(&column.comment.len()), "{column:?}"); // what Glue takes
        }
    }

    #[tokio::test]
    async fn what_the_crawler_made_keeps_its_order_and_gets_the_rest_and_comments() {
        let step = step(&["county"]).await;
        let crawled = [("year", "int"), ("gbifid", "string"), ("theirs", "string")];
        let spec = TableSpec {
            name: OCCURRENCES.into(),
            description: String::new(),
            location: "s3://memory/occurrences/".into(),
            columns: crawled.map(|(name, kind)| CatalogColumn::new(name, kind, "")).to_vec(),
        };
        step.catalog.create_table(&spec).await.unwrap();
        step.catalog.state().concurrent_columns =
            vec![CatalogColumn::new("county", "string", "another run's")];
        let added = step.handle(request()).await.unwrap();
        assert_eq!(added.occurrences_added, 51);
        let names = names(&step, OCCURRENCES);
        assert_eq!(names[..5], ["year", "gbifid", "theirs", "county", "datasetkey"]);
        assert_eq!(names.len(), 3 + 1 + 51);
        assert_eq!(step.catalog.state().tables[OCCURRENCES].columns[0].comment, "Year of the event");
    }

    #[tokio::test]
    async fn a_field_that_changed_its_type_is_refused() {
        let step = step(&[]).await;
        step.handle(request()).await.unwrap();
        for column in &mut step.catalog.state().tables.get_mut(ANNOTATED).unwrap().columns {
            if column.name == "pad_unit" {
                column.glue_type = "string".into();
            }
        }
        let error = step.handle(request()).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::BadReferenceData);
        assert!(error.to_string().contains("pad_unit"), "{error}");
    }

    #[tokio::test]
    async fn an_execution_that_lost_the_run_changes_nothing() {
        let step = step(&[]).await;
        let mut request = request();
        request.run.execution_arn = "arn:another".into();
        assert_eq!(step.handle(request).await.unwrap_err().name(), ErrorName::RunTakenOver);
        assert!(step.catalog.state().tables.is_empty());
    }
}
