"""Keys that are wrong in every way: one answer for all, nobody reached, nobody else locked out."""

import random
import statistics
from math import sqrt
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from support.abuse import besieged, chat
from support.gateways import (
    ACCOUNT,
    PEPPER,
    SERVICE_KEY,
    TestGateway,
    account_with_key,
    running_gateway,
)
from support.raw_client import statuses, unlike

from gateway.access.failures import FAILURES_MAX
from gateway.access.services import Service, ServiceKey, ServiceKeys
from gateway.metering.accounts import Status, VirtualKey, format_key

BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'
PLAIN = chat(BODY)
LINE = b"Authorization: Bearer KEY"


def sent(*fields: bytes) -> bytes:
    return PLAIN.replace(LINE, b"\r\n".join(fields))


def wrong_checksum(key: str) -> str:
    return key[:-1] + ("A" if key[-1] != "A" else "B")


def refused_ones(key: str, other_id: str) -> dict[str, bytes]:
    right = key.encode()
    return {
        "none": PLAIN.replace(LINE + b"\r\n", b""),
        "empty": sent(b"Authorization: Bearer "),
        "only the scheme": sent(b"Authorization: Bearer"),
        "a tab behind the scheme": sent(b"Authorization: Bearer\t" + right),
        "no scheme": sent(b"Authorization: " + right),
        "another scheme": sent(b"Authorization: Basic " + right),
        "wrong checksum": sent(b"Authorization: Bearer " + wrong_checksum(key).encode()),
        "well formed and unknown": sent(b"Authorization: Bearer " + other_id.encode()),
        "id alone": sent(b"Authorization: Bearer " + right[:15]),
        "half of it": sent(b"Authorization: Bearer " + right[:30]),
        "twice in one": sent(b"Authorization: Bearer " + right + right),
        "two in a list": sent(b"Authorization: Bearer " + right + b", " + right),
        "in capitals": sent(b"Authorization: Bearer " + right.upper()),
        "with a glob": sent(b"Authorization: Bearer tk_*"),
        "a glob in the secret": sent(b"Authorization: Bearer " + right[:20] + b"*" * 35),
        "a brace": sent(b"Authorization: Bearer tk_{s01}_{s01}"),
        "quotes": sent(b'Authorization: Bearer "' + right + b'"'),
        "percent-encoded": sent(b"Authorization: Bearer " + right.replace(b"_", b"%5F")),
        "other digits": sent("Authorization: Bearer tk_١٢٣".encode()),
        "7 000 letters": sent(b"Authorization: Bearer " + b"A" * 7_000),
        "no UTF-8": sent(b"Authorization: Bearer \xff\xfe"),
        "Redis protocol": sent(b"Authorization: Bearer *1 $8 FLUSHALL"),
        "a service key": sent(b"Authorization: Bearer " + SERVICE_KEY.encode()),
        "a service key as x-api-key": sent(b"x-api-key: " + SERVICE_KEY.encode()),
        "two that differ": sent(
            b"Authorization: Bearer " + right, b"x-api-key: " + wrong_checksum(key).encode()
        ),
        "in a cookie": sent(b"Cookie: Authorization=" + right),
        "as Proxy-Authorization": sent(b"Proxy-Authorization: Bearer " + right),
        "as X-Authorization": sent(b"X-Authorization: Bearer " + right),
        "as basic credentials": sent(b"Authorization: Basic dGtfeDp5"),
        "in the path": sent(b"X: 1").replace(b"/v1/", b"/v1/" + right + b"/../"),
    }


def malformed_ones(key: str) -> dict[str, bytes]:
    right = b"Authorization: Bearer " + key.encode()
    return {
        "NUL": sent(right + b"\0"),
        "CR": sent(right + b"\rX: y"),
        "LF": sent(right + b"\nX: y"),
        "1 MB": sent(b"Authorization: Bearer " + b"A" * 1_000_000),
        "sent twice": sent(right, right),
        "sent twice, the first one wrong": sent(b"Authorization: Bearer x", right),
        "x-api-key twice": sent(b"x-api-key: " + key.encode(), b"x-api-key: x"),
    }


