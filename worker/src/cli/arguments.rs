//! What can be asked on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bisonflow_annotation::Columns;
use bisonflow_cloud::region_list::Status;
use bisonflow_contract::{Checklist, RunId, S3Uri};
use bisonflow_riis::resolve::Rules;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::land::PART_BYTES;
use crate::list::Format;
use crate::location::GBIF_API;

/// Turns GBIF occurrence downloads into a catalogued, annotated and counted data set.
///
/// `bisonflow run` does all of it in one process, on one machine, without any service. The other commands are
/// the steps of it, as the workflow on AWS calls them.
#[derive(Debug, Parser)]
#[command(name = "bisonflow", version, max_term_width = 110)]
#[command(after_help = "Exit status: 0 done, 64 wrong usage or input, 65 bad data, 70 our fault or this \
                        machine's (a full disk), 75 temporary: try again.\nLogs: set RUST_LOG (such as RUST_LOG=info) to see more or less of what is done.")]
pub enum Command {
    /// The whole pipeline in one process: land, count, annotate, summarize.
    ///
    /// Example: bisonflow run --source occurrences.zip --layers layers.toml --riis US-RIIS_MasterList.csv --out DIR
    Run(RunArguments),
    /// Make a synthetic download to try things with: a Darwin Core archive and a small register.
    Sample(SampleArguments),
    /// Land a download as Parquet.
    ///
    /// Example: bisonflow land --source occurrences.zip --columns organismQuantity --out DIR
    Land(Box<LandArguments>),
    /// Annotate one file in one pass, or one subset of a run that is landed and counted.
    ///
    /// Example: bisonflow annotate --source occurrences.zip --layers layers.toml --riis US-RIIS_MasterList.csv --out DIR
    ///
    /// Writes DIR/annotated.parquet (the records that pass the filters, their regions and status) and
    /// DIR/counts/<summary>.parquet and DIR/counts/riis_matches.parquet; what an earlier pass left there goes. A Parquet
    /// file of which every record passes is copied, not encoded again.
    Annotate(Box<AnnotateArguments>),
    /// Merge the partial counts of a run into its summary tables and close its ledger.
    Summarize(SummarizeArguments),
    /// List the species of one region in a finished run: with their counts, status, first and last year.
    ///
    /// Example: bisonflow list --root DIR --run RUN --region "KS Douglas County" --status invasive --format csv
    List(ListArguments),
    /// Publish a finished run: show it as the latest.
    ///
    /// In a bucket the tables <table>_latest are moved to it; runs/latest.json says which run it is, and which ones
    /// were. Doing it again finishes what was interrupted.
    Publish(PublishArguments),
    /// Approve of a run in a bucket that the drift guard holds, or reject it: its execution waits for the answer.
    ///
    /// Below a folder nothing waits: there `bisonflow publish` publishes a held run.
    ///
    /// Example: bisonflow approve RUN --root s3://BUCKET
    Approve(ApproveArguments),
    /// Go back to a run that was published before; what was published after it is withdrawn.
    ///
    /// Example: bisonflow rollback RUN --root s3://BUCKET
    Rollback(PublishArguments),
    /// What concerns the US Register of Introduced and Invasive Species.
    #[command(subcommand)]
    Riis(RiisCommand),
    /// The layers' index: build it as one file, look what it is made of, ask where a place lies.
    #[command(subcommand)]
    Regions(RegionsCommand),
    /// The reference data of the workflow: layers.toml, the layers' sources and index, the register.
    #[command(subcommand)]
    Reference(ReferenceCommand),
}

/// Arguments of `bisonflow publish` and `bisonflow rollback`.
#[derive(Args, Debug)]
pub struct PublishArguments {
    /// The run; it has to be finished.
    #[arg(value_name = "RUN")]
    pub(super) run: RunId,
    /// The folder or s3://BUCKET that holds the run: what --out of `bisonflow run` names.
    #[arg(long, value_name = "DIR|s3://")]
    pub(super) root: String,
    /// The Glue database with the tables of a bucket.
    #[arg(long, value_name = "NAME", default_value = "bisonflow")]
    pub(super) database: String,
}

