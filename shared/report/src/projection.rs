//! From degrees to the plane of the map.
//!
//! The United States are drawn as is usual: the 48 states by Albers' equal-area conic projection, with Alaska, Hawaii
//! and the territories in frames of their own, Alaska and the Pacific territories at a smaller scale. Layers of
//! other places are drawn by the equirectangular projection of their box.

use std::f64::consts::PI;

/// Units of the drawing in one pixel at its natural size.
pub(crate) const UNITS_PER_PX: f64 = 4.0;
/// Width and height of the drawing, in pixels.
pub(crate) const WIDTH_PX: f64 = 960.0;
/// See [`WIDTH_PX`].
pub(crate) const HEIGHT_PX: f64 = 600.0;

/// `[lon, lat]` in degrees, or `[x, y]` in units of the drawing.
pub(crate) type Point = [f64; 2];

/// Albers' equal-area conic projection of the sphere of radius 1.
///
/// Formulas (14-1) to (14-6) of J. P. Snyder, *Map projections: a working manual*, USGS Professional Paper 1395
/// (1987), page 100.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Albers {
    n: f64,
    c: f64,
    rho_0: f64,
    lon_0: f64,
}

impl Albers {
    /// With these standard parallels and this origin, in degrees.
    pub(crate) fn new(parallels: [f64; 2], origin: Point) -> Albers {
        let [one, two] = parallels.map(f64::to_radians);
        let n = (one.sin() + two.sin()) / 2.0;
        let c = one.cos().powi(2) + 2.0 * n * one.sin();
        let rho_0 = (c - 2.0 * n * origin[1].to_radians().sin()).sqrt() / n;
        Albers { n, c, rho_0, lon_0: origin[0] }
    }

    /// `[x, y]` of `[lon, lat]` in radii of the sphere, y to the north.
    pub(crate) fn project(&self, [lon, lat]: Point) -> Point {
        let theta = self.n * turn(lon - self.lon_0).to_radians();
        let rho = (self.c - 2.0 * self.n * lat.to_radians().sin()).max(0.0).sqrt() / self.n;
        [rho * theta.sin(), self.rho_0 - rho * theta.cos()]
    }
}

/// A difference of longitudes between −180° and 180°.
fn turn(degrees: f64) -> f64 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

/// A box in degrees; the west may be greater than the east, across 180°.
#[derive(Clone, Copy, Debug)]
struct Extent {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Extent {
    fn holds(&self, [lon, lat]: Point) -> bool {
        let width = (self.east - self.west).rem_euclid(360.0);
        (lon - self.west).rem_euclid(360.0) <= width && (self.south..=self.north).contains(&lat)
    }
}

/// A part of the drawing with a projection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What it shows, if it is set apart from the rest.
    pub(crate) title: Option<&'static str>,
    /// Its box in the drawing, in pixels: left, top, width, height.
    pub(crate) box_px: [f64; 4],
    extent: Extent,
    projection: Plane,
    /// Where the projection's origin lies, in pixels.
    centre_px: Point,
    /// Pixels for a radius of the sphere.
    scale_px: f64,
}

#[derive(Clone, Copy, Debug)]
enum Plane {
    Albers(Albers),
    /// Of this centre, true to scale along its parallel.
    Equirectangular(Point),
}

/// Pixels for a radius of the sphere in the frame of the 48 states.
const SCALE_PX: f64 = 1180.0;

/// The frames of the United States.
pub(crate) fn united_states() -> Vec<Frame> {
    let albers = |parallels, origin| Plane::Albers(Albers::new(parallels, origin));
    let extent = |west, south, east, north| Extent { west, south, east, north };
    vec![
        Frame {
            title: None,
            box_px: [0.0, 0.0, WIDTH_PX, HEIGHT_PX],
            extent: extent(-126.0, 23.5, -66.0, 50.0),
            projection: albers([29.5, 45.5], [-96.0, 38.7]),
            centre_px: [508.0, 278.0],
            scale_px: SCALE_PX,
        },
        Frame {
            title: Some("Alaska, at 35 % of the scale"),
            box_px: [6.0, 432.0, 250.0, 162.0],
            extent: extent(170.0, 50.5, -129.0, 72.0),
            projection: albers([55.0, 65.0], [-154.0, 62.0]),
            centre_px: [152.0, 505.0],
            scale_px: SCALE_PX * 0.35,
        },
        Frame {
            title: Some("Hawaii"),
            box_px: [262.0, 506.0, 150.0, 88.0],
            extent: extent(-161.0, 18.5, -154.5, 22.6),
            projection: albers([8.0, 18.0], [-157.6, 20.5]),
            centre_px: [339.0, 553.0],
            scale_px: SCALE_PX,
        },
        Frame {
            title: Some("Guam, Marianas"),
            box_px: [548.0, 508.0, 86.0, 86.0],
            extent: extent(144.0, 13.0, 146.5, 20.8),
            projection: Plane::Equirectangular([145.3, 16.9]),
            centre_px: [591.0, 556.0],
            scale_px: SCALE_PX * 0.42,
        },
        Frame {
            title: Some("American Samoa"),
            box_px: [640.0, 508.0, 86.0, 86.0],
            extent: extent(-171.3, -14.8, -168.0, -10.8),
            projection: Plane::Equirectangular([-169.7, -12.8]),
            centre_px: [683.0, 560.0],
            scale_px: SCALE_PX * 0.75,
        },
        Frame {
            title: Some("Puerto Rico, Virgin Islands"),
            box_px: [834.0, 522.0, 122.0, 72.0],
            extent: extent(-68.1, 17.4, -64.4, 18.8),
            projection: Plane::Equirectangular([-66.25, 18.1]),
            centre_px: [896.0, 568.0],
            scale_px: SCALE_PX,
        },
    ]
}

