use std::path::Path;

use bisonflow_cloud::Store;
use bisonflow_cloud::reference::{self, Files, Pushed};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{Plan, Reference};
use bisonflow_contract::id::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{LAYERS, RIIS, options, plan, squares, store};

async fn pin(store: &Store, asked: Value) -> Result<Reference, StepError> {
    let options = options(asked);
    let pinned = reference::pin(store, &options).await?;
    reference::validate(store, &pinned, &options).await?;
    Ok(pinned)
}

#[tokio::test]
async fn what_is_in_the_bucket_wins_over_the_default() {
    let empty = Store::memory();
    let pinned = pin(&empty, json!({"riis": "none"})).await.unwrap();
    assert_eq!(pinned.layers_toml.uri, "default:layers.toml");
    assert!(pinned.layer_sources.values().all(|pin| pin.uri.starts_with("default:")), "{pinned:?}");
    assert_eq!(pinned.riis, None);

    let pinned = pin(&store().await, json!({})).await.unwrap();
    assert_eq!(pinned.layers_toml.uri, "s3://memory/reference/layers.toml");
    assert_eq!(pinned.layer_sources["squares.geojson"].bytes, squares().len() as u64);
    assert_eq!(pinned.riis.unwrap().bytes, RIIS.len() as u64);
}

#[tokio::test]
async fn what_was_pinned_is_read_or_nothing() {
    let store = store().await;
    let plan = plan(&store, json!({"layers": ["square"]})).await;
    assert_eq!(reference::layers_config(&store, &plan).await.unwrap().layers.len(), 1);
    assert_eq!(reference::index(&store, &plan).await.unwrap().layers().len(), 1);
    assert_eq!(reference::register(&store, &plan).await.unwrap().unwrap().rows(), 1);

    store.put("reference/riis.csv", RIIS.replace("Invasive,2", "Introduced,2")).await.unwrap();
    let changed = reference::register(&store, &plan).await.unwrap_err();
    assert!(changed.to_string().contains("was changed meanwhile"), "{changed}");
    store.delete(["reference/riis.csv".to_owned()]).await.unwrap();
    let gone = reference::register(&store, &plan).await.unwrap_err();
    assert!(gone.to_string().contains("s3://memory/reference/riis.csv: it was there"), "{gone}");
    for error in [changed, gone] {
        assert_eq!(error.name().as_str(), "BadReferenceData");
    }
}

#[tokio::test]
async fn bad_reference_data_names_file_and_field() {
    let cases: [(&str, Value, Option<String>, &[&str]); 13] = [
        ("reference/riis.csv", json!({}), None, &["s3://memory/reference/riis.csv", "options.riis", "none"]),
        ("x", json!({"riis": "s3://memory/reference/own.csv"}), None, &["options.riis", "reference/own.csv"]),
        (
            "reference/riis.csv",
            json!({}),
            Some("locality,occurrenceID\nL48,1\n".into()),
            &["reference/riis.csv", "key column"],
        ),
        ("reference/squares.geojson", json!({}), None, &["layer square", "reference/squares.geojson"]),
        ("reference/squares.geojson", json!({}), Some("{".into()), &["square", "squares.geojson"]),
        (
            "reference/squares.geojson",
            json!({}),
            Some(squares().replace("NAME", "TITLE")),
            &["squares.geojson", "NAME"],
        ),
        (
            "reference/squares.geojson",
            json!({}),
            Some(squares().replace("-100.0", "250000.0")),
            &["squares.geojson"],
        ),
        ("reference/layers.toml", json!({}), Some("[[layer]\n".into()), &["layers.toml"]),
        (
            "reference/layers.toml",
            json!({}),
            Some(LAYERS.replace("square_name =", "species =")),
            &["species"],
        ),
        (
            "reference/layers.toml",
            json!({}),
            Some(LAYERS.replace("name = \"square\"\nby", "name = \"../x\"\nby")),
            &["../x"],
        ),
        (
            "reference/layers.toml",
            json!({}),
            Some(LAYERS.replace("riis_region_from = \"square_state\"", "")),
            &["no riis_region_from", "register"],
        ),
        (
            "reference/layers.toml",
            json!({}),
            Some(LAYERS.replace("riis_region_from = \"square_state\"", "riis_region_from = \"square_name\"")),
            &["square_name", "postal code"],
        ),
        ("reference/layers.toml", json!({"columns": ["Square_ID"]}), Some(LAYERS.into()), &["square_id"]),
    ];
    for (key, asked, content, named) in cases {
        let store = store().await;
        match &content {
            Some(content) => store.put(key, content.clone()).await.unwrap(),
            None => store.delete([key.to_owned()]).await.unwrap(),
        }
        let error = pin(&store, asked).await.unwrap_err();
        assert_eq!(error.name().as_str(), "BadReferenceData", "{key} {content:?}: {error}");
        for name in named {
            assert!(error.to_string().contains(name), "{key} {content:?}: {error}");
        }
    }
    let error = pin(&store().await, json!({"layers": ["round"]})).await.unwrap_err();
    assert!(matches!(&error, StepError::InvalidInput(text) if text.contains("options.layers")), "{error}");
}

fn files<'a>(layers_toml: &'a Path, register: Option<&'a Path>) -> Files<'a> {
    Files { layers_toml: Some(layers_toml), index: None, register }
}

