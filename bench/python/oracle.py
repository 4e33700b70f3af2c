"""The oracle of the region index: GEOS off the borders, exact arithmetic on them.

    oracle.py draw PLAN      draws the points of each layer
    oracle.py compare PLAN   compares our answers with GEOS's and with the rule's

PLAN is a JSON file beside the points and answers: the layers, and how many points of each kind. Layers are read
by GDAL, a block of features at a time; points are compared a block at a time. Nothing here is shared with the
index: not the reader, not the arithmetic.

The rule for a point on a border: it lies where it would after an infinitesimal step east, then north. A feature
holds a point by the even-odd rule over all its rings.
"""

import json
import sys
import time
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyogrio.raw
import shapely

FEATURES_PER_BLOCK = 20_000
POINTS_PER_BLOCK = 2_000_000
# As the index has cells at binary fractions of a turn, so have the points that aim at cell corners.
CELL_LEVELS = (8, 25)


class Layer:
    """A layer's file, read a block of features at a time."""

    def __init__(self, entry):
        self.name, self.path, self.id = entry["name"], entry["path"], entry["id"]
        self.source = f"/vsizip/{self.path}" if self.path.endswith(".zip") else self.path

    def blocks(self):
        """Yields (number of the first feature, ids, geometries)."""
        begin = 0
        while True:
            _, _, wkb, fields = pyogrio.raw.read(
                self.source, columns=[self.id], skip_features=begin, max_features=FEATURES_PER_BLOCK
            )
            if len(wkb) == 0:
                return
            yield begin, fields[0].astype(str), from_wkb(wkb)
            begin += len(wkb)


def from_wkb(blobs):
    """Geometries without rings of less than four points, which GEOS refuses."""
    try:
        return shapely.from_wkb(blobs)
    except shapely.errors.GEOSException:
        return np.array([one_from_wkb(blob) for blob in blobs])


def one_from_wkb(blob):
    try:
        return shapely.from_wkb(blob)
    except shapely.errors.GEOSException:
        return without_short_rings(blob)


def without_short_rings(wkb):
    at = 0

    def number():
        nonlocal at
        at += 4
        return int.from_bytes(wkb[at - 4 : at], "little")

    def polygon():
        nonlocal at
        rings = []
        for _ in range(number()):
            count = number()
            ring = np.frombuffer(wkb, "<f8", 2 * count, at).reshape(-1, 2)
            at += 16 * count
            if count >= 4:
                rings.append(ring)
        return shapely.Polygon(rings[0], rings[1:]) if rings else shapely.Polygon()

    at += 1  # byte order: GDAL gives little-endian here
    if number() == 3:
        return polygon()
    parts = []
    for _ in range(number()):
        at += 5
        parts.append(polygon())
    return shapely.MultiPolygon([part for part in parts if not part.is_empty])


def edges_of(geometries):
    """All edges: feature, x1, y1, x2, y2."""
    parts, feature = polygons_of(geometries)
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    return feature[part[ring[:-1][same]]], points[:-1][same], points[1:][same]


def polygons_of(geometries):
    """The polygons of multipolygons and collections, and of which geometry each is."""
    parts, of = shapely.get_parts(geometries, return_index=True)
    while not (shapely.get_type_id(parts) == 3).all():
        parts, inner = shapely.get_parts(parts, return_index=True)
        of = of[inner]
    return parts, of


# Points ---------------------------------------------------------------------------------------------------------


