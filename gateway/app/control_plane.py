"""The Metering API of one worker, tied together."""

from gateway import __version__
from gateway.access.issuing import Issuing
from gateway.access.keys import Authentication
from gateway.access.services import ServiceKeys
from gateway.api.dispatch import Dispatcher
from gateway.api.metering import ROOT, operations
from gateway.api.resources import Resources
from gateway.app.inherited import Inherited
from gateway.app.stores import Stores
from gateway.proxy.observation import Observation
from gateway.stores.base import History


def control_plane(
    inherited: Inherited,
    *,
    stores: Stores,
    history: History,
    authentication: Authentication,
    observation: Observation,
) -> Dispatcher:
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
        usd_nanos_per_credit=settings.metering.usd_nanos_per_credit,
    )
    return Dispatcher(
        operations(resources, version=__version__),
        root=ROOT,
        authentication=authentication,
        services=ServiceKeys(settings.services, pepper=inherited.address.pepper),
        replays=stores.replays,
        on_fault=observation.fault,
    )
