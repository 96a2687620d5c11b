"""A job as stores write it: orjson's object of a `Job` or `Keep`, and the way back. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.metering.jobs import Job, Keep
from gateway.stores.stored_settle import known, settle_of, usage_of


def job_of(content: Mapping[str, Any]) -> Job:  # Any: as orjson types what it read
    owed, floor = settle_of(content["owed"]), usage_of(content["floor"])
    headers = tuple((str(name), str(value)) for name, value in content.get("headers", ()))
    return Job(**known(Job, content, owed=owed, floor=floor, headers=headers))


def keep_of(content: Mapping[str, Any]) -> Keep:  # Any: as above
    return Keep(**known(Keep, content, job=job_of(content["job"])))
