//! The stack gives the code what it needs, and no more.

use std::collections::{BTreeMap, BTreeSet};

use bisonflow_contract::layout;
use bisonflow_tests::template::one_or_more;
use bisonflow_tests::{Definition, STEPS, Step, Template, repo, source};
use serde_json::{Value, json};

/// The functions: crate folder → logical id.
fn functions() -> BTreeMap<&'static str, String> {
    STEPS.iter().map(|step| (step.function, Step::function_id(step))).collect()
}

/// What Lambda does with the role, not the function's code.
fn is_of_the_runtime(action: &str) -> bool {
    action.starts_with("logs:")
}

/// Actions that IAM knows no resource for.
const WITHOUT_RESOURCE: [&str; 12] = [
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ec2:DescribeInstances",
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

fn actions(statement: &Value) -> BTreeSet<&str> {
    one_or_more(&statement["Action"]).into_iter().filter_map(Value::as_str).collect()
}

#[test]
fn every_function_of_the_template_is_a_step_and_the_other_way_round() {
    let template = Template::read();
    let in_template: BTreeSet<&str> =
        template.resources_of("AWS::Serverless::Function").into_keys().collect();
    let functions = functions();
    assert_eq!(in_template, functions.values().map(String::as_str).collect());
    let definition = Definition::read();
    let invoked: BTreeSet<&str> = definition.function_tasks().filter_map(|state| state.function()).collect();
    assert_eq!(in_template, invoked);
    for (folder, id) in &functions {
        let metadata = &template.json["Resources"][id]["Metadata"];
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda", "{id}");
        assert_eq!(metadata["BuildProperties"]["Binary"], *folder, "{id}");
    }
}

#[test]
fn functions_are_arm64_binaries() {
    let globals = &Template::read().json["Globals"]["Function"];
    assert_eq!(globals["Runtime"], "provided.al2023");
    assert_eq!(globals["Handler"], "bootstrap");
    assert_eq!(globals["Architectures"], json!(["arm64"]));
}

#[test]
fn every_substitution_of_the_definition_is_defined_and_the_other_way_round() {
    let template = Template::read();
    let defined = template.properties("StateMachine")["DefinitionSubstitutions"].as_object();
    let defined: BTreeSet<String> = defined.expect("the machine has substitutions").keys().cloned().collect();
    assert_eq!(Definition::read().substitutions(), defined);
    assert_eq!(template.properties("StateMachine")["DefinitionUri"], bisonflow_tests::definition::PATH);
}

#[test]
fn a_substitution_names_what_it_is_called_after() {
    let template = Template::read();
    let substitutions = template.properties("StateMachine")["DefinitionSubstitutions"].as_object();
    for (name, value) in substitutions.expect("the machine has substitutions") {
        let id = name.strip_suffix("Arn").expect("a substitution is an ARN");
        assert!(
            *value == json!({"Fn::GetAtt": [id, "Arn"]}) || *value == json!({"Ref": id}),
            "{name}: {value}"
        );
    }
}

#[test]
fn a_task_outlives_its_function() {
    let template = Template::read();
    let definition = Definition::read();
    for step in STEPS {
        let function = template.properties(&step.function_id());
        let timeout = function["Timeout"].as_u64().expect("a function has a Timeout");
        let task =
            definition.state(step.state).json["TimeoutSeconds"].as_u64().expect("a task has a timeout");
        assert!(timeout < task, "{}: the function may take {timeout} s, the task {task} s", step.state);
    }
}

#[test]
fn a_function_gets_the_environment_that_it_declares() {
    let template = Template::read();
    for (folder, id) in functions() {
        let variables = template.properties(&id)["Environment"]["Variables"].as_object();
        let mut given: BTreeSet<String> =
            variables.expect("a function has variables").keys().cloned().collect();
        assert!(given.remove("RUST_LOG"), "{id} has no RUST_LOG");
        assert_eq!(given, source::string_list(&format!("functions/{folder}/src/lib.rs"), "ENV"), "{id}");
    }
}

#[test]
fn a_function_may_do_what_it_declares_and_nothing_else() {
    let template = Template::read();
    for (folder, id) in functions() {
        let role = id.replace("Function", "Role");
        assert_eq!(template.properties(&id)["Role"], json!({"Fn::GetAtt": [role, "Arn"]}), "{id}");
        let allowed: BTreeSet<String> = template
            .statements(&role)
            .into_iter()
            .flat_map(actions)
            .filter(|action| !is_of_the_runtime(action))
            .map(str::to_owned)
            .collect();
        let declared = source::string_list(&format!("functions/{folder}/src/lib.rs"), "ACTIONS");
        assert_eq!(allowed, declared, "left: {role} in template.yaml; right: ACTIONS in functions/{folder}");
    }
}

#[test]
fn what_a_function_declares_an_adapter_calls() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for adapter in ["glue", "ec2", "batch", "secretsmanager", "sfn"] {
        known.extend(source::string_list(&format!("shared/cloud/src/aws/{adapter}.rs"), "ACTIONS"));
    }
    for (folder, _) in functions() {
        for action in source::string_list(&format!("functions/{folder}/src/lib.rs"), "ACTIONS") {
            assert!(
                action.starts_with("s3:") || known.contains(&action),
                "{folder}: no adapter calls {action}"
            );
        }
    }
}

