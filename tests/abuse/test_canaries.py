"""A key, a prompt, an answer and a credential, each unique, by every way out: found in none."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.abuse import besieged, chat
from support.gateways import (
    ACCOUNT,
    PROVIDER_CREDENTIAL,
    SERVICE_KEY,
    TestGateway,
    running_gateway,
)
from support.leaks import commands_noted, everything_in, note_every_command
from support.metering_api import caught_up
from support.otlp import running_collector
from support.raw_client import exchange
from support.recording_upstream import response
from support.redis_server import Server

from gateway.proxy.admit import Admission
from gateway.proxy.pipeline import Pipeline

PROMPT = "canary-prompt-7c1e"
# Whom a caller says that it asks for, and what it calls its call.
USER, TAG = "canary-user-41d0", "canary-tag-9b2f"
# A strange provider's error, which quotes what it was sent.
BROKEN = "canary-in-an-exception"


# How each goes, and what it asks for. The last is served: its receipt is asked for.
CALLS: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("status=500", {}),
    ("status=401", {}),
    ("tokens=30,fail=reset_after:3", {}),
    ("", {"model": "claude-unknown"}),
    ("", {"max_tokens": -1}),
    ("tokens=30,no_usage", {}),
    ("tokens=30", {}),
]


def requests(key: str) -> list[bytes]:
    """Bare requests in which key and prompt stand where they are hard to read."""
    bearer = f"Authorization: Bearer {key}".encode()
    said = f'{{"model":"{PROMPT}","messages":[{{"content":"{PROMPT}"}}'.encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + bearer + b"\r\n"
    return [
        head + b"Content-Length: %d\r\n\r\n" % len(said) + said,
        head + b"Content-Length: x\r\n\r\n" + said,
        head + b"Transfer-Encoding: chunked\r\n\r\nxyz" + said,
        b"POST /" + key.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/" + PROMPT.encode() + b"?key=" + key.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        head + bearer + b"\r\n\r\n",
        head + b"X-" + PROMPT.encode() + b" : " + key.encode() + b"\r\n\r\n",
        key.encode() + b" / HTTP/1.1\r\n\r\n",
        b"GET /metering/v1/balance HTTP/1.1\r\nHost: x\r\n" + bearer + b"x\r\n\r\n",
        b"GET /metering/v1/" + key.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ]


async def told_by_every_operation(tk: TestGateway, request_id: str) -> bytes:
    """Heads and bodies of what both listeners tell when they are asked for all they have."""
    seen = b""
    admin = f"http://127.0.0.1:{tk.gateway.admin_port}"
    for origin, key in ((tk.origin, tk.key), (tk.origin, SERVICE_KEY), (admin, SERVICE_KEY)):
        async with tk.http.get(f"{origin}/metering/v1/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        headers = {"Authorization": f"Bearer {key}"}
        for path, methods in paths.items():
            streams = "text/event-stream" in str(methods)
            if "get" not in methods or streams:
                continue
            wanted = request_id if "generations" in path else ACCOUNT
            query = "?start_time=0" if path.endswith(("/usage", "/costs")) else ""
            url = origin + re.sub(r"{\w+}", wanted, path) + query
            async with tk.http.get(url, headers=headers) as answer:
                seen += repr(answer.headers).encode() + await answer.read()
    for url in (f"{tk.origin}/dashboard", f"{admin}/dashboard", f"{admin}/metrics"):
        async with tk.http.get(url) as answer:
            seen += repr(answer.headers).encode() + await answer.read()
    return seen


async def test_nothing_secret_leaves_by_any_way_out(
    tmp_path: Path,
    store_url: str,
    store_server: Server,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    note_every_command(store_server)
    said = {
        "messages": [{"role": "user", "content": PROMPT, "name": USER}],
        "user": USER,
        "metadata": {TAG: TAG},
    }
    async with (
        running_collector() as collector,
        running_gateway(
            tmp_path,
            store_url,
            more=f'telemetry: {{otlp_url: "{collector.url}"}}\n'
            f"sinks: {{lake: {{json_lines: {{folder: {tmp_path / 'data' / 'lake'}}}}}}}",
        ) as tk,
        tk.http.get(
            f"{tk.origin}/metering/v1/events", headers={"Authorization": f"Bearer {tk.key}"}
        ) as events,
    ):
        for raw in requests(tk.key):
            await exchange(tk.gateway.port, raw)
        seen = b""
        for simulate, more in CALLS:
            for stream in (False, True):
                async with tk.chat(simulate=simulate, stream=stream, **said | more) as answer:
                    seen += repr(answer.headers).encode()
                    with contextlib.suppress(aiohttp.ClientError):
                        body = await answer.read()
                        seen += body if answer.status != 200 else b""
                    request_id = answer.headers["x-tollkeeper-request-id"]

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError(f"{BROKEN} {tk.key} {PROMPT} {PROVIDER_CREDENTIAL}")

        # A bug before admission, and one after it: an answer with a request id, and no more.
        for owner, name in ((Pipeline, "_match"), (Admission, "admit")):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, broken)
                async with tk.chat(**said) as answer:
                    assert 500 == answer.status
                    seen += await answer.read()
        await tk.assert_books_balance()
        secret = tk.key.split("_")[2]
        asked = tk.provider.journal.entries
        answers = [text for entry in asked for text in entry.texts]
        assert not any(secret in repr(entry.headers) for entry in asked)
        assert {f"Bearer {PROVIDER_CREDENTIAL}"} == {
            entry.headers["Authorization"] for entry in asked
        }
        await caught_up(tk)
        seen += await told_by_every_operation(tk, request_id)
        told_live = events.content.read_nowait()
        stored = everything_in(store_server)
        commands = commands_noted(store_server)
    written = tk.lines.path.read_bytes()
    traced = b"".join(collector.bodies)
    files = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    exported = b"".join(each for path, each in files.items() if "lake" in path.parts)
    # Each of them had something to say.
    for output in (stored, commands, told_live, exported, seen):
        assert b"acme" in output
    assert request_id.encode() in seen
    assert b"gen_ai" in traced
    assert b"internal_error" in seen
    assert b"RuntimeError" in written
    seen += stored + commands + written + told_live + traced + b"".join(files.values())
    seen += "".join(capfd.readouterr()).encode()
    for canary in (
        secret,
        PROMPT,
        USER,
        TAG,
        BROKEN,
        PROVIDER_CREDENTIAL,
        max(answers, key=len)[:24],
    ):
        assert canary.encode() not in seen, canary


async def test_what_a_provider_says_in_an_error_is_told_to_its_caller_alone(
    tmp_path: Path, store_url: str, store_server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may quote what it was sent, or hold a script for whoever looks at it."""
    said = f'{{"error":{{"message":"<script>{BROKEN}</script>","code":"{BROKEN}"}}}}'.encode()
    body = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'
    async with besieged(tmp_path, store_url) as siege:
        for status in (b"500 Oh", b"400 No", b"429 Later", b"200 OK"):
            siege.upstream.answer = response(said, b"X-E: " + BROKEN.encode(), status=status)
            assert (await siege.one(chat(body))).endswith(said)
        await siege.tk.settled()
        seen = await told_by_every_operation(siege.tk, "x") + everything_in(store_server)
    seen += siege.tk.lines.path.read_bytes() + "".join(capfd.readouterr()).encode()
    assert BROKEN.encode() not in seen


async def test_strangers_cannot_make_metrics_grow(tmp_path: Path, store_url: str) -> None:
    """Paths, models, methods and fields are theirs to choose: none becomes a label."""
    async with running_gateway(tmp_path, store_url) as tk:
        page = f"http://127.0.0.1:{tk.gateway.admin_port}/metrics"

        async def names() -> set[str]:
            async with tk.http.get(page) as answer:
                lines = (await answer.text()).splitlines()
            return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

        async def noise(mark: str) -> None:
            for method in ("GET", "POST", "DELETE", "PUT"):
                headers = {"Authorization": f"Bearer {mark}", "x-request-id": mark}
                async with tk.http.request(
                    method, f"{tk.base_url}/{mark}", headers=headers
                ) as answer:
                    await answer.read()
            for model in (mark, f"gpt-{mark}"):
                async with tk.chat(model=model) as answer:
                    await answer.read()

        await noise("first")
        before = await names()
        for number in range(20):
            await noise(f"canary-{number}")
        after = await names()
    assert before == after
    assert not any("canary" in name or "acme" in name for name in after)
