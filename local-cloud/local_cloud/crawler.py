"""The Glue crawler: what it would find in S3, and what it would write to the catalogue.

Of AWS's many policies one is played: CRAWL_NEW_FOLDERS_ONLY with LOG. The first crawl makes the
table; later crawls add the partitions of new folders and never touch a column. A folder that does
not fit the table is passed over, and the crawl still succeeds.
"""

import datetime
import io
import json
import posixpath
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from moto.core.utils import utcnow
from moto.glue.exceptions import CrawlerRunningException
from moto.glue.models import FakeCrawl, FakeCrawler

from .aws import client
from .overrides import hold_still, replaces, wraps

PARQUET_STORAGE = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "Compressed": False,
    "NumberOfBuckets": -1,
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
    "BucketColumns": [],
    "SortColumns": [],
    "StoredAsSubDirectories": False,
}

Column = dict[str, str]


class CrawlError(Exception):
    """The crawl ends as FAILED."""


def glue_type(kind: pa.DataType) -> str:
    """The catalogue's name of a Parquet type.

    # Errors
    CrawlError for a type that no column here has.
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{glue_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        fields = [
            f"{kind.field(i).name}:{glue_type(kind.field(i).type)}" for i in range(kind.num_fields)
        ]
        return f"struct<{','.join(fields)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    names = {
        pa.string(): "string",
        pa.large_string(): "string",
        pa.binary(): "binary",
        pa.bool_(): "boolean",
        pa.int8(): "tinyint",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.date32(): "date",
    }
    if kind not in names:
        raise CrawlError(f"no Glue type for the Parquet type {kind}")
    return names[kind]


def columns_of(schema: pa.Schema) -> list[Column]:
    """The columns of a file as the catalogue writes them; names fold to lower case."""
    return [{"Name": field.name.lower(), "Type": glue_type(field.type)} for field in schema]


@dataclass(frozen=True)
class Folder:
    """A folder of files below a target, with the partition that its name spells."""

    location: str
    partition: tuple[tuple[str, str], ...]
    bucket: str
    keys: tuple[str, ...]

    @property
    def partition_keys(self) -> list[str]:
        return [name for name, _ in self.partition]

    @property
    def values(self) -> list[str]:
        return [value for _, value in self.partition]


def folders_below(bucket: str, prefix: str, keys: Iterable[str]) -> list[Folder]:
    """The folders that hold files, in the order of their names."""
    files = defaultdict(list)
    for key in keys:
        if not posixpath.basename(key).startswith(("_", ".")) and not key.endswith("/"):
            files[posixpath.dirname(key)].append(key)
    folders = []
    for directory, inside in sorted(files.items()):
        steps = directory.removeprefix(prefix.rstrip("/")).strip("/").split("/")
        pairs = [step.partition("=") for step in steps if step]
        partition = tuple(
            (name.lower(), value) if separator else (f"partition_{index}", name)
            for index, (name, separator, value) in enumerate(pairs)
        )
        folders.append(Folder(f"s3://{bucket}/{directory}/", partition, bucket, tuple(inside)))
    return folders


class _ObjectFile(io.RawIOBase):
    """An S3 object, read by ranges."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._size: int = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        part = f"bytes={self._position}-{end - 1}"
        answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=part)
        data = answer["Body"].read()
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class Crawl:
    """One run of a crawler over its targets."""

    def __init__(self, crawler: FakeCrawler, endpoint: str, log: Callable[[str], None]) -> None:
        self._crawler = crawler
        self._s3 = client("s3", endpoint)
        self._glue = client("glue", endpoint)
        self._log = log

    def run(self) -> None:
        """Crawls every S3 target.

        # Errors
        CrawlError when the policies are others than those played here, or a file is no Parquet.
        """
        policy = (self._crawler.recrawl_policy or {}).get("RecrawlBehavior")
        if policy != "CRAWL_NEW_FOLDERS_ONLY":
            raise CrawlError(f"RecrawlBehavior {policy}: only CRAWL_NEW_FOLDERS_ONLY is emulated")
        for target in self._crawler.targets["S3Targets"]:
            self._crawl_target(target["Path"])

    def _crawl_target(self, path: str) -> None:
        bucket, _, prefix = path.removeprefix("s3://").partition("/")
        folders = folders_below(bucket, prefix, self._keys(bucket, prefix))
        if not folders:
            self._log(f"{path}: no files")
            return
        name = (self._crawler.table_prefix or "") + self._table_name(bucket, prefix)
        table = self._table(name)
        if table is None:
            self._create_table(name, path, folders)
            table = self._table(name)
            assert table is not None
        self._add_partitions(table, folders)

    def _keys(self, bucket: str, prefix: str) -> Iterable[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", ()):
                if found["Size"] > 0:
                    yield found["Key"]

    def _table_name(self, bucket: str, prefix: str) -> str:
        """The name at the configured level below the bucket (level 1), else the target's last."""
        configuration = json.loads(self._crawler.configuration or "{}")
        level = configuration.get("Grouping", {}).get("TableLevelConfiguration")
        path = [bucket, *prefix.strip("/").split("/")]
        name = path[level - 1] if level and level <= len(path) else path[-1]
        return name.lower().replace("-", "_")

    def _table(self, name: str) -> Mapping[str, Any] | None:
        try:
            answer = self._glue.get_table(DatabaseName=self._crawler.database_name, Name=name)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        table: Mapping[str, Any] = answer["Table"]
        return table

    def _create_table(self, name: str, path: str, folders: list[Folder]) -> None:
        merged: dict[str, Column] = {}
        for folder in folders:
            for column in self._columns(folder):
                merged.setdefault(column["Name"], column)
        self._glue.create_table(
            DatabaseName=self._crawler.database_name,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Owner": "owner",
                "Retention": 0,
                "Parameters": {
                    "classification": "parquet",
                    "typeOfData": "file",
                    "EXTERNAL": "TRUE",
                    "UPDATED_BY_CRAWLER": self._crawler.name,
                },
                "PartitionKeys": [
                    {"Name": key, "Type": "string"} for key in folders[0].partition_keys
                ],
                "StorageDescriptor": {
                    **PARQUET_STORAGE,
                    "Columns": list(merged.values()),
                    "Location": path,
                },
            },
        )
        self._log(f"{name}: created with {len(merged)} columns")

    def _add_partitions(self, table: Mapping[str, Any], folders: list[Folder]) -> None:
        known = self._partitions_of(table)
        keys = [key["Name"] for key in table.get("PartitionKeys", ())]
        types = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
        for folder in folders:
            if not keys or folder.values in known:
                continue
            clashes = [
                f"{column['Name']} is {column['Type']}, not {types[column['Name']]}"
                for column in self._columns(folder)
                if types.get(column["Name"], column["Type"]) != column["Type"]
            ]
            if folder.partition_keys != keys:
                clashes.append(f"its partition keys are {folder.partition_keys}, not {keys}")
            if clashes:
                self._log(f"{folder.location}: passed over: {'; '.join(clashes)}")
                continue
            storage = {**table["StorageDescriptor"], "Location": folder.location}
            self._glue.batch_create_partition(
                DatabaseName=self._crawler.database_name,
                TableName=table["Name"],
                PartitionInputList=[{"Values": folder.values, "StorageDescriptor": storage}],
            )
            self._log(f"{folder.location}: partition {folder.values} added")

    def _partitions_of(self, table: Mapping[str, Any]) -> list[list[str]]:
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=self._crawler.database_name, TableName=table["Name"]
        )
        return [partition["Values"] for page in pages for partition in page["Partitions"]]

    def _columns(self, folder: Folder) -> list[Column]:
        key = folder.keys[0]
        try:
            with _ObjectFile(self._s3, folder.bucket, key) as file:
                return columns_of(pq.read_schema(pa.PythonFile(io.BufferedReader(file), "r")))
        except pa.ArrowInvalid as error:
            raise CrawlError(f"s3://{folder.bucket}/{key} is no Parquet file: {error}") from error