#[test]
fn no_role_may_do_everything_or_to_everything() {
    let template = Template::read();
    for role in template.resources_of("AWS::IAM::Role").into_keys() {
        if template.properties(role)["Policies"].is_null() {
            continue; // a managed policy of AWS
        }
        for statement in template.statements(role) {
            for action in actions(statement) {
                assert!(!action.contains('*'), "{role}: {action}");
            }
            if one_or_more(&statement["Resource"]).contains(&&json!("*")) {
                let excused: BTreeSet<&str> = WITHOUT_RESOURCE.into();
                assert!(actions(statement).is_subset(&excused), "{role}: {statement} on everything");
            }
            let objects =
                one_or_more(&statement["Resource"]).into_iter().filter_map(|r| r["Fn::Sub"].as_str());
            for resource in objects.filter(|resource| resource.starts_with("${DataBucket.Arn}")) {
                assert!(resource != "${DataBucket.Arn}/*", "{role}: the whole bucket");
            }
        }
    }
}

#[test]
fn instances_are_launched_tagged_and_from_the_template_only() {
    let template = Template::read();
    let mut seen = BTreeSet::new();
    for statement in template.statements("LaunchSpotDownloaderRole") {
        let condition = &statement["Condition"];
        for action in actions(statement) {
            let limited = match action {
                "ec2:RunInstances" if statement["Sid"] == "AskForSpot" => true, // no template applies to the request
                "ec2:RunInstances" => condition["ArnEquals"]["ec2:LaunchTemplate"].is_object(),
                "ec2:CreateTags" => condition["StringEquals"]["ec2:CreateAction"] == "RunInstances",
                "ec2:TerminateInstances" => condition["StringLike"]["aws:ResourceTag/bisonflow:run"] == "?*",
                "iam:PassRole" => {
                    statement["Resource"] == json!({"Fn::GetAtt": ["DownloaderRole", "Arn"]})
                        && condition["StringEquals"]["iam:PassedToService"] == "ec2.amazonaws.com"
                }
                _ => continue,
            };
            assert!(limited, "{statement}");
            seen.insert(action);
        }
    }
    let expected = ["ec2:CreateTags", "ec2:RunInstances", "ec2:TerminateInstances", "iam:PassRole"];
    assert_eq!(seen, expected.into());
}

#[test]
fn a_task_token_is_for_who_answers_alone() {
    let template = Template::read();
    for role in template.resources_of("AWS::IAM::Role").into_keys() {
        if ["DownloaderRole", "ApproverRole"].contains(&role)
            || template.properties(role)["Policies"].is_null()
        {
            continue;
        }
        for statement in template.statements(role) {
            if !actions(statement).iter().any(|action| action.starts_with("s3:GetObject")) {
                continue;
            }
            for resource in one_or_more(&statement["Resource"]) {
                let text = resource["Fn::Sub"].as_str().unwrap_or_default();
                assert!(!text.ends_with("/runs/*") && !text.contains("control"), "{role} reads {text}");
            }
        }
    }
    let bucket = template.properties("DataBucketPolicy")["PolicyDocument"]["Statement"].as_array();
    let refusal = bucket
        .expect("the bucket has a policy")
        .iter()
        .find(|statement| statement["Resource"] == json!({"Fn::Sub": "${DataBucket.Arn}/runs/*/control/*"}))
        .expect("the policy is about control documents");
    assert_eq!(refusal["Effect"], "Deny");
    let but = &refusal["Condition"]["ArnNotEquals"]["aws:PrincipalArn"];
    assert_eq!(
        *but,
        json!([{"Fn::GetAtt": ["DownloaderRole", "Arn"]}, {"Fn::GetAtt": ["ApproverRole", "Arn"]}])
    );
    let mut read = Vec::new();
    for statement in template.statements("ApproverRole") {
        if actions(statement).contains("s3:GetObject") {
            read.extend(
                one_or_more(&statement["Resource"]).into_iter().filter_map(|at| at["Fn::Sub"].as_str()),
            );
        }
    }
    assert_eq!(
        read,
        ["${DataBucket.Arn}/runs/*/control/approval.json", "${DataBucket.Arn}/runs/latest.json"]
    );
}

