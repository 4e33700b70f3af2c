//! The pieces of an index become one.

use super::Row;
use crate::cells::lookup::{IS_CELL, NODE, PAYLOAD};

/// Whether there is a number for every node and every cell; else how many bytes they take.
pub(crate) fn check_size(rows: &[Row]) -> Result<(), u64> {
    let nodes: usize = rows.iter().map(|row| row.nodes.len()).sum();
    let cells: usize = rows.iter().map(|row| row.cells.len()).sum();
    if nodes / NODE > PAYLOAD as usize || cells > PAYLOAD as usize {
        return Err(4 * nodes as u64 + 8 * cells as u64);
    }
    Ok(())
}

/// Writes roots, nodes and cells into `sections`, and frees each piece when it is written.
pub(crate) fn join(rows: Vec<Row>, sections: Vec<&mut [u8]>) {
    let Ok([roots, nodes, cells]) = <[&mut [u8]; 3]>::try_from(sections) else {
        unreachable!("the sections that come later are roots, nodes and cells")
    };
    let roots: &mut [u32] = bytemuck::cast_slice_mut(roots);
    let nodes: &mut [u32] = bytemuck::cast_slice_mut(nodes);
    let cells: &mut [u64] = bytemuck::cast_slice_mut(cells);
    let (mut root_at, mut node_at, mut cell_at) = (1, 0, 0);
    for row in rows {
        let moved = |entry: u32| match entry {
            0..=PAYLOAD => entry,
            _ if entry & IS_CELL != 0 => entry + cell_at as u32,
            _ => entry + (node_at / NODE) as u32,
        };
        for (to, from) in roots[root_at..].iter_mut().zip(&row.roots) {
            *to = moved(*from);
        }
        for (to, from) in nodes[node_at..].iter_mut().zip(&row.nodes) {
            *to = moved(*from);
        }
        cells[cell_at..cell_at + row.cells.len()].copy_from_slice(&row.cells);
        root_at += row.roots.len();
        node_at += row.nodes.len();
        cell_at += row.cells.len();
    }
}
