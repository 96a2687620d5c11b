"""The data plane of one worker: what serves callers, tied together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.access.keys import Authentication
from gateway.app.inherited import Inherited
from gateway.app.stores import Stores
from gateway.dialects import APIS, DIALECTS, apis
from gateway.dialects.base import Api
from gateway.dialects.endpoint import EndpointKind
from gateway.dialects.unknown_endpoint import UNKNOWN, UNKNOWN_ENDPOINT
from gateway.proxy.admit import Admission
from gateway.proxy.hold import Hold
from gateway.proxy.observation import Observation
from gateway.proxy.pipeline import Pipeline, Rules
from gateway.proxy.providers import Provider
from gateway.proxy.realtime import Metering
from gateway.proxy.running import RunningCalls
from gateway.proxy.sessions import Sessions
from gateway.proxy.settlements import Settlements
from gateway.settings import Settings
from gateway.settings.values import UnknownEndpoints

UNKNOWN_KINDS: Mapping[UnknownEndpoints, EndpointKind | None] = {
    UnknownEndpoints.REFUSE: None,
    UnknownEndpoints.FORWARD_FREE: EndpointKind.FREE,
    UnknownEndpoints.FORWARD_FLAT: EndpointKind.METERED,
}


@dataclass(frozen=True, slots=True)
class DataPlane:
    pipeline: Pipeline
    apis: Mapping[str, Api]


def data_plane(
    inherited: Inherited,
    *,
    stores: Stores,
    authentication: Authentication,
    providers: Mapping[str, Provider],
    settlements: Settlements,
    running: RunningCalls,
    observation: Observation,
) -> DataPlane:
    settings, counter, ledger = inherited.settings, inherited.counter, stores.ledger
    lease_ms = int(settings.metering.lease_s * 1000)
    serving = {
        api: tuple(name for name, each in providers.items() if api in each.apis) for api in APIS
    }
    admission = Admission(
        ledger=ledger,
        settlements=settlements,
        counter=counter,
        routes=settings.routes,
        providers=serving,
        rate_card=settings.rate_card,
        lease_ms=lease_ms,
    )
    open_hold = partial(
        Hold, ledger=ledger, settlements=settlements, observation=observation, lease_ms=lease_ms
    )
    rules = _rules(settings, providers, serving)
    metering = Metering(
        admission=admission,
        counter=counter,
        open_hold=open_hold,
        now_ms=ledger.now_ms,
        checkpoint_s=settings.metering.checkpoint_s,
    )
    pipeline = Pipeline(
        rules,
        authentication=authentication,
        admission=admission,
        open_hold=open_hold,
        now_ms=ledger.now_ms,
        counter=counter,
        running=running,
        sessions=Sessions(
            metering,
            apis=rules.apis,
            providers=providers,
            default_providers=rules.default_providers,
            running=running,
            observation=observation,
        ),
        observation=observation,
    )
    return DataPlane(pipeline, rules.apis)


def _rules(
    settings: Settings, providers: Mapping[str, Provider], serving: Mapping[str, Sequence[str]]
) -> Rules:
    return Rules(
        apis=apis(quota_status=settings.refusals.quota_status),
        dialects={**DIALECTS, UNKNOWN_ENDPOINT: UNKNOWN},
        providers=providers,
        default_providers={api: names[0] for api, names in serving.items() if names},
        unknown_endpoints=UNKNOWN_KINDS[settings.unknown_endpoints],
        body_bytes_max=settings.listen.body_bytes_max,
        checkpoint_s=settings.metering.checkpoint_s,
    )
