//! Comparing the region index with GEOS, and on borders with an exact computation.
//!
//! A Python script reads the layers by GDAL and draws points: random ones, and adversarial ones around the
//! layer's own vertices. Our index answers them here. A second script then computes the answers by GEOS and, on
//! borders, by exact arithmetic, and compares.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use indexmap::IndexMap;

use crate::layers::{self, BenchLayer};
use crate::ours::Ours;
use crate::overlap;
use crate::protected_areas::ProtectedAreas;

/// Arguments of the oracle.
#[derive(Args, Debug)]
pub struct OracleArguments {
    /// The Python with the packages of bench/requirements.txt.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The folder for layers, points and answers.
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// Fewer points and a smaller synthetic layer: a minute instead of many.
    #[arg(long)]
    quick: bool,
    /// Random points per layer.
    #[arg(long)]
    random: Option<u64>,
    /// Adversarial points per layer, at least: around vertices, edges and cells.
    #[arg(long)]
    adversarial: Option<u64>,
    /// Units of the synthetic layer of protected areas; 0 leaves it out.
    #[arg(long)]
    polygons: Option<u64>,
    /// Vertices of the synthetic layer.
    #[arg(long)]
    vertices: Option<u64>,
    /// Only these layers: county, state, aiannh, protected_area.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Annotate so many records end to end with the synthetic layer, whose units overlap, and compare the unit of each
    /// with what GEOS and the rule of the layer say; nothing else is compared then.
    #[arg(long, value_name = "RECORDS")]
    overlap: Option<u64>,
    /// Change this share of our answers before they are compared: the oracle has to find them.
    #[arg(long, value_name = "SHARE")]
    fault: Option<f64>,
}

/// Runs the comparison.
///
/// # Errors
/// A difference, or whatever kept it from being looked for.
pub fn run(arguments: &OracleArguments) -> Result<(), Box<dyn Error>> {
    let pick = |full, quick| if arguments.quick { quick } else { full };
    let random = arguments.random.unwrap_or(pick(5_000_000, 100_000));
    let adversarial = arguments.adversarial.unwrap_or(pick(3_000_000, 100_000));
    let polygons = arguments.polygons.unwrap_or(pick(250_000, 5_000));
    let vertices = arguments.vertices.unwrap_or(pick(40_000_000, 500_000));

    let (mut layers, said) = layers::census_layers();
    eprintln!("layers: {said}");
    if polygons > 0 {
        let plan = ProtectedAreas { polygons, vertices, seed: 1 };
        layers.push(layers::protected_areas(&arguments.work, plan)?);
    }
    if !arguments.only.is_empty() {
        layers.retain(|layer| arguments.only.contains(&layer.name));
    }

    std::fs::create_dir_all(&arguments.work)?;
    if let Some(records) = arguments.overlap {
        if layers.last().is_none_or(|layer| layer.name != layers::PROTECTED_AREA) {
            return Err("--overlap: expected the layer protected_area among those that are compared".into());
        }
        return overlap::run(&arguments.python, &arguments.work, &layers, records);
    }
    let plan = arguments.work.join("oracle.json");
    serde_json::to_writer_pretty(
        BufWriter::new(File::create(&plan)?),
        &serde_json::json!({"layers": layers, "random": random, "adversarial": adversarial}),
    )?;
    script(arguments, "draw", &plan)?;

    for layer in &layers {
        answer(&arguments.work, &layer.name, std::slice::from_ref(layer), &layers, arguments.fault)?;
    }
    answer(&arguments.work, "combined", &layers, &layers, None)?;
    script(arguments, "compare", &plan)
}

fn script(arguments: &OracleArguments, step: &str, plan: &Path) -> Result<(), Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/oracle.py");
    let mut command = Command::new(&arguments.python);
    command.arg(script).arg(step).arg(plan);
    let status = command.status().map_err(|error| format!("{}: {error}", arguments.python.display()))?;
    if !status.success() {
        return Err(format!("oracle: {step}: {status}").into());
    }
    Ok(())
}

/// Answers the points of each of `asked` by the index of `of` as far as it has the layer, or all of them if there
/// are several.
fn answer(
    work: &Path,
    name: &str,
    of: &[BenchLayer],
    asked: &[BenchLayer],
    fault: Option<f64>,
) -> Result<(), Box<dyn Error>> {
    let begun = std::time::Instant::now();
    let ours = Ours::build(of, true)?;
    eprintln!("{name}: index in {:.1} s", begun.elapsed().as_secs_f64());
    for (place, layer) in of.iter().enumerate() {
        write_sets(&ours, place, &work.join(format!("{name}.{}", layer.name)))?;
    }
    for points in asked.iter().filter(|points| of.len() > 1 || points == &&of[0]) {
        let begun = std::time::Instant::now();
        let [lon, lat] = ["lon", "lat"].map(|axis| read_f64(&work.join(format!("{}.{axis}", points.name))));
        let (lon, lat) = (lon?, lat?);
        let mut answers = ours.sets_of(&ours.zones(&lon, &lat));
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("{name}: {} points of {} in {seconds:.1} s", lon.len(), points.name);
        if let Some(share) = fault {
            spoil(&mut answers[0], share);
        }
        for (layer, sets) in of.iter().zip(&answers) {
            let path = work.join(format!("{name}.{}.{}.sets", layer.name, points.name));
            write_u32(&path, sets.iter().copied())?;
        }
    }
    Ok(())
}

/// Gives this share of the places their predecessor's answer.
fn spoil(answers: &mut [u32], share: f64) {
    let mut random = crate::random::Random::new(7);
    for place in 1..answers.len() {
        if random.chance(share) {
            answers[place] = answers[place - 1];
        }
    }
}

/// Writes which regions are in each set: `.regions` has their ids, a line each, `.offsets` where each set's regions
/// begin in `.members`, as numbers of lines.
fn write_sets(ours: &Ours, layer: usize, stem: &Path) -> Result<(), Box<dyn Error>> {
    let ids: IndexMap<&str, ()> = ours.region_ids(layer).into_iter().map(|id| (id, ())).collect();
    let mut lines = BufWriter::new(File::create(stem.with_added_extension("regions"))?);
    for id in ids.keys() {
        writeln!(lines, "{id}")?;
    }
    lines.flush()?;
    let sets = ours.sets(layer);
    let mut begins = 0_u32;
    let offsets = std::iter::once(0).chain(sets.iter().map(|set| {
        begins += set.len() as u32;
        begins
    }));
    write_u32(&stem.with_added_extension("offsets"), offsets)?;
    let number = |id: &&str| ids.get_index_of(*id).expect("a set is of the layer's regions") as u32;
    write_u32(&stem.with_added_extension("members"), sets.iter().flatten().map(number))
}

/// Numbers as they lie in memory, little-endian.
pub(crate) fn read_f64(path: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (numbers, _) = bytes.as_chunks();
    Ok(numbers.iter().map(|number| f64::from_le_bytes(*number)).collect())
}

fn write_u32(path: &Path, numbers: impl Iterator<Item = u32>) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in numbers {
        file.write_all(&number.to_le_bytes())?;
    }
    Ok(file.flush()?)
}
