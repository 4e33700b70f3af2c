//! The instances that land downloads.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    Filter, InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceType,
    LaunchTemplateSpecification, MarketType, ResourceType, ShutdownBehavior, SpotInstanceType,
    SpotMarketOptions, Tag, TagSpecification,
};
use bisonflow_contract::input::Market;
use bisonflow_contract::{RunId, StepError};

use super::{failed, lacks};
use crate::fleet::{Fleet, Instance, LaunchRequest, RUN_TAG, TOKEN_HASH_TAG};

/// What launching calls: the tags and the loader's role are given along with the instance.
pub const LAUNCH: &[&str] = &["ec2:RunInstances", "ec2:CreateTags", "iam:PassRole"];
/// What finding a run's instances calls.
pub const FIND: &[&str] = &["ec2:DescribeInstances"];
/// What ending instances calls.
pub const TERMINATE: &[&str] = &["ec2:TerminateInstances"];
/// All of them.
pub const ACTIONS: &[&str] = &[
    "ec2:RunInstances",
    "ec2:CreateTags",
    "iam:PassRole",
    "ec2:DescribeInstances",
    "ec2:TerminateInstances",
];

/// The pool has nothing to give; another may.
const NO_CAPACITY: &[&str] = &[
    "InsufficientFreeAddressesInSubnet",
    "InsufficientInstanceCapacity",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
    "Unsupported",
];

/// The states of an instance that still costs money.
const LIVING: &[&str] = &["pending", "running", "stopping", "stopped"];

/// The instances of this account and region.
#[derive(Clone, Debug)]
pub struct Ec2Fleet {
    client: Client,
}

impl Ec2Fleet {
    /// The instances that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Ec2Fleet { client: Client::new(config) }
    }
}

fn tags(kind: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

/// Spot, one time, ended when interrupted, without a price limit; none for On-Demand.
fn market(market: Market) -> Option<InstanceMarketOptionsRequest> {
    let spot = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
        .build();
    match market {
        Market::OnDemand => None,
        Market::Spot => Some(
            InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(spot).build(),
        ),
    }
}

#[async_trait]
impl Fleet for Ec2Fleet {
    async fn run_instance(&self, request: &LaunchRequest) -> Result<String, StepError> {
        let action = "ec2:RunInstances";
        let template = LaunchTemplateSpecification::builder()
            .launch_template_id(&request.launch_template_id)
            .version("$Latest")
            .build();
        let answer = self
            .client
            .run_instances()
            .launch_template(template)
            .min_count(1)
            .max_count(1)
            .subnet_id(&request.subnet_id)
            .instance_type(InstanceType::from(request.instance_type.as_str()))
            .set_instance_market_options(market(request.market))
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .client_token(&request.client_token)
            .user_data(aws_smithy_types::base64::encode(&request.user_data))
            .tag_specifications(tags(ResourceType::Instance, &request.tags))
            .tag_specifications(tags(ResourceType::Volume, &request.tags))
            .send()
            .await
            .map_err(|error| match error.code() {
                Some(code) if NO_CAPACITY.contains(&code) => StepError::CapacityUnavailable(format!(
                    "no {} ({:?}) in {}: {code}: {}",
                    request.instance_type,
                    request.market,
                    request.subnet_id,
                    error.message().unwrap_or_default()
                )),
                _ => failed(action, &error),
            })?;
        let instance = answer.instances().first().ok_or_else(|| lacks(action, "an instance"))?;
        Ok(instance.instance_id().ok_or_else(|| lacks(action, "an instance id"))?.to_owned())
    }

    async fn instances_of_run(&self, run: &RunId) -> Result<Vec<Instance>, StepError> {
        let of_run = Filter::builder().name(format!("tag:{RUN_TAG}")).values(run.as_str()).build();
        let living = LIVING.iter().map(|&state| state.to_owned()).collect();
        let living = Filter::builder().name("instance-state-name").set_values(Some(living)).build();
        let mut pages =
            self.client.describe_instances().filters(of_run).filters(living).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ec2:DescribeInstances", &error))?;
            for instance in page.reservations().iter().flat_map(|reservation| reservation.instances()) {
                let hash = instance.tags().iter().find(|tag| tag.key() == Some(TOKEN_HASH_TAG));
                found.push(Instance {
                    id: instance
                        .instance_id()
                        .ok_or_else(|| lacks("ec2:DescribeInstances", "an instance id"))?
                        .to_owned(),
                    token_hash: hash.and_then(|tag| tag.value()).map(str::to_owned),
                });
            }
        }
        Ok(found)
    }

    async fn terminate(&self, ids: &[String]) -> Result<(), StepError> {
        // One by one: EC2 ends none of several if it does not know one of them.
        for id in ids {
            match self.client.terminate_instances().instance_ids(id).send().await {
                Ok(_) => {}
                Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => {}
                Err(error) => return Err(failed("ec2:TerminateInstances", &error)),
            }
        }
        Ok(())
    }
}