/// Arguments of `bisonflow approve`.
#[derive(Args, Debug)]
pub struct ApproveArguments {
    /// The run that waits.
    #[arg(value_name = "RUN")]
    pub(super) run: RunId,
    /// The s3://BUCKET that holds the run.
    #[arg(long, value_name = "s3://BUCKET")]
    pub(super) root: String,
    /// Do not publish it.
    #[arg(long)]
    pub(super) reject: bool,
}

/// Commands of `bisonflow reference`.
#[derive(Debug, Subcommand)]
pub enum ReferenceCommand {
    /// Check reference data, build the index of the layers, and bring all of it into a bucket's reference/.
    ///
    /// What is there already is not sent again; what is not named here stays as it is.
    ///
    /// Example: bisonflow reference push --layers layers.toml --riis US-RIIS_MasterList.csv --to s3://BUCKET
    Push {
        /// The layers, as a TOML file beside its sources.
        #[arg(long, value_name = "LAYERS.TOML", required_unless_present = "riis")]
        layers: Option<PathBuf>,
        /// The register as CSV.
        #[arg(long, value_name = "FILE")]
        riis: Option<PathBuf>,
        /// The workflow's bucket.
        #[arg(long, value_name = "s3://BUCKET")]
        to: String,
    },
}

/// Commands of `bisonflow regions`.
#[derive(Debug, Subcommand)]
pub enum RegionsCommand {
    /// Build the index of the layers as one file.
    ///
    /// Example: bisonflow regions build --layers layers.toml --out regions.index
    Build {
        /// Which layers.
        #[command(flatten)]
        layers: LayersArguments,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Tell what the layers are made of: regions, vertices, bounds, and what was left out or holds no place.
    Check {
        /// Which layers.
        #[command(flatten)]
        layers: LayersArguments,
        /// An index that was built of them; it is compared with them.
        #[arg(long, value_name = "FILE")]
        index: Option<PathBuf>,
    },
    /// Tell which regions one place lies in.
    ///
    /// Example: bisonflow regions locate -95.24 38.97
    #[command(allow_negative_numbers = true)]
    Locate {
        /// Degrees east; west is negative.
        #[arg(value_name = "LON")]
        lon: f64,
        /// Degrees north.
        #[arg(value_name = "LAT")]
        lat: f64,
        /// Which layers.
        #[command(flatten)]
        layers: LayersArguments,
        /// An index that was built of the layers.
        #[arg(long, value_name = "FILE")]
        index: Option<PathBuf>,
    },
}

/// Which layers.
#[derive(Args, Debug)]
pub struct LayersArguments {
    /// The layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML")]
    pub(super) layers: Option<PathBuf>,
}

/// Commands of `bisonflow riis`.
#[derive(Debug, Subcommand)]
pub enum RiisCommand {
    /// Look up the register's names in a checklist of GBIF, so that its keys are those of the records.
    ///
    /// Writes <register>_annotated_YYYY_MM_DD.csv, to be used as the register, and
    /// <register>_unresolved_YYYY_MM_DD.csv, the rows that need a person's eye and why. What the service answers
    /// is kept: run the same again to go on after an interruption.
    ///
    /// Example: bisonflow riis resolve US-RIIS_MasterList.csv --checklist col --out DIR
    Resolve(ResolveArguments),
}

/// Arguments of `bisonflow riis resolve`.
#[derive(Args, Debug)]
pub struct ResolveArguments {
    /// The register as CSV, version 1 or 2, as published or resolved before.
    #[arg(value_name = "RIIS.CSV")]
    pub(super) register: PathBuf,
    /// The checklist of the records: backbone, col (Catalogue of Life), or a GBIF checklist key.
    #[arg(long, value_name = "backbone|col|KEY", value_parser = str::parse::<Checklist>)]
    pub(super) checklist: Checklist,
    /// The folder for the results; made if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The version of GBIF's species match service; v1 knows the Backbone only.
    #[arg(long, value_enum, default_value_t = ApiVersion::V2)]
    pub(super) api: ApiVersion,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "https://api.gbif.org")]
    pub(super) server: String,
    /// At most so many requests a second.
    #[arg(long, value_name = "N", default_value_t = 30.0)]
    pub(super) rate: f64,
    /// At most so many requests at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(super) concurrency: usize,
    /// How many seconds the service may answer nothing before we give up.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(super) patience: u64,
    /// Take a spelling variant only if the service is more confident than this, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = Rules::default().variant_confidence)]
    pub(super) variant_confidence: u8,
    /// The file that keeps what the service answers. Default: species-match-answers in --out.
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
    /// Ask again for answers older than so many days: checklists change.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(super) max_age_days: u64,
    /// How GBIF can reach you (an e-mail address or URL): sent with every request.
    #[arg(long, value_name = "TEXT")]
    pub(super) contact: Option<String>,
}

