"""What the demo writes into its directory: a configuration, prices, and the keys to both sides."""

import secrets
from pathlib import Path

import orjson

CONFIG = """\
# Written by `tollkeeper demo` at each start.
listen: {{host: 127.0.0.1, port: {port}, drain_s: 2}}
admin: {{host: 127.0.0.1, port: {admin_port}}}
store: {{data_dir: {data_dir}}}
providers:
  simulated: {{base_url: "http://127.0.0.1:{provider_port}", credential: file:provider.key,
               apis: [openai, anthropic], costs: [costs.yaml]}}
models:
  - {{match: "gpt-4.1*", provider: simulated}}
  - {{match: "claude-haiku-4-5", provider: simulated}}
prices: [prices.yaml]
services: [{{id: demo, secret: file:operator.key, scopes: [admin]}}]
# What is charged from now on, a record a line.
sinks: {{lake: {{json_lines: {{folder: {lake}}}, new_gets_everything: false}}}}
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
COSTS = """\
# What the simulated provider bills whoever runs this: a tenth less, as volume buys it.
version: demo-costs-2026-11-23
effective_from: 2026-11-23
source: made up for the demo
checked: 2026-11-23
models:
  gpt-4.1: {input: "1.80", cache_read: "0.45", output: "7.20"}
  gpt-4.1-mini: {input: "0.36", cache_read: "0.09", output: "1.44"}
  claude-haiku-4-5:
    {input: "0.90", cache_read: "0.09", cache_write_5m: "1.125", cache_write_1h: "1.80",
     output: "4.50"}
"""
KEY_FILE = "demo.key"
OPERATOR_KEY_FILE = "operator.key"
OPERATOR_KEY_BYTES = 24


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
            lake=orjson.dumps(str(data_dir.resolve() / "lake")).decode(),
        )
    )
    (data_dir / "prices.yaml").write_text(PRICES)
    (data_dir / "costs.yaml").write_text(COSTS)
    (data_dir / "provider.key").write_text("simulated")
    if not (data_dir / OPERATOR_KEY_FILE).exists():
        _write_secret(data_dir / OPERATOR_KEY_FILE, f"ts_{secrets.token_hex(OPERATOR_KEY_BYTES)}")
    return config


def operator_key(data_dir: Path) -> str:
    return (data_dir / OPERATOR_KEY_FILE).read_text()


def kept_key(data_dir: Path) -> str | None:
    """The key of an earlier run, so that what was pasted somewhere goes on working."""
    path = data_dir / KEY_FILE
    return path.read_text() if path.exists() else None


def keep_key(data_dir: Path, presented: str) -> None:
    _write_secret(data_dir / KEY_FILE, presented)


def _write_secret(path: Path, secret: str) -> None:
    path.touch(mode=0o600)
    path.write_text(secret)
