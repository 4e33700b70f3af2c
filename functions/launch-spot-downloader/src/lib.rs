//! The workflow step `LaunchSpotDownloader`: one instance that lands the download.
//!
//! The instance gets a control document in the bucket, readable by its role only, and reports back under the
//! task token in it. A repeat inside one attempt finds the instance of the first try; a new attempt has a new
//! token and ends the instances of the old one.

mod user_data;

use std::collections::BTreeMap;

use bisonflow_cloud::fleet::{Fleet, LaunchRequest, RUN_TAG, TOKEN_HASH_TAG};
use bisonflow_cloud::gbif_download::GbifDownloads;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::document::Control;
use bisonflow_contract::id::hex;
use bisonflow_contract::input::{Market, Origin};
use bisonflow_contract::launch_spot_downloader::{Action, Request, Response};
use bisonflow_contract::{RunRef, StepError};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

/// The environment variables that the function reads.
pub const ENV: &[&str] = &[
    "BUCKET",
    "LAUNCH_TEMPLATE_ID",
    "SUBNET_IDS",
    "INSTANCE_TYPES",
    "WORKER_IMAGE",
    "WORKER_LOG_GROUP",
    "GBIF_API",
];
/// The IAM actions that it needs.
pub const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:DeleteObject",
    "ec2:RunInstances",
    "ec2:CreateTags",
    "iam:PassRole",
    "ec2:DescribeInstances",
    "ec2:TerminateInstances",
];

/// What the step works with.
pub struct LaunchSpotDownloader<F> {
    /// The data bucket.
    pub store: Store,
    /// The instances.
    pub fleet: F,
    /// GBIF's service of downloads.
    pub gbif: GbifDownloads,
    /// The template of an instance.
    pub launch_template_id: String,
    /// Where an instance may be, in order of preference.
    pub subnet_ids: Vec<String>,
    /// What an instance may be, in order of preference.
    pub instance_types: Vec<String>,
    /// The worker's container image.
    pub worker_image: String,
    /// The log group that the worker writes to.
    pub worker_log_group: String,
    /// The region, which the worker is told.
    pub region: String,
}

impl<F: Fleet> LaunchSpotDownloader<F> {
    /// Launches the run's instance or finds the one that is there; or ends the run's instances.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] for a start without a token; [`StepError::DownloadNotReady`] or
    /// [`StepError::DownloadNotAvailable`] as [`GbifDownloads::ready`], before anything costs money;
    /// [`StepError::CapacityUnavailable`] if no pool has an instance; [`StepError::RunTakenOver`]; else as the ports.
    pub async fn handle(&self, request: Request) -> Result<Response, StepError> {
        let run = RunStore::new(&self.store, &request.run.run_id);
        let plan = run.check_owner(&request.run).await?;
        match (request.action, request.task_token) {
            (Action::Start, Some(token)) if !token.is_empty() => {
                if let Origin::DownloadKey(key) = &plan.input.origin {
                    self.gbif.ready(key).await?;
                }
                let market = plan.options().market.unwrap_or_default();
                self.start(&run, request.run, token, market).await
            }
            (Action::Start, _) => {
                Err(StepError::invalid("task_token", "missing; start needs the token to report back with"))
            }
            (Action::Terminate, _) => self.terminate(&run, &request.run).await,
        }
    }

    async fn start(
        &self,
        run: &RunStore,
        owner: RunRef,
        token: String,
        market: Market,
    ) -> Result<Response, StepError> {
        let token_hash = token_hash(&token);
        let control = run.layout().control(&token_hash);
        let user_data = user_data::user_data(
            &self.store.uri_of(&control),
            &self.worker_image,
            &self.region,
            &self.worker_log_group,
        )?;

        if let Some(id) = self.end_other_attempts(run, &owner, &token_hash, &control).await? {
            info!(instance = id, "this attempt's instance is there already");
            return Ok(Response { instance_ids: vec![id] });
        }
        run.write(
            &control,
            &Control {
                run: owner.clone(),
                task_token: token.clone(),
                gbif_api: self.gbif.server().to_owned(),
            },
        )
        .await?;
        let tags = [
            ("Name", format!("bisonflow-{}", owner.run_id)),
            (RUN_TAG, owner.run_id.to_string()),
            (TOKEN_HASH_TAG, token_hash),
        ];
        let tags: BTreeMap<_, _> = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let launched = self.launch(&token, market, &user_data, &tags).await;
        if launched.is_err() {
            self.store.delete([control]).await?; // no instance will read it
        }
        Ok(Response { instance_ids: vec![launched?] })
    }

