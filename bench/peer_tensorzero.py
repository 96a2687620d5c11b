"""Starts the gateway of TensorZero's wheel, in its own environment, and tells where it listens.

    python peer_tensorzero.py CONFIG

The wheel starts it for `patch_openai_client`; the port is its own choice.
"""

import signal
import sys

from tensorzero import _start_http_gateway  # type: ignore[import-not-found]

gateway = _start_http_gateway(
    config_file=sys.argv[1],
    clickhouse_url=None,
    postgres_url=None,
    valkey_url=None,
    async_setup=False,
)
print(f"listens at {gateway.base_url}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    signal.pause()
