//! The table of a bench: on the terminal as it grows, and as Markdown.

use std::fmt::Write as _;
use std::process::Command;

use crate::measure::Measured;

/// A line of the table.
pub struct Row {
    cells: [String; 6],
}

impl Row {
    /// A rate per second, with ours divided by it.
    pub fn rate(who: &str, threads: usize, on: &str, measured: &Measured, ours: Option<f64>) -> Row {
        let ratio = ours.map_or(String::new(), |ours| format!("{:.1}×", ours / measured.rate()));
        Row::new(who, threads, on, short(measured.rate()), ratio, measured)
    }

    /// Seconds.
    pub fn seconds(who: &str, threads: usize, on: &str, measured: &Measured) -> Row {
        Row::new(who, threads, on, format!("{:.2}", measured.median()), String::new(), measured)
    }

    /// Peak memory.
    pub fn memory(who: &str, threads: usize, on: &str, measured: &Measured) -> Row {
        Row::new(who, threads, on, format!("{}", measured.peak_bytes / 1_000_000), String::new(), measured)
    }

    /// What could not be measured, and why.
    pub fn failed(who: &str, threads: usize, on: &str, why: &str) -> Row {
        let why = why.replace(['\n', '|'], " ");
        let cells =
            [who.to_owned(), threads.to_string(), on.to_owned(), "not run".into(), String::new(), why];
        Row { cells }
    }

    fn new(who: &str, threads: usize, on: &str, figure: String, ratio: String, measured: &Measured) -> Row {
        let made = match measured.made_bytes {
            0 => String::new(),
            bytes => format!(", index {} MB", bytes / 1_000_000),
        };
        let note = format!(
            "{} × {}, found {}, peak {} MB{made}",
            measured.seconds.len(),
            short(measured.amount as f64),
            measured.found,
            measured.peak_bytes / 1_000_000
        );
        Row { cells: [who.to_owned(), threads.to_string(), on.to_owned(), figure, ratio, note] }
    }
}

/// A number with three digits and a letter for its size.
fn short(number: f64) -> String {
    match number {
        1e6.. => format!("{:.3} M", number / 1e6),
        1e3.. => format!("{:.1} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

/// A report that is being made.
pub struct Report {
    text: String,
}

impl Report {
    /// Begins it with the machine, the date and what is measured on.
    pub fn new(layers: &str, quick: bool, runs: usize) -> Report {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            output.map_or_else(
                |_| "unknown".to_owned(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            )
        };
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("unknown", |(_, name)| name.trim());
        let count = std::thread::available_parallelism().map_or(0, usize::from);
        let mut text = String::from("# Performance\n\n");
        let _ = writeln!(
            text,
            "Made by `cargo xtask bench annotate{}` on {}: {processor}, {count} processors, {}, {}; commit {}. Medians \
             of {runs} runs, or of as many as the last column says. Layers: {layers}.\n",
            if quick { " --quick" } else { "" },
            said("date", &["+%Y-%m-%d"]),
            said("uname", &["-sr"]),
            said("rustc", &["--version"]),
            said("git", &["rev-parse", "--short", "HEAD"]),
        );
        if quick {
            text.push_str("**Small data, to see that the bench works: the figures are no measure.**\n\n");
        }
        text.push_str(HOW);
        Report { text }
    }

    /// Says which versions the peers have.
    pub fn versions(&mut self, json: &str) {
        let versions: std::collections::BTreeMap<String, String> =
            serde_json::from_str(json).unwrap_or_default();
        let list: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let _ = writeln!(self.text, "Versions: {}; geo 0.33, rstar 0.13.", list.join(", "));
    }

    /// Begins a table.
    pub fn section(&mut self, title: &str, unit: &str) {
        eprintln!("== {title} ({unit})");
        let _ = write!(
            self.text,
            "\n## {title}\n\n| software | threads | of | {unit} | ours is | runs and found |\n|---|---|---|---|---|---|\n"
        );
    }

    /// Adds a line, and shows it.
    pub fn row(&mut self, row: Row) {
        let [who, threads, on, figure, ratio, note] = &row.cells;
        eprintln!("{who:34} {threads:>2} {on:44} {figure:>12} {ratio:>9}  {note}");
        let _ = writeln!(self.text, "| {} |", row.cells.join(" | "));
    }

    /// The whole of it.
    pub fn markdown(self) -> String {
        self.text
    }
}

const HOW: &str = "\
Each measurement is a process bound to as many processors as it has threads. Not timed: reading the layers, and \
indexing or preparing them where a software lets one do that before points come. Timed: everything from points or \
records on.

- bisonflow: one call for all layers; records are read, filtered, annotated with regions and register, counted, and \
written as Parquet (ZSTD 1).
- rstar: an R*-tree over the boxes of regions, then geo's `IntervalTreeMultiPolygon`, built before; one thread.
- sedonadb: points and polygons as tables in memory; one `JOIN … ON ST_Intersects` for each layer, counted.
- shapely: an STRtree over the points (timed), queried with prepared polygons (`intersects`).
- geopandas: `sjoin` of points with polygons for each layer; one thread.
- duckdb: tables in memory with the spatial extension; one `JOIN … ON ST_Intersects` for each layer, counted.
- polars: `scan_csv` without quoting, given types, `sink_parquet` (ZSTD 1). duckdb: `read_csv` without quoting or \
sniffing, `COPY … TO` Parquet (ZSTD 1). Neither annotates nor counts; the columns, types and lists are ours.

`found` is how many pairs of point and region, or records, there are: it is equal for all that are given the same \
points, but for those exactly on a border, which `intersects` gives to every neighbour.

";
