//! The table of a bench: on the terminal as it grows, and as Markdown.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::measure::Measured;

/// A line of the table.
pub struct Row {
    cells: [String; 6],
}

impl Row {
    /// A rate per second.
    pub fn rate(who: &str, threads: usize, on: &str, measured: &Measured) -> Row {
        Row::new(who, threads, on, short(measured.rate()), String::new(), measured)
    }

    /// Another software's rate per second, and each of ours divided by it; or why it was not measured.
    pub fn peer(
        who: &str,
        threads: usize,
        on: &str,
        measured: Result<Measured, Box<dyn Error>>,
        ours: &[&Measured],
    ) -> Row {
        match measured {
            Ok(measured) => {
                let ratio = |ours: &&Measured| format!("{:.1}×", ours.rate() / measured.rate());
                let ratios = ours.iter().map(ratio).collect::<Vec<_>>().join(", ");
                Row::new(who, threads, on, short(measured.rate()), ratios, &measured)
            }
            Err(error) => Row::failed(who, threads, on, &error.to_string()),
        }
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
    fn failed(who: &str, threads: usize, on: &str, why: &str) -> Row {
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

/// A report that is being made: what holds for all of it, and a section for each table.
pub struct Report {
    head: String,
    sections: Vec<String>,
    /// When, on which machine, with which compiler and of what state of the product.
    made: String,
    /// Whether what stands before the sections of an older report stays.
    keeps_head: bool,
}

/// How a section begins.
const SECTION: &str = "## ";

impl Report {
    /// Begins it with the bench's name, the machine and what is measured on.
    pub fn new(bench: &str, on: &str, quick: bool, runs: usize) -> Report {
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
        let mut head = String::from("# Performance\n\n");
        let _ = writeln!(
            head,
            "Made by `cargo xtask bench {bench}`, a section at a time: {processor}, {count} processors, {}. Medians of \
             {runs} runs, or of as many as the last column says. Of: {on}.\n",
            said("uname", &["-sr"]),
        );
        if quick {
            head.push_str("**Small data, to see that the bench works: the figures are no measure.**\n\n");
        }
        head.push_str(HOW);
        let made = format!(
            "{} on {processor}, {count} processors, commit {}, {}",
            said("date", &["+%Y-%m-%d"]),
            said("git", &["rev-parse", "--short", "HEAD"]),
            said("rustc", &["--version"]),
        );
        Report { head, sections: Vec::new(), made, keeps_head: false }
    }

    /// Leaves the older report's beginning as it is: its sections are of several benches, so each of this one says
    /// how it was made.
    #[must_use]
    pub fn beside_others(mut self, how: &str) -> Report {
        self.made = format!("{}, {how}", self.made);
        self.keeps_head = true;
        self
    }

    /// Says which versions the peers have; `others` are not known to Python.
    pub fn versions(&mut self, json: &str, others: &str) {
        let versions: std::collections::BTreeMap<String, String> =
            serde_json::from_str(json).unwrap_or_default();
        let list: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let _ = writeln!(self.head, "Versions: {}{others}.", list.join(", "));
    }

    /// Begins a table.
    pub fn section(&mut self, title: &str, unit: &str) {
        eprintln!("== {title} ({unit})");
        self.sections.push(format!(
            "{SECTION}{title}\n\nMeasured {}.\n\n| software | threads | of | {unit} | ours is | runs and found |\n\
             |---|---|---|---|---|---|\n",
            self.made
        ));
    }

    /// Adds a line to the table that was begun last, and shows it.
    pub fn row(&mut self, row: Row) {
        let [who, threads, on, figure, ratio, note] = &row.cells;
        eprintln!("{who:34} {threads:>2} {on:44} {figure:>12} {ratio:>9}  {note}");
        if let Some(section) = self.sections.last_mut() {
            let _ = writeln!(section, "| {} |", row.cells.join(" | "));
        }
    }

    /// Writes it to a file, by default docs/performance.md; a quick one only where it is told.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(self, path: Option<&Path>, quick: bool) -> Result<(), Box<dyn Error>> {
        let docs = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let Some(path) = path.map(Path::to_owned).or_else(|| (!quick).then(docs)) else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let older = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, self.markdown(&older))?;
        eprintln!("written: {}", path.display());
        Ok(())
    }

    /// The whole of it. Sections that an older report has and this one does not are kept, in their places.
    pub fn markdown(self, older: &str) -> String {
        let starts = older.match_indices(SECTION).map(|(at, _)| at);
        let starts = starts.filter(|&at| at == 0 || older.as_bytes()[at - 1] == b'\n');
        let mut starts: Vec<usize> = starts.collect();
        starts.push(older.len());
        let title = |section: &str| section.lines().next().unwrap_or_default().to_owned();
        let mut sections: Vec<String> = starts.windows(2).map(|at| older[at[0]..at[1]].to_owned()).collect();
        for section in self.sections {
            match sections.iter_mut().find(|older| title(older) == title(&section)) {
                Some(older) => *older = section,
                None => sections.push(section),
            }
        }
        let head = older[..starts.first().copied().unwrap_or(0)].trim_end();
        let mut text = if self.keeps_head && !head.is_empty() { format!("{head}\n") } else { self.head };
        for section in sections {
            text.push('\n');
            text.push_str(section.trim_end());
            text.push('\n');
        }
        text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_anew_takes_the_place_of_what_was() {
        let report = |sections: &[&str]| Report {
            head: "# P\n".to_owned(),
            sections: sections.iter().map(|&section| section.to_owned()).collect(),
            made: String::new(),
            keeps_head: false,
        };
        let first = report(&["## A\n\n1\n", "## B\n\n2\n"]).markdown("");
        assert_eq!(first, "# P\n\n## A\n\n1\n\n## B\n\n2\n");
        let second = report(&["## C\n\n3\n", "## A\n\n4\n"]).markdown(&first);
        assert_eq!(second, "# P\n\n## A\n\n4\n\n## B\n\n2\n\n## C\n\n3\n");
    }
}
