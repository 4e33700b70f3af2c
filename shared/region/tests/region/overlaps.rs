//! Which region counts where several overlap, and what its fields say.

use bisonflow_region::{Coordinate, FieldValue, Index, LayersConfig, SetId};
use serde_json::{Value, json};

use crate::drawing::{at, collection, rectangle, try_layer};

fn unit(id: &str, west: f64, gap: Value) -> Value {
    json!({"type": "Feature", "properties": {"id": id, "GAP": gap},
           "geometry": {"type": "Polygon", "coordinates": [rectangle(west, 0.0, 2.0, 1.0)]}})
}

#[test]
fn one_region_counts_by_the_rule_of_the_layer() {
    // a: 0–2, b: 1–3, c: 1–3 (a duplicate), d: 2–4
    let units = |gaps: [Value; 4]| {
        let [a, b, c, d] = gaps;
        collection(vec![unit("d", 2.0, d), unit("c", 1.0, c), unit("b", 1.0, b), unit("a", 0.0, a)])
    };
    let numbers = || [json!(10), json!("9"), json!(9), json!(2)];
    let texts = || [json!("10"), json!("9"), json!("x"), json!("2")];
    let nulls = || [json!(null), json!(1), json!(null), json!(3)];
    let cases = [
        // at 0.5: a; at 1.5: a, b, c; at 2.5: b, c, d; at 3.5: d
        ("", numbers(), ["a", "a", "b", "d"]),
        ("overlap = { lowest = \"GAP\" }", numbers(), ["a", "b", "d", "d"]),
        ("overlap = { highest = \"GAP\" }", numbers(), ["a", "a", "b", "d"]),
        ("overlap = { lowest = \"GAP\" }", texts(), ["a", "a", "d", "d"]),
        ("overlap = { highest = \"GAP\" }", texts(), ["a", "c", "c", "d"]),
        ("overlap = { lowest = \"GAP\" }", nulls(), ["a", "b", "b", "d"]),
        ("overlap = { highest = \"GAP\" }", nulls(), ["a", "b", "d", "d"]),
        ("overlap = \"all\"", numbers(), ["a", "a+b+c", "b+c+d", "d"]),
        ("where = \"GAP != '9'\"", numbers(), ["a", "a", "d", "d"]),
        ("where = \"GAP = '9'\"", numbers(), ["", "b", "b", ""]),
    ];
    for (settings, gaps, expected) in cases {
        let index = try_layer(&units(gaps.clone()), settings).unwrap();
        let found = [0.5, 1.5, 2.5, 3.5].map(|lon| at(&index.layers()[0], lon, 0.5));
        assert_eq!(found, expected, "{settings} {gaps:?}");
    }
}

#[test]
fn fields_are_worked_out_for_every_set() {
    let toml = r#"
        [[layer]]
        name = "land"
        source = "land.geojson"
        vintage = "2024"
        scale = "1:24000"
        id = "id"
        overlap = "all"
        fields = { gap = "GAP", label = "{id} ({GAP})" }
    "#;
    let config = LayersConfig::parse(toml, &[]).unwrap();
    let file = collection(vec![unit("a", 0.0, json!(2)), unit("b", 1.0, json!(null))]).to_string();
    let index = Index::build(&config, |_| Ok(file.clone().into_bytes())).unwrap();
    let layer = &index.layers()[0];

    let sets: Vec<Vec<&str>> = layer.set_ids().map(|set| layer.ids(set)).collect();
    assert_eq!(sets, [vec![], vec!["a"], vec!["a", "b"], vec!["b"]]);
    assert_eq!(layer.value(0, SetId::NONE), FieldValue::Null);
    let both = layer.locate(Coordinate::new(1.5, 0.5).unwrap());
    let texts = |field: usize| match layer.value(field, both) {
        FieldValue::Many(texts) => texts.collect::<Vec<_>>(),
        other => panic!("expected a list, found {other:?}"),
    };
    assert_eq!((texts(0), texts(1)), (vec![Some("2"), None], vec![Some("a (2)"), None]));
}

#[test]
fn features_of_one_id_are_one_region_if_they_agree() {
    let parts =
        collection(vec![unit("a", 0.0, json!(1)), unit("b", 2.0, json!(1)), unit("a", 4.0, json!(1))]);
    let index = try_layer(&parts, "overlap = \"all\"").unwrap();
    let layer = &index.layers()[0];
    assert_eq!([0.5, 2.5, 4.5].map(|lon| at(layer, lon, 0.5)), ["a", "b", "a"]);
    assert_eq!((layer.report().regions, layer.report().repeated_ids), (2, 1));
    assert_eq!(layer.region_ids().collect::<Vec<_>>(), ["a", "b"]);

    let torn = collection(vec![unit("a", 0.0, json!(1)), unit("a", 4.0, json!(2))]);
    let error = try_layer(&torn, "overlap = { lowest = \"GAP\" }").unwrap_err().to_string();
    assert!(
        error.starts_with("layer land, land.geojson, feature 2: expected the same values as feature 1"),
        "{error}"
    );
}

#[test]
fn attributes_decide_in_turn() {
    // Three units of the same place, by GAP and acres; the ids would say a.
    let land = |values: [(Value, Value); 3]| {
        let feature = |(id, (gap, acres)): (&str, (Value, Value))| {
            json!({"type": "Feature", "properties": {"id": id, "GAP": gap, "acres": acres},
                   "geometry": {"type": "Polygon", "coordinates": [rectangle(0.0, 0.0, 1.0, 1.0)]}})
        };
        collection(["a", "b", "c"].into_iter().zip(values).map(feature).collect())
    };
    let (lowest, highest) =
        ("overlap = { lowest = [\"GAP\", \"acres\"] }", "overlap = { highest = [\"GAP\", \"acres\"] }");
    let n = Value::Null;
    let cases = [
        // Acres decide between units of one GAP status only.
        (lowest, [(json!("2"), json!(1)), (json!("1"), json!(100)), (json!("1"), json!(20.5))], "c"),
        (highest, [(json!("2"), json!(1)), (json!("1"), json!(100)), (json!("1"), json!(20.5))], "a"),
        (highest, [(json!("1"), json!(1)), (json!("1"), json!(100)), (json!("1"), json!(20.5))], "b"),
        // The same in both: the id.
        (lowest, [(json!("2"), n.clone()), (json!("1.0"), json!("5")), (json!(1), json!(5.0))], "b"),
        // Null comes last either way.
        (lowest, [(n.clone(), json!(1)), (json!(4), n.clone()), (json!(4), json!(9))], "c"),
        (highest, [(n.clone(), json!(1)), (json!(4), n.clone()), (json!(4), json!(9))], "c"),
        // One that is no number makes texts of all: "10" comes before "9".
        (lowest, [(json!(9), json!(1)), (json!(10), json!(1)), (json!("none"), json!(1))], "b"),
    ];
    for (settings, values, expected) in cases {
        let index = try_layer(&land(values.clone()), settings).unwrap();
        assert_eq!(at(&index.layers()[0], 0.5, 0.5), expected, "{settings} {values:?}");
    }
    let error = try_layer(
        &land([(n.clone(), n.clone()), (n.clone(), n.clone()), (n.clone(), n)]),
        "overlap = { lowest = [\"GAP\", \"hectares\"] }",
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("expected an attribute hectares, found GAP, acres, id"), "{error}");
}