#[tokio::test]
async fn files_of_this_machine_are_pinned_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (layers, register) = (path("layers.toml"), path("own.csv"));
    std::fs::write(path("layers.toml"), LAYERS).unwrap();
    std::fs::write(path("own.csv"), RIIS).unwrap();
    let options = options(json!({}));
    let error = reference::pin_files(&files(&layers, None), &options).unwrap_err();
    assert!(
        error.to_string().contains("layer square, source") && error.to_string().contains("squares.geojson")
    );
    std::fs::write(path("squares.geojson"), squares()).unwrap();
    let reference = reference::pin_files(&files(&layers, Some(&register)), &options).unwrap();
    let store = Store::memory();
    reference::validate(&store, &reference, &options).await.unwrap();
    let some_plan = plan(&self::store().await, json!({})).await;
    let plan = Plan { reference, ..some_plan };
    assert_eq!(reference::register(&store, &plan).await.unwrap().unwrap().rows(), 1);
    assert!(reference::pin_files(&files(&path("absent.toml"), None), &options).is_err());
}

/// Pushes the squares and their register from a folder.
async fn push(
    store: &Store,
    layers: &str,
    squares: &str,
    register: Option<&str>,
) -> Result<Vec<Pushed>, StepError> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("layers.toml"), layers).unwrap();
    std::fs::write(path("squares.geojson"), squares).unwrap();
    std::fs::write(path("own.csv"), register.unwrap_or_default()).unwrap();
    reference::push(store, Some(&path("layers.toml")), register.map(|_| path("own.csv")).as_deref()).await
}

#[tokio::test]
async fn what_is_pushed_is_pinned_and_its_index_used() {
    let store = Store::memory();
    let sent = |pushed: &[Pushed]| -> Vec<String> {
        let sent = pushed.iter().filter(|one| !one.was_there);
        sent.map(|one| one.uri.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let pushed = push(&store, LAYERS, &squares(), Some(RIIS)).await.unwrap();
    assert_eq!(sent(&pushed), ["squares.geojson", "layers.toml", "riis.csv", "regions.index"]);
    assert_eq!(sent(&push(&store, LAYERS, &squares(), Some(RIIS)).await.unwrap()), [""; 0]);

    let plan = plan(&store, json!({})).await;
    reference::validate(&store, &plan.reference, plan.options()).await.unwrap();
    let pinned = plan.reference.index.clone().unwrap();
    assert_eq!(pinned.uri, "s3://memory/reference/regions.index");
    let mapped = reference::index(&store, &plan).await.unwrap();
    assert_eq!(hex(&Sha256::digest(mapped.as_bytes())), pinned.sha256);
    // Only the index is needed: sources are not even looked at.
    store.delete(["reference/squares.geojson".to_owned()]).await.unwrap();
    reference::validate(&store, &plan.reference, plan.options()).await.unwrap();
    assert_eq!(reference::index(&store, &plan).await.unwrap().layers().len(), 1);

    // Another register alone leaves the layers as they are, others layers take the index with them.
    let register = RIIS.replace("Invasive,2", "Introduced,2");
    let moved = squares().replace("Square 1", "Square one");
    let pushed = push(&store, LAYERS, &moved, Some(&register)).await.unwrap();
    assert_eq!(sent(&pushed), ["squares.geojson", "riis.csv", "regions.index"]);
    let changed = reference::index(&store, &plan).await.unwrap_err();
    assert!(changed.to_string().contains("was changed meanwhile"), "{changed}");
}

#[tokio::test]
async fn an_index_that_is_not_of_these_layers_is_refused() {
    let fresh = async || {
        let store = Store::memory();
        push(&store, LAYERS, &squares(), Some(RIIS)).await.unwrap();
        store
    };
    let index = fresh().await.get("reference/regions.index").await.unwrap().unwrap();
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = index.to_vec();
        change(&mut bytes);
        bytes
    };
    let other = squares().replace("Square 2", "Square two").into_bytes();
    let settings = LAYERS.replace("\"1:500k\"", "\"1:250k\"").into_bytes();
    for (key, content, word) in [
        ("squares.geojson", other, "squares.geojson with SHA-256"),
        ("layers.toml", settings, "1:250k"),
        ("regions.index", with(|bytes| bytes[8] += 1), "format version"),
        ("regions.index", with(|bytes| bytes.truncate(bytes.len() - 64)), "expected"),
        ("regions.index", b"PK".to_vec(), "another kind of file"),
    ] {
        let store = fresh().await;
        store.put(&format!("reference/{key}"), content).await.unwrap();
        let error = pin(&store, json!({})).await.unwrap_err();
        assert_eq!(error.name().as_str(), "BadReferenceData", "{key}: {error}");
        for word in [word, "s3://memory/reference/regions.index", "bisonflow reference push"] {
            assert!(error.to_string().contains(word), "{key}: {error}");
        }
    }
    // What the beginning does not show is found by the worker.
    let store = fresh().await;
    store.put("reference/regions.index", with(|bytes| *bytes.last_mut().unwrap() ^= 1)).await.unwrap();
    let plan = plan(&store, json!({})).await;
    reference::validate(&store, &plan.reference, plan.options()).await.unwrap();
    let error = reference::index(&store, &plan).await.unwrap_err();
    assert!(error.to_string().contains("damaged") && error.name().as_str() == "BadReferenceData", "{error}");
}

#[tokio::test]
async fn bad_reference_data_is_not_pushed() {
    let store = Store::memory();
    for (layers, squares, register, word) in [
        ("[[layer]\n".to_owned(), squares(), RIIS, "layers.toml"),
        (LAYERS.to_owned(), squares().replace("NAME", "TITLE"), RIIS, "NAME"),
        (LAYERS.to_owned(), squares(), "locality\n", "key column"),
        (LAYERS.replace("riis_region_from = \"square_state\"", ""), squares(), RIIS, "riis_region_from"),
    ] {
        let error = push(&store, &layers, &squares, Some(register)).await.unwrap_err();
        assert_eq!(error.name().as_str(), "BadReferenceData", "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(store.list("reference/").await.unwrap().is_empty());
    }
}