#[test]
fn absence_is_never_forbidden() {
    let template = Template::read();
    let reads_objects = |statement: &&Value| actions(statement).contains("s3:GetObject");
    for role in template.resources_of("AWS::IAM::Role").into_keys() {
        if template.properties(role)["Policies"].is_null() {
            continue;
        }
        let statements = template.statements(role);
        if statements.iter().any(reads_objects) {
            // With a condition on the prefix, S3 would answer 403 to a GET of a missing key.
            let lists = statements.iter().any(|statement| {
                actions(statement).contains("s3:ListBucket")
                    && statement["Condition"].is_null()
                    && one_or_more(&statement["Resource"])
                        .contains(&&json!({"Fn::GetAtt": ["DataBucket", "Arn"]}))
            });
            assert!(lists, "{role} reads objects and may not list: a missing key would be 403");
        }
    }
}

#[test]
fn uploads_that_a_killed_landing_left_are_aborted_by_the_next_one_or_by_the_bucket() {
    let template = Template::read();
    let mut listing = Vec::new();
    let mut aborted = BTreeSet::new();
    for role in template.resources_of("AWS::IAM::Role").into_keys() {
        if template.properties(role)["Policies"].is_null() {
            continue;
        }
        for statement in template.statements(role) {
            if actions(statement).contains("s3:ListBucketMultipartUploads") {
                // A condition on the prefix would never hold: S3 tells no s3:prefix with this action.
                assert!(statement["Condition"].is_null(), "{statement}");
                assert_eq!(statement["Resource"], json!({"Fn::GetAtt": ["DataBucket", "Arn"]}), "{role}");
                listing.push(role);
            }
            if role == "DownloaderRole" && actions(statement).contains("s3:AbortMultipartUpload") {
                aborted.extend(
                    one_or_more(&statement["Resource"]).into_iter().filter_map(|at| at["Fn::Sub"].as_str()),
                );
            }
        }
    }
    assert_eq!(listing, ["DownloaderRole"]);
    for prefix in ["occurrences/*", "runs/*/rejects/*"] {
        assert!(aborted.contains(format!("${{DataBucket.Arn}}/{prefix}").as_str()), "{prefix}: {aborted:?}");
    }
    let rules = &template.properties("DataBucket")["LifecycleConfiguration"]["Rules"];
    let rule = rules.as_array().expect("the bucket has rules").iter().find(|rule| {
        rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"].is_number() && rule["Prefix"].is_null()
    });
    assert_eq!(rule.expect("a rule ends unfinished uploads")["Status"], "Enabled");
}

#[test]
fn the_stack_and_the_contract_agree_on_where_things_are() {
    let template = Template::read();
    let pattern = &template.properties("UploadRule")["EventPattern"];
    assert_eq!(pattern["detail"]["object"]["key"], json!([{"prefix": layout::UPLOADS}]));
    assert_eq!(pattern["detail"]["bucket"]["name"], json!([{"Ref": "DataBucket"}]));
    assert_eq!(pattern["detail-type"], json!(["Object Created"]));
    let target = &template.properties("UploadRule")["Targets"][0];
    assert!(target["DeadLetterConfig"]["Arn"].is_object() && target["RoleArn"].is_object());
    let crawled = &template.properties("Crawler")["Targets"]["S3Targets"][0]["Path"];
    assert_eq!(*crawled, json!({"Fn::Sub": format!("s3://${{DataBucket}}/{}/", layout::OCCURRENCES)}));
}