    /// Ends the instances of other attempts and deletes their control documents; answers the instance of this
    /// attempt, if there is one.
    async fn end_other_attempts(
        &self,
        run: &RunStore,
        owner: &RunRef,
        token_hash: &str,
        control: &str,
    ) -> Result<Option<String>, StepError> {
        let (ours, others): (Vec<_>, Vec<_>) = self
            .fleet
            .instances_of_run(&owner.run_id)
            .await?
            .into_iter()
            .partition(|instance| instance.token_hash.as_deref() == Some(token_hash));
        if !others.is_empty() {
            let ids: Vec<_> = others.into_iter().map(|instance| instance.id).collect();
            warn!(instances = ?ids, "ending the instances of an earlier attempt");
            self.fleet.terminate(&ids).await?;
        }
        let documents = self.store.list(&run.layout().control_folder()).await?;
        let documents = documents.into_iter().map(|object| object.location.to_string());
        self.store.delete(documents.filter(|key| key != control)).await?;
        Ok(ours.into_iter().next().map(|instance| instance.id))
    }

    /// One instance from the first pool, of types then subnets, that has one: of Spot instances first, unless these are
    /// not wanted, then On-Demand.
    async fn launch(
        &self,
        token: &str,
        market: Market,
        user_data: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<String, StepError> {
        let markets: &[Market] = match market {
            Market::Spot => &[Market::Spot, Market::OnDemand],
            Market::OnDemand => &[Market::OnDemand],
        };
        let mut refusals = Vec::new();
        for &market in markets {
            for instance_type in &self.instance_types {
                for subnet_id in &self.subnet_ids {
                    let request = LaunchRequest {
                        launch_template_id: self.launch_template_id.clone(),
                        subnet_id: subnet_id.clone(),
                        instance_type: instance_type.clone(),
                        market,
                        client_token: client_token(token, instance_type, subnet_id, market),
                        user_data: user_data.to_owned(),
                        tags: tags.clone(),
                    };
                    match self.fleet.run_instance(&request).await {
                        Ok(id) => {
                            info!(instance = id, instance_type, subnet_id, ?market, "launched");
                            return Ok(id);
                        }
                        Err(StepError::CapacityUnavailable(why)) => refusals.push(why),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Err(StepError::CapacityUnavailable(format!(
            "no instance to be had in {} pools; try later, or give the stack more DownloaderInstanceTypes: {}",
            refusals.len(),
            refusals.join("; ")
        )))
    }

    async fn terminate(&self, run: &RunStore, owner: &RunRef) -> Result<Response, StepError> {
        let instances = self.fleet.instances_of_run(&owner.run_id).await?;
        let instance_ids: Vec<_> = instances.into_iter().map(|instance| instance.id).collect();
        if !instance_ids.is_empty() {
            self.fleet.terminate(&instance_ids).await?;
        }
        let documents = self.store.list(&run.layout().control_folder()).await?;
        self.store.delete(documents.into_iter().map(|object| object.location.to_string())).await?;
        info!(instances = ?instance_ids, "ended");
        Ok(Response { instance_ids })
    }
}

/// What names an attempt without giving its token away: the first 16 hexadecimal digits of its SHA-256.
fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))[..16].to_owned()
}

/// The same for a repeat of one launch, another for every pool and attempt; 64 hexadecimal digits.
fn client_token(token: &str, instance_type: &str, subnet_id: &str, market: Market) -> String {
    let market = match market {
        Market::Spot => "spot",
        Market::OnDemand => "on-demand",
    };
    hex(&Sha256::digest([token, instance_type, subnet_id, market].join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use bisonflow_cloud::aws::ec2;
    use bisonflow_cloud::fleet::MemoryFleet;
    use bisonflow_contract::ErrorName;
    use serde_json::json;

    use super::*;

    async fn step(options: serde_json::Value) -> LaunchSpotDownloader<MemoryFleet> {
        let store = Store::memory();
        let pin = json!({"uri": "default:layers.toml", "version_id": null, "sha256": "", "bytes": 0});
        let plan = json!({
            "run_id": "gbif-1", "generation": 1, "execution_arn": "arn:ours",
            "planned_at": "2026-09-02T04:11:07Z",
            "input": {"source": "s3://data/uploads/a.zip", "options": options},
            "source_identity": null, "checklist": null,
            "reference": {"layers_toml": pin, "layer_sources": {}, "riis": null},
        });
        store.put("runs/run=gbif-1/plan.json", plan.to_string()).await.unwrap();
        LaunchSpotDownloader {
            store,
            fleet: MemoryFleet::new(),
            // Nobody is there.
            gbif: GbifDownloads::new("http://127.0.0.1:1").unwrap(),
            launch_template_id: "lt-1".into(),
            subnet_ids: vec!["subnet-a".into(), "subnet-b".into()],
            instance_types: vec!["c7gn.xlarge".into(), "c7g.large".into()],
            worker_image: "worker:1".into(),
            worker_log_group: "/bisonflow/worker".into(),
            region: "us-east-1".into(),
        }
    }

    fn request(action: Action, token: &str) -> Request {
        let run =
            RunRef { run_id: "gbif-1".parse().unwrap(), generation: 1, execution_arn: "arn:ours".into() };
        let task_token = (!token.is_empty()).then(|| token.to_owned());
        Request { action, run, task_token }
    }

    async fn control_documents(step: &LaunchSpotDownloader<MemoryFleet>) -> Vec<String> {
        let found = step.store.list("runs/run=gbif-1/control/").await.unwrap();
        found.into_iter().map(|object| object.location.to_string()).collect()
    }

    #[test]
    fn asks_for_what_it_calls_and_no_more() {
        assert_eq!(ACTIONS[4..], [ec2::LAUNCH, ec2::FIND, ec2::TERMINATE].concat());
    }

    #[tokio::test]
    async fn the_instance_finds_its_control_document_and_no_secret_is_elsewhere() {
        let step = step(json!({})).await;
        let response = step.handle(request(Action::Start, "secret-1")).await.unwrap();
        assert_eq!(response.instance_ids.len(), 1);
        let asked = step.fleet.state().asked[0].clone();
        assert_eq!((asked.subnet_id.as_str(), asked.instance_type.as_str()), ("subnet-a", "c7gn.xlarge"));
        assert_eq!((asked.market, asked.client_token.len()), (Market::Spot, 64));
        let hash = token_hash("secret-1");
        let key = format!("runs/run=gbif-1/control/{hash}.json");
        assert!(asked.user_data.contains(&format!("control='s3://memory/{key}'")), "{}", asked.user_data);
        assert_eq!(asked.tags["bisonflow:run"], "gbif-1");
        assert_eq!(asked.tags["bisonflow:token-hash"], hash);
        assert_eq!(asked.tags["Name"], "bisonflow-gbif-1");
        assert!(!format!("{asked:?}").contains("secret-1"));
        let control: Control = serde_json::from_slice(&step.store.get(&key).await.unwrap().unwrap()).unwrap();
        assert_eq!((control.task_token.as_str(), control.run.generation), ("secret-1", 1));
    }

    #[tokio::test]
    async fn a_repeat_is_harmless_and_a_new_attempt_ends_the_old_one() {
        let step = step(json!({})).await;
        let first = step.handle(request(Action::Start, "token-1")).await.unwrap();
        assert_eq!(step.handle(request(Action::Start, "token-1")).await.unwrap(), first);
        assert_eq!(step.fleet.state().asked.len(), 1);

        let second = step.handle(request(Action::Start, "token-2")).await.unwrap();
        assert_ne!(second, first);
        assert_eq!(step.fleet.state().terminated, first.instance_ids);
        let key = format!("runs/run=gbif-1/control/{}.json", token_hash("token-2"));
        assert_eq!(control_documents(&step).await, [key]);
        let state = step.fleet.state();
        assert_ne!(state.asked[0].client_token, state.asked[1].client_token);
    }

    #[tokio::test]
    async fn pools_without_capacity_are_passed_over() {
        let step = step(json!({"market": "on-demand"})).await;
        step.fleet.state().without_capacity = vec!["c7gn.xlarge".into()];
        step.handle(request(Action::Start, "token")).await.unwrap();
        let pools: Vec<_> = step
            .fleet
            .state()
            .asked
            .iter()
            .map(|asked| (asked.instance_type.clone(), asked.subnet_id.clone(), asked.market))
            .collect();
        let on_demand = |kind: &str, subnet: &str| (kind.to_owned(), subnet.to_owned(), Market::OnDemand);
        assert_eq!(
            pools,
            [
                on_demand("c7gn.xlarge", "subnet-a"),
                on_demand("c7gn.xlarge", "subnet-b"),
                on_demand("c7g.large", "subnet-a")
            ]
        );
    }

    #[tokio::test]
    async fn where_there_is_no_spot_capacity_an_on_demand_instance_lands() {
        let step = step(json!({})).await;
        step.fleet.state().without_spot = true;
        step.handle(request(Action::Start, "token")).await.unwrap();
        let markets: Vec<_> = step.fleet.state().asked.iter().map(|asked| asked.market).collect();
        assert_eq!(markets, [[Market::Spot; 4].as_slice(), &[Market::OnDemand]].concat());
    }

    #[tokio::test]
    async fn without_an_instance_nothing_stays_behind() {
        let refused = StepError::Internal("ec2:RunInstances was refused with VcpuLimitExceeded".into());
        for (without, refusal, expected, tries) in [
            (vec!["c7gn.xlarge", "c7g.large"], None, ErrorName::CapacityUnavailable, 8),
            (vec![], Some(refused), ErrorName::Internal, 1),
        ] {
            let step = step(json!({})).await;
            step.fleet.state().without_capacity = without.into_iter().map(str::to_owned).collect();
            step.fleet.state().refusal = refusal;
            let error = step.handle(request(Action::Start, "token")).await.unwrap_err();
            assert_eq!((error.name(), step.fleet.state().asked.len()), (expected, tries));
            assert!(control_documents(&step).await.is_empty());
        }
    }

    #[tokio::test]
    async fn terminate_ends_instances_and_deletes_control_documents() {
        let step = step(json!({})).await;
        let launched = step.handle(request(Action::Start, "token")).await.unwrap();
        assert_eq!(step.handle(request(Action::Terminate, "")).await.unwrap(), launched);
        assert!(step.fleet.state().living.is_empty() && control_documents(&step).await.is_empty());
        let again = step.handle(request(Action::Terminate, "")).await.unwrap();
        assert!(again.instance_ids.is_empty());
    }

    #[tokio::test]
    async fn a_download_that_gbif_has_not_made_costs_no_instance() {
        let step = step(json!({})).await;
        let key = "runs/run=gbif-1/plan.json";
        let plan = String::from_utf8(step.store.get(key).await.unwrap().unwrap().to_vec()).unwrap();
        let plan = plan
            .replace(r#""source":"s3://data/uploads/a.zip""#, r#""download_key":"0006607-230918134249559""#);
        step.store.put(key, plan).await.unwrap();
        let error = step.handle(request(Action::Start, "token")).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::SourceUnavailable, "{error}");
        assert!(step.fleet.state().asked.is_empty() && control_documents(&step).await.is_empty());
    }

    #[tokio::test]
    async fn wrong_requests_launch_nothing() {
        let step = step(json!({})).await;
        let error = step.handle(request(Action::Start, "")).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidInput);
        let mut taken_over = request(Action::Start, "token");
        taken_over.run.execution_arn = "arn:another".into();
        assert_eq!(step.handle(taken_over).await.unwrap_err().name(), ErrorName::RunTakenOver);
        assert!(step.fleet.state().asked.is_empty());
    }
}
