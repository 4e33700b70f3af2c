"""S3: what the lock and the pinned reference data rely upon."""

from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError
from conftest import Cloud


def put(cloud: Cloud, body: bytes, **condition: str) -> str:
    try:
        cloud.client("s3").put_object(Bucket=cloud.bucket, Key="lock", Body=body, **condition)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "written"


def test_of_many_that_create_one_object_one_succeeds(cloud: Cloud) -> None:
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda n: put(cloud, b"%d" % n, IfNoneMatch="*"), range(16)))
    assert sorted(outcomes) == ["PreconditionFailed"] * 15 + ["written"]


def test_a_stale_etag_is_refused(cloud: Cloud) -> None:
    written = cloud.client("s3").put_object(Bucket=cloud.bucket, Key="lock", Body=b"first")
    assert put(cloud, b"second", IfMatch=written["ETag"]) == "written"
    assert put(cloud, b"third", IfMatch=written["ETag"]) == "PreconditionFailed"


def test_versions_are_kept_as_the_template_says(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    old = s3.put_object(Bucket=cloud.bucket, Key="reference/x", Body=b"old")["VersionId"]
    s3.put_object(Bucket=cloud.bucket, Key="reference/x", Body=b"new")
    got = s3.get_object(Bucket=cloud.bucket, Key="reference/x", VersionId=old)
    assert got["Body"].read() == b"old"


def test_a_bucket_stands_for_the_open_data_of_gbif(cloud: Cloud) -> None:
    cloud.client("s3").put_object(Bucket="open-data", Key="occurrence/x", Body=b"x")
