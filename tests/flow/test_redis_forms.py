"""A whole gateway, its keys, sinks and commands included, on each form of Redis."""

from pathlib import Path

from support.gateways import running_gateway
from support.redis_forms import FORMS

STORE_FORMS = tuple(form for form in FORMS if form not in ("redis", "valkey"))


async def test_a_call_is_served_charged_and_exported(tmp_path: Path, store_url: str) -> None:
    written = tmp_path / "usage"
    more = f"sinks: {{files: {{json_lines: {{folder: {written}}}}}}}"
    async with running_gateway(tmp_path, store_url, more=more) as tk:
        async with tk.chat(simulate="tokens=7") as answer:
            assert 200 == answer.status

        balance = await tk.assert_books_balance()

        [event] = await tk.events()
        assert event["charge_ucr"] == balance.charged_ucr
        async with tk.chat(headers={"Authorization": "Bearer tk_wrong"}) as answer:
            assert 401 == answer.status
        assert tk.gateway.readiness().reasons == {}
    [page] = [path.read_text() for path in written.rglob("*") if path.is_file()]
    assert event["event_id"] in page
