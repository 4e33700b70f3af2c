//! The command line: what is asked, done.

mod arguments;
mod land;

use std::io::IsTerminal;
use std::time::Duration;

use bisonflow_cloud::reference::{self, Pushed};
use bisonflow_cloud::region_list::RegionQuery;
use bisonflow_cloud::runtime::{self, Logs};
use bisonflow_cloud::species_match::Settings;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::StepError;
use bisonflow_contract::input::Options;
use bisonflow_riis::resolve::{Api, Rules};
use tokio::runtime::{Handle, Runtime};

use crate::list::list;
use crate::location::Download;
use crate::one_pass::{OnePassRequest, one_pass};
use crate::publish::{Place, approve};
use crate::regions::{self, LayersFrom};
use crate::{annotate, report, resolve, run, sample};
pub use arguments::Command;
use arguments::{
    AnnotateArguments, ApiVersion, ApproveArguments, ListArguments, PublishArguments, ReferenceCommand,
    RegionsCommand, ResolveArguments, RiisCommand, RunArguments,
};

/// Sets up logging: one JSON object a line where nobody watches, short lines on a terminal.
pub fn telemetry() {
    runtime::telemetry(if std::io::stderr().is_terminal() { Logs::Text } else { Logs::Json });
}

/// Does what a command asks.
///
/// # Errors
/// What the command's own work raises.
pub fn execute(command: Command) -> Result<(), StepError> {
    let runtime =
        Runtime::new().map_err(|error| StepError::Internal(format!("cannot start the runtime: {error}")))?;
    let handle = runtime.handle();
    match command {
        Command::Run(arguments) => {
            let options = options(&arguments)?;
            let download = Download::find(&arguments.source, &arguments.gbif_api, handle)?;
            let request = run::RunRequest {
                location: download.location,
                gbif: download.gbif,
                layers: arguments.layers,
                index: arguments.index,
                riis: (arguments.riis != "none").then(|| arguments.riis.into()),
                store: Store::open(&arguments.out)?,
                options,
                threads: arguments.threads,
            };
            let result = run::run(&request, handle)?;
            report::print(&result)
        }
        Command::Sample(arguments) => {
            let files = sample::write(&arguments.out, arguments.records, arguments.seed)?;
            report::print_lines(&[
                format!("download  {}", files.zip.display()),
                format!("register  {}", files.riis.display()),
            ])
        }
        Command::Land(arguments) => land::land(*arguments, handle),
        Command::Annotate(arguments) => annotate(*arguments, handle),
        Command::Summarize(arguments) => {
            let run = RunStore::new(&Store::open(&arguments.root)?, &arguments.run_id);
            report::print(&run::summarize(&run, handle)?)
        }
        Command::List(arguments) => {
            let ListArguments { root, run, region, summary, status, format } = arguments;
            let query = RegionQuery { region, summary, status };
            report::print_lines(&[list(&Store::open_existing(&root)?, &run, &query, format, handle)?])
        }
        Command::Publish(PublishArguments { run, root, database }) => {
            report::print_lines(&Place::open(&root, &database, handle)?.publish(&run, handle)?)
        }
        Command::Rollback(PublishArguments { run, root, database }) => {
            report::print_lines(&Place::open(&root, &database, handle)?.roll_back(&run, handle)?)
        }
        Command::Approve(ApproveArguments { run, root, reject }) => {
            report::print_lines(&approve(&root, &run, !reject, handle)?)
        }
        Command::Regions(command) => {
            let lines = match command {
                RegionsCommand::Build { layers, out } => {
                    regions::build(&LayersFrom { layers: layers.layers, index: None }, &out, handle)?
                }
                RegionsCommand::Check { layers, index } => {
                    regions::check(&LayersFrom { layers: layers.layers, index }, handle)?
                }
                RegionsCommand::Locate { lon, lat, layers, index } => {
                    regions::locate(&LayersFrom { layers: layers.layers, index }, lon, lat, handle)?
                }
            };
            report::print_lines(&lines)
        }
        Command::Reference(ReferenceCommand::Push { layers, riis, to }) => {
            if !to.starts_with("s3://") {
                return Err(StepError::invalid("--to", format_args!("found {to:?}, expected s3://BUCKET")));
            }
            let store = Store::open(&to)?;
            let pushed = handle.block_on(reference::push(&store, layers.as_deref(), riis.as_deref()))?;
            report::print_lines(&pushed.iter().map(reference_line).collect::<Vec<_>>())
        }
        Command::Riis(RiisCommand::Resolve(arguments)) => {
            report::print_lines(&resolve::resolve(&resolve_request(arguments), handle)?.lines())
        }
    }
}