/// A version of GBIF's species match service.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ApiVersion {
    /// Any checklist.
    V2,
    /// The Backbone only.
    V1,
}

/// Arguments of `bisonflow run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The download: a file or a folder of Parquet files, s3://BUCKET/KEY, https://…, or the key of a download at GBIF.
    #[arg(long, value_name = "FILE|URL|s3://|KEY")]
    pub(super) source: String,
    /// The layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML")]
    pub(super) layers: Option<PathBuf>,
    /// The index that `bisonflow regions build` made of these layers. Default: it is built.
    #[arg(long, value_name = "FILE")]
    pub(super) index: Option<PathBuf>,
    /// The US Register of Introduced and Invasive Species as CSV, or "none" to do without.
    #[arg(long, value_name = "FILE|none")]
    pub(super) riis: String,
    /// The folder (or s3://BUCKET) for the results; made if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) out: String,
    /// Worker threads. Default: the machine's cores.
    #[arg(long)]
    pub(super) threads: Option<NonZeroUsize>,
    /// Options of the run as JSON, the same as in the workflow's input:
    /// subset_records, layers, filters, checklist, columns.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(super) options: String,
    /// Do a finished run again.
    #[arg(long)]
    pub(super) force: bool,
    /// GBIF's service, which is asked about a key.
    #[arg(long, value_name = "URL", default_value = GBIF_API)]
    pub(super) gbif_api: String,
}

/// Arguments of `bisonflow sample`.
#[derive(Args, Debug)]
pub struct SampleArguments {
    /// How many records.
    #[arg(long, default_value_t = 10_000)]
    pub(super) records: u64,
    /// Another seed gives another download; the same one gives the same bytes on any machine.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// The folder for the files; made if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
}

/// Arguments of `bisonflow land`.
#[derive(Args, Debug)]
pub struct LandArguments {
    /// The download: a file or a folder of Parquet files, s3://BUCKET/KEY, https://…, or the key of a download at GBIF.
    #[arg(long, value_name = "FILE|URL|s3://|KEY", required_unless_present = "control")]
    pub(super) source: Option<String>,
    /// The folder or s3://BUCKET below which it lands.
    #[arg(long, value_name = "DIR|s3://", required_unless_present = "control")]
    pub(super) out: Option<String>,
    /// Further columns of the source to keep, by name with commas between, or "all".
    #[arg(long, value_name = "a,b,c|all", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    /// Only these columns of the table, and those of --columns: core (18 of them), or their names with commas between.
    /// To look at a download; a run needs all columns.
    #[arg(long, value_name = "core|a,b,c")]
    pub(super) only: Option<Columns>,
    /// Do without SHA-256 of the text and of its entry, which takes a quarter to nearly half of the time where there is one
    /// core only. Lengths and CRC-32 are had, and the latter checked, all the same.
    #[arg(long)]
    pub(super) no_sha256: bool,
    /// Most records in a row group.
    #[arg(long, default_value_t = bisonflow_contract::input::MAX_ROW_GROUP_RECORDS,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) row_group_records: u64,
    /// A part ends with the first row group beyond so many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = PART_BYTES)]
    pub(super) part_bytes: usize,
    /// The checklist of the taxon keys, if it is another than the download says: backbone, col, or a GBIF checklist key.
    /// A Darwin Core archive, CSV or text that names none is taken to be of the Backbone, Parquet of an unknown one.
    #[arg(long, value_name = "backbone|col|KEY", value_parser = str::parse::<Checklist>)]
    pub(super) checklist: Option<Checklist>,
    /// What the workflow asks of an instance: the control document of a run.
    #[arg(long, value_name = "s3://", conflicts_with_all = ["source", "out", "columns", "only", "no_sha256", "checklist"])]
    pub(super) control: Option<S3Uri>,
    /// Worker threads. Default: the machine's cores.
    #[arg(long)]
    pub(super) threads: Option<NonZeroUsize>,
    /// GBIF's service, which is asked about a key.
    #[arg(long, value_name = "URL", default_value = GBIF_API)]
    pub(super) gbif_api: String,
}

