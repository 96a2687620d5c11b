"""Every block of README and docs is run by a test, or stands here with the reason why not.

`sh serve`: a gateway is started as it says, and ended. What other marks mean is told by the tests
that run them.
"""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import yaml
from support import asks
from support.commands import environment
from support.gateways import free_port
from support.pages import PAGES, ROOT, Block, blocks, in_order

from gateway.incoming.base import Kind, Source
from gateway.incoming.standard import EVENTS, Standard
from gateway.metering.records import Settlement, usage_record
from gateway.metering.records import Source as RecordSource
from gateway.metering.usage import Usage

# By language and mark. A mark of None is any.
RUN_BY: Mapping[tuple[str, str | None], str] = {
    ("yaml", None): "flow/test_readme.py",
    ("console", "run"): "flow/test_readme.py",
    ("python", "demo"): "flow/test_readme.py",
    ("sh", "run"): "flow/test_readme.py",
    ("sh", "serve"): "here",
    ("sh", "curl"): "flow/test_curl_pages.py",
    ("console", "curl"): "flow/test_curl_pages.py",
    ("json", "record"): "here",
    ("json", "payment"): "here",
    ("sql", ""): "contract/test_clickhouse_sink.py",
    ("python", "service"): "flow/test_client.py",
    ("python", None): "flow/test_sdks_page.py",
    ("js", None): "flow/test_sdks_page.py",
    # No commands: drawings, output, formulas.
    ("text", ""): "nothing to run",
}
INSTALLS = "fetches packages: .ci/run installs the same, and flow/test_demo.py runs the demo"
MEASURES = "measures, for minutes"
NOT_RUN: Mapping[tuple[str, str], str] = {
    ("README.md", "python3 -m venv .venv && .venv/bin/pip install . "): INSTALLS,
    ("quick-start.md", "python3 -m venv .venv && . .venv/bin/activate && pip "): INSTALLS,
    ("README.md", "sudo apt-get install"): "is what .ci/run does: test_readme compares them",
    ("billing.md", "tollkeeper export status"): "flow/test_export_commands.py runs each of them, "
    "with sinks that refuse; test_readme sees that they exist",
    ("promises.md", "cd tests && PYTHONPATH=.. python -m bank"): "takes its 20 minutes: "
    "bank/test_bank.py runs the same program for one",
    ("metering-api.md", "export API="): "flow/test_curl_pages.py sets them to its own demo",
    ("deployment.md", "docker build"): "no Docker here: deployment/test_files.py lints the image",
    ("deployment.md", "(umask 077; printf 'OPENAI_API_KEY="): "no Docker here: "
    "deployment/test_files.py checks the file, flow/test_readme.py its configuration",
    ("deployment.md", "kubectl create secret"): "no Kubernetes here: "
    "deployment/test_kubernetes.py renders the chart and validates what comes of it",
    ("deployment.md", "scrape_configs:"): "no pods here: promtool checks it, below",
    ("deployment.md", "python3 -m venv /opt/tollkeeper"): "no systemd runs here: "
    "deployment/test_files.py has the unit verified",
    ("bench/README.md", "$ python bench/run.py"): MEASURES,
    ("bench/README.md", "$ python -m bench.ledger"): MEASURES,
    ("bench/README.md", "$ python -m bench.overload"): MEASURES,
}


def page_of(path: Path) -> str:
    return path.name if path.parent.name != "bench" else "bench/README.md"


def every_block() -> list[tuple[str, Block]]:
    return [(page_of(path), block) for path in PAGES for block in in_order(path)]


def is_run(block: Block) -> bool:
    return (block.language, block.mark) in RUN_BY or (block.language, None) in RUN_BY


def test_no_block_is_overlooked() -> None:
    """Whatever could be a block to a reader is one to these tests."""
    fences = re.compile(r"^[ >]*(?:```|~~~)", re.MULTILINE)
    seen = {page: len(fences.findall(page.read_text())) for page in PAGES}

    assert {page: 2 * len(in_order(page)) for page in PAGES} == seen
    assert [] == [page for page in PAGES if re.search(r"<pre|<code", page.read_text())]
    assert set(ROOT.glob("*.md")) | set((ROOT / "docs").rglob("*.md")) <= set(PAGES)


def test_every_block_is_run_or_says_why_not() -> None:
    left = [
        (page, block.text[:60])
        for page, block in every_block()
        if not is_run(block)
        and not any(page == at and block.text.startswith(start) for at, start in NOT_RUN)
    ]

    assert [] == left


@pytest.mark.parametrize(("page", "start"), NOT_RUN)
def test_what_is_not_run_is_there(page: str, start: str) -> None:
    assert [block for at, block in every_block() if at == page and block.text.startswith(start)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", blocks("sh", "serve"), ids=lambda block: block.page)
async def test_a_gateway_starts_as_it_says(block: Block, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    sample = tmp_path / "config" / "gateway.yaml"
    document = yaml.safe_load(sample.read_text())
    admin_port = free_port()
    # Others may be listening at the usual ones.
    document["listen"]["port"], document["admin"]["port"] = free_port(), admin_port
    sample.write_text(yaml.safe_dump(document))
    program = f"exec {sys.executable} -m gateway serve"
    *before, serve = block.text.strip().splitlines()
    script = "\n".join([*before, serve.replace("tollkeeper serve", program)])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", f'tollkeeper() {{ {sys.executable} -m gateway "$@"; }}\n{script}'),
        cwd=tmp_path,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(90):
            while b'"event":"started"' not in said:
                line = await process.stdout.readline()
                assert line, said.decode()
                said += line
            process.send_signal(signal.SIGTERM)
            rest, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert 0 == process.returncode, (said + rest).decode()


def test_a_sink_is_sent_what_is_shown() -> None:
    [block] = blocks("json", "record")
    shown = orjson.loads(block.text.encode())
    usage = Usage(input_uncached=812, output_text=377, pieces=(("web_search", 1),))
    settlement = Settlement(
        event=replace(asks.usage_event("r1", 783_500), usage=usage),
        charge_ucr=783_500,
        debt_ucr=0,
        observed_ucr=0,
        settled_ms=1_795_428_852_377,
    )
    record = usage_record(settlement, RecordSource("urn:x", 10_000_000)).cloud_event()
    data = record["data"]
    assert isinstance(data, dict)

    assert set(shown) == set(record)
    assert set(shown["data"]) <= set(data)
    known = ("input_tokens", "output_tokens", "total_tokens", "pieces_web_search", "charge_usd")
    assert {name: data[name] for name in known} == {name: shown["data"][name] for name in known}


def test_prometheus_takes_the_scrape_that_is_shown(tmp_path: Path) -> None:
    [block] = [block for block in blocks("yml") if block.page == "deployment.md"]
    (tmp_path / "prometheus.yml").write_text(block.text)
    found = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == found.returncode, found.stdout + found.stderr


def test_a_payment_is_read_as_it_is_shown() -> None:
    [block] = blocks("json", "payment")
    source = Source(
        name="s", kind=Kind.STANDARD, secrets=(), tolerance_s=300, rates={}, events=EVENTS
    )
    payment = Standard().read(source, orjson.loads(block.text))

    assert payment is not None
    assert "order-17" in repr(payment)
