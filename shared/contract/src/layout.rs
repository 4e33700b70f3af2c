//! Where everything lies below the root: a bucket, or the folder given with `--out`.
//!
//! Keys are relative to the root, without a leading `/`. Under a table's prefix lie Parquet files only.

use crate::{Checklist, RunId};

/// Where people put files.
pub const UPLOADS: &str = "uploads/";
/// layers.toml, layer sources, the register.
pub const REFERENCE: &str = "reference/";
/// The folders of the runs.
pub const RUNS: &str = "runs/";
/// Which run is published, below the root.
pub const LATEST: &str = "runs/latest.json";
/// The configuration of the layers, below the root.
pub const LAYERS_TOML: &str = "reference/layers.toml";
/// The index of the layers as one file, below the root; it may be absent.
pub const REGIONS_INDEX: &str = "reference/regions.index";
/// The register, below the root, unless the options name another.
pub const RIIS_CSV: &str = "reference/riis.csv";
/// The folder of a register that was resolved against a checklist, with a trailing `/`. `sha256` is that of the register
/// as it was.
///
/// ```
/// use bisonflow_contract::{Checklist, layout::resolved_riis};
/// let folder = resolved_riis("0123456789abcdef0123456789abcdef", &Checklist::from("COL".to_owned()));
/// assert_eq!(folder, "reference/resolved/0123456789abcdef-col/");
/// ```
pub fn resolved_riis(sha256: &str, checklist: &Checklist) -> String {
    format!("{REFERENCE}resolved/{}-{checklist}/", sha256.get(..16).unwrap_or(sha256))
}

/// What remembers a download that was requested from GBIF. `sha256` is that of the request.
///
/// ```
/// use bisonflow_contract::layout::requested_download;
/// assert_eq!(requested_download("0123456789abcdef0123456789abcdef"), "requests/0123456789abcdef.json");
/// ```
pub fn requested_download(sha256: &str) -> String {
    format!("requests/{}.json", sha256.get(..16).unwrap_or(sha256))
}

/// The prefix and Glue table of the landed records.
pub const OCCURRENCES: &str = "occurrences";
/// The prefix and Glue table of the annotated records.
pub const ANNOTATED: &str = "annotated";
/// The partition key of every table.
pub const PARTITION_KEY: &str = "run";

/// The keys of one run.
///
/// ```
/// use bisonflow_contract::layout::RunLayout;
/// let run = RunLayout::new(&"gbif-1".parse().unwrap());
/// assert_eq!(run.plan(), "runs/run=gbif-1/plan.json");
/// assert_eq!(run.annotated_part(7), "annotated/run=gbif-1/part-00007.parquet");
/// ```
#[derive(Clone, Debug)]
pub struct RunLayout {
    run_id: RunId,
}

impl RunLayout {
    /// The layout of this run.
    pub fn new(run_id: &RunId) -> Self {
        RunLayout { run_id: run_id.clone() }
    }

    fn run(&self, rest: &str) -> String {
        format!("runs/run={}/{rest}", self.run_id)
    }

    /// The run's own folder, with a trailing `/`.
    pub fn folder(&self) -> String {
        self.run("")
    }
    /// The lock and plan.
    pub fn plan(&self) -> String {
        self.run("plan.json")
    }
    /// What landed.
    pub fn landing(&self) -> String {
        self.run("landing.json")
    }
    /// What an unfinished landing has finished.
    pub fn landing_checkpoint(&self) -> String {
        self.run("checkpoints/landing.json")
    }
    /// How the records are split.
    pub fn subsets(&self) -> String {
        self.run("subsets.json")
    }
    /// The ledger.
    pub fn ledger(&self) -> String {
        self.run("ledger.json")
    }
    /// Written last; without it a run is not finished.
    pub fn manifest(&self) -> String {
        self.run("manifest.json")
    }
    /// What the run made, for people.
    pub fn report(&self) -> String {
        self.run("report.html")
    }
    /// What changed against the run published before.
    pub fn drift(&self) -> String {
        self.run("drift.json")
    }
    /// What a held run waits for; it holds a task token.
    pub fn approval(&self) -> String {
        self.run("control/approval.json")
    }
    /// The manifest of an older generation, while a newer one is at work on the same files.
    pub fn withdrawn(&self) -> String {
        self.run("withdrawn.json")
    }
    /// Rejected rows and unparsed values of the landing, tab separated.
    pub fn rejects(&self) -> String {
        self.run("rejects/rejects.tsv")
    }
    /// The folder of control documents, with a trailing `/`.
    pub fn control_folder(&self) -> String {
        self.run("control/")
    }
    /// The control document of the downloader with this token hash (16 hexadecimal digits).
    pub fn control(&self, token_hash: &str) -> String {
        self.run(&format!("control/{token_hash}.json"))
    }
    /// The folder of the partial counts, with a trailing `/`.
    pub fn partials_folder(&self) -> String {
        self.run("partials/")
    }
    /// The partial counts of a subset for one summary.
    pub fn partial(&self, subset: usize, summary: &str) -> String {
        self.run(&format!("partials/part-{subset:05}.{summary}.parquet"))
    }
    /// The folder of what has been seen up to this run, with a trailing `/`.
    pub fn seen_folder(&self) -> String {
        self.run("seen/")
    }
    /// The pairs of region and species that this run or one before it has seen, for a summary whose regions have their
    /// keys in this column.
    pub fn seen(&self, summary: &str, key: &str) -> String {
        self.run(&format!("seen/{summary}.{key}.parquet"))
    }
    /// The report of a finished subset; written last, so it marks the subset as finished.
    pub fn subset_report(&self, subset: usize) -> String {
        self.run(&format!("partials/part-{subset:05}.json"))
    }
    /// Why a subset failed.
    pub fn subset_failure(&self, subset: usize) -> String {
        self.run(&format!("partials/part-{subset:05}.failed.json"))
    }
    /// The partition of a top-level table (`occurrences`, `annotated`), with a trailing `/`.
    pub fn partition(&self, table: &str) -> String {
        format!("{table}/{PARTITION_KEY}={}/", self.run_id)
    }
    /// A landed part.
    pub fn occurrences_part(&self, part: usize) -> String {
        format!("{}part-{part:05}.parquet", self.partition(OCCURRENCES))
    }
    /// The annotated records of a subset.
    pub fn annotated_part(&self, subset: usize) -> String {
        format!("{}part-{subset:05}.parquet", self.partition(ANNOTATED))
    }
    /// The partition of a summary table, with a trailing `/`.
    pub fn summary_partition(&self, table: &str) -> String {
        format!("summaries/{table}/{PARTITION_KEY}={}/", self.run_id)
    }
    /// A summary table.
    pub fn summary(&self, table: &str) -> String {
        format!("{}{table}.parquet", self.summary_partition(table))
    }
    /// A file of the matrix of a summary; without a name, their folder, with a trailing `/`.
    pub fn statistics(&self, summary: &str, file: &str) -> String {
        format!("statistics/{summary}/{PARTITION_KEY}={}/{file}", self.run_id)
    }
    /// The annotated records of each dataset, as GBIF takes them for the citation of a derived dataset.
    pub fn derived_dataset(&self) -> String {
        self.csv("derived_dataset")
    }
    /// A summary table for download.
    pub fn csv(&self, table: &str) -> String {
        format!("csv/run={}/{table}.csv", self.run_id)
    }
}