/// One frame that holds all of these places; none if there are none.
pub(crate) fn around(places: impl Iterator<Item = Point>) -> Option<Frame> {
    let mut bounds: Option<[f64; 4]> = None;
    for [lon, lat] in places {
        let [west, south, east, north] = bounds.unwrap_or([lon, lat, lon, lat]);
        bounds = Some([west.min(lon), south.min(lat), east.max(lon), north.max(lat)]);
    }
    let [west, south, east, north] = bounds?;
    let centre = [(west + east) / 2.0, (south + north) / 2.0];
    let width = (east - west).max(1e-6).to_radians() * centre[1].to_radians().cos().max(0.01);
    let height = (north - south).max(1e-6).to_radians();
    let scale_px = ((WIDTH_PX - 24.0) / width).min((HEIGHT_PX - 24.0) / height);
    Some(Frame {
        title: None,
        box_px: [0.0, 0.0, WIDTH_PX, HEIGHT_PX],
        extent: Extent { west: -180.0, south: -90.0, east: 180.0, north: 90.0 },
        projection: Plane::Equirectangular(centre),
        centre_px: [WIDTH_PX / 2.0, HEIGHT_PX / 2.0],
        scale_px,
    })
}

impl Frame {
    /// Whether a ring belongs to this frame, by the middle of its box.
    pub(crate) fn holds(&self, ring: &[Point]) -> bool {
        let Some(first) = ring.first() else { return false };
        let start = [*first, *first];
        let [low, high] = ring.iter().fold(start, |[low, high], [lon, lat]| {
            [[low[0].min(*lon), low[1].min(*lat)], [high[0].max(*lon), high[1].max(*lat)]]
        });
        self.extent.west == -180.0 && self.extent.east == 180.0
            || self.extent.holds([(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0])
    }

    /// `[x, y]` in units of the drawing, y downwards.
    pub(crate) fn project(&self, place: Point) -> Point {
        let [x, y] = match self.projection {
            Plane::Albers(albers) => albers.project(place),
            Plane::Equirectangular([lon_0, lat_0]) => {
                let x = turn(place[0] - lon_0) * PI / 180.0 * lat_0.to_radians().cos();
                [x, (place[1] - lat_0).to_radians()]
            }
        };
        let [left, top] = self.centre_px;
        [(left + x * self.scale_px) * UNITS_PER_PX, (top - y * self.scale_px) * UNITS_PER_PX]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn albers_gives_snyders_numerical_example() {
        // Page 291: parallels 29°30′ and 45°30′, origin 23° N 96° W, place 35° N 75° W, R = 1.
        let [x, y] = Albers::new([29.5, 45.5], [-96.0, 23.0]).project([-75.0, 35.0]);
        assert!((x - 0.295_272_0).abs() < 5e-8 && (y - 0.241_677_4).abs() < 5e-8, "{x} {y}");
    }

    #[test]
    fn every_frame_shows_its_places_inside_its_box() {
        let frames = united_states();
        for (frame, place) in [
            (0, [-124.7, 48.4]),  // Cape Alava
            (0, [-66.95, 44.8]),  // West Quoddy Head
            (0, [-81.0, 24.6]),   // Florida Keys
            (0, [-97.2, 25.9]),   // Brownsville
            (0, [-95.15, 49.38]), // Lake of the Woods
            (1, [172.5, 52.9]),   // Attu
            (1, [-156.8, 71.3]),  // Point Barrow
            (1, [-130.1, 55.1]),  // Ketchikan
            (1, [-179.9, 51.4]),
            (2, [-154.81, 19.5]),   // Cape Kumukahi
            (2, [-160.2, 21.9]),    // Niihau
            (3, [144.7, 13.3]),     // Guam
            (3, [145.8, 18.8]),     // Agrihan
            (4, [-168.15, -14.55]), // Rose Atoll
            (4, [-171.05, -11.05]), // Swains Island
            (5, [-67.9, 18.1]),     // Mona
            (5, [-64.6, 17.75]),    // St. Croix
        ] {
            let found: Vec<usize> =
                (0..frames.len()).filter(|&one| frames[one].holds(&[place, place])).collect();
            assert_eq!(found, [frame], "{place:?}");
            let [left, top, width, height] = frames[frame].box_px;
            let [x, y] = frames[frame].project(place).map(|unit| unit / UNITS_PER_PX);
            let inside = (left..=left + width).contains(&x) && (top..=top + height).contains(&y);
            assert!(inside, "{place:?} at {x:.0}, {y:.0} px");
        }
    }

    #[test]
    fn other_places_fill_the_drawing() {
        let places = [[5.0, 45.0], [11.0, 48.0]];
        let frame = around(places.into_iter()).unwrap();
        let [left, bottom] = frame.project(places[0]).map(|unit| unit / UNITS_PER_PX);
        let [right, top] = frame.project(places[1]).map(|unit| unit / UNITS_PER_PX);
        assert!(left >= 0.0 && right <= WIDTH_PX && top >= 0.0 && bottom <= HEIGHT_PX);
        assert!(right - left > 0.9 * WIDTH_PX || bottom - top > 0.9 * HEIGHT_PX);
        assert!(around(std::iter::empty()).is_none());
        assert!(around([[1.0, 2.0]].into_iter()).is_some());
    }
}