def draw(plan, folder):
    for number, entry in enumerate(plan["layers"]):
        layer = Layer(entry)
        random = np.random.default_rng([number, 20260701])
        sample, bounds = sample_edges(layer, random, plan["adversarial"])
        west, south, east, north = bounds
        count = plan["random"]
        uniform = np.column_stack(
            [random.uniform(west, east, count - count // 2), random.uniform(south, north, count - count // 2)]
        )
        # The other half lies where regions are.
        near = sample[random.integers(len(sample), size=count // 2), :2]
        near = near + random.normal(size=near.shape) * 10.0 ** random.uniform(-4, 0.3, (len(near), 1))
        points = [uniform, near, adversarial(sample, random, plan["adversarial"])]
        points = np.concatenate(points)
        points[:, 0] = np.clip(points[:, 0], -180, 180)
        points[:, 1] = np.clip(points[:, 1], -90, 90)
        points[:, 0].tofile(folder / f"{layer.name}.lon")
        points[:, 1].tofile(folder / f"{layer.name}.lat")
        print(f"{layer.name}: {len(points):,} points drawn", file=sys.stderr)


def sample_edges(layer, random, wanted):
    """Edges as rows of x1, y1, x2, y2: all of them, or a sample when points need not be around every one."""
    kept, bounds = [], np.array([np.inf, np.inf, -np.inf, -np.inf])
    for _, _, geometries in layer.blocks():
        _, a, b = edges_of(geometries)
        edges = np.column_stack([a, b])
        if len(edges) == 0:
            continue
        bounds[:2] = np.minimum(bounds[:2], a.min(axis=0))
        bounds[2:] = np.maximum(bounds[2:], a.max(axis=0))
        # Of a large layer some of every block, so that memory is bounded.
        if len(edges) > wanted / 10:
            edges = edges[random.choice(len(edges), max(int(wanted / 10), 1), replace=False)]
        kept.append(edges)
    kept = np.concatenate(kept)
    if len(kept) > wanted:
        kept = kept[random.choice(len(kept), wanted, replace=False)]
    return kept, bounds


def adversarial(edges, random, wanted):
    """At least `wanted` points where a fast index may be wrong."""
    a, b = edges[:, :2], edges[:, 2:]
    west, south = a.min(axis=0)
    east, north = a.max(axis=0)

    def beside(points):
        """One ulp off, in one or both coordinates."""
        toward = random.choice([-np.inf, np.inf], points.shape)
        moved = np.nextafter(points, toward)
        both = random.random(len(points)) < 0.3
        axis = random.integers(2, size=len(points))
        keep = np.column_stack([(axis == 0) & ~both, (axis == 1) & ~both])
        return np.where(keep, points, moved)

    def shared(axis):
        """The x, or the y, of a vertex; the other coordinate anywhere, or another vertex's."""
        points = a.copy()
        other = 1 - axis
        low, high = (west, east) if other == 0 else (south, north)
        points[:, other] = random.uniform(low, high, len(points))
        mixed = random.random(len(points)) < 0.5
        points[mixed, other] = a[random.integers(len(a), size=mixed.sum()), other]
        return points

    def near_shared(axis):
        """The x, or the y, of a vertex; the other coordinate close to it."""
        points = a.copy()
        points[:, 1 - axis] += random.normal(size=len(a)) * 10.0 ** random.uniform(-9, -1, len(a))
        return points

    def cells():
        """The corner of a cell next to a vertex, or a point on a side of a cell."""
        size = 360.0 / 2.0 ** random.integers(*CELL_LEVELS, (len(a), 1))
        points = np.round((a + 180) / size) * size - 180
        side = random.random(len(a)) < 0.4
        points[side, 0] = a[side, 0]
        return points

    def along():
        share = random.random((len(a), 1))
        return a + (b - a) * share

    middle = (a + b) / 2
    kinds = [
        lambda: a,
        lambda: middle,
        lambda: beside(a),
        lambda: beside(middle),
        lambda: shared(0),
        lambda: shared(1),
        lambda: near_shared(0),
        lambda: near_shared(1),
        cells,
        lambda: beside(cells()),
        along,
        lambda: beside(along()),
        lambda: np.column_stack([a[:, 0], b[:, 1]]),
        lambda: np.column_stack([middle[:, 0], a[:, 1]]),
    ]
    # Every vertex and midpoint of the sample that fits; then all kinds again with other random numbers.
    drawn, count = [], 0
    if len(a) * len(kinds) > wanted:
        share = max(wanted // len(kinds), 1)
        drawn = [points[random.choice(len(points), min(share + 1, len(points)), replace=False)]
                 if place > 1 else points[: max(share, min(len(points), wanted // 4))]
                 for place, points in enumerate(kind() for kind in kinds)]
        return np.concatenate(drawn)
    while count < wanted:
        for kind in kinds if count == 0 else kinds[2:]:
            points = kind()
            drawn.append(points)
            count += len(points)
    return np.concatenate(drawn)


# The rule, exactly ----------------------------------------------------------------------------------------------

ERROR_BOUND = (3 + 16 * 2.0**-53) * 2.0**-53  # Shewchuk 1997, ccwerrboundA


def holds_by_rule(a, b, points):
    """Whether the even-odd region of the edges a-b holds each point after a step east, then north.

    A ray goes north from the moved point. It crosses an edge that spans its longitude, half open since the step
    east decides at vertices, and that lies above: by the sign of an exact determinant, or, when the point is on the
    edge, if the edge rises east of it.
    """
    swap = a[:, 0] > b[:, 0]
    left, right = np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
    upright = left[:, 0] == right[:, 0]
    left, right = left[~upright], right[~upright]
    order = np.argsort(points[:, 0], kind="stable")
    x = points[order, 0]
    first, last = np.searchsorted(x, left[:, 0], "left"), np.searchsorted(x, right[:, 0], "left")
    parity = np.zeros(len(points), bool)
    some = np.flatnonzero(last > first)
    # So many pairs of edge and point at a time.
    ends = np.cumsum((last - first)[some])
    begin = 0
    while begin < len(some):
        limit = (ends[begin - 1] if begin else 0) + 5_000_000
        end = max(np.searchsorted(ends, limit, "right"), begin + 1)
        block = some[begin:end]
        counts = (last - first)[block]
        edge = np.repeat(block, counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        point = order[first[edge] + within]
        above = edge_is_above(left[edge], right[edge], points[point])
        parity ^= (np.bincount(point[above], minlength=len(points)) % 2).astype(bool)
        begin = end
    return parity


def edge_is_above(left, right, points):
    p, q = left - points, right - points
    one, other = p[:, 0] * q[:, 1], p[:, 1] * q[:, 0]
    # Positive if the point is left of left->right, that is above the edge.
    side = one - other
    sure = np.abs(side) > ERROR_BOUND * (np.abs(one) + np.abs(other))
    # Underflow is beyond the bound: such products are looked at exactly, too.
    sure &= (np.abs(one) > 1e-290) | (np.abs(other) > 1e-290)
    rises = right[:, 1] > left[:, 1]
    above = side < 0
    at_vertex = ((p == 0).all(axis=1)) | ((q == 0).all(axis=1))
    above = np.where(at_vertex, rises, above)
    for place in np.flatnonzero(~sure & ~at_vertex):
        (lx, ly), (rx, ry), (px, py) = (
            [Fraction(float(number)) for number in pair] for pair in (left[place], right[place], points[place])
        )
        exact = (lx - px) * (ry - py) - (ly - py) * (rx - px)
        above[place] = rises[place] if exact == 0 else exact < 0
    return above


# Comparing ------------------------------------------------------------------------------------------------------


class Sets:
    """Our answers to the points of a layer: for each point a set of regions."""

    def __init__(self, folder, index, layer, points):
        stem = folder / f"{index}.{layer}"
        self.offsets = np.fromfile(f"{stem}.offsets", "<u4").astype(np.int64)
        self.members = np.fromfile(f"{stem}.members", "<u4").astype(np.int64)
        self.regions = Path(f"{stem}.regions").read_text().splitlines()
        self.answers = np.fromfile(f"{stem}.{points}.sets", "<u4")

    def pairs(self, begin, end):
        """Pairs of point and region in one number, in order."""
        answers = self.answers[begin:end]
        counts = (self.offsets[1:] - self.offsets[:-1])[answers]
        point = np.repeat(np.arange(len(answers)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        region = self.members[self.offsets[answers][point] + within]
        return np.sort(point * len(self.regions) + region)


def compare_layer(entry, folder, kinds):
    """Compares one layer's answers; returns a row of figures and whether all is well."""
    layer = Layer(entry)
    ours = Sets(folder, layer.name, layer.name, layer.name)
    number_of = {region: number for number, region in enumerate(ours.regions)}
    lon, lat = (np.fromfile(folder / f"{layer.name}.{axis}", "<f8") for axis in ("lon", "lat"))
    # 180° is -180°: a point there is at the western end of the map.
    lon[lon == 180.0] = -180.0
    features, invalid = 0, {}
    figures = {
        "points": len(lon), "random": kinds["random"], "inside": 0, "on_border": 0, "missing": 0, "surplus": 0,
        "border_wrong": 0, "shared": 0, "shared_one": 0,
    }
    examples, upon = [], set()
    for begin in range(0, len(lon), POINTS_PER_BLOCK):
        end = min(begin + POINTS_PER_BLOCK, len(lon))
        xy = np.column_stack([lon[begin:end], lat[begin:end]])
        tree = shapely.STRtree(shapely.points(xy))
        none = np.empty(0, np.int64)
        strictly, touching, held, touching_edges = [none], [none], [none], [np.empty(0, np.uint64)]
        for _, ids, geometries in layer.blocks():
            if begin == 0:
                features += len(ids)
                bad = ~shapely.is_valid(geometries)
                for place in np.flatnonzero(bad):
                    invalid[ids[place]] = shapely.is_valid_reason(geometries[place])
            region = np.array([number_of.get(one, -1) for one in ids])
            shapely.prepare(geometries)
            feature, point = tree.query(geometries, predicate="intersects")
            inner_feature, inner_point = tree.query(geometries, predicate="contains_properly")
            shapely.destroy_prepared(geometries)
            width = len(ours.regions)
            if len(feature) and region[feature].min() < 0:
                raise SystemExit(f"{layer.name}: a feature that our index does not know")
            all_pairs = point * np.int64(len(ids)) + feature
            inner_pairs = inner_point * np.int64(len(ids)) + inner_feature
            border = np.setdiff1d(all_pairs, inner_pairs, assume_unique=True)
            strictly.append(inner_point * np.int64(width) + region[inner_feature])
            if len(border):
                border_point, border_feature = border // len(ids), border % len(ids)
                holds, edges = on_border(geometries, border_feature, xy[border_point])
                touching_edges.append(edges)
                pair = border_point * np.int64(width) + region[border_feature]
                touching.append(pair)
                held.append(pair[holds])
        strictly, touching, held = (np.concatenate(some) for some in (strictly, touching, held))
        found = ours.pairs(begin, end)
        # A region of several features holds what an odd number of them holds; in practice features of one id
        # do not overlap, so that this is what any of them holds.
        inside = np.unique(strictly)
        border = np.setdiff1d(np.unique(touching), inside)
        held = np.unique(held)
        missing = np.setdiff1d(inside, found)
        surplus = np.setdiff1d(found, np.union1d(inside, border))
        ours_border = np.intersect1d(found, border)
        rule_border = np.intersect1d(held, border)
        wrong = np.setxor1d(ours_border, rule_border)
        width = len(ours.regions)
        figures["inside"] += len(np.unique(inside // width))
        figures["on_border"] += len(np.unique(border // width))
        figures["missing"] += len(missing)
        figures["surplus"] += len(surplus)
        figures["border_wrong"] += len(wrong)
        for kind, pairs in (("missing", missing), ("surplus", surplus), ("border", wrong)):
            for pair in pairs[:3]:
                point, region = divmod(int(pair), width)
                lon_lat = " ".join(repr(float(degrees)) for degrees in xy[point])
                examples.append(f"{kind}: {ours.regions[region]} at {lon_lat}")
        # Vertices at which the borders of exactly two regions are the same: neighbours, or one upon the other.
        one, other, answered = shared(np.concatenate(touching_edges), touching, width, ours_border)
        figures["shared"] += len(answered)
        figures["shared_one"] += int((answered == 1).sum())
        upon |= set(zip(one[answered != 1].tolist(), other[answered != 1].tolist()))
    not_shared, of_invalid = apart(layer, ours.regions, upon, invalid)
    figures |= {"features": features, "not_shared": len(not_shared), "upon": len(upon), "of_invalid": of_invalid}
    examples += [f"not shared: {one}, {other}" for one, other in not_shared[:3]]
    return figures, invalid, examples


def on_border(geometries, feature, xy):
    """The rule for points on the borders of features, and for those at a vertex a number for the edges there."""
    holds, edges = np.zeros(len(feature), bool), np.zeros(len(feature), np.uint64)
    order = np.argsort(feature, kind="stable")
    which, starts = np.unique(feature[order], return_index=True)
    for place, one in enumerate(which):
        stop = starts[place + 1] if place + 1 < len(which) else len(order)
        rows = order[starts[place] : stop]
        _, a, b = edges_of(geometries[one : one + 1])
        holds[rows] = holds_by_rule(a, b, xy[rows])
        edges[rows] = edges_at(a, b, xy[rows])
    return holds, edges


def edges_at(a, b, points):
    """A hash of the edges that end at each point, whatever their order and direction; 0 if there are none."""
    a, b, points = (np.ascontiguousarray(one).view(np.complex128).ravel() for one in (a, b, points))
    a, b = a[a != b], b[a != b]

    def mixed(vertices):
        bits = vertices.view(np.uint64).reshape(-1, 2)
        return (bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)) ^ (bits[:, 1] * np.uint64(0xD1342543DE82EF95) >> np.uint64(7))

    edge = mixed(a) * np.uint64(0xBF58476D1CE4E5B9) + mixed(b) * np.uint64(0xBF58476D1CE4E5B9)
    edge = (edge ^ (edge >> np.uint64(31))) * np.uint64(0x94D049BB133111EB) | np.uint64(1)
    ends, where = np.unique(np.concatenate([a, b]), return_inverse=True)
    sums = np.zeros(len(ends), np.uint64)
    np.add.at(sums, where.ravel(), np.concatenate([edge, edge]))
    found = np.minimum(np.searchsorted(ends, points), len(ends) - 1)
    return np.where(ends[found] == points, sums[found], np.uint64(0))


def shared(edges, pairs, width, ours):
    """How many of two regions we name, at each vertex where exactly two regions have the same edges."""
    pairs, first = np.unique(pairs, return_index=True)
    edges = edges[first]
    point = pairs // width
    both = np.flatnonzero((point[1:] == point[:-1]) & (edges[1:] == edges[:-1]) & (edges[1:] != 0))
    three = (point[np.minimum(both + 2, len(point) - 1)] == point[both]) & (both + 2 < len(point))
    before = (point[both - 1] == point[both]) & (both > 0)
    both = both[~three & ~before]
    answered = np.isin(pairs[both], ours).astype(int) + np.isin(pairs[both + 1], ours).astype(int)
    return pairs[both] % width, pairs[both + 1] % width, answered


def apart(layer, regions, upon, invalid):
    """Of these pairs of regions those that do not overlap, to GEOS: they should have shared the points between them."""
    wanted = {regions[region] for pair in upon for region in pair}
    of = {}
    for _, ids, geometries in layer.blocks() if wanted else []:
        for place in np.flatnonzero(np.isin(ids, list(wanted))):
            of[ids[place]] = geometries[place]
    pairs = [(regions[one], regions[other]) for one, other in upon]
    sound = [pair for pair in pairs if not (pair[0] in invalid or pair[1] in invalid)]
    one, other = ([of[pair[side]] for pair in sound] for side in (0, 1))
    overlap = shapely.relate_pattern(one, other, "T********") if sound else []
    return [pair for pair, over in zip(sound, overlap) if not over], len(pairs) - len(sound)


def compare_combined(plan, folder):
    """The combined index has to answer as the single ones do."""
    differences = 0
    for points in plan["layers"]:
        single = Sets(folder, points["name"], points["name"], points["name"])
        combined = Sets(folder, "combined", points["name"], points["name"])
        if single.regions != combined.regions:
            raise SystemExit(f"combined: other regions of {points['name']}")
        for begin in range(0, len(single.answers), POINTS_PER_BLOCK):
            one = single.pairs(begin, begin + POINTS_PER_BLOCK)
            other = combined.pairs(begin, begin + POINTS_PER_BLOCK)
            differences += len(np.setxor1d(one, other))
    return differences


def compare(plan, folder):
    print(f"GEOS {shapely.geos_version_string}, shapely {shapely.__version__}, GDAL {pyogrio.__gdal_version_string__}")
    columns = ["points", "inside", "on_border", "missing", "surplus", "border_wrong", "shared", "shared_one"]
    print(f"{'layer':16}" + "".join(f"{column:>14}" for column in columns) + f"{'seconds':>10}")
    failed = False
    for entry in plan["layers"]:
        begun = time.monotonic()
        figures, invalid, examples = compare_layer(entry, folder, plan)
        seconds = time.monotonic() - begun
        print(f"{entry['name']:16}" + "".join(f"{figures[c]:14,}" for c in columns) + f"{seconds:10.0f}", flush=True)
        for example in examples[:20]:
            print(f"    {example}")
        reasons = sorted(invalid.items())
        print(f"    {figures['features']:,} features, {len(invalid):,} invalid to GEOS"
              + (": " + "; ".join(f"{one} {reason}" for one, reason in reasons[:3]) if reasons else ""))
        if figures["upon"]:
            print(f"    points of shared borders not in exactly one region are of {figures['upon']:,} pairs of regions; "
                  f"{figures['of_invalid']:,} of them with one invalid to GEOS, "
                  f"{figures['upon'] - figures['of_invalid'] - figures['not_shared']:,} overlap")
        failed |= any(figures[c] for c in ("missing", "surplus", "border_wrong", "not_shared"))
    differences = compare_combined(plan, folder)
    print(f"combined index: {differences:,} differences from the single ones")
    failed |= differences != 0
    print("FAILED" if failed else "no difference")
    return 1 if failed else 0


def main():
    # GDAL tells of rings that are wound wrongly; the even-odd rule does not mind.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="pyogrio")
    step, path = sys.argv[1], Path(sys.argv[2])
    plan = json.loads(path.read_text())
    if step == "draw":
        draw(plan, path.parent)
        return 0
    return compare(plan, path.parent)


if __name__ == "__main__":
    sys.exit(main())
