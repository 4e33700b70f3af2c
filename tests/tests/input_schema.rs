//! `statemachine/input.schema.json` and `contract::input::Request::parse` agree.

use bisonflow_contract::input::Request;
use bisonflow_tests::golden;
use bisonflow_tests::input_schema::{PATH, input_schema};
use serde_json::{Value, json};

#[test]
fn the_committed_schema_is_current() {
    golden::assert_golden_value(PATH, &input_schema());
}

#[test]
fn nothing_unknown_is_allowed_at_any_level() {
    fn walk(schema: &Value, at: &str) {
        if let Some(fields) = schema.as_object() {
            if fields.contains_key("properties") {
                assert_eq!(schema["additionalProperties"], false, "{at}");
            }
            for (name, value) in fields {
                walk(value, &format!("{at}/{name}"));
            }
        } else if let Some(values) = schema.as_array() {
            for (index, value) in values.iter().enumerate() {
                walk(value, &format!("{at}/{index}"));
            }
        }
    }
    walk(&input_schema(), "");
}

#[test]
fn schema_and_parser_accept_and_refuse_the_same() {
    let schema = jsonschema::validator_for(&input_schema()).expect("the schema is a schema");
    let agree = |input: Value, accepted: bool| {
        assert_eq!(schema.is_valid(&input), accepted, "schema: {input}");
        assert_eq!(Request::parse(input.clone()).is_ok(), accepted, "parser: {input}");
    };
    let source = "s3://bison-data/uploads/a b.zip";
    for input in [
        json!({"download_key": "0006607-230918134249559"}),
        json!({"source": source}),
        json!({"source": "https://example.org/a.zip?x=1&y=[2]"}),
        json!({"snapshot": "2026-07-01"}),
        json!({"snapshot": "2026-07-01", "options": {}}),
        json!({"request": {"predicate": {"type": "equals", "key": "COUNTRY", "value": "US"}}}),
        json!({"request": {"predicate": {"type": "and", "predicates": []}, "format": "SIMPLE_PARQUET"}}),
        json!({"source": source, "options": {"subset_records": 250, "market": "on-demand", "riis": "none"}}),
        json!({"source": source, "options": {"riis": "s3://bison-data/reference/riis.csv", "force": true}}),
        json!({"source": source, "options": {"layers": ["county"], "columns": ["all"], "checklist": "col"}}),
        json!({"source": source, "options": {"checklist": "2d59e5db-57ad-41ff-97d6-11f5fb264527"}}),
        json!({"source": source, "options": {"filters": {"country": ["US", "PR"], "rank": false}}}),
        json!({"source": source, "options": {"filters": {"coordinates": false, "max_uncertainty_m": 1000}}}),
    ] {
        agree(input, true);
    }
    for input in [
        json!({}),
        json!("text"),
        json!([]),
        json!({"snapshot": "2026-07-01", "source": source}),
        json!({"sauce": source}),
        json!({"download_key": "0006607-23"}),
        json!({"download_key": "x; rm -rf /"}),
        json!({"download_key": 6607}),
        json!({"snapshot": "July"}),
        json!({"request": {}}),
        json!({"request": {"predicate": {}}}),
        json!({"request": {"predicate": "COUNTRY=US"}}),
        json!({"request": {"predicate": {"type": "and"}, "format": "SQL_TSV_ZIP"}}),
        json!({"request": {"predicate": {"type": "and"}, "creator": "me"}}),
        json!({"source": "ftp://example.org/x"}),
        json!({"source": "https://example.org/$(x) y"}),
        json!({"source": source, "options": {"subsets": 3}}),
        json!({"source": source, "options": {"subset_records": 0}}),
        json!({"source": source, "options": {"subset_records": "many"}}),
        json!({"source": source, "options": {"market": "black"}}),
        json!({"source": source, "options": {"riis": "riis.csv"}}),
        json!({"source": source, "options": {"columns": "all"}}),
        json!({"source": source, "options": {"checklist": "GBIF"}}),
        json!({"source": source, "options": {"checklist": "unknown"}}),
        json!({"source": source, "options": {"filters": {"colour": false}}}),
        json!({"source": source, "options": {"filters": {"rank": true}}}),
        json!({"source": source, "options": {"filters": {"rank": 3}}}),
        json!({"source": source, "options": {"filters": {"country": []}}}),
        json!({"source": source, "options": {"filters": {"country": ["us"]}}}),
        json!({"source": source, "options": {"filters": {"rank": ["Species"]}}}),
        json!({"source": source, "options": {"filters": {"coordinates": ["US"]}}}),
        json!({"source": source, "options": {"filters": {"max_uncertainty_m": 0}}}),
    ] {
        agree(input, false);
    }
}

#[test]
fn a_file_of_this_machine_is_not_offered() {
    let schema = jsonschema::validator_for(&input_schema()).expect("the schema is a schema");
    assert!(!schema.is_valid(&json!({"source": "file:///data/a.zip"})));
}
