//! What a command says when it is done: a table for people, on standard output.

use std::collections::BTreeMap;
use std::io::Write;

use bisonflow_cloud::Store;
use bisonflow_contract::StepError;
use bisonflow_contract::document::{Landing, LandingRecords, RiisCounts};
use bisonflow_contract::layout::{LATEST, RunLayout};

use crate::one_pass::OnePassResult;
use crate::publish::Standing;
use crate::run::RunResult;

/// Prints lines on standard output; a closed pipe is no error.
///
/// # Errors
/// [`StepError::Internal`] if standard output cannot be written for another reason.
pub fn print_lines(lines: &[String]) -> Result<(), StepError> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", lines.join("\n")) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(StepError::Internal(format!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints what landed and where.
///
/// # Errors
/// As [`print_lines`].
pub fn print_landing(store: &Store, landing: &Landing) -> Result<(), StepError> {
    let records = landing.records;
    let layout = RunLayout::new(&landing.run_id);
    let mut lines = vec![format!("run       {}", landing.run_id), read_line(&records)];
    lines.extend(unparsed_lines(&landing.unparsed));
    if records.rejected > 0 || !landing.unparsed.is_empty() {
        lines.push(format!("rejects   {}", store.uri_of(&layout.rejects())));
    }
    lines.push(format!("landing   {}", store.uri_of(&layout.landing())));
    lines.extend(landing.parts.iter().map(|part| format!("part      {}", store.uri_of(&part.uri))));
    print_lines(&lines)
}

fn read_line(records: &LandingRecords) -> String {
    let LandingRecords { read, ragged, rejected, landed } = records;
    format!("records   read {read} (ragged {ragged}) = rejected {rejected} + landed {landed}")
}

fn unparsed_lines(unparsed: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    unparsed.iter().map(|(column, count)| format!("unparsed  {column} {count}"))
}

fn riis_line(riis: &RiisCounts) -> String {
    format!(
        "riis      introduced {}, established {}, invasive {}, widespread_invasive {}, not_listed {}, not_assessed {}",
        riis.introduced,
        riis.established,
        riis.invasive,
        riis.widespread_invasive,
        riis.not_listed,
        riis.not_assessed
    )
}

/// Prints what annotating one file came to.
///
/// # Errors
/// As [`print_lines`].
pub fn print_one_pass(result: &OnePassResult) -> Result<(), StepError> {
    let tally = &result.tally;
    let filtered: u64 = tally.filtered.values().sum();
    let mut lines = Vec::new();
    if let Some(read) = &result.read {
        lines.push(read_line(&read.records));
        lines.extend(unparsed_lines(&read.unparsed));
    }
    lines.push(format!("records   {} = filtered {filtered} + annotated {}", tally.records, tally.annotated));
    lines.extend(tally.filtered.iter().map(|(name, count)| format!("filtered  {name} {count}")));
    let layers = tally.layers.iter();
    lines.extend(layers.map(|(name, layer)| {
        format!("layer     {name}: inside {}, outside {}", layer.inside, layer.outside)
    }));
    lines.push(riis_line(&tally.riis));
    lines.extend(result.files.iter().map(|file| format!("file      {}", file.display())));
    print_lines(&lines)
}

/// Prints what a run came to and where its results are.
///
/// # Errors
/// As [`print_lines`].
pub fn print(result: &RunResult) -> Result<(), StepError> {
    let ledger = &result.ledger;
    let layout = RunLayout::new(&ledger.run_id);
    let mut lines = vec![
        format!("run       {} (generation {})", ledger.run_id, ledger.generation),
        format!("ledger    {}", bisonflow_summary::ledger::ledger_line(ledger)),
    ];
    if ledger.records.ragged > 0 {
        lines.push(format!("ragged    {} rows had too few fields and were filled up", ledger.records.ragged));
    }
    for (name, count) in &ledger.records.filtered {
        lines.push(format!("filtered  {name} {count}"));
    }
    for (name, count) in &ledger.layers {
        lines.push(format!("layer     {name}: inside {}, outside {}", count.inside, count.outside));
    }
    lines.push(riis_line(&ledger.riis));
    for (name, table) in &result.manifest.tables {
        lines.push(format!(
            "table     {name}: {} rows in {}",
            table.rows,
            result.store.uri_of(&table.prefix)
        ));
    }
    lines.extend(result.manifest.notes.iter().map(|note| format!("note      {note}")));
    lines.push(format!("changes   {}", result.drift.sentence()));
    let run_id = &ledger.run_id;
    match result.standing {
        Some(Standing::Latest) => lines.push(format!("published {}", result.store.uri_of(LATEST))),
        Some(Standing::NotLatest) => lines.push(format!(
            "finished  already, and not the latest: `bisonflow publish {run_id} --root {}` shows it as the latest",
            result.store.uri()
        )),
        Some(Standing::Held) => lines.push(format!(
            "held      not published: look at the report, then `bisonflow publish {run_id} --root {}` publishes it",
            result.store.uri()
        )),
        None => {}
    }
    lines.push(format!("report    {}", result.store.uri_of(&layout.report())));
    lines.push(format!("manifest  {}", result.store.uri_of(&layout.manifest())));
    print_lines(&lines)
}