fn reference_line(pushed: &Pushed) -> String {
    let what = if pushed.was_there { "unchanged" } else { "sent" };
    format!("{what:<9} {} ({} bytes)", pushed.uri, pushed.bytes)
}

fn resolve_request(arguments: ResolveArguments) -> resolve::ResolveRequest {
    let mut settings = Settings {
        server: arguments.server,
        api: match arguments.api {
            ApiVersion::V2 => Api::V2,
            ApiVersion::V1 => Api::V1,
        },
        requests_per_second: arguments.rate,
        concurrency: arguments.concurrency,
        patience: Duration::from_secs(arguments.patience),
        ..Settings::gbif(arguments.checklist)
    };
    if let Some(contact) = arguments.contact {
        settings.user_agent += &format!(" {contact}");
    }
    resolve::ResolveRequest {
        register: arguments.register,
        out: arguments.out,
        answers: arguments.answers,
        max_age: Duration::from_secs(arguments.max_age_days.saturating_mul(24 * 60 * 60)),
        settings,
        rules: Rules { variant_confidence: arguments.variant_confidence },
    }
}

fn annotate(arguments: AnnotateArguments, handle: &Handle) -> Result<(), StepError> {
    let AnnotateArguments {
        source,
        layers,
        index,
        riis,
        out,
        columns,
        root,
        run_id,
        generation,
        subset,
        threads,
    } = arguments;
    if let (Some(root), Some(run_id), Some(generation)) = (root, run_id, generation) {
        let run = RunStore::new(&Store::open(&root)?, &run_id);
        return annotate::annotate(&run, generation, subset, threads, handle).map(|_| ());
    }
    let (Some(source), Some(riis), Some(out)) = (source, riis, out) else {
        return Err(StepError::invalid(
            "annotate",
            "found neither --source, --riis and --out nor --root, --run-id and --generation",
        ));
    };
    let riis = (riis != "none").then(|| riis.into());
    let request = OnePassRequest { source, layers, index, riis, out, columns, threads };
    report::print_one_pass(&one_pass(&request, handle)?)
}

fn options(arguments: &RunArguments) -> Result<Options, StepError> {
    let json: serde_json::Value =
        serde_json::from_str(&arguments.options).map_err(|error| StepError::invalid("--options", error))?;
    let mut options: Options = bisonflow_contract::parse("--options", json)?;
    options.check()?;
    if options.riis.is_some() {
        return Err(StepError::invalid("--options", "found riis: name the register with --riis"));
    }
    options.force |= arguments.force;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn annotate_takes_a_file_or_a_subset_of_a_run() {
        for (arguments, is_right) in [
            ("--source a.zip --riis none --out d", true),
            ("--source a.zip --riis none --out d --columns core --threads 2", true),
            ("--root d --run-id r --generation 1 --subset 3", true),
            ("--source a.zip --out d", false),
            ("--root d --run-id r", false),
            ("--source a.zip --riis none --out d --root d --run-id r --generation 1", false),
            ("", false),
        ] {
            let words = ["bisonflow", "annotate"].into_iter().chain(arguments.split_whitespace());
            assert_eq!(Command::try_parse_from(words).is_ok(), is_right, "{arguments}");
        }
    }
}
