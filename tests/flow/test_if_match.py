"""Whatever the Metering API changes says which version it is, and is changed only if it still is
the one that `If-Match` names. One gateway: every resource is asked the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, running_gateway
from support.service import ROOT, ask

from gateway.metering.accounts import VirtualKey

MORE = """
sinks: {{lake: {{json_lines: {{folder: "{folder}"}}}}}}
webhooks: {{allow: [127.0.0.0/8]}}
"""
HOOK = "http://127.0.0.1:9/hook"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    more = MORE.format(folder=tmp_path / "lake")
    async with running_gateway(tmp_path, store_url, more=more) as gateway:
        yield gateway


async def an_account(gateway: TestGateway) -> str:
    return f"/accounts/{ACCOUNT}"


async def the_alerts(gateway: TestGateway) -> str:
    """Of the account of a key that manages: that key."""
    template = VirtualKey(key_id="", account_id=ACCOUNT, digest="", manages=True)
    _, gateway.key = await gateway.session.issuing.issue(template)
    return "/alerts"


def asker(gateway: TestGateway, path: str) -> str:
    return gateway.key if path == "/alerts" else SERVICE_KEY


async def a_project(gateway: TestGateway) -> str:
    made = await ask(gateway, "POST", f"/accounts/{ACCOUNT}/projects", once="p", id="search")
    assert 201 == made[0], made
    return f"/accounts/{ACCOUNT}/projects/search"


async def a_key(gateway: TestGateway) -> str:
    status, made = await ask(gateway, "POST", "/keys", once="k", account_id=ACCOUNT)
    assert 201 == status, made
    return f"/keys/{made['id']}"


async def a_webhook(gateway: TestGateway) -> str:
    status, made = await ask(
        gateway, "POST", "/webhooks", once="w", account_id=ACCOUNT, url=HOOK + "/first"
    )
    assert 201 == status, made
    return f"/webhooks/{made['id']}"


async def a_sink(gateway: TestGateway) -> str:
    return "/sinks/lake"


@dataclass(frozen=True)
class Change:
    """`by` changes what `of` makes, differently at each number; `ends` it: it is gone then."""

    of: Callable[[TestGateway], Awaitable[str]]
    method: str
    below: str = ""
    body: Callable[[int], dict[str, Any]] = lambda _: {}


CHANGES = {
    "account": Change(an_account, "PATCH", body=lambda n: {"name": f"n{n}"}),
    "alerts": Change(the_alerts, "PUT", body=lambda n: {"alerts": [f"{n}"]}),
    "project": Change(a_project, "PATCH", body=lambda n: {"name": f"n{n}"}),
    "key": Change(a_key, "PATCH", body=lambda n: {"name": f"n{n}"}),
    "key's limits": Change(
        a_key, "PATCH", body=lambda n: {"limits": [{"unit": "calls", "ceiling": n + 1}]}
    ),
    "rotated key": Change(a_key, "POST", "/rotate"),
    "revoked key": Change(a_key, "DELETE"),
    "webhook": Change(a_webhook, "PATCH", body=lambda n: {"url": f"{HOOK}/{n}"}),
    "rotated webhook": Change(a_webhook, "POST", "/rotate"),
    "deleted webhook": Change(a_webhook, "DELETE"),
    "paused sink": Change(a_sink, "POST", "/pause"),
    "resumed sink": Change(a_sink, "POST", "/resume"),
}


async def test_of_many_changes_to_one_version_one_is_made(gateway: TestGateway) -> None:
    for name, change in CHANGES.items():
        path = await change.of(gateway)
        tag = await tag_of(gateway, path)
        answers = await asyncio.gather(*(made(gateway, path, change, tag, n) for n in range(6)))
        await refused(gateway, path, change, tag)

        wanted = 201 if change.below == "/rotate" else 200
        late = [answer for answer in answers if answer[0] != wanted]
        assert 5 == len(late), (name, answers)
        # Whoever comes when it is deleted finds nothing.
        assert {(412, "changed_meanwhile"), (404, "not_found")} >= {
            (status, told["code"]) for status, told in late
        }, name
        if change.method != "DELETE" or "key" in name:
            [told] = [told for status, told in answers if status == wanted]
            assert tag != await tag_of(gateway, path), name
            await agrees(gateway, path, change, told)


async def tag_of(gateway: TestGateway, path: str) -> str:
    """As it stands in the head, and in the body."""
    sent = {"Authorization": f"Bearer {asker(gateway, path)}"}
    async with gateway.http.get(gateway.origin + ROOT + path, headers=sent) as answer:
        told = await answer.json()
        assert f'"{told["etag"]}"' == answer.headers["ETag"]
        return answer.headers["ETag"]


async def made(
    gateway: TestGateway, path: str, change: Change, tag: str, number: int
) -> tuple[int, Any]:
    return await ask(
        *(gateway, change.method, path + change.below),
        bearer=asker(gateway, path),
        once=f"{path} {number}",
        headers={"If-Match": f'"another", {tag}'},
        **change.body(number),
    )


async def refused(gateway: TestGateway, path: str, change: Change, tag: str) -> None:
    status, told = await made(gateway, path, change, tag, 7)
    assert (status, told["code"]) in {(412, "changed_meanwhile"), (404, "not_found")}


async def agrees(gateway: TestGateway, path: str, change: Change, told: dict[str, Any]) -> None:
    """The change that was answered is the one that was made."""
    _, found = await ask(gateway, "GET", path, bearer=asker(gateway, path))
    if change.below == "/rotate" and "key" in told:
        assert found["expires_at"] is not None
    else:
        assert told["etag"] == found["etag"]


async def test_any_version_will_do_if_asked_so_and_other_operations_take_none(
    gateway: TestGateway,
) -> None:
    path, star = f"/accounts/{ACCOUNT}", {"If-Match": "*"}
    any_version, _ = await ask(gateway, "PATCH", path, headers=star, name="A")
    weak = {"If-Match": f"W/{await tag_of(gateway, path)}"}
    weakly, _ = await ask(gateway, "PATCH", path, headers=weak, name="B")
    elsewhere, told = await ask(gateway, "POST", "/keys/introspect", headers=star, token="x")

    assert (200, 412) == (any_version, weakly)
    assert (400, "invalid_request") == (elsewhere, told["code"])


async def test_changes_of_different_things_at_once_are_all_made(gateway: TestGateway) -> None:
    path = await a_key(gateway)
    limits = [{"unit": "calls", "ceiling": 3}]
    answers = await asyncio.gather(
        ask(gateway, "PATCH", path, name="Both"),
        ask(gateway, "PATCH", path, models=["gpt-4.1*"]),
        ask(gateway, "PATCH", path, limits=limits),
    )
    _, found = await ask(gateway, "GET", path)

    assert [200] * 3 == [status for status, _ in answers]
    assert ("Both", ["gpt-4.1*"]) == (found["name"], found["models"])
    assert [3] == [each["ceiling"] for each in found["limits"]]


async def test_the_document_says_so(gateway: TestGateway) -> None:
    async with gateway.http.get(f"{gateway.origin}{ROOT}/openapi.json") as answer:
        document = await answer.json()
    operations = [
        operation
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in ("patch", "put", "delete") and operation["operationId"] != "signOut"
    ]

    assert len(operations) >= 6
    for operation in operations:
        names = [each["name"] for each in operation["parameters"] if each["in"] == "header"]
        assert "If-Match" in names, operation["operationId"]
        assert "412" in operation["responses"]
        assert "ETag" in operation["responses"]["200"]["headers"]
