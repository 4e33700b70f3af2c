//! The ledger as a flow: from the rows that were read to the records by status.

use std::fmt::Write;

use bisonflow_contract::document::Ledger;

use crate::markup::{Markup, count, escape};

/// Height of all rows that were read, in pixels.
const FULL_PX: f64 = 250.0;
/// A node is given at least this much room, for its text.
const ROOM_PX: f64 = 21.0;
/// Between two nodes.
const GAP_PX: f64 = 7.0;
/// Width of a node.
const NODE_PX: f64 = 12.0;
/// From column to column.
const COLUMN_PX: f64 = 232.0;

/// A number of records on its way, and what it is called.
struct Node {
    label: String,
    class: &'static str,
    records: u64,
    /// The place of the node in the column before that it comes from.
    from: usize,
}

/// Draws the flow: read → rejected and landed → held back by each filter and annotated → by status. What is 0 is left
/// out; the table beside it has it.
pub(crate) fn draw(ledger: &Ledger) -> Markup {
    let records = &ledger.records;
    let node = |label: &str, class, records, from| Node { label: label.to_owned(), class, records, from };
    let read = vec![node("read", "f-on", records.read, 0)];
    let mut landed = vec![node("landed", "f-on", records.landed, 0)];
    landed.push(node("rejected", "f-out", records.rejected, 0));
    let mut annotated = vec![node("annotated", "f-on", records.annotated, 0)];
    annotated.extend(
        records.filtered.iter().map(|(name, &count)| node(&format!("held back: {name}"), "f-out", count, 0)),
    );
    let riis = &ledger.riis;
    let statuses = vec![
        node("introduced", "s-introduced", riis.introduced, 0),
        node("established", "s-established", riis.established, 0),
        node("invasive", "s-invasive", riis.invasive, 0),
        node("widespread invasive", "s-widespread_invasive", riis.widespread_invasive, 0),
        node("not listed", "s-not_listed", riis.not_listed, 0),
        node("not assessed", "s-not_assessed", riis.not_assessed, 0),
    ];
    columns(&[read, landed, annotated, statuses], records.read)
}

fn columns(columns: &[Vec<Node>], whole: u64) -> Markup {
    let scale = if whole == 0 { 0.0 } else { FULL_PX / whole as f64 };
    let mut svg = String::new();
    let mut before: Vec<f64> = Vec::new(); // the tops of the nodes of the column before
    let mut bottom: f64 = 0.0;
    let mut nodes = String::new();
    for (column, entries) in columns.iter().enumerate() {
        let left = column as f64 * COLUMN_PX;
        let mut taken = before;
        let mut tops = vec![0.0; entries.len()];
        let mut top = 0.0;
        for (place, node) in entries.iter().enumerate() {
            if node.records == 0 && !(column == 0 && place == 0) {
                continue;
            }
            let height = (node.records as f64 * scale).max(1.0);
            tops[place] = top;
            if let Some(start) = taken.get_mut(node.from).filter(|_| column > 0) {
                let width = node.records as f64 * scale;
                ribbon(&mut svg, node.class, [left - COLUMN_PX + NODE_PX, *start, left, top], width.max(0.6));
                *start += width;
            }
            let middle = top + height / 2.0;
            write!(
                nodes,
                "<rect class=\"{}\" x=\"{left:.0}\" y=\"{top:.1}\" width=\"{NODE_PX}\" height=\"{height:.1}\"/>\
                 <text x=\"{:.0}\" y=\"{:.1}\">{} <tspan>{}</tspan></text>",
                node.class,
                left + NODE_PX + 6.0,
                middle.max(top + 8.0) + 4.0,
                escape(&node.label),
                count(i64::try_from(node.records).unwrap_or(i64::MAX)),
            )
            .expect("writing to a text does not fail");
            top += height.max(ROOM_PX) + GAP_PX;
        }
        bottom = bottom.max(top);
        before = tops;
    }
    let width = (columns.len() - 1) as f64 * COLUMN_PX + 230.0;
    Markup::ours(format!(
        "<svg class=\"flow\" viewBox=\"-2 -2 {width:.0} {:.0}\" role=\"img\" aria-label=\"The ledger as a flow; the \
         table has the same numbers.\" data-from=\"ledger\"><g class=\"ribbons\">{svg}</g>{nodes}</svg>",
        bottom + 4.0
    ))
}

/// A band of this width from `[x, y, …]` to `[…, x, y]`, its upper edge.
fn ribbon(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4], width: f64) {
    let middle = (x1 + x2) / 2.0;
    let (below1, below2) = (y1 + width, y2 + width);
    write!(
        svg,
        "<path class=\"{class}\" d=\"M{x1:.1} {y1:.1}C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}V{below2:.1}\
         C{middle:.1} {below2:.1} {middle:.1} {below1:.1} {x1:.1} {below1:.1}z\"/>"
    )
    .expect("writing to a text does not fail");
}