/// Arguments of `bisonflow annotate`.
#[derive(Args, Debug)]
pub struct AnnotateArguments {
    /// A file to annotate in one pass: a Darwin Core archive, simple CSV, text or Parquet.
    #[arg(long, value_name = "FILE", requires_all = ["riis", "out"], conflicts_with_all = ["root", "run_id", "generation"],
          required_unless_present_all = ["root", "run_id", "generation"])]
    pub(super) source: Option<PathBuf>,
    /// With --source: the layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML", requires = "source")]
    pub(super) layers: Option<PathBuf>,
    /// With --source: the index that `bisonflow regions build` made of these layers. Default: it is built.
    #[arg(long, value_name = "FILE", requires = "source")]
    pub(super) index: Option<PathBuf>,
    /// With --source: the register as CSV, or "none" to do without.
    #[arg(long, value_name = "FILE|none", requires = "source")]
    pub(super) riis: Option<String>,
    /// With --source: the folder for the results; made if absent.
    #[arg(long, value_name = "DIR", requires = "source")]
    pub(super) out: Option<PathBuf>,
    /// With --source: which columns of `occurrences` to keep beside the new ones: full (all 53), core (18 of them), or
    /// names with commas between, such as core,issue; "none" to count only. The answers are the same whatever is kept.
    #[arg(long, value_name = "full|core|none|a,b,c", default_value = "full")]
    pub(super) columns: Columns,
    /// The folder or s3://BUCKET that holds the run.
    #[arg(long, value_name = "DIR|s3://", requires_all = ["run_id", "generation"])]
    pub(super) root: Option<String>,
    /// The run.
    #[arg(long, requires = "root")]
    pub(super) run_id: Option<RunId>,
    /// The generation of the run that the subset belongs to.
    #[arg(long, requires = "root")]
    pub(super) generation: Option<u32>,
    /// Which subset, from 0. In an AWS Batch array the index of the child says it.
    #[arg(long, env = "AWS_BATCH_JOB_ARRAY_INDEX", default_value_t = 0)]
    pub(super) subset: usize,
    /// Worker threads. Default: the machine's cores.
    #[arg(long)]
    pub(super) threads: Option<NonZeroUsize>,
}

/// Arguments of `bisonflow summarize`.
#[derive(Args, Debug)]
pub struct SummarizeArguments {
    /// The folder or s3://BUCKET that holds the run.
    #[arg(long, value_name = "DIR|s3://")]
    pub(super) root: String,
    /// The run.
    #[arg(long)]
    pub(super) run_id: RunId,
}

/// Arguments of `bisonflow list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// The folder or s3://BUCKET that holds the run: what --out of `bisonflow run` names.
    #[arg(long, value_name = "DIR|s3://")]
    pub(super) root: String,
    /// The run; it has to be finished.
    #[arg(long, value_name = "RUN")]
    pub(super) run: RunId,
    /// The region: its key or one of its labels in the tables, such as "KS Douglas County" or KS; a
    /// GEOID such as 20045 only where the summary's `by` has it.
    #[arg(long)]
    pub(super) region: String,
    /// The summary of layers.toml that the region belongs to. Default: the only one that knows it, as a key sooner than as
    /// a label.
    #[arg(long, value_name = "NAME")]
    pub(super) summary: Option<String>,
    /// Only species of this status in the region: introduced (with established), established, invasive (with
    /// widespread_invasive), widespread_invasive, nonnative (all of these), not_listed, not_assessed.
    #[arg(long)]
    pub(super) status: Option<Status>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
}
