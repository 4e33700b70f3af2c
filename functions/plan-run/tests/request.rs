//! A download that many ask for is requested from GBIF once.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bisonflow_cloud::Store;
use bisonflow_cloud::executions::{ExecutionStatus, MemoryExecutions};
use bisonflow_cloud::gbif_download::GbifDownloads;
use bisonflow_cloud::secrets::MemorySecrets;
use bisonflow_contract::input::{DownloadRequest, Options};
use bisonflow_contract::{DownloadKey, StepError};
use plan_run::request::DownloadRequests;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// GBIF: gives another key for every request; and the requests.
async fn gbif() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut buffer) = (String::new(), [0; 4096]);
            while !request.ends_with("}") {
                let read = stream.read(&mut buffer).await.unwrap();
                request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(request);
                seen.len()
            };
            // Others have time to ask for the same.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let key = format!("{number:07}-260101000000000");
            let length = key.len();
            let answer =
                format!("HTTP/1.1 201 Created\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{key}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, requests)
}

struct Asking {
    requests: DownloadRequests,
    executions: MemoryExecutions,
    store: Store,
}

impl Asking {
    async fn ask(&self, execution: &str, request: Value, options: Value) -> Result<DownloadKey, StepError> {
        let request: DownloadRequest = serde_json::from_value(request).unwrap();
        let options: Options = serde_json::from_value(options).unwrap();
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        self.requests.key(&self.store, &self.executions, (&request, &options), execution, now).await
    }
}

async fn asking() -> (Asking, Arc<Mutex<Vec<String>>>) {
    let (url, seen) = gbif().await;
    let account = r#"{"username": "someone", "password": "hidden!"}"#;
    let requests = DownloadRequests {
        gbif: GbifDownloads::new(&url).unwrap(),
        secret: "gbif".into(),
        secrets: Arc::new(MemorySecrets(BTreeMap::from([("gbif".into(), account.into())]))),
    };
    let executions = MemoryExecutions(BTreeMap::from([
        ("first".into(), ExecutionStatus::Running),
        ("second".into(), ExecutionStatus::Running),
        ("dead".into(), ExecutionStatus::Failed),
    ]));
    (Asking { requests, executions, store: Store::memory() }, seen)
}

fn us() -> Value {
    json!({"predicate": {"type": "equals", "key": "COUNTRY", "value": "US"}})
}

#[tokio::test]
async fn what_is_asked_for_again_is_not_requested_again() {
    let (asking, seen) = asking().await;
    let first = asking.ask("first", us(), json!({})).await.unwrap();
    assert_eq!(first.to_string(), "0000001-260101000000000");
    let same: Value = serde_json::from_str(
        r#"{"format": "DWCA", "predicate": {"value": "US", "key": "COUNTRY", "type": "equals"}}"#,
    )
    .unwrap();
    for (execution, request, options) in [
        ("first", us(), json!({})),
        ("second", same, json!({"subset_records": 7})),
        ("first", us(), json!({"force": true})),
    ] {
        assert_eq!(asking.ask(execution, request, options).await.unwrap(), first);
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    let request = seen.lock().unwrap()[0].clone();
    // someone:hidden!
    assert!(request.to_lowercase().contains("authorization: basic c29tzw9uztpoawrkzw4h"), "{request}");
    assert!(request.to_lowercase().contains("user-agent: bisonflow/"), "{request}");
    assert!(
        request.contains(r#""creator":"someone""#) && request.contains(r#""format":"DWCA""#),
        "{request}"
    );
    let kept = asking.store.list("requests/").await.unwrap();
    let text = asking.store.get(kept[0].location.as_ref()).await.unwrap().unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(kept.len() == 1 && !text.contains("hidden!") && !text.contains("someone"), "{text}");

    // The records as they are now, another checklist, another form: something else.
    let others = [
        asking.ask("second", us(), json!({"force": true})).await.unwrap(),
        asking.ask("second", us(), json!({"checklist": "col"})).await.unwrap(),
        asking
            .ask("second", json!({"predicate": us()["predicate"], "format": "SIMPLE_CSV"}), json!({}))
            .await
            .unwrap(),
    ];
    assert_eq!(others.map(|key| key.to_string()[..7].to_owned()), ["0000002", "0000003", "0000004"]);
    assert!(seen.lock().unwrap()[2].contains("7ddf754f-d193-4cc9-b351-99906754a03b"));
    assert_eq!(asking.ask("first", us(), json!({})).await.unwrap().to_string()[..7], *"0000002");
}

#[tokio::test]
async fn of_those_who_ask_together_one_requests() {
    let (asking, seen) = asking().await;
    let (one, two) =
        tokio::join!(asking.ask("first", us(), json!({})), asking.ask("second", us(), json!({})));
    let (keys, errors): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
    assert_eq!((keys.len(), errors.len()), (1, 1), "{keys:?} {errors:?}");
    let error = errors[0].as_ref().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("requesting the same download"), "{error}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn who_died_while_asking_is_replaced() {
    let (asking, seen) = asking().await;
    let pending = |execution: &str| {
        json!({"request": {"predicate": us()["predicate"], "format": "DWCA"}, "checklist": null,
            "execution_arn": execution, "requested_at": "2026-11-23T00:00:00Z", "download_key": null})
    };
    asking.ask("first", us(), json!({})).await.unwrap();
    let document = asking.store.list("requests/").await.unwrap()[0].location.to_string();
    for (holder, asks, requested) in [("dead", "first", 2), ("second", "first", 2), ("first", "first", 3)] {
        asking.store.put(&document, pending(holder).to_string()).await.unwrap();
        let found = asking.ask(asks, us(), json!({})).await;
        assert_eq!(found.is_ok(), holder != "second", "{holder}: {found:?}");
        assert_eq!(seen.lock().unwrap().len(), requested, "{holder}");
    }
}
