"""The first minutes: `tollkeeper demo` on a machine with nothing else, and what it prints, used."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from support.commands import Demo, python, shell, tollkeeper
from support.gateways import PRICES, GatewayProcess, free_port

from gateway.simulator.provider import SimulatedProvider
from gateway.stores.embedded_keeper import PID_FILE

GONE_S = 3.0
SERVE_CONFIG = """\
listen: {{host: 127.0.0.1, port: {port}}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
store: {{data_dir: {data_dir}}}
providers: {{simulated: {{base_url: "http://127.0.0.1:{provider_port}", credential: file:key}}}}
models: [{{match: "gpt-*", provider: simulated}}]
prices: [prices.yaml]
plans: {{test: {{}}}}
accounts: [{{id: acme, plan: test, grants: [{{id: first, credits: 50}}]}}]
"""


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    demo = Demo(tmp_path)
    await demo.start()
    yield demo
    await demo.stop()


async def wait_until_gone(pid: int) -> None:
    """Raises TimeoutError if the process still runs after GONE_S."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, gone.set)
    try:
        await asyncio.wait_for(gone.wait(), GONE_S)
    finally:
        loop.remove_reader(process)
        os.close(process)


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "valkey" / PID_FILE).read_text())


def operator_key(demo: Demo) -> str:
    [path] = demo.folder.rglob("operator.key")
    return path.read_text()


def ucr(credits_text: str) -> int:
    return round(float(credits_text) * 1_000_000)


async def test_the_printed_curl_line_works_streamed_and_not(demo) -> None:
    curl = demo.snippet("curl")
    streamed = await shell(curl, cwd=demo.folder)
    first = (await demo.until("completed")).split()
    whole = await shell(curl.replace('"stream": true,', ""), cwd=demo.folder)
    second = (await demo.until("completed")).split()

    events = streamed.out.strip().split("\n\n")
    assert "data: [DONE]" == events[-1]
    text = "".join(
        choice["delta"].get("content") or ""
        for event in events[:-1]
        for choice in orjson.loads(event.removeprefix("data: "))["choices"]
    )
    answer = orjson.loads(whole.out)
    assert answer["choices"][0]["message"]["content"] == text
    # 0.40 and 1.60 US$ per million tokens are 40 and 160 µcr each.
    usage = answer["usage"]
    cost_ucr = usage["prompt_tokens"] * 40 + usage["completion_tokens"] * 160
    assert [cost_ucr, cost_ucr] == [ucr(first[-2]), ucr(second[-2])]
    had_ucr = ucr(demo.told("Credit"))
    assert [had_ucr - cost_ucr, had_ucr - 2 * cost_ucr] == [ucr(first[-1]), ucr(second[-1])]


async def test_the_printed_sdk_snippet_and_commands_work(demo) -> None:
    balance, usage = demo.snippet("balance demo").splitlines()
    before = await shell(f"{balance} --json", cwd=demo.folder)
    answered = await python(demo.snippet("from openai"), cwd=demo.folder)
    told = (await demo.until("completed")).split()
    left, used = await asyncio.gather(
        shell(f"{balance} --json", cwd=demo.folder), shell(f"{usage} --json", cwd=demo.folder)
    )
    cost_ucr = ucr(left.json()["charged"]) - ucr(before.json()["charged"])

    assert 0 == answered.code, answered.err
    assert answered.out.strip()
    assert told[-1] == left.json()["available"]
    assert cost_ucr == ucr(told[-2])
    assert ucr(left.json()["charged"]) == sum(ucr(each["credits"]) for each in used.json())


async def test_its_account_has_a_month_behind_it_and_its_books_are_right(demo) -> None:
    origin = demo.told("Base URL").removesuffix("/v1")
    sent = {"Authorization": f"Bearer {demo.told('Key')}"}
    async with aiohttp.ClientSession(origin, headers=sent) as http:
        async with http.get("/dashboard") as page:
            assert 200 == page.status
        async with http.get("/metering/v1/key") as answer:
            assert "simulated" in (await answer.json())["account_name"]
        async with http.get("/metering/v1/usage/records") as answer:
            records = (await answer.json())["data"]
        margin = demo.told("Operator").replace("/dashboard", "/metering/v1/margin?hours=720")
        operator = {"Authorization": f"Bearer {operator_key(demo)}"}
        async with http.get(margin, headers=operator) as answer:
            earned = await answer.json()
    audited = await shell(
        demo.snippet("balance demo").splitlines()[0].replace("balance demo", "audit"),
        cwd=demo.folder,
    )

    assert 100 == len(records)
    assert all(record["request_id"].startswith("simulated_") for record in records)
    assert 0 == audited.code, audited.out
    # Its provider bills a tenth less than it sells for; each charge was rounded up, of costs
    # only their sum.
    assert earned["charged"] == earned["costed"]
    left, calls = earned["margin"]["microcredits"], sum(row["calls"] for row in earned["data"])
    assert -1 < left - earned["charged"]["microcredits"] / 10 <= calls
    # Nothing happened to its store: the drainer looks at once, and each second.
    _, told = await demo.stop()
    assert "store_went_back" not in told


