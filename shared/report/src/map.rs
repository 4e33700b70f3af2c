//! The map of a summary as SVG.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::data::{Backdrop, Map, MapShape, Summary};
use crate::markup::{Markup, escape};
use crate::projection::{Frame, HEIGHT_PX, UNITS_PER_PX, WIDTH_PX, around, united_states};
use crate::scale::{FEW_RECORDS, Measure};
use crate::shape::{Path, path};

/// No more regions are drawn: each is a path of its own that can be pointed at.
const MOST_REGIONS: usize = 6_000;
/// A map takes no more than this, if a coarser grid can help it.
const MOST_BYTES: usize = 1_200_000;
/// The grids, in units of the drawing, from the finest: a quarter of a pixel to two pixels.
const STEPS: [i32; 4] = [1, 2, 4, 8];

/// A map, or why there is none.
pub(crate) enum Drawn {
    Map {
        /// The drawing.
        svg: Markup,
        /// Regions with records that the layer has no shape for in the frames of the map.
        not_shown: usize,
        /// Whether the United States are drawn, with frames.
        has_frames: bool,
    },
    None(String),
}

/// What is drawn as one: the shapes of one key, or one of them.
struct Region<'a> {
    key: &'a str,
    label: &'a str,
    shapes: Vec<&'a MapShape>,
}

/// Draws the map of a summary; `rows` says in which row of the page's table a key is.
pub(crate) fn draw(summary: &Summary, rows: &BTreeMap<&str, usize>, backdrop: Option<&Backdrop>) -> Drawn {
    let (shapes, overlapping) = match &summary.map {
        Map::NotDrawn(why) => return Drawn::None(why.clone()),
        Map::Of { shapes, overlapping } => (shapes, *overlapping),
    };
    let regions = regions(shapes, overlapping);
    if regions.is_empty() {
        return Drawn::None(format!("the layer {} has no region with a key to count by", summary.layer));
    }
    if regions.len() > MOST_REGIONS {
        return Drawn::None(format!(
            "the layer {} has more regions ({}) than can be drawn and pointed at on one page ({MOST_REGIONS})",
            summary.layer,
            regions.len()
        ));
    }
    let (frames, has_frames) = frames(&regions);
    let mut paths: Vec<Option<Path>> = Vec::new();
    for step in STEPS {
        let of = |region: &Region<'_>| {
            path(&frames, region.shapes.iter().flat_map(|shape| shape.rings.iter()), step)
        };
        paths = regions.iter().map(of).collect();
        if paths.iter().flatten().map(|path| path.d.len()).sum::<usize>() <= MOST_BYTES {
            break;
        }
    }
    let mut svg = String::new();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    let (width, height) = (WIDTH_PX * UNITS_PER_PX, HEIGHT_PX * UNITS_PER_PX);
    write!(svg, "<svg class=\"map\" viewBox=\"0 0 {width} {height}\" tabindex=\"0\" role=\"application\" aria-label=\"Map by {}. Arrow keys move from region to region; the table below has the same figures.\">", escape(&summary.name))
        .expect("writing to a text does not fail");
    frame_boxes(&frames, &mut svg);
    if let Some(backdrop) = backdrop.filter(|backdrop| has_frames && backdrop.layer != summary.layer) {
        svg.push_str("<g class=\"backdrop\">");
        for region in self::regions(&backdrop.shapes, false) {
            let rings = region.shapes.iter().flat_map(|shape| shape.rings.iter());
            if let Some(path) = path(&frames, rings, STEPS[1]) {
                write!(svg, "<path d=\"{}\"/>", path.d).expect("writing to a text does not fail");
            }
        }
        svg.push_str("</g>");
    }
    svg.push_str("<g class=\"regions\">");
    for (region, path) in regions.iter().zip(&paths) {
        let Some(path) = path else { continue };
        let row = rows.get(region.key);
        let classes: String = match row {
            None => "nnn".to_owned(),
            Some(&row) => {
                let class = |measure: Measure| match measure.class(&summary.regions[row]) {
                    Some(class) => char::from(b'0' + class),
                    None => 'x',
                };
                Measure::ALL.map(class).iter().collect()
            }
        };
        let hatched = row.is_some_and(|&row| summary.regions[row].occ_count < FEW_RECORDS);
        let first = classes.chars().next().unwrap_or('n');
        write!(
            svg,
            "<path class=\"c{first}{}\" data-c=\"{classes}\" data-m=\"{} {}\"",
            if hatched { " h" } else { "" },
            path.middle.0,
            path.middle.1
        )
        .expect("writing to a text does not fail");
        match row {
            Some(row) => {
                shown.insert(region.key);
                write!(svg, " data-r=\"{row}\"").expect("writing to a text does not fail");
            }
            None => {
                write!(svg, " data-t=\"{}\"", escape(region.label)).expect("writing to a text does not fail")
            }
        }
        write!(svg, " d=\"{}\"/>", path.d).expect("writing to a text does not fail");
    }
    svg.push_str("</g></svg>");
    Drawn::Map { svg: Markup::ours(svg), not_shown: rows.len() - shown.len(), has_frames }
}

fn regions<'a>(shapes: &'a [MapShape], overlapping: bool) -> Vec<Region<'a>> {
    let of = |shape: &'a MapShape| shape.key.as_deref().filter(|key| !key.is_empty());
    if overlapping {
        let one = |shape: &'a MapShape| {
            let MapShape { label, .. } = shape;
            Some(Region { key: of(shape)?, label, shapes: vec![shape] })
        };
        return shapes.iter().filter_map(one).collect();
    }
    let mut by_key: BTreeMap<&str, Vec<&MapShape>> = BTreeMap::new();
    for shape in shapes {
        if let Some(key) = of(shape) {
            by_key.entry(key).or_default().push(shape);
        }
    }
    by_key.into_iter().map(|(key, shapes)| Region { key, label: &shapes[0].label, shapes }).collect()
}

/// The frames of the United States if they hold nearly all regions, else one around all of them.
fn frames(regions: &[Region<'_>]) -> (Vec<Frame>, bool) {
    let states = united_states();
    let is_held = |region: &&Region<'_>| {
        let mut rings = region.shapes.iter().flat_map(|shape| shape.rings.iter());
        rings.any(|ring| states.iter().any(|frame| frame.holds(ring)))
    };
    if regions.iter().filter(is_held).count() * 10 >= regions.len() * 9 {
        return (states, true);
    }
    let places =
        regions.iter().flat_map(|region| &region.shapes).flat_map(|shape| shape.rings.iter().flatten());
    (around(places.copied()).into_iter().collect(), false)
}

/// The frames that are set apart, with what they show.
fn frame_boxes(frames: &[Frame], svg: &mut String) {
    svg.push_str("<g class=\"frames\" data-scale=\"\">");
    for frame in frames {
        let Some(title) = frame.title else { continue };
        let [left, top, width, height] = frame.box_px.map(|px| px * UNITS_PER_PX);
        write!(svg, "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/><text x=\"{}\" y=\"{}\">{title}</text>", left + 16.0, top + 42.0)
            .expect("writing to a text does not fail");
    }
    svg.push_str("</g>");
}
