"""Providers as configured: their connections, and who we are to them."""

from contextlib import AsyncExitStack

import aiohttp

from gateway.proxy.credentials import AwsSignature, Credential, FixedHeaders
from gateway.proxy.pool import Origin, Pool, PoolSettings, provider_tls
from gateway.proxy.providers import Provider
from gateway.proxy.running import RunningCalls
from gateway.proxy.websocket import SocketConnector
from gateway.settings.values import Auth
from gateway.settings.values import Provider as ProviderSettings


def provider_of(
    settings: ProviderSettings,
    *,
    sockets: aiohttp.ClientSession,
    running: RunningCalls,
    cleanup: AsyncExitStack,
) -> Provider:
    """`running` sweeps its pool of connections, `cleanup` closes it."""
    origin = Origin.parse(settings.base_url)
    tls = None if settings.ca_file is None else provider_tls(str(settings.ca_file))
    pool = Pool(
        origin,
        PoolSettings(
            connect_timeout_s=settings.connect_timeout_s,
            first_byte_timeout_s=settings.first_byte_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
            keepalive_s=settings.keepalive_s,
            connections_max=settings.connections_max,
            tls=tls,
        ),
    )
    running.also(pool.sweep)
    cleanup.push_async_callback(pool.close)
    return Provider(
        name=settings.name,
        apis=settings.apis,
        upstream=pool,
        sockets=SocketConnector(
            sockets,
            settings.base_url,
            connect_timeout_s=settings.connect_timeout_s,
            tls=tls,
        ),
        host=origin.authority,
        credential=credential(settings, origin),
        objects_by_account=settings.objects_by_account,
    )


def socket_session() -> aiohttp.ClientSession:
    """What opens WebSockets to providers: no cookies, no proxy of the environment."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=0),
        skip_auto_headers=("User-Agent",),
    )


def credential(provider: ProviderSettings, origin: Origin) -> Credential:
    """Who we are to the provider, as it wants to be told."""
    secret = provider.credential.encode()
    match provider.auth:
        case Auth.BEARER:
            return FixedHeaders(((b"authorization", b"Bearer " + secret),))
        case Auth.X_API_KEY | Auth.API_KEY | Auth.X_GOOG_API_KEY:
            return FixedHeaders(((provider.auth.value.encode(), secret),))
        case Auth.AWS_SIGV4:
            assert provider.aws is not None, "the settings see to it"
            return AwsSignature(
                identity=provider.aws, host=origin.authority, path_prefix=origin.path_prefix
            )
        case Auth.NONE:
            return FixedHeaders(())
