"""What the emulated account is called, and the environment of the processes that use it."""

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
REGION = "us-east-1"
PARTITION = "aws"

_LOCAL_ADDRESSES = "127.0.0.1,localhost"


def without_caller_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment less everything that could lead to a real account.

    A proxy stays usable for downloads, but not for calls to this machine.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = ",".join(filter(None, (kept.get(name), _LOCAL_ADDRESSES)))
    return kept


def client_environment(endpoint: str) -> dict[str, str]:
    """The variables with which an SDK reaches the local cloud and nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def process_environment(endpoint: str) -> dict[str, str]:
    """The environment of every process that the local cloud starts."""
    return {**without_caller_aws(os.environ), **client_environment(endpoint)}


@lru_cache
def client(service: str, endpoint: str) -> Any:
    """A client of `service`; clients may be shared by threads and are slow to build."""
    # The stubs know every service by a literal; here it is any.
    make: Any = boto3.client
    return make(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(
            parameter_validation=False,
            connect_timeout=10,
            read_timeout=3600,
            retries={"total_max_attempts": 1},
            max_pool_connections=64,
            s3={"addressing_style": "path"},
        ),
    )
