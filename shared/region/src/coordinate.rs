//! A place on the earth, and boxes of places.

use thiserror::Error;

/// Coordinates nearer to 0 than this many degrees count as 0. Between doubles of such size a product could
/// underflow, and the sign of a determinant would no longer be exact.
pub(crate) const TINY_DEG: f64 = 1e-100;

/// A longitude and a latitude that can be located: finite, and in range.
///
/// ```
/// use bisonflow_region::Coordinate;
///
/// assert_eq!(Coordinate::new(180.0, 52.0)?.lon(), -180.0); // one meridian, one name
/// assert!(Coordinate::new(f64::NAN, 52.0).is_err());
/// # Ok::<(), bisonflow_region::NotLocatable>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    lon: f64,
    lat: f64,
}

/// A longitude outside −180…180 or a latitude outside −90…90, or one that is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("expected a longitude of -180 to 180 and a latitude of -90 to 90 degrees, found {lon}, {lat}")]
pub struct NotLocatable {
    /// Degrees east, as given.
    pub lon: f64,
    /// Degrees north, as given.
    pub lat: f64,
}

impl Coordinate {
    /// The place at `lon` degrees east and `lat` degrees north. The meridian of 180° is kept as −180°.
    ///
    /// # Errors
    /// [`NotLocatable`] if one of them is out of range, infinite or not a number.
    pub fn new(lon: f64, lat: f64) -> Result<Self, NotLocatable> {
        if !((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)) {
            return Err(NotLocatable { lon, lat });
        }
        let lon = if lon == 180.0 { -180.0 } else { lon };
        Ok(Coordinate { lon: without_tiny(lon), lat: without_tiny(lat) })
    }

    /// Degrees east, −180 ≤ lon < 180.
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// Degrees north, −90 ≤ lat ≤ 90.
    pub fn lat(self) -> f64 {
        self.lat
    }
}

/// `degrees`, or 0 if it is nearer to 0 than matters to anybody; −0 becomes 0.
#[inline(always)]
pub(crate) fn without_tiny(degrees: f64) -> f64 {
    if degrees.abs() < TINY_DEG { 0.0 } else { degrees }
}

/// A box in degrees, its borders included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least longitude.
    pub west: f64,
    /// The least latitude.
    pub south: f64,
    /// The greatest longitude. A region on both sides of 180° reaches from −180 to 180.
    pub east: f64,
    /// The greatest latitude.
    pub north: f64,
}

impl Bounds {
    /// The least box that holds every `[lon, lat]` of `points`; none if there is none.
    pub(crate) fn of(points: impl IntoIterator<Item = [f64; 2]>) -> Option<Self> {
        points.into_iter().map(|[x, y]| Bounds { west: x, south: y, east: x, north: y }).reduce(Bounds::union)
    }

    /// The least box that holds both.
    pub(crate) fn union(self, other: Bounds) -> Bounds {
        Bounds {
            west: self.west.min(other.west),
            south: self.south.min(other.south),
            east: self.east.max(other.east),
            north: self.north.max(other.north),
        }
    }

    /// Longitude and latitude of the middle.
    pub fn center(&self) -> (f64, f64) {
        (self.west / 2.0 + self.east / 2.0, self.south / 2.0 + self.north / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_on_the_earth_are_coordinates() {
        let bad =
            [(181.0, 0.0), (-180.1, 0.0), (0.0, 90.5), (0.0, -91.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)];
        for (lon, lat) in bad {
            assert!(Coordinate::new(lon, lat).is_err(), "{lon}, {lat}");
        }
        let good = [(180.0, 90.0, -180.0, 90.0), (-0.0, 1e-300, 0.0, 0.0), (-180.0, -90.0, -180.0, -90.0)];
        for (lon, lat, x, y) in good {
            let place = Coordinate::new(lon, lat).unwrap();
            assert_eq!((place.lon().to_bits(), place.lat().to_bits()), (f64::to_bits(x), f64::to_bits(y)));
        }
    }
}
