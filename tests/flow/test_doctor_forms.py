"""`tollkeeper doctor` where the store is managed, behind sentinels, or a cluster."""

import asyncio

import orjson
from click.testing import CliRunner
from support.gateways import SECRETS, write_config

from gateway.cli import main

STORE_FORMS = ("managed", "sentinel", "cluster")


async def test_every_form_of_a_store_is_examined_and_what_is_closed_is_unknown(
    request, store_server, tmp_path
) -> None:
    form = request.node.callspec.params["store_server"]
    config = write_config(
        tmp_path, store_url="env:TEST_STORE_URL", provider_url="http://127.0.0.1:9"
    )
    result = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["doctor", "--json", "--config", str(config)],
        env=SECRETS | {"TEST_STORE_URL": store_server.url},
    )
    findings = orjson.loads(result.stdout)["findings"]
    results = {each["check"]: each["result"] for each in findings}

    assert "ok" == results["store"], findings
    assert "latency of a script" in results
    assert "history" in results
    versions = {check: result for check, result in results.items() if "version" in check}
    match form:
        case "managed":
            # The user that docs/operations.md makes may ask for neither INFO nor CONFIG.
            told = {each["check"]: each["found"] for each in findings}
            for check in ("version", "persistence", "eviction", "memory"):
                assert "unknown" == results[f"store {check}"]
                assert told[f"store {check}"].startswith("unknown, because the server")
        case "sentinel":
            assert {"store version": "ok"} == versions
            assert results["sentinels"] in ("ok", "warning")
        case "cluster":
            assert len(versions) > 1
            assert {"ok"} == set(versions.values())
            assert "ok" == results["cluster"]
    # Of the store's URL.
    assert "PASSWORD" not in result.stdout
