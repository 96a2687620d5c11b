"""Where the store is: a URL taken apart once, and how a connection to a server is opened.

`redis://`, `rediss://` and `unix://` lead to one server, spelt as redis-py spells them, with user,
password, database and TLS options. Several hosts stand behind one URL in two forms:

    redis+sentinel://[user:password@]host[:26379][,host…]/service[/database]
        the master of that name; `?sentinel_username=…&sentinel_password=…` are the sentinels' own
    redis+cluster://[user:password@]host[:6379][,host…]
        any nodes of the cluster; the others are learnt from them

and `rediss+…` for the same over TLS. Knows nothing of what is said over a connection afterwards.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from redis.asyncio.connection import SSLConnection, parse_url

from gateway.errors import ConfigError
from gateway.stores.redis.wire import Wire

DEFAULT_PORT = 6379
SENTINEL_PORT = 26_379
EXPECTED = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"


class Form(StrEnum):
    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server."""

    host: str = "localhost"
    port: int = DEFAULT_PORT
    path: str = ""
    """Of a Unix socket; empty for TCP."""
    tls: ssl.SSLContext | None = None
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    db: int = 0
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The same as redis-py takes it, for subscriptions."""

    @property
    def place(self) -> tuple[str, int]:
        return self.path or self.host, self.port

    def at(self, host: str, port: int) -> "Address":
        """The same way in, at another server."""
        return replace(
            self, host=host, port=port, options={**self.options, "host": host, "port": port}
        )

    async def connect(self, wire: Wire) -> None:
        """Raises OSError when nobody listens there."""
        loop = asyncio.get_running_loop()
        if self.path:
            await loop.create_unix_connection(lambda: wire, self.path)
        else:
            await loop.create_connection(lambda: wire, self.host, self.port, ssl=self.tls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a store URL leads to."""

    form: Form
    servers: tuple[Address, ...]
    """The one server, or the nodes of a cluster to begin with; a master without its host."""
    sentinels: tuple[Address, ...] = ()
    service: str = ""


def parse_place(url: str) -> Place:
    """Raises ConfigError without quoting the URL, which may carry a password."""
    scheme, _, rest = url.partition("://")
    plain, plus, form = scheme.partition("+")
    if not plus:
        return Place(form=Form.SINGLE, servers=(parse_address(url),))
    if plain not in ("redis", "rediss") or form not in (Form.SENTINEL, Form.CLUSTER):
        raise bad_url()
    # Not by urlsplit: among several hosts it takes no IPv6 since CVE-2025-0938 was mended.
    authority, path, query = _split(rest)
    credentials, _, hosts = authority.rpartition("@")
    names = [host for host in hosts.split(",") if host]
    if not names:
        raise bad_url()
    if form == Form.CLUSTER:
        if path.strip("/") not in ("", "0"):
            raise ConfigError("A Redis Cluster has one database, 0: name no other in its URL.")
        return Place(
            form=Form.CLUSTER,
            servers=tuple(_server(plain, credentials, name, query) for name in names),
        )
    return _behind_sentinels(plain, credentials, names, path=path, query=query)


def _split(rest: str) -> tuple[str, str, str]:
    """Authority, path and query of what follows `://` (RFC 3986 §3)."""
    rest, _, _ = rest.partition("#")
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    return authority, path, query


def _behind_sentinels(
    scheme: str, credentials: str, names: list[str], *, path: str, query: str
) -> Place:
    service, _, db = path.strip("/").partition("/")
    if not service:
        raise ConfigError("A redis+sentinel:// URL names the service: redis+sentinel://host/name.")
    options = dict(parse_qsl(query))
    own = ":".join(
        quote(options.pop(name, ""), safe="") for name in ("sentinel_username", "sentinel_password")
    )
    master = f"{scheme}://{credentials}@localhost/{db}?{urlencode(options)}"
    return Place(
        form=Form.SENTINEL,
        servers=(parse_address(master),),
        sentinels=tuple(
            _server(scheme, own, _with_port(name), urlencode(options)) for name in names
        ),
        service=unquote(service),
    )


def _with_port(name: str) -> str:
    """A sentinel's usual port is not a server's. IPv6 addresses stand in brackets."""
    return name if ":" in name.rpartition("]")[2] else f"{name}:{SENTINEL_PORT}"


def _server(scheme: str, credentials: str, name: str, query: str) -> Address:
    return parse_address(f"{scheme}://{credentials}@{name}?{query}")


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
        options=options,
    )


def bad_url() -> ConfigError:
    return ConfigError(f"A store URL starts with {EXPECTED} and names hosts or a path.")


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
