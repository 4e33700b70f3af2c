use bisonflow_cloud::{Store, reference};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{Plan, Reference};
use serde_json::{Value, json};

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

#[tokio::test]
async fn files_of_this_machine_are_pinned_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("layers.toml"), LAYERS).unwrap();
    std::fs::write(path("own.csv"), RIIS).unwrap();
    let options = options(json!({}));
    let error = reference::pin_files(Some(&path("layers.toml")), None, &options).unwrap_err();
    assert!(
        error.to_string().contains("layer square, source") && error.to_string().contains("squares.geojson")
    );
    std::fs::write(path("squares.geojson"), squares()).unwrap();
    let reference =
        reference::pin_files(Some(&path("layers.toml")), Some(&path("own.csv")), &options).unwrap();
    let store = Store::memory();
    reference::validate(&store, &reference, &options).await.unwrap();
    let some_plan = plan(&self::store().await, json!({})).await;
    let plan = Plan { reference, ..some_plan };
    assert_eq!(reference::register(&store, &plan).await.unwrap().unwrap().rows(), 1);
    assert!(reference::pin_files(Some(&path("absent.toml")), None, &options).is_err());
}
