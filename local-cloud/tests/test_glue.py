"""Glue: the crawl, and the catalogue's refusals."""

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Cloud, wait_for

from local_cloud.crawler import columns_of, folders_below

TABLE = {"DatabaseName": "catalogue", "Name": "occurrences"}


def parquet(columns: Mapping[str, pa.DataType]) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({name: pa.array([None], kind) for name, kind in columns.items()})
    pq.write_table(table, buffer)
    return buffer.getvalue()


def land(cloud: Cloud, run: str, columns: Mapping[str, pa.DataType]) -> None:
    key = f"occurrences/run={run}/part-00000.parquet"
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=parquet(columns))


def crawl(cloud: Cloud) -> dict[str, Any]:
    glue = cloud.client("glue")
    glue.start_crawler(Name=cloud.outputs["Crawler"])

    def ready() -> dict[str, Any] | None:
        crawler: dict[str, Any] = glue.get_crawler(Name=cloud.outputs["Crawler"])["Crawler"]
        return crawler if crawler["State"] == "READY" else None

    done: dict[str, Any] = wait_for(ready)
    return done


def table(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("glue").get_table(**TABLE)["Table"]
    return found


def columns(cloud: Cloud) -> dict[str, str]:
    return {c["Name"]: c["Type"] for c in table(cloud)["StorageDescriptor"]["Columns"]}


def partitions(cloud: Cloud) -> list[list[str]]:
    found = cloud.client("glue").get_partitions(DatabaseName="catalogue", TableName="occurrences")[
        "Partitions"
    ]
    return sorted(partition["Values"] for partition in found)


def test_crawls_one_after_the_other(cloud: Cloud) -> None:
    glue = cloud.client("glue")
    assert "LastCrawl" not in glue.get_crawler(Name=cloud.outputs["Crawler"])["Crawler"]

    # The first crawl makes the table and its partition.
    land(cloud, "a", {"gbifID": pa.string(), "year": pa.int32(), "issue": pa.list_(pa.string())})
    done = crawl(cloud)
    assert done["LastCrawl"]["Status"] == "SUCCEEDED"
    assert columns(cloud) == {"gbifid": "string", "year": "int", "issue": "array<string>"}
    assert [key["Name"] for key in table(cloud)["PartitionKeys"]] == ["run"]
    assert table(cloud)["Parameters"]["classification"] == "parquet"
    partition = glue.get_partition(
        DatabaseName="catalogue", TableName="occurrences", PartitionValues=["a"]
    )["Partition"]
    location = f"s3://{cloud.bucket}/occurrences/run=a/"
    assert partition["StorageDescriptor"]["Location"] == location
    assert len(partition["StorageDescriptor"]["Columns"]) == 3

    # A later crawl adds a new folder's partition, but no columns.
    land(cloud, "b", {"gbifid": pa.string(), "sex": pa.string()})
    again = crawl(cloud)
    assert again["LastCrawl"]["StartTime"] > done["LastCrawl"]["StartTime"]
    assert partitions(cloud) == [["a"], ["b"]]
    assert "sex" not in columns(cloud)

    # A folder that does not fit is passed over, and the crawl succeeds nevertheless.
    land(cloud, "c", {"gbifid": pa.int64()})
    assert crawl(cloud)["LastCrawl"]["Status"] == "SUCCEEDED"
    assert partitions(cloud) == [["a"], ["b"]]

    # Something that is no Parquet fails the crawl, and the next one starts afresh.
    stray = {"Bucket": cloud.bucket, "Key": "occurrences/run=d/part-00000.parquet"}
    cloud.client("s3").put_object(**stray, Body=b"gbifid,year\n")
    failed = crawl(cloud)["LastCrawl"]
    assert (failed["Status"], "run=d" in failed["ErrorMessage"]) == ("FAILED", True)
    cloud.client("s3").delete_object(**stray)
    assert crawl(cloud)["LastCrawl"]["Status"] == "SUCCEEDED"


def test_a_running_crawler_is_not_started_again(cloud: Cloud) -> None:
    glue = cloud.client("glue")
    glue.start_crawler(Name=cloud.outputs["Crawler"])
    assert glue.get_crawler(Name=cloud.outputs["Crawler"])["Crawler"]["State"] == "RUNNING"
    with pytest.raises(glue.exceptions.CrawlerRunningException):
        glue.start_crawler(Name=cloud.outputs["Crawler"])
    wait_for(lambda: glue.get_crawler(Name=cloud.outputs["Crawler"])["Crawler"]["State"] == "READY")


def test_an_update_of_a_stale_version_is_refused(cloud: Cloud) -> None:
    glue = cloud.client("glue")
    given = {"Name": "versioned", "StorageDescriptor": {"Columns": []}}
    glue.create_table(DatabaseName="catalogue", TableInput=given)
    version = glue.get_table(DatabaseName="catalogue", Name="versioned")["Table"]["VersionId"]
    glue.update_table(DatabaseName="catalogue", TableInput=given, VersionId=version)
    with pytest.raises(glue.exceptions.ConcurrentModificationException):
        glue.update_table(DatabaseName="catalogue", TableInput=given, VersionId=version)


def test_new_folders_only_needs_log(cloud: Cloud) -> None:
    glue = cloud.client("glue")
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.create_crawler(
            Name="other",
            Role=cloud.outputs["RoleArn"],
            DatabaseName="catalogue",
            Targets={"S3Targets": [{"Path": f"s3://{cloud.bucket}/x/"}]},
            RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
            SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"},
        )


def test_partitions_are_created_once(cloud: Cloud) -> None:
    glue = cloud.client("glue")
    given = {"Name": "divided", "PartitionKeys": [{"Name": "run", "Type": "string"}]}
    glue.create_table(DatabaseName="catalogue", TableInput=given)
    where = {"DatabaseName": "catalogue", "TableName": "divided"}
    partition = {"Values": ["x"], "StorageDescriptor": {"Location": "s3://x/"}}
    assert not glue.batch_create_partition(**where, PartitionInputList=[partition]).get("Errors")
    (error,) = glue.batch_create_partition(**where, PartitionInputList=[partition])["Errors"]
    assert error["ErrorDetail"]["ErrorCode"] == "AlreadyExistsException"
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_partition(**where, PartitionValues=["y"])


def test_parquet_types_are_named_as_glue_names_them() -> None:
    schema = pa.schema(
        [
            ("A", pa.bool_()),
            ("b", pa.int64()),
            ("c", pa.float64()),
            ("d", pa.timestamp("ms", tz="UTC")),
            ("e", pa.date32()),
            ("f", pa.list_(pa.struct([("x", pa.int32())]))),
            ("g", pa.decimal128(10, 2)),
        ]
    )
    assert {column["Name"]: column["Type"] for column in columns_of(schema)} == {
        "a": "boolean",
        "b": "bigint",
        "c": "double",
        "d": "timestamp",
        "e": "date",
        "f": "array<struct<x:int>>",
        "g": "decimal(10,2)",
    }


def test_folders_spell_partitions() -> None:
    keys = ["t/run=b/x", "t/run=a/y", "t/run=a/_SUCCESS", "t/run=a/z"]
    folders = folders_below("data", "t/", keys)
    assert [folder.values for folder in folders] == [["a"], ["b"]]
    assert folders[0].location == "s3://data/t/run=a/"
    assert folders[0].keys == ("t/run=a/y", "t/run=a/z")
