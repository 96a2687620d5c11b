"""Keys, credentials, prompts and answers appear nowhere but on the wire they belong to."""

from pathlib import Path

import aiohttp
from support.gateways import PROVIDER_CREDENTIAL, running_gateway
from support.redis_server import Server
from yarl import URL

PROMPT = "canary-prompt-3f9a"


async def test_canaries_are_found_in_no_output(
    tmp_path: Path, store_url: str, store_server: Server
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        secret = tk.key.split("_")[2]
        messages = [{"role": "user", "content": PROMPT}]
        seen = b""
        for options in (
            {"simulate": "tokens=30"},
            {"simulate": "tokens=30", "stream": True},
            {"simulate": "status=500"},
            {"simulate": "tokens=3,no_usage", "stream": True},
            {"model": "claude-unknown"},
            {"max_tokens": -1},
        ):
            async with tk.chat(messages=messages, **options) as answer:
                seen += str(answer.headers).encode()
                if answer.status != 200:
                    seen += await answer.read()
                await answer.read()
        try:
            async with tk.chat(
                messages=messages, stream=True, simulate="tokens=30,fail=reset_after:3"
            ) as answer:
                await answer.read()
        except aiohttp.ClientError:
            pass
        answers = "".join(text for entry in tk.provider.journal.entries for text in entry.texts)
        await tk.assert_books_balance()
        async with tk.http.get(f"http://127.0.0.1:{tk.gateway.admin_port}/metrics") as page:
            seen += await page.read()
        for entry in tk.provider.journal.entries:
            assert secret not in str(entry.headers)
            assert f"Bearer {PROVIDER_CREDENTIAL}" == entry.headers["Authorization"]
        stored = _everything_in(store_server)
    seen += tk.lines.path.read_bytes() + stored
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            seen += path.read_bytes()
    assert b"acme" in stored
    for canary in (secret, PROMPT, PROVIDER_CREDENTIAL, answers[:24]):
        assert canary.encode() not in seen


def _everything_in(server: Server) -> bytes:
    """Keys and values as a dump of each sees them."""
    script = """
    local found = {}
    for _, key in ipairs(redis.call('KEYS', '*')) do
      found[#found + 1] = key
      found[#found + 1] = redis.call('DUMP', key)
      local kind = redis.call('TYPE', key).ok
      if kind == 'hash' then
        for _, part in ipairs(redis.call('HGETALL', key)) do found[#found + 1] = part end
      elseif kind == 'stream' then
        for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
          for _, part in ipairs(entry[2]) do found[#found + 1] = part end
        end
      elseif kind == 'string' then
        found[#found + 1] = redis.call('GET', key)
      end
    end
    return table.concat(found, ' ')
    """
    return server.ask("EVAL", script, "0")


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
