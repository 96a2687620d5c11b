"""Dashboard and Metering API before hostile browsers and clients. Stored scripts, formulas in
exports, forged requests, frames, throttled signing in: test_dashboard.py, test_sessions.py."""

import re
from pathlib import Path

from support.gateways import SERVICE_KEY, TestGateway, running_gateway


async def test_a_session_that_was_planted_is_not_the_one_that_signing_in_opens(
    tmp_path: Path, store_url: str
) -> None:
    planted = "planted-by-somebody-else-0123456789abcdefghij"
    async with running_gateway(tmp_path, store_url) as tk:
        headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"tollkeeper_session={planted}"}
        url = f"{tk.origin}/metering/v1"
        async with tk.http.post(f"{url}/session", json={"key": tk.key}, headers=headers) as answer:
            assert 201 == answer.status
            cookie = answer.headers["Set-Cookie"]
        assert planted not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        async with tk.http.get(f"{url}/balance", headers=headers) as answer:
            assert 401 == answer.status


async def test_pages_allow_no_frame_no_inline_script_and_no_other_host(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        policies = []
        for origin in (tk.origin, f"http://127.0.0.1:{tk.gateway.admin_port}"):
            async with tk.http.get(f"{origin}/dashboard") as answer:
                assert 200 == answer.status
                policies.append(answer.headers["Content-Security-Policy"])
                assert "nosniff" == answer.headers["X-Content-Type-Options"]
    for policy in policies:
        rules = dict(
            each.strip().split(" ", 1) for each in policy.split(";") if " " in each.strip()
        )
        assert "'none'" == rules["frame-ancestors"] == rules["default-src"] == rules["base-uri"]
        assert not any(word in policy for word in ("unsafe", "http:", "https:", "*", "data:"))


async def test_pages_of_the_api_are_bounded_and_its_numbers_are_numbers(
    tmp_path: Path, store_url: str
) -> None:
    asked = {
        "/usage/records?limit=0": 400,
        "/usage/records?limit=-1": 400,
        "/usage/records?limit=1000000000": 400,
        "/usage/records?limit=1e3": 400,
        "/usage/records?limit=10000": 200,
        "/usage/records?cursor=../../etc/passwd": 400,
        "/usage?start_time=-1": 400,
        "/usage?start_time=99999999999999999999": 400,
        "/usage?start_time=0&bucket_width=1m": 200,
        "/generations/" + "a" * 4_000: 404,
        "/generations/..%2f..%2fkey": 404,
    }
    async with running_gateway(tmp_path, store_url) as tk:
        seen = {}
        for path in asked:
            headers = {"Authorization": f"Bearer {tk.key}"}
            async with tk.http.get(f"{tk.origin}/metering/v1{path}", headers=headers) as answer:
                seen[path] = answer.status
                told = await answer.text()
                assert SERVICE_KEY not in told
                assert len(told) < 1_000_000
    assert asked == seen


async def operations(tk: TestGateway, origin: str) -> list[tuple[str, str, bool]]:
    """Method, path and whether it needs a credential, of all that a listener's API can do."""
    async with tk.http.get(f"{origin}/metering/v1/openapi.json") as answer:
        document = await answer.json()
    return [
        (method.upper(), re.sub(r"{\w+}", "x", path), bool(told.get("security", True)))
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


async def signed_in(tk: TestGateway, origin: str, key: str) -> dict[str, str]:
    """What a browser sends of a session, and what only our own page can."""
    async with tk.http.post(f"{origin}/metering/v1/session", json={"key": key}) as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return {"Cookie": cookie, "X-Tollkeeper-Guard": (await answer.json())["guard"]}


async def test_nothing_is_told_or_changed_without_a_credential_or_for_another_site(
    tmp_path: Path, store_url: str
) -> None:
    """Of all operations there are, at both listeners."""
    strangers = ({}, {"Authorization": "Bearer admin"}, {"Authorization": "Basic YWRtaW46YWRtaW4="})
    async with running_gateway(tmp_path, store_url) as tk:
        admin = f"http://127.0.0.1:{tk.gateway.admin_port}"
        for origin, key in ((tk.origin, tk.key), (admin, SERVICE_KEY)):
            session = await signed_in(tk, origin, key)
            forged = ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"})
            unguarded = {"Cookie": session["Cookie"]}

            async def told(method: str, url: str, sent: dict[str, str]) -> int:
                body = None if method == "GET" else {}
                async with tk.http.request(method, url, json=body, headers=sent) as answer:
                    return int(answer.status)

            found = await operations(tk, origin)
            for method, path, secured in found:
                if not secured:
                    continue
                url = origin + path
                for sent in strangers:
                    assert await told(method, url, sent) in (401, 403, 429), (method, path)
                for more in forged:
                    assert 403 == await told(method, url, session | more), (method, path)
                if method != "GET":
                    assert 403 == await told(method, url, unguarded), (method, path)
            # One is for keys, the other for what a payment system signed.
            assert {"/metering/v1/session", "/metering/v1/incoming/x"} >= {
                path for _, path, secured in found if not secured
            }
