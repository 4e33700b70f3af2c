//! Points to look up: anywhere, or clustered as occurrences are.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::protected_areas::anywhere;
use crate::random::Random;

/// How points lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Uniformly in the box of the conterminous United States, Alaska and Hawaii.
    Uniform,
    /// Around 300 places of very different weight, closely, as records lie around towns and reserves.
    Clustered,
}

impl Spread {
    /// Its name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Spread::Uniform => "random",
            Spread::Clustered => "clustered",
        }
    }
}

/// Longitudes and latitudes in degrees; the same for the same seed.
pub fn points(spread: Spread, count: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut random = Random::new(seed);
    let places: Vec<[f64; 2]> = (0..300).map(|_| anywhere(&mut random)).collect();
    (0..count)
        .map(|_| match spread {
            Spread::Uniform => (random.between(-179.0, -65.0), random.between(18.0, 71.5)),
            Spread::Clustered => {
                // The square of a uniform number favours the first places.
                let place = places[(random.unit().powi(2) * places.len() as f64) as usize];
                let reach = 10_f64.powf(random.between(-3.0, 0.2));
                let lon = place[0] + reach * random.normal();
                let lat = place[1] + reach * random.normal();
                (lon.clamp(-180.0, 180.0), lat.clamp(-90.0, 90.0))
            }
        })
        .unzip()
}

/// Writes the points as two files of little-endian doubles, `.lon` and `.lat`; returns their common stem.
///
/// # Errors
/// What the file system says.
pub fn write(folder: &Path, spread: Spread, count: usize) -> Result<PathBuf, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let stem = folder.join(format!("points-{}-{count}", spread.name()));
    let (lon, lat) = points(spread, count, 1);
    for (axis, numbers) in [("lon", lon), ("lat", lat)] {
        let mut file = BufWriter::new(File::create(stem.with_extension(axis))?);
        for number in numbers {
            file.write_all(&number.to_le_bytes())?;
        }
        file.flush()?;
    }
    Ok(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_on_earth_and_the_same_each_time() {
        for spread in [Spread::Uniform, Spread::Clustered] {
            let (lon, lat) = points(spread, 10_000, 1);
            assert!(lon.iter().all(|lon| (-180.0..=180.0).contains(lon)));
            assert!(lat.iter().all(|lat| (-90.0..=90.0).contains(lat)));
            assert_eq!(points(spread, 10_000, 1), (lon, lat));
        }
    }
}
