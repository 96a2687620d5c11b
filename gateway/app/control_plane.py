"""The Metering API of one worker, tied together."""

from dataclasses import dataclass
from functools import partial

from gateway import __version__
from gateway.access.issuing import Issuing
from gateway.access.keys import Authentication
from gateway.access.services import ServiceKeys
from gateway.api import compat_errors
from gateway.api.dispatch import Dispatcher
from gateway.api.metering import ROOT, compatible, operations
from gateway.api.resources import Resources
from gateway.app.inherited import Inherited
from gateway.app.stores import Stores
from gateway.proxy.observation import Observation
from gateway.stores.base import History


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """`compatible` answers at exactly `compatible_paths`."""

    metering: Dispatcher
    compatible: Dispatcher
    compatible_paths: frozenset[str]


def control_plane(
    inherited: Inherited,
    *,
    stores: Stores,
    history: History,
    authentication: Authentication,
    observation: Observation,
) -> ControlPlane:
    settings = inherited.settings
    resources = Resources(
        ledger=stores.ledger,
        keys=stores.keys,
        history=history,
        plans=settings.plans,
        issuing=Issuing(stores.keys, pepper=inherited.address.pepper),
        authentication=authentication,
        rate_card=settings.rate_card,
        routes=settings.routes,
        counter=inherited.counter,
        incoming=settings.incoming,
        on_incoming=inherited.metrics.received,
        usd_nanos_per_credit=settings.metering.usd_nanos_per_credit,
    )
    services = ServiceKeys(settings.services, pepper=inherited.address.pepper)
    serve = partial(
        Dispatcher,
        authentication=authentication,
        services=services,
        replays=stores.replays,
        on_fault=observation.fault,
    )
    others = compatible(resources)
    return ControlPlane(
        metering=serve(operations(resources, version=__version__), root=ROOT),
        compatible=serve(others, root="", told=compat_errors.response),
        compatible_paths=frozenset(operation.path for operation in others),
    )