def accepted_ones(key: str) -> dict[str, bytes]:
    right = key.encode()
    return {
        "small letters": sent(b"authorization: bearer " + right),
        "capitals": sent(b"AUTHORIZATION: BEARER " + right),
        "spaces": sent(b"Authorization:   Bearer   " + right + b"  "),
        "tabs around": sent(b"Authorization:\tBearer " + right + b"\t"),
        "x-api-key": sent(b"x-api-key: " + right),
        "api-key": sent(b"api-key: " + right),
        "the same in two ways": sent(b"Authorization: Bearer " + right, b"x-api-key: " + right),
        "in the query": sent(b"X: 1").replace(b"completions ", b"completions?key=" + right + b" "),
    }


async def ended_ones(tk: TestGateway) -> dict[str, str]:
    """Keys that were good."""

    async def made(**more: Any) -> tuple[str, str]:
        asked = VirtualKey(key_id="", account_id=ACCOUNT, digest="", name="ended", **more)
        record, key = await tk.session.issuing.issue(asked)
        return record.key_id, key

    revoked_id, revoked = await made()
    await tk.session.stores.keys.set_key_status(revoked_id, Status.REVOKED)
    _, expired = await made(expires_ms=1)
    return {"revoked": revoked, "expired": expired}


async def test_every_wrong_key_gets_the_same_answer_and_reaches_nobody(
    tmp_path: Path, store_url: str
) -> None:
    unknown = format_key("A" * 12, "B" * 33)
    async with besieged(tmp_path, store_url) as siege:
        key = siege.tk.key
        ended = {
            name: sent(b"Authorization: Bearer " + each.encode())
            for name, each in (await ended_ones(siege.tk)).items()
        }
        answers = dict(await siege.ask(refused_ones(key, unknown) | ended))
        in_path = answers.pop("in the path")
        assert {} == unlike(answers, [401])
        assert [404] == statuses(in_path)
        bodies = {answer.partition(b"\r\n\r\n")[2] for answer in answers.values()}
        assert 1 == len(bodies)
        assert {} == unlike(await siege.ask(malformed_ones(key)), [400])
        assert [] == siege.upstream.taken()
        assert {} == unlike(await siege.ask(accepted_ones(key)), [200])
        for request in siege.upstream.taken():
            assert key.encode() not in request
        written = siege.tk.lines.text()
    for secret in (key, SERVICE_KEY, unknown, wrong_checksum(key)):
        assert secret[20:] not in written


async def test_each_request_on_a_connection_is_judged_by_its_own_key(
    tmp_path: Path, store_url: str
) -> None:
    """Whatever was said before it there, be it the same but for a letter or for the length."""
    longer = BODY.replace(b"hi", b"hi there")
    async with besieged(tmp_path, store_url) as siege:
        wrong = PLAIN.replace(b"KEY", wrong_checksum(siege.tk.key).encode())
        said = (PLAIN, wrong, wrong, PLAIN, chat(longer), PLAIN.replace(LINE, b"X: y"), PLAIN)
        answers = await siege.one(b"".join(said))
        assert [200, 401, 401, 200, 200, 401, 200] == statuses(answers)
        asked = [each.partition(b"\r\n\r\n") for each in siege.upstream.taken()]
        assert [BODY, BODY, longer, BODY] == [body for _, _, body in asked]
        assert all(head.endswith(b"content-length: %d" % len(body)) for head, _, body in asked)