def install(endpoint: str, logs: Path) -> None:
    """Lets StartCrawler crawl."""
    hold_still("glue::crawl")
    lock = threading.Lock()

    @replaces(FakeCrawler, "start_crawler")
    def start_crawler(self: FakeCrawler) -> None:
        with lock:
            if self.status != "READY":
                raise CrawlerRunningException(f"Crawler with name {self.name} has already started")
            crawl = FakeCrawl(self.name)
            crawl.status = "RUNNING"
            self.crawls.append(crawl)
        threading.Thread(target=_run, args=(self, crawl, endpoint, logs), daemon=True).start()

    @wraps(FakeCrawler, "as_dict")
    def as_dict(moto_as_dict: Callable[..., dict[str, Any]], self: FakeCrawler) -> dict[str, Any]:
        described = moto_as_dict(self)
        described.pop("LastCrawl", None)
        if self.status == "RUNNING":
            elapsed = utcnow() - self.crawls[-1].start_time
            described["CrawlElapsedTime"] = int(elapsed.total_seconds() * 1000)
        finished = [crawl for crawl in self.crawls if crawl.end_time is not None]
        if finished:
            last = finished[-1]
            described["LastCrawl"] = {
                "Status": _LAST_CRAWL_STATUS[str(last.status)],
                "StartTime": last.start_time,
                "LogGroup": last.log_group,
                "LogStream": last.log_stream,
                "MessagePrefix": last.message_prefix,
            }
            if error := last.__dict__.get("error_message"):
                described["LastCrawl"]["ErrorMessage"] = error
        return described


_LAST_CRAWL_STATUS = {
    "COMPLETED": "SUCCEEDED",
    "FAILED": "FAILED",
    "STOPPING": "CANCELLED",
    "STOPPED": "CANCELLED",
}
# How long RUNNING and STOPPING last at least, so that a caller meets both.
_RUNNING_SECONDS = 0.3
_STOPPING_SECONDS = 0.2


def _run(crawler: FakeCrawler, crawl: FakeCrawl, endpoint: str, logs: Path) -> None:
    log_path = logs / f"{crawler.name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)

    def log(message: str) -> None:
        with log_path.open("a") as lines:
            lines.write(f"{datetime.datetime.now(datetime.UTC).isoformat()} {message}\n")

    status, error_message = "COMPLETED", None
    time.sleep(_RUNNING_SECONDS)
    try:
        Crawl(crawler, endpoint, log).run()
    except Exception as error:
        status, error_message = "FAILED", f"{type(error).__name__}: {error}"
        log(error_message)
    if crawl.status == "STOPPING":
        status = "STOPPED"
    crawl.status = "STOPPING"
    time.sleep(_STOPPING_SECONDS)
    crawl.__dict__["error_message"] = error_message
    crawl.status = status
    crawl.end_time = utcnow()
