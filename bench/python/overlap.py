"""The unit of each annotated record, by GEOS and by the rule of a layer whose units overlap.

    overlap.py LAYER ANNOTATED

LAYER is read by GDAL, a block of units at a time; ANNOTATED is the file of annotated records. Of the units that hold
a record counts the one of the lowest GAP_Sts, then of the smallest GIS_Acres, then of the lowest Unit_ID; those of the
category Proclamation do not count. GEOS says which units hold a record; of units that are invalid to GEOS, and on borders,
the rule says it: even-odd over all edges, after an infinitesimal step east, then north, computed exactly. Nothing here is
shared with the product: not the reader, not the arithmetic, not the order.
"""

import sys
import time
import warnings
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pyogrio.raw
import shapely

from oracle import FEATURES_PER_BLOCK, from_wkb, on_border

RECORDS_PER_TREE = 2_000_000


def attributes(source):
    """GAP status, acres, id and category of all units, in the order of the file."""
    columns = ["GAP_Sts", "GIS_Acres", "Unit_ID", "Category"]
    meta, _, _, fields = pyogrio.raw.read(source, columns=columns, read_geometry=False)
    by_name = dict(zip(meta["fields"], fields))
    return [by_name[column] for column in columns]


def pairs(units, unit, record):
    """Pairs of unit and record as one number each."""
    return units[unit] * np.int64(RECORDS_PER_TREE) + record


def main():
    # GDAL tells of rings that are wound wrongly; the even-odd rule does not mind.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="pyogrio")
    path, annotated = sys.argv[1:]
    source = f"/vsizip/{path}" if path.endswith(".zip") else path
    begun = time.monotonic()
    table = pq.read_table(
        annotated, columns=["gbifid", "decimallongitude", "decimallatitude", "pa_unit", "pa_gap_status", "pa_name"]
    )
    count = table.num_rows
    ids = table["gbifid"].to_numpy().astype(np.int64)
    assert (ids == np.arange(count)).all(), "every record, in order"
    lon, lat = (table[name].to_numpy() for name in ("decimallongitude", "decimallatitude"))
    lon = np.where(lon == 180.0, -180.0, lon)
    xy = np.column_stack([lon, lat])

    gap, acres, units, category = attributes(source)
    gap = gap.astype(np.int64)
    # The place of each unit in the order of the rule: the lower, the better.
    order = sorted(range(len(units)), key=lambda unit: (gap[unit], acres[unit], units[unit]))
    rank = np.empty(len(units), np.int64)
    rank[order] = np.arange(len(units))
    counts = category != "Proclamation"

    trees = []
    for begin in range(0, count, RECORDS_PER_TREE):
        part = slice(begin, begin + RECORDS_PER_TREE)
        trees.append(shapely.STRtree(shapely.points(lon[part], lat[part])))
    best = np.full(count, len(units), np.int64)
    held = np.zeros(count, np.int32)
    borders, by_rule, invalid = 0, 0, set()
    begin = 0
    while True:
        _, _, wkb, _ = pyogrio.raw.read(source, columns=[], skip_features=begin, max_features=FEATURES_PER_BLOCK)
        if len(wkb) == 0:
            break
        numbers = np.arange(begin, begin + len(wkb))
        begin += len(wkb)
        geometries = from_wkb(wkb)
        valid = shapely.is_valid(geometries)
        invalid.update(units[numbers[~valid]])
        geometries, numbers, valid = (one[counts[numbers]] for one in (geometries, numbers, valid))
        sound, unsound = np.flatnonzero(valid), np.flatnonzero(~valid)
        shapely.prepare(geometries[sound])
        for number, tree in enumerate(trees):
            touched = pairs(sound, *tree.query(geometries[sound], predicate="intersects"))
            inside = pairs(sound, *tree.query(geometries[sound], predicate="contains_properly"))
            border = np.setdiff1d(touched, inside, assume_unique=True)
            borders += len(border)
            # What GEOS is not asked: borders, and all that lies in the box of a unit that is invalid.
            asked = np.concatenate([border, pairs(unsound, *tree.query(geometries[unsound]))])
            unit, record = np.divmod(asked, RECORDS_PER_TREE)
            holds, _ = on_border(geometries, unit, xy[record + number * RECORDS_PER_TREE])
            by_rule += len(asked)
            unit, record = np.divmod(np.concatenate([inside, asked[holds]]), RECORDS_PER_TREE)
            record += number * RECORDS_PER_TREE
            np.minimum.at(best, record, rank[numbers[unit]])
            np.add.at(held, record, 1)
        shapely.destroy_prepared(geometries[sound])
        print(f"overlap: {begin:,} units, {time.monotonic() - begun:.0f} s", file=sys.stderr)

    order = np.append(np.array(order), -1)
    expected = order[best]
    inside = expected >= 0
    found = table["pa_unit"].to_numpy(zero_copy_only=False).astype(object)
    named = np.where(inside, units[expected], None)
    differ = np.flatnonzero(named != found)
    gaps = table["pa_gap_status"].to_numpy(zero_copy_only=False).astype(object)
    gap_differs = np.flatnonzero(np.where(inside, gap[expected].astype(str), None) != gaps)
    print(
        f"{count:,} records in {len(units):,} units ({(~counts).sum():,} left out, {len(invalid):,} invalid to GEOS); "
        f"GEOS {shapely.geos_version_string}\n"
        f"{inside.sum():,} records in a unit, {(held > 1).sum():,} in several, at most {held.max()}; "
        f"{borders:,} pairs on a border; {by_rule:,} pairs answered by the rule"
    )
    by_gap = Counter(gap[expected[inside]].tolist())
    print("by GAP status: " + ", ".join(f"{status}: {by_gap[status]:,}" for status in sorted(by_gap)))
    print(f"another unit than by GEOS and the rule: {len(differ):,}; another GAP status: {len(gap_differs):,}")
    for place in differ[:10]:
        print(f"    record {place} at {float(lon[place])!r} {float(lat[place])!r}: found {found[place]}, expected {named[place]}")
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if len(differ) or len(gap_differs) else 0


if __name__ == "__main__":
    sys.exit(main())
