//! One axis of the grid: from a coordinate to the number of a column or row.

/// How far the first cell reaches beyond the edges. A step to the next double would do, but for products that
/// underflow if that double is next to 0.
const MARGIN_DEG: f64 = 1e-9;

/// A monotone function from coordinates to cells, and where each cell begins.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    origin: f64,
    /// Cells per degree.
    density: f64,
    /// The least coordinate of each cell, then the end of the last one.
    borders: Vec<f64>,
}

impl Axis {
    /// `count` cells from a little below `low` to `high`, so that no edge touches the first border.
    pub(super) fn new(low: f64, high: f64, count: usize) -> Self {
        let origin = low - MARGIN_DEG;
        let mut axis = Axis { origin, density: count as f64 / (high - origin), borders: vec![origin] };
        for cell in 1..count {
            let border = axis.least_of(cell, count, high);
            axis.borders.push(border);
        }
        axis.borders.push(high);
        axis
    }

    /// The number of cells.
    pub(super) fn len(&self) -> usize {
        self.borders.len() - 1
    }

    /// The cell of `coordinate`; what is beyond an end belongs to the cell at that end.
    pub(super) fn place(&self, coordinate: f64) -> usize {
        self.place_of(coordinate, self.len())
    }

    /// The least coordinate of a cell; for `len()` the end of the last one.
    pub(super) fn border(&self, cell: usize) -> f64 {
        self.borders[cell]
    }

    /// Subtracting, multiplying by a positive number and cutting off the fraction are monotone, also when rounded;
    /// the cast takes negative numbers to 0.
    fn place_of(&self, coordinate: f64, count: usize) -> usize {
        (((coordinate - self.origin) * self.density) as usize).min(count - 1)
    }

    /// The least coordinate that belongs to `cell` or to a later one, `high` if there is none.
    fn least_of(&self, cell: usize, count: usize, high: f64) -> f64 {
        let (mut before, mut least) = (ordinal(self.origin), ordinal(high));
        while before + 1 < least {
            let middle = before + (least - before) / 2;
            if self.place_of(double(middle), count) >= cell {
                least = middle;
            } else {
                before = middle;
            }
        }
        double(least)
    }
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
        for (low, high, count) in [(-180.0, 180.0, 360), (-1.0, 1.0, 7), (-0.3, 0.7, 1000), (0.0, 1e-12, 9)] {
            let axis = Axis::new(low, high, count);
            assert_eq!(axis.len(), count);
            for cell in 1..count {
                let border = axis.border(cell);
                assert!(axis.border(cell - 1) <= border);
                assert!(border == high || axis.place(border) == cell, "{low} {high} {cell}");
                assert!(axis.place(border.next_down()) < cell, "{low} {high} {cell}");
            }
            assert_eq!((axis.place(-200.0), axis.place(200.0)), (0, count - 1));
        }
    }
}
