//! Parquet's hybrid of run lengths and bit packing, in which levels and dictionary codes are written.

/// Values of a bit-packed group.
const GROUP: usize = 8;

/// How many bits a code below `count` needs.
pub(super) fn bit_width(count: usize) -> u8 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()) as u8
}

/// Appends `values`, each below 2 to the power of `width`: eight or more equal ones as a run, the others bit-packed.
pub(super) fn encode(values: &[u32], width: u8, out: &mut Vec<u8>) {
    let mut literals = 0; // where those begin that are not written yet
    let mut at = 0;
    while at + GROUP <= values.len() {
        let first = values[at];
        if values[at + 1..at + GROUP].iter().any(|&value| value != first) {
            at += GROUP;
            continue;
        }
        let same = values[at + GROUP..].iter().take_while(|&&value| value == first).count();
        bit_pack(&values[literals..at], width, out);
        at += GROUP + same;
        literals = at;
        run(first, GROUP + same, width, out);
    }
    bit_pack(&values[literals..], width, out);
}

/// Appends a run of `count` equal values.
pub(super) fn run(value: u32, count: usize, width: u8, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..usize::from(width.div_ceil(8))]);
}

/// Appends bits that are packed already, the first in the lowest bit; the last byte is filled with zeros.
pub(super) fn bits(packed: &[u8], out: &mut Vec<u8>) {
    varint(((packed.len() as u64) << 1) | 1, out);
    out.extend_from_slice(packed);
}

fn bit_pack(values: &[u32], width: u8, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    varint(((groups as u64) << 1) | 1, out);
    let end = out.len() + groups * usize::from(width);
    out.reserve(end - out.len() + 8);
    let (mut buffer, mut filled) = (0u128, 0u8);
    let mut push = |bits: u64, width: u8| {
        buffer |= u128::from(bits) << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&(buffer as u64).to_le_bytes());
            buffer >>= 64;
            filled -= 64;
        }
    };
    // Four codes of up to 16 bits are one number.
    let (quads, rest) = if width <= 16 { values.as_chunks::<4>() } else { (&[][..], values) };
    for quad in quads {
        let [a, b, c, d] = quad.map(u64::from);
        push(a | b << width | (c | d << width) << (2 * width), 4 * width);
    }
    rest.iter().for_each(|&value| push(value.into(), width));
    out.extend_from_slice(&buffer.to_le_bytes()[..usize::from(filled.div_ceil(8))]);
    out.resize(end, 0);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn widths() {
        for (count, width) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)] {
            assert_eq!(bit_width(count), width, "{count}");
        }
    }

    proptest! {
        #[test]
        fn packed_codes_lie_one_after_the_other(
            values in collection::vec(any::<u32>(), 0..200),
            width in 0u8..=32,
        ) {
            let most = u32::MAX.checked_shr(32 - u32::from(width)).unwrap_or(0);
            let values: Vec<u32> = values.iter().map(|value| value & most).collect();
            let mut out = Vec::new();
            bit_pack(&values, width, &mut out);
            let groups = values.len().div_ceil(GROUP);
            let head = if groups == 0 { 0 } else { 1 };
            prop_assert_eq!(out.len(), head + groups * usize::from(width));
            let bit = |at: usize| out[head + at / 8] >> (at % 8) & 1;
            for (place, &value) in values.iter().enumerate() {
                let bits = (0..usize::from(width)).map(|n| u32::from(bit(place * usize::from(width) + n)) << n);
                prop_assert_eq!(bits.sum::<u32>(), value);
            }
        }
    }

    #[test]
    fn runs_and_groups_are_laid_out_as_the_format_says() {
        let encoded = |values: &[u32], width| {
            let mut out = Vec::new();
            encode(values, width, &mut out);
            out
        };
        // The example of the format's own description: 0 to 7 in three bits each.
        assert_eq!(encoded(&[0, 1, 2, 3, 4, 5, 6, 7], 3), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        assert_eq!(encoded(&[5; 100], 3), [0xc8, 0x01, 5]);
        assert_eq!(encoded(&[300; 9], 9), [18, 0x2c, 1]);
        assert_eq!(encoded(&[0; 20], 0), [40]);
        assert_eq!(encoded(&[1, 0, 1], 1), [0b11, 0b101]);
        assert!(encoded(&[], 4).is_empty());
    }
}
