"""Other software at the same work as ours, timed.

    peers.py lookup PEER PLAN       which regions points lie in; PLAN is a JSON file
    peers.py text PEER PLAN         tab-separated text to Parquet, of chosen columns; out of a zip by `unzip -p`
    peers.py versions

It prints one line of JSON: seconds of each run, the amount, what was found, the peak memory. What can be prepared
before points come (reading polygons, indexing and preparing them) is not timed, as it is not timed of ours, but for
software that has no such step of its own.
"""

import contextlib
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

THREADS = len(os.sched_getaffinity(0))
os.environ.setdefault("POLARS_MAX_THREADS", str(THREADS))
PACKAGES = ["duckdb", "duckdb-extension-spatial", "geopandas", "polars", "sedonadb", "shapely"]


def measured(runs, amount, task):
    seconds, found = [], 0
    for _ in range(runs):
        begun = time.perf_counter()
        found = task()
        seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "amount": amount, "found": int(found), "peak_bytes": peak}


def points_of(plan):
    import numpy as np

    lon, lat = (np.fromfile(f"{plan['points']}.{axis}", "<f8", plan["amount"]) for axis in ("lon", "lat"))
    return lon, lat


def regions_of(layer):
    """The polygons of a layer as a GeoSeries; rings of less than four points are left out."""
    import geopandas
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parent))
    from oracle import Layer

    blocks = [geometries for _, _, geometries in Layer(layer).blocks()]
    return geopandas.GeoSeries(np.concatenate(blocks))


def lookup_shapely(plan):
    import shapely

    lon, lat = points_of(plan)
    layers = [regions_of(layer).to_numpy() for layer in plan["layers"]]
    for polygons in layers:
        shapely.prepare(polygons)

    def task():
        tree = shapely.STRtree(shapely.points(lon, lat))
        return sum(len(tree.query(polygons, predicate="intersects")[0]) for polygons in layers)

    return task


def lookup_geopandas(plan):
    import geopandas

    lon, lat = points_of(plan)
    layers = [geopandas.GeoDataFrame(geometry=regions_of(layer)) for layer in plan["layers"]]

    def task():
        points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat))
        return sum(len(points.sjoin(polygons, predicate="intersects")) for polygons in layers)

    return task


