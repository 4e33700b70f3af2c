//! Degrees as 32-bit fixed point, which says in which cell a place lies and nothing else.
//!
//! One unit is 360°/2³², 9 mm at the equator. Adding, multiplying by a positive number and cutting off the fraction are
//! monotone, also when rounded, so the places of a cell are those between two doubles: cells have no gaps, and a
//! place is in one of them whatever was rounded.

/// Units per degree.
const UNITS_PER_DEG: f64 = 4_294_967_296.0 / 360.0;
/// More than [`units_of_lon`] and [`units_of_lat`] can be wrong by, in degrees: 360 · 2⁻⁵⁰.
const ROUNDING_DEG: f64 = 1e-12;

/// Longitude in units east of −180°, with a fraction.
pub(super) fn units_of_lon(lon: f64) -> f64 {
    (lon + 180.0) * UNITS_PER_DEG
}

/// Latitude in units north of −90°, with a fraction.
pub(super) fn units_of_lat(lat: f64) -> f64 {
    (lat + 90.0) * UNITS_PER_DEG
}

/// Whole units east of −180°; what is beyond 180° is kept at the last one, what is not a number is 0.
#[inline(always)]
pub(super) fn column(lon: f64) -> u32 {
    units_of_lon(lon) as u32
}

/// Whole units north of −90°.
#[inline(always)]
pub(super) fn row(lat: f64) -> u32 {
    units_of_lat(lat) as u32
}

/// The least longitude whose column is `column` or a later one; −∞ for 0, ∞ if there is none.
pub(super) fn least_lon(column: u64) -> f64 {
    least(column, 180.0, self::column)
}

/// The least latitude whose row is `row` or a later one; −∞ for 0, ∞ if there is none.
pub(super) fn least_lat(row: u64) -> f64 {
    least(row, 90.0, self::row)
}

fn least(unit: u64, origin: f64, unit_of: impl Fn(f64) -> u32) -> f64 {
    if unit == 0 {
        return f64::NEG_INFINITY;
    }
    if unit > u64::from(u32::MAX) {
        return f64::INFINITY;
    }
    let near = unit as f64 / UNITS_PER_DEG - origin;
    let (mut before, mut least) = (ordinal(near - ROUNDING_DEG), ordinal(near + ROUNDING_DEG));
    while before + 1 < least {
        let middle = before + (least - before) / 2;
        if u64::from(unit_of(double(middle))) >= unit {
            least = middle;
        } else {
            before = middle;
        }
    }
    double(least)
}

/// The place of a finite double among all doubles.
fn ordinal(value: f64) -> i128 {
    let bits = value.to_bits() as i64;
    i128::from(if bits < 0 { bits ^ i64::MAX } else { bits })
}

fn double(ordinal: i128) -> f64 {
    let bits = ordinal as i64;
    f64::from_bits((if bits < 0 { bits ^ i64::MAX } else { bits }) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_keep_the_order_and_come_back() {
        let values = [-180.0, -1e-100, -5e-324, -0.0, 0.0, 5e-324, 1.0, 180.0];
        for pair in values.windows(2) {
            assert!(ordinal(pair[0]) < ordinal(pair[1]), "{pair:?}");
        }
        for value in values {
            assert_eq!(double(ordinal(value)).to_bits(), value.to_bits());
        }
    }

    #[test]
    fn a_border_is_the_least_coordinate_of_its_cell() {
        let half = 1u64 << 31;
        let units = (0..2000u64).map(|step| 32 + step * 2_147_461);
        for unit in units.chain([1, 2, half / 2, half - 32, half, half + 32, u64::from(u32::MAX)]) {
            let lon = least_lon(unit);
            assert!(u64::from(column(lon)) >= unit && u64::from(column(lon.next_down())) < unit, "{unit}");
            if unit <= half {
                let lat = least_lat(unit);
                assert!(u64::from(row(lat)) >= unit && u64::from(row(lat.next_down())) < unit, "{unit}");
            }
        }
        assert_eq!((least_lon(0), least_lat(0)), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        assert_eq!(least_lon(1 << 32), f64::INFINITY);
        assert_eq!((column(-180.0), column(180.0), column(180.0f64.next_down())), (0, u32::MAX, u32::MAX));
        assert_eq!((row(-90.0), row(90.0)), (0, 1 << 31));
    }
}
