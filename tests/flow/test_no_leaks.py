"""Keys that stand where they are easily overlooked stay here. (By every way out:
abuse/test_canaries.py.)"""

from pathlib import Path

from support.gateways import ACCOUNT, running_gateway
from support.leaks import everything_in
from support.redis_server import Server
from support.service import ask
from yarl import URL


async def test_a_key_in_the_query_stays_here_however_it_is_spelt(
    tmp_path: Path, store_url: str
) -> None:
    """Google's clients may send it there, and an access token beside it."""
    async with running_gateway(tmp_path, store_url, apis="[gemini]", auth="x-goog-api-key") as tk:
        for name in ("key", "k%65y", "%6bey"):
            query = f"limit=2&{name}={tk.key}&after=x&access_token=ya29&oauth%5Ftoken=ya29"
            url = URL(f"{tk.base_url}/models?{query}", encoded=True)
            async with tk.http.get(url) as answer:
                assert 200 == answer.status
            assert "/v1/models?limit=2&after=x" == tk.provider.journal.entries[-1].path


async def test_a_secret_told_once_is_told_again_on_repetition_and_kept_nowhere(
    tmp_path: Path, store_url: str, store_server: Server
) -> None:
    """The answer is remembered under its Idempotency-Key for two days: sealed."""
    more = "webhooks: {allow: [127.0.0.0/8]}"
    async with running_gateway(tmp_path, store_url, more=more) as tk:
        old = tk.key.split("_")[1]
        hook = {"account_id": ACCOUNT, "url": "http://127.0.0.1:9/hook"}
        _, webhook = await ask(tk, "POST", "/webhooks", once="canary-w", **hook)
        asked = (
            ("/keys", "canary-k", {"account_id": ACCOUNT, "name": "canary-name"}),
            (f"/keys/{old}/rotate", "canary-r", {"overlap_s": 60}),
            ("/webhooks", "canary-w", hook),
            (f"/webhooks/{webhook['id']}/rotate", "canary-s", {"overlap_s": 60}),
        )
        first = [await ask(tk, "POST", path, once=once, **body) for path, once, body in asked]
        again = [await ask(tk, "POST", path, once=once, **body) for path, once, body in asked]
        stored = everything_in(store_server)

    secrets = [told.get("key") or told["secret"] for _, told in first]
    assert first == again
    assert len(secrets) == len({secret for secret in secrets if len(secret) > 30})
    assert stored.count(b"idem:") == len(asked)
    assert b"canary-name" in stored
    for canary in (*secrets, *(secret.split("_")[-1] for secret in secrets), "canary-w"):
        assert canary.encode() not in stored
