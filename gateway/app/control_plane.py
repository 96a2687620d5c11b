"""The Metering API of one worker, tied together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway import __version__
from gateway.access.accounts import Accounts
from gateway.access.issuing import Issuing
from gateway.access.keys import Authentication
from gateway.access.services import ServiceKeys
from gateway.access.sessions import Sessions
from gateway.api import compat_errors
from gateway.api.dispatch import Dispatcher
from gateway.api.entrance import Entrance
from gateway.api.feed import Feed
from gateway.api.metering import ROOT, admin_operations, compatible, operations
from gateway.api.recording import Recorder
from gateway.api.resources import Condition, Exports, Oversight, Resources, SinkFacts, Webhooks
from gateway.app.exports import Outside
from gateway.app.inherited import Inherited
from gateway.app.stores import Stores
from gateway.metering.changes import Change
from gateway.metering.webhooks import Endpoint, secret, secret_text
from gateway.proxy.observation import Observation
from gateway.settings import Settings
from gateway.sinks.base import Poster
from gateway.sinks.stripe import StripeOptions
from gateway.stores.base import History
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.mending import RedisMending
from gateway.stores.redis.open_holds import RedisOpenHolds
from gateway.stores.redis.standings import RedisStandings
from gateway.workers.audit import Audit


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """`compatible` answers at exactly `compatible_paths`; `admin` at the admin listener."""

    metering: Dispatcher
    admin: Dispatcher
    compatible: Dispatcher
    compatible_paths: frozenset[str]


def control_plane(
    inherited: Inherited,
    *,
    stores: Stores,
    history: History,
    feed: Feed,
    outside: Outside,
    authentication: Authentication,
    observation: Observation,
    oversight: Oversight,
) -> ControlPlane:
    settings, pepper = inherited.settings, inherited.address.pepper
    services = ServiceKeys(settings.services, pepper=pepper)
    sessions = Sessions(stores.sessions, authentication, services, pepper=pepper)
    resources = Resources(
        ledger=stores.ledger,
        keys=stores.keys,
        accounts=Accounts(stores.keys, stores.ledger, settings.plans),
        history=history,
        refusals=stores.refusals,
        outbox=stores.outbox,
        feed=feed,
        trail=stores.trail,
        oversight=oversight,
        exports=_exports(settings, stores, outside),
        webhooks=_webhooks(stores, outside.poster, pepper=pepper),
        plans=settings.plans,
        alerts_declared=frozenset(
            each.account.account_id for each in settings.accounts if each.account.alerts is not None
        ),
        issuing=Issuing(stores.keys, pepper=pepper),
        authentication=authentication,
        sessions=sessions,
        rate_card=settings.rate_card,
        routes=settings.routes,
        counter=inherited.counter,
        incoming=settings.incoming,
        on_incoming=inherited.metrics.received,
        usd_nanos_per_credit=settings.metering.usd_nanos_per_credit,
    )
    entrance = partial(Entrance, authentication, services, sessions)
    serve = partial(Dispatcher, replays=stores.replays, on_fault=observation.fault)
    recorder = partial(Recorder, stores.trail, on_change=observation.changed)
    others = compatible(resources)
    callers = partial(serve, recorder=recorder(via="callers"), entrance=entrance())
    return ControlPlane(
        metering=callers(operations(resources, version=__version__), root=ROOT),
        admin=serve(
            admin_operations(resources, version=__version__),
            root=ROOT,
            recorder=recorder(via="admin"),
            entrance=entrance(admin=True),
        ),
        compatible=callers(others, root="", told=compat_errors.response),
        compatible_paths=frozenset(operation.path for operation in others),
    )


def oversight(
    stores: Stores,
    history: History,
    *,
    lease_s: float,
    examine: Callable[[], Condition],
    on_change: Callable[[Change], None],
) -> Oversight:
    return Oversight(
        holds=RedisOpenHolds(stores.client, stores.ledger, lease_ms=int(lease_s * 1000)),
        auditor=Audit(stores.ledger, stores.outbox, history),
        examine=examine,
        on_change=on_change,
    )


def _exports(settings: Settings, stores: Stores, outside: Outside) -> Exports:
    return Exports(
        source=settings.export.source,
        tell_charges=outside.tell_charges,
        configured={
            each.name: SinkFacts(kind=each.kind, sums=isinstance(each.options, StripeOptions))
            for each in settings.sinks
        },
        deliveries=RedisDeliveries(stores.client, stores.ledger),
        mending=RedisMending(stores.client),
        standings=RedisStandings(stores.client, stores.ledger),
    )


def _webhooks(stores: Stores, poster: Poster, *, pepper: bytes) -> Webhooks:
    def secret_of(endpoint: Endpoint) -> str:
        return secret_text(secret(pepper, endpoint.endpoint_id, endpoint.generation))

    return Webhooks(
        endpoints=stores.endpoints, queue=stores.notices, poster=poster, secret_of=secret_of
    )