#[test]
fn the_crawler_is_configured_as_aws_accepts_it() {
    let template = Template::read();
    let crawler = template.properties("Crawler");
    assert_eq!(crawler["RecrawlPolicy"]["RecrawlBehavior"], "CRAWL_NEW_FOLDERS_ONLY");
    assert_eq!(crawler["SchemaChangePolicy"], json!({"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}));
    let configuration = crawler["Configuration"].as_str().expect("the configuration is a text");
    let configuration: Value = serde_json::from_str(configuration).expect("the configuration is JSON");
    assert_eq!(configuration["Grouping"]["TableGroupingPolicy"], "CombineCompatibleSchemas");
    assert_eq!(configuration["Grouping"]["TableLevelConfiguration"], 2);
    assert_eq!(configuration["CrawlerOutput"]["Partitions"]["AddOrUpdateBehavior"], "InheritFromTable");
}

#[test]
fn batch_retries_what_is_temporary_and_nothing_else() {
    let template = Template::read();
    let rules = &template.properties("JobDefinition")["RetryStrategy"]["EvaluateOnExit"];
    let rules = rules.as_array().expect("the job definition has rules");
    let last = rules.last().expect("there are rules");
    assert_eq!(*last, json!({"Action": "EXIT", "OnReason": "*"}), "what matches nothing would be retried");
    let codes: Vec<&str> = rules.iter().filter_map(|rule| rule["OnExitCode"].as_str()).collect();
    let temporary = bisonflow_contract::StepError::SourceUnavailable(String::new()).exit_code();
    assert_eq!(codes, [temporary.to_string()]);
    for rule in rules {
        for field in ["OnReason", "OnStatusReason", "OnExitCode"] {
            let text = rule[field].as_str().unwrap_or_default();
            assert!(!text.trim_end_matches('*').contains('*'), "{text}: only a trailing * is allowed");
        }
    }
}

#[test]
fn secrets_and_machines_are_kept_in() {
    let template = Template::read();
    let bucket = template.properties("DataBucket");
    for switch in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        assert_eq!(bucket["PublicAccessBlockConfiguration"][switch], true, "{switch}");
    }
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    assert!(bucket["BucketEncryption"].is_object());
    for (id, launch) in template.resources_of("AWS::EC2::LaunchTemplate") {
        let metadata = &launch["LaunchTemplateData"]["MetadataOptions"];
        assert_eq!(metadata["HttpTokens"], "required", "{id}");
        assert_eq!(metadata["HttpPutResponseHopLimit"], 1, "{id}");
        let disks =
            launch["LaunchTemplateData"]["BlockDeviceMappings"].as_array().expect("disks are declared");
        assert!(disks.iter().all(|disk| disk["Ebs"]["Encrypted"] == true), "{id}");
        assert!(launch["LaunchTemplateData"]["KeyName"].is_null(), "{id}: no SSH");
    }
    let downloader = &template.properties("LaunchTemplate")["LaunchTemplateData"];
    assert_eq!(downloader["InstanceInitiatedShutdownBehavior"], "terminate");
    for (id, group) in template.resources_of("AWS::EC2::SecurityGroup") {
        assert!(group["SecurityGroupIngress"].is_null(), "{id}: an inbound rule");
    }
    // A task token is in the execution's data.
    assert_eq!(template.properties("StateMachine")["Logging"]["IncludeExecutionData"], false);
}

#[test]
fn logs_expire() {
    let template = Template::read();
    for (id, group) in template.resources_of("AWS::Logs::LogGroup") {
        assert!(!group["RetentionInDays"].is_null(), "{id}");
    }
    for (folder, id) in functions() {
        let logs = id.replace("Function", "Logs");
        assert_eq!(template.properties(&id)["LoggingConfig"]["LogGroup"], json!({"Ref": logs}), "{folder}");
    }
}

#[test]
fn the_image_runs_what_the_job_definition_asks() {
    let dockerfile = repo::read("worker/Dockerfile");
    assert!(dockerfile.contains("ENTRYPOINT [\"bisonflow\"]"));
    let template = Template::read();
    let command = template.properties("JobDefinition")["ContainerProperties"]["Command"].clone();
    let expected =
        ["annotate", "--root", "Ref::root", "--run-id", "Ref::run_id", "--generation", "Ref::generation"];
    assert_eq!(command, json!(expected));
}
