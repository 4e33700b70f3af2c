"""Makes the layers beside it: four parks, as GDAL writes them in each kind of file and in two reference systems.

pip install geopandas==1.2.0 pyogrio==0.13.0 pyarrow==26.0.1; python make.py
"""

import sys
import zipfile
from pathlib import Path

import geopandas
import pyarrow
import pyogrio
from shapely.geometry import MultiPolygon, Point, Polygon, box

HERE = Path(__file__).parent


def parks(west, south, side, crs):
    """A square with a hole; its eastern neighbour; two islands of one park in the north, the eastern one with the
    second acreage; a point and nothing."""

    def square(x, y, size=1.0):
        return box(west + x * side, south + y * side, west + (x + size) * side, south + (y + size) * side)

    holed = Polygon(square(0, 0).exterior, [square(0.25, 0.25, 0.5).exterior])
    rows = [
        ("A", "Prairie", "2", 640.5, True, holed),
        ("B", "Mayagüez", "1", 640.0, False, square(1, 0)),
        ("C", None, "2", 1280.0, True, MultiPolygon([square(0, 2), square(2, 2)])),
        ("D", "Copy of B", "1", 12.25, None, square(1, 0)),
    ]
    names = ["id", "Unit_Nm", "GAP_Sts", "GIS_Acres", "open"]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    polygons = geopandas.GeoDataFrame(columns, geometry=[row[-1] for row in rows], crs=crs)
    mixed = polygons.copy()
    mixed.loc[4] = ["P", "A point", "4", 0.0, True, Point(west, south)]
    mixed.loc[5] = ["N", "Nothing", "4", 0.0, True, None]
    return polygons, mixed


def write(name, polygons, mixed):
    polygons.to_file(HERE / "parks.shp")
    with zipfile.ZipFile(HERE / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as zip_file:
        for extension in ["shp", "dbf", "prj", "cpg"]:
            zip_file.write(HERE / f"parks.{extension}", f"parks.{extension}")
    for part in HERE.glob("parks.*"):
        part.unlink()
    mixed.to_file(HERE / f"{name}.geojson", driver="GeoJSON")
    mixed.to_file(HERE / f"{name}.fgb", driver="FlatGeobuf", SPATIAL_INDEX="NO")
    polygons.to_file(HERE / f"{name}_indexed.fgb", driver="FlatGeobuf")
    mixed.to_parquet(HERE / f"{name}.parquet", index=False)
    polygons.to_parquet(HERE / f"{name}_lists.parquet", index=False, geometry_encoding="geoarrow")


if __name__ == "__main__":
    places = {"nad83": (-99.0, 40.0, 0.1, "EPSG:4269"), "albers": (-100000.0, 2000000.0, 1000.0, "ESRI:102039")}
    print(sys.version, geopandas.__version__, pyogrio.__version__, pyarrow.__version__)
    for kind, place in places.items():
        write(f"parks_{kind}", *parks(*place))