async def test_keys_work_where_they_belong_and_nowhere_else(tmp_path: Path, store_url: str) -> None:
    """Another account's key sees its own account; a service key calls no provider; a virtual key
    administers nothing; what is for operators is not at the callers' listener."""
    async with running_gateway(tmp_path, store_url) as tk:
        other = await account_with_key(tk.session, granted_ucr=0, account="other")
        mine = {"Authorization": f"Bearer {tk.key}"}
        service = {"Authorization": f"Bearer {SERVICE_KEY}"}
        admin = f"http://127.0.0.1:{tk.gateway.admin_port}"
        for url, headers, status in (
            (f"{tk.origin}/metering/v1/balance", {"Authorization": f"Bearer {other}"}, 200),
            (f"{tk.origin}/metering/v1/balance", service, 401),
            (f"{tk.origin}/metering/v1/overview", service, 404),
            (f"{tk.origin}/metering/v1/overview", mine, 404),
            (f"{tk.origin}/metrics", mine, 404),
            (f"{tk.origin}/healthz", {}, 404),
            (f"{tk.origin}/readyz", {}, 404),
            (f"{admin}/metering/v1/overview", mine, 403),
            (f"{admin}/v1/models", mine, 404),
            (f"{tk.origin}/v1/models", service, 401),
        ):
            async with tk.http.get(url, headers=headers) as answer:
                assert status == answer.status, url
                told = await answer.text()
                assert "acme" not in told, url


async def test_an_address_that_keeps_failing_is_told_so_and_valid_keys_from_there_still_work(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        strangers = {"Authorization": "Bearer tk_wrong"}
        seen = []
        for _ in range(FAILURES_MAX + 3):
            async with tk.chat(headers=strangers) as answer:
                seen.append(answer.status)
        assert [401] * FAILURES_MAX + [429] * 3 == seen
        assert "false" == answer.headers["x-should-retry"]
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        # One that this process has never seen is served as well: it is another caller's.
        fresh = await account_with_key(tk.session, granted_ucr=10_000_000, account="fresh")
        for key in (tk.key, fresh):
            async with tk.chat(headers={"Authorization": f"Bearer {key}"}) as answer:
                assert 200 == answer.status
        assert 2 == tk.provider.journal.total


def test_the_time_of_a_look_up_does_not_tell_how_much_of_a_key_is_right() -> None:
    """Welch's t over two kinds of wrong key, measured alternately: right but for the last letter,
    and wrong from the first. dudect's threshold."""
    right = "ts_" + "0123456789abcdef" * 4
    service = Service("s", frozenset())
    keys = ServiceKeys([ServiceKey(service, right)], pepper=PEPPER.encode())
    near, far = right[:-1] + "X", "ts_" + "X" * 64
    assert keys.known(right) is not None
    draw = random.Random(26)

    def taken_ns(presented: str) -> int:
        began = perf_counter_ns()
        keys.known(presented)
        return perf_counter_ns() - began

    samples: dict[str, list[int]] = {near: [], far: []}
    while min(map(len, samples.values())) < 10_000:
        presented = draw.choice((near, far))
        samples[presented].append(taken_ns(presented))
    assert abs(welch_t(samples[near], samples[far])) < 4.5


def welch_t(first: list[int], second: list[int]) -> float:
    """Of the faster nine tenths of both together: the rest is the machine's doing."""
    cut = sorted(first + second)[int(0.9 * len(first + second))]
    kept = [[each for each in sample if each <= cut] for sample in (first, second)]
    means = [statistics.fmean(sample) for sample in kept]
    spread = sum(statistics.variance(sample) / len(sample) for sample in kept)
    return (means[0] - means[1]) / sqrt(spread)


def test_the_measure_of_time_does_see_a_comparison_that_tells() -> None:
    """What would be seen if keys were compared letter by letter."""
    right = b"0123456789abcdef" * 16

    def taken_ns(presented: bytes) -> int:
        began = perf_counter_ns()
        all(a == b for a, b in zip(right, presented, strict=True))
        return perf_counter_ns() - began

    near, far = right[:-1] + b"X", b"X" * 256
    samples = [[taken_ns(each) for _ in range(1_000)] for each in (near, far)]
    assert abs(welch_t(*samples)) > 4.5
