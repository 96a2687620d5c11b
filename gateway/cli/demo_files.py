"""What the demo writes into its directory: a configuration, prices, and the key of its account."""

from pathlib import Path

import orjson

CONFIG = """\
# Written by `tollkeeper demo` at each start.
listen: {{host: 127.0.0.1, port: {port}, drain_s: 2}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
store: {{data_dir: {data_dir}}}
providers:
  simulated: {{base_url: "http://127.0.0.1:{provider_port}", credential: file:provider.key,
               apis: [openai, anthropic]}}
models:
  - {{match: "gpt-4.1*", provider: simulated}}
  - {{match: "claude-haiku-4-5", provider: simulated}}
prices: [prices.yaml]
plans:
  demo:
    enforcement: rolling
    limits:
      - {{unit: requests, per: minute, ceiling: 600}}
      - {{unit: tokens, per: minute, ceiling: 1000000}}
      - {{unit: calls, ceiling: 50}}
"""
PRICES = """\
# US dollars per million tokens, as the provider publishes them. 1 credit = US$0.01.
version: demo-2026-11-23
effective_from: 2026-11-23
source: https://openai.com/api/pricing, https://www.anthropic.com/pricing#api
checked: 2026-11-23
models:
  gpt-4.1:
    {input: "2.00", cache_read: "0.50", output: "8.00", context_tokens: 1047576,
     max_output_tokens: 32768}
  gpt-4.1-mini:
    {input: "0.40", cache_read: "0.10", output: "1.60", context_tokens: 1047576,
     max_output_tokens: 32768}
  claude-haiku-4-5:
    {input: "1.00", cache_read: "0.10", cache_write_5m: "1.25", cache_write_1h: "2.00",
     output: "5.00", context_tokens: 200000, max_output_tokens: 64000}
"""
KEY_FILE = "demo.key"


def write_config(port: int, admin_port: int, data_dir: Path, *, provider_port: int) -> Path:
    """Answers the path of the configuration; what was there before is replaced."""
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "gateway.yaml"
    config.write_text(
        CONFIG.format(
            port=port,
            admin_port=admin_port,
            provider_port=provider_port,
            # JSON is YAML, whatever stands in the path.
            data_dir=orjson.dumps(str(data_dir.resolve())).decode(),
        )
    )
    (data_dir / "prices.yaml").write_text(PRICES)
    (data_dir / "provider.key").write_text("simulated")
    return config


def kept_key(data_dir: Path) -> str | None:
    """The key of an earlier run, so that what was pasted somewhere goes on working."""
    path = data_dir / KEY_FILE
    return path.read_text() if path.exists() else None


def keep_key(data_dir: Path, presented: str) -> None:
    path = data_dir / KEY_FILE
    path.touch(mode=0o600)
    path.write_text(presented)
