"""Where the server is: a URL taken apart once, and how a connection to it is opened.

`redis://`, `rediss://` and `unix://` with user, password, database and TLS options, spelt as
redis-py spells them. Knows nothing of what is said over the connection afterwards.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio.connection import SSLConnection, parse_url

from gateway.errors import ConfigError
from gateway.stores.redis.wire import Wire

DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    host: str = "localhost"
    port: int = DEFAULT_PORT
    path: str = ""
    """Of a Unix socket; empty for TCP."""
    tls: ssl.SSLContext | None = None
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    db: int = 0

    async def connect(self, wire: Wire) -> None:
        """Raises OSError when nobody listens there."""
        loop = asyncio.get_running_loop()
        if self.path:
            await loop.create_unix_connection(lambda: wire, self.path)
        else:
            await loop.create_connection(lambda: wire, self.host, self.port, ssl=self.tls)


def parse_address(url: str) -> Address:
    """Raises ConfigError without quoting the URL, which may carry a password."""
    try:
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise bad_url() from error
    tls = _tls(options) if options.get("connection_class") is SSLConnection else None
    return Address(
        host=options.get("host", "localhost"),
        port=int(options.get("port", DEFAULT_PORT)),
        path=options.get("path", ""),
        tls=tls,
        username=options.get("username") or "",
        password=options.get("password") or "",
        db=int(options.get("db", 0)),
    )


def bad_url() -> ConfigError:
    return ConfigError(
        "A store URL starts with redis://, rediss:// or unix:// and names host or path."
    )


def _tls(options: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    required = options.get("ssl_cert_reqs", "required")
    context.check_hostname = required == "required" and bool(
        options.get("ssl_check_hostname", True)
    )
    if required == "none":
        context.verify_mode = ssl.CERT_NONE
    return context