def lookup_duckdb(plan):
    import duckdb
    import duckdb_extension_spatial
    import pyarrow

    folder = Path(duckdb_extension_spatial.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": THREADS})
    connection.execute(f"LOAD '{folder / 'spatial.duckdb_extension'}'")
    lon, lat = points_of(plan)
    points = pyarrow.table({"lon": lon, "lat": lat})
    connection.execute("CREATE TABLE points AS SELECT ST_Point(lon, lat) AS geom FROM points")
    for number, layer in enumerate(plan["layers"]):
        polygons = pyarrow.table({"wkb": regions_of(layer).to_wkb().to_numpy()})
        connection.execute(f"CREATE TABLE layer{number} AS SELECT ST_GeomFromWKB(wkb) AS geom FROM polygons")
        del polygons

    def task():
        query = "SELECT count(*) FROM points JOIN layer{} l ON ST_Intersects(l.geom, points.geom)"
        counts = (connection.execute(query.format(number)).fetchone()[0] for number in range(len(plan["layers"])))
        return sum(counts)

    return task


def lookup_sedonadb(plan):
    import pyarrow
    import sedonadb

    database = sedonadb.connect()
    database.sql(f"SET datafusion.execution.target_partitions = {THREADS}").execute()
    lon, lat = points_of(plan)
    database.create_data_frame(pyarrow.table({"lon": lon, "lat": lat})).to_view("places")
    database.sql("SELECT ST_Point(lon, lat) AS geometry FROM places").to_memtable().to_view("points")
    for number, layer in enumerate(plan["layers"]):
        polygons = pyarrow.table({"wkb": regions_of(layer).to_wkb().to_numpy()})
        database.create_data_frame(polygons).to_view(f"wkb{number}")
        query = f"SELECT ST_GeomFromWKB(wkb) AS geometry FROM wkb{number}"
        database.sql(query).to_memtable().to_view(f"layer{number}")

    def task():
        query = "SELECT count(*) AS n FROM points JOIN layer{} l ON ST_Intersects(l.geometry, points.geometry)"
        tables = (database.sql(query.format(number)).to_arrow_table() for number in range(len(plan["layers"])))
        return sum(table["n"][0].as_py() for table in tables)

    return task


DOUBLES = {"decimallatitude", "decimallongitude", "coordinateuncertaintyinmeters", "coordinateprecision", "elevation",
           "elevationaccuracy", "depth", "depthaccuracy"}
INTEGERS = {"individualcount", "day", "month", "year"}
TIMESTAMPS = {"dateidentified", "lastinterpreted"}
LISTS = {"identifiedby", "recordedby", "typestatus", "mediatype", "issue"}


@contextlib.contextmanager
def text_of(plan):
    """The path of the text; of an entry of a zip, that of the pipe through which `unzip -p` gives it."""
    if not plan.get("entry"):
        yield plan["source"]
        return
    command = ["unzip", "-p", plan["source"], plan["entry"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unzip:
        yield f"/dev/fd/{unzip.stdout.fileno()}"
    if unzip.returncode:
        raise subprocess.CalledProcessError(unzip.returncode, command)


def header_of(plan):
    archive = plan.get("entry") and zipfile.ZipFile(plan["source"])
    with archive.open(plan["entry"]) if archive else open(plan["source"], "rb") as source:
        names = source.readline().decode().rstrip("\n").split("\t")
    wanted = {name.lower(): name for name in names}
    return names, [(name, wanted[name]) for name in plan["columns"] if name in wanted]


def text_polars(plan):
    import polars

    names, wanted = header_of(plan)

    def typed(name, source):
        column = polars.col(source)
        if name in TIMESTAMPS:
            column = column.str.to_datetime(strict=False, time_unit="ms", time_zone="UTC")
        if name in LISTS:
            column = column.str.split(";")
        return column.alias(name)

    schema = {name: polars.String for name in names}
    schema |= {source: polars.Float64 for name, source in wanted if name in DOUBLES}
    schema |= {source: polars.Int32 for name, source in wanted if name in INTEGERS}

    def task():
        with text_of(plan) as path:
            # polars maps files and cannot do that with a pipe: what comes through one is held in memory.
            source = Path(path).read_bytes() if plan.get("entry") else path
            frame = polars.scan_csv(source, separator="\t", quote_char=None, schema=schema, ignore_errors=True)
            frame.select([typed(*column) for column in wanted]).sink_parquet(
                plan["out"], compression="zstd", compression_level=1
            )
        return polars.scan_parquet(plan["out"]).select(polars.len()).collect().item()

    return task


def text_duckdb(plan):
    import duckdb

    names, wanted = header_of(plan)
    connection = duckdb.connect(config={"threads": THREADS})

    def typed(name, source):
        column = f'"{source}"'
        if name in DOUBLES:
            column = f"try_cast({column} AS DOUBLE)"
        if name in INTEGERS:
            column = f"try_cast({column} AS INTEGER)"
        if name in TIMESTAMPS:
            column = f"try_cast({column} AS TIMESTAMPTZ)"
        if name in LISTS:
            column = f"string_split({column}, ';')"
        return f'{column} AS "{name}"'

    columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"

    def query(path):
        return (
            f"COPY (SELECT {', '.join(typed(*column) for column in wanted)} FROM read_csv('{path}', delim='\\t', "
            f"quote='', escape='', header=true, auto_detect=false, null_padding=false, max_line_size=67108864, "
            f"columns={columns})) TO '{plan['out']}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )

    def task():
        with text_of(plan) as path:
            connection.execute(query(path))
        return connection.execute(f"SELECT count(*) FROM '{plan['out']}'").fetchone()[0]

    return task


def main():
    if sys.argv[1] == "versions":
        print(json.dumps({name: importlib.metadata.version(name) for name in PACKAGES}))
        return
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="pyogrio")
    kind, peer, plan = sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text())
    task = globals()[f"{kind}_{peer}"](plan)
    print(json.dumps(measured(plan["runs"], plan["amount"], task)))


if __name__ == "__main__":
    main()
