//! Which runs are published, and which of them a run is compared with.

use bisonflow_contract::document::{Landing, Plan};
use bisonflow_contract::id::hex;
use bisonflow_contract::layout::LATEST;
use bisonflow_contract::publication::{Comparability, ComparedLayer, Publication, Publications};
use bisonflow_contract::{RunId, StepError};
use bisonflow_occurrence::Filters;
use bisonflow_region::LayersConfig;
use sha2::{Digest, Sha256};

use crate::run_store::read;
use crate::{RunStore, Store};

/// What decides with which runs the run of this plan can be compared. `config` are its layers.
pub fn comparability(plan: &Plan, landing: &Landing, config: &LayersConfig) -> Comparability {
    let reference = &plan.reference;
    let layer = |layer: &bisonflow_region::LayerConfig| ComparedLayer {
        name: layer.name.clone(),
        vintage: layer.vintage.clone(),
        sha256: reference.layer_sources.get(&layer.source).map(|pin| pin.sha256.clone()).unwrap_or_default(),
    };
    let predicate = landing.gbif.as_ref().and_then(|gbif| gbif.predicate.as_ref());
    Comparability {
        source_kind: landing.source.kind,
        predicate_sha256: predicate.map(|asked| hex(&Sha256::digest(asked.to_string()))),
        filters: Filters::new(plan.options()).described().into_iter().collect(),
        checklist: plan.checklist.as_ref().unwrap_or(&landing.checklist).clone(),
        layers: config.layers.iter().map(layer).collect(),
        riis_sha256: reference.riis.as_ref().map(|pin| pin.sha256.clone()),
    }
}

/// `latest.json`; nothing published where there is none.
///
/// # Errors
/// [`StepError::CountMismatch`] if it is damaged; else as [`Store::get`].
pub async fn publications(store: &Store) -> Result<Publications, StepError> {
    let damaged = |error| match error {
        StepError::Internal(what) => StepError::CountMismatch(format!(
            "{what}: the document is damaged; bring back an earlier version of it. Or delete it and publish the run that \
             is to be shown: which runs were published before, and are compared with, is forgotten then"
        )),
        other => other,
    };
    Ok(read(store, LATEST).await.map_err(damaged)?.unwrap_or_default())
}

/// What a run is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Baseline {
    /// The latest published run that it can be compared with.
    Run(Publication),
    /// There is none; why, in one sentence without a full stop.
    NotCompared {
        /// Why.
        because: String,
    },
}

/// What a run is compared with: of the published runs other than itself, not withdrawn, that it can be compared with
/// and whose files are still those that were published, the latest.
///
/// # Errors
/// As [`RunStore::read`].
pub async fn baseline(
    store: &Store,
    run_id: &RunId,
    comparability: &Comparability,
) -> Result<Baseline, StepError> {
    let publications = publications(store).await?;
    for publication in publications.comparable(run_id, comparability) {
        let manifest = RunStore::new(store, &publication.run_id).manifest().await?;
        if manifest.is_some_and(|manifest| manifest.generation == publication.generation) {
            return Ok(Baseline::Run(publication.clone()));
        }
    }
    let because = match publications.standing(run_id).next() {
        None => "no other run is published".to_owned(),
        Some(latest) => {
            let differences = comparability.differences(&latest.comparability);
            if differences.is_empty() {
                format!("of run {}, the latest published, the files are no longer there", latest.run_id)
            } else {
                format!(
                    "no published run is like it; it differs from run {}, the latest published, in: {}",
                    latest.run_id,
                    differences.join("; ")
                )
            }
        }
    };
    Ok(Baseline::NotCompared { because })
}
