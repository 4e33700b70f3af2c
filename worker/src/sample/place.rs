//! Where records are: clusters of points inside real counties.

use serde::Deserialize;

use super::random::Random;

const COUNTIES: &str = include_str!("../../../reference/us_county_2017_10m.topojson");

/// How many clusters a county has.
const SITES_PER_COUNTY: usize = 3;
/// How many random points are tried for a cluster before a county goes with fewer.
const TRIES: usize = 40;
/// Records scatter around a site by at most this many degrees, about 2 km.
const SCATTER_DEGREES: f64 = 0.02;

/// A place inside a county.
pub(super) struct Site {
    longitude: f64,
    latitude: f64,
    county: usize,
}

/// A county's names.
#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct CountyName {
    pub(super) stusps: String,
    pub(super) namelsad: String,
}

/// Where a record is.
pub(super) struct Place<'a> {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
    pub(super) county: &'a CountyName,
}

/// The sites, by part of the country, those with most records first.
pub(super) struct Places {
    conterminous: Vec<Site>,
    alaska: Vec<Site>,
    hawaii: Vec<Site>,
    territories: Vec<Site>,
    counties: Vec<CountyName>,
}

impl Places {
    pub(super) fn new(random: &mut Random) -> Places {
        let topology: Topology =
            serde_json::from_str(COUNTIES).expect("the layer in the image is well-formed");
        let arcs = topology.decoded();
        let mut places = Places {
            conterminous: Vec::new(),
            alaska: Vec::new(),
            hawaii: Vec::new(),
            territories: Vec::new(),
            counties: Vec::new(),
        };
        for county in topology.objects.counties.geometries {
            let rings = county.shape.rings(&arcs);
            let sites = match county.properties.stusps.as_str() {
                "AK" => &mut places.alaska,
                "HI" => &mut places.hawaii,
                "PR" | "VI" | "GU" | "AS" | "MP" => &mut places.territories,
                _ => &mut places.conterminous,
            };
            for _ in 0..SITES_PER_COUNTY {
                if let Some([longitude, latitude]) = point_inside(&rings, random) {
                    sites.push(Site { longitude, latitude, county: places.counties.len() });
                }
            }
            places.counties.push(county.properties);
        }
        let parts =
            [&mut places.conterminous, &mut places.alaska, &mut places.hawaii, &mut places.territories];
        for sites in parts {
            for last in (1..sites.len()).rev() {
                sites.swap(last, random.below(last + 1));
            }
        }
        places
    }

    /// A random place: most in the conterminous states, some in Alaska, Hawaii and the territories.
    pub(super) fn pick(&self, random: &mut Random) -> Place<'_> {
        let sites = match random.below(100) {
            0..4 => &self.alaska,
            4..9 => &self.hawaii,
            9..12 => &self.territories,
            _ => &self.conterminous,
        };
        let site = random.mostly_first_of(sites);
        let mut scattered = |degrees| random.between(degrees - SCATTER_DEGREES, degrees + SCATTER_DEGREES);
        let longitude = scattered(site.longitude);
        Place { longitude, latitude: scattered(site.latitude), county: &self.counties[site.county] }
    }
}

type Ring = Vec<[f64; 2]>;

/// A random point inside these rings, near their largest one.
fn point_inside(rings: &[Ring], random: &mut Random) -> Option<[f64; 2]> {
    let ring = rings.iter().max_by_key(|ring| ring.len())?;
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for vertex in ring {
        for axis in 0..2 {
            low[axis] = low[axis].min(vertex[axis]);
            high[axis] = high[axis].max(vertex[axis]);
        }
    }
    (0..TRIES)
        .map(|_| [random.between(low[0], high[0]), random.between(low[1], high[1])])
        .find(|&point| is_inside(rings, point))
}

/// Even-odd over all rings; what a point on a border gets does not matter here.
fn is_inside(rings: &[Ring], [x, y]: [f64; 2]) -> bool {
    let mut inside = false;
    for ring in rings {
        for edge in ring.windows(2) {
            let ([x0, y0], [x1, y1]) = (edge[0], edge[1]);
            if (y0 > y) != (y1 > y) && x < x0 + (y - y0) / (y1 - y0) * (x1 - x0) {
                inside = !inside;
            }
        }
    }
    inside
}

#[derive(Deserialize)]
struct Topology {
    transform: Transform,
    objects: Objects,
    arcs: Vec<Vec<[i64; 2]>>,
}

#[derive(Deserialize)]
struct Transform {
    scale: [f64; 2],
    translate: [f64; 2],
}

#[derive(Deserialize)]
struct Objects {
    counties: Collection,
}

#[derive(Deserialize)]
struct Collection {
    geometries: Vec<County>,
}

#[derive(Deserialize)]
struct County {
    #[serde(flatten)]
    shape: Shape,
    properties: CountyName,
}

/// Arcs are numbered from 0; `!n` is arc n from its end to its start.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Shape {
    Polygon { arcs: Vec<Vec<i64>> },
    MultiPolygon { arcs: Vec<Vec<Vec<i64>>> },
}

impl Topology {
    /// The arcs in degrees: positions are differences of whole numbers.
    fn decoded(&self) -> Vec<Ring> {
        let Transform { scale, translate } = self.transform;
        let decode = |arc: &Vec<[i64; 2]>| {
            let mut at = [0, 0];
            arc.iter()
                .map(|step| {
                    at = [at[0] + step[0], at[1] + step[1]];
                    [at[0] as f64 * scale[0] + translate[0], at[1] as f64 * scale[1] + translate[1]]
                })
                .collect()
        };
        self.arcs.iter().map(decode).collect()
    }
}

impl Shape {
    fn rings(&self, arcs: &[Ring]) -> Vec<Ring> {
        let stitch = |ring: &Vec<i64>| {
            let mut vertices = Ring::new();
            for &arc in ring {
                let backwards = arc < 0;
                let arc = &arcs[(if backwards { !arc } else { arc }) as usize];
                // The first vertex of an arc is the last of the one before.
                vertices.pop();
                if backwards { vertices.extend(arc.iter().rev()) } else { vertices.extend(arc) }
            }
            vertices
        };
        match self {
            Shape::Polygon { arcs } => arcs.iter().map(stitch).collect(),
            Shape::MultiPolygon { arcs } => arcs.iter().flatten().map(stitch).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_every_county_has_its_sites() {
        let places = Places::new(&mut Random::new(1, 0));
        assert_eq!(places.counties.len(), 3_231);
        for (part, sites) in
            [(29 * 3, &places.alaska), (5 * 3, &places.hawaii), (78 * 3, &places.territories)]
        {
            assert!(sites.len() * 10 >= part * 8, "{} of {part}", sites.len());
        }
        assert!(places.conterminous.len() > 9_200);
    }
}