async def test_what_is_refused_or_fails_is_told_and_costs_nothing(demo) -> None:
    curl = demo.snippet("curl")
    await shell(curl.replace(demo.told("Key"), "tk_wrong"), cwd=demo.folder)
    assert "refused: 401 invalid_api_key" in await demo.until("refused")
    await shell(curl.replace("gpt-4.1-mini", "gpt-9"), cwd=demo.folder)
    assert "refused: 403 model_not_allowed" in await demo.until("refused")
    await shell(curl.replace("-H", '-H "x-simulate: status=500" -H', 1), cwd=demo.folder)
    assert "not charged: the provider answered 500" in await demo.until("not charged")
    await shell(curl, cwd=demo.folder)
    told = (await demo.until("completed")).split()

    assert ucr(demo.told("Credit")) - ucr(told[-2]) == ucr(told[-1])


async def test_it_ends_cleanly_and_goes_on_where_it_was(demo) -> None:
    folder = demo.folder
    await shell(demo.snippet("curl"), cwd=folder)
    left = (await demo.until("completed")).split()[-1]
    pid = server_pid(folder / "tollkeeper-demo")

    demo.interrupt()
    code, said = await demo.ended()
    await wait_until_gone(pid)

    assert 0 == code
    assert "\nEnded. The balance is kept in tollkeeper-demo; start again to go on.\n" == said

    again = Demo(folder)
    await again.start()
    try:
        assert left == again.told("Credit")
        assert demo.told("Key") == again.told("Key")
    finally:
        await again.stop()


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
async def test_a_port_in_use_is_one_clear_line(tmp_path, option) -> None:
    with socket.socket() as taken:
        # Two gateways would share it unnoticed if the demo did not look.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = "--admin-port" if option == "--port" else "--port"
        ran = await tollkeeper("demo", option, str(port), other, "0", cwd=tmp_path)

    assert (
        f"Cannot listen on port {port}: Address already in use. Choose another with {option}."
        == ran.refusal()
    )
    assert [] == list(tmp_path.iterdir())


async def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path) -> None:
    (tmp_path / "file").touch()

    ran = await tollkeeper(
        "demo", "--port", "0", "--admin-port", "0", "--data-dir", "file/below", cwd=tmp_path
    )

    assert "The system refused file/below: Not a directory." == ran.refusal()


async def test_serving_without_a_store_url_keeps_its_books_in_the_data_directory(tmp_path) -> None:
    provider = SimulatedProvider()
    port, admin_port = free_port(), free_port()
    config = tmp_path / "gateway.yaml"
    config.write_text(
        SERVE_CONFIG.format(
            port=port,
            admin_port=admin_port,
            data_dir=orjson.dumps(str(tmp_path / "data")).decode(),
            provider_port=await provider.start(),
        )
    )
    (tmp_path / "prices.yaml").write_text(PRICES)
    (tmp_path / "key").write_text("sk-simulated")
    with_config = ("--json", "--config", str(config))
    gateway = GatewayProcess(config, port, admin_port, tmp_path / "process.log")
    await gateway.start()
    try:
        pid = server_pid(tmp_path / "data")
        made = (await tollkeeper("keys", "create", "--account", "acme", *with_config)).json()
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{gateway.base_url}/chat/completions",
                json={"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]},
                headers={"Authorization": f"Bearer {made['key']}"},
            ) as answer,
        ):
            assert 200 == answer.status
    finally:
        code = await gateway.stop()
        await provider.stop()
    await wait_until_gone(pid)
    balance = (await tollkeeper("balance", "acme", *with_config)).json()

    assert 0 == code
    assert ("50", "0", 0) == (balance["granted"], balance["held"], balance["running_calls"])
    assert 50_000_000 - ucr(balance["charged"]) == ucr(balance["available"]) < 50_000_000
