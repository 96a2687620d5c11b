"""The data plane of one worker: what serves callers, tied together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.access.keys import Authentication
from gateway.app.inherited import Inherited
from gateway.app.stores import Stores
from gateway.dialects import APIS, DIALECTS, JOBS, MEMOS, apis
from gateway.dialects.base import Api
from gateway.dialects.endpoint import EndpointKind
from gateway.dialects.unknown_endpoint import UNKNOWN, UNKNOWN_ENDPOINT
from gateway.proxy.admit import Admission
from gateway.proxy.asking import Asking
from gateway.proxy.following import Following
from gateway.proxy.hold import Hold
from gateway.proxy.observation import Observation
from gateway.proxy.passes import Passes
from gateway.proxy.pipeline import Pipeline
from gateway.proxy.providers import Provider
from gateway.proxy.realtime import Metering
from gateway.proxy.rules import Rules
from gateway.proxy.running import RunningCalls
from gateway.proxy.sessions import Sessions
from gateway.proxy.settlements import Settlements
from gateway.proxy.stored import StoredObjects
from gateway.proxy.watching import Watches
from gateway.settings import Settings
from gateway.settings.values import UnknownEndpoints
from gateway.tasks import TaskSet

# For a whole answer to a question of ours; a batch's results are the longest.
ASKING_S = 200.0

UNKNOWN_KINDS: Mapping[UnknownEndpoints, EndpointKind | None] = {
    UnknownEndpoints.REFUSE: None,
    UnknownEndpoints.FORWARD_FREE: EndpointKind.FREE,
    UnknownEndpoints.FORWARD_FLAT: EndpointKind.METERED,
}


@dataclass(frozen=True, slots=True)
class DataPlane:
    pipeline: Pipeline
    following: Following
    apis: Mapping[str, Api]


def data_plane(
    inherited: Inherited,
    *,
    stores: Stores,
    authentication: Authentication,
    providers: Mapping[str, Provider],
    settlements: Settlements,
    running: RunningCalls,
    tasks: TaskSet,
    observation: Observation,
) -> DataPlane:
    """`tasks`: what is left to do for calls that are over."""
    settings, counter, ledger = inherited.settings, inherited.counter, stores.ledger
    lease_ms, serving = int(settings.metering.lease_s * 1000), _serving(providers)
    admission = _admission(inherited, stores, serving, settlements, lease_ms=lease_ms)
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
    following = _following(
        inherited, stores=stores, providers=providers, tasks=tasks, observation=observation
    )
    stored = StoredObjects(stores.objects, memos=MEMOS, tasks=tasks, observation=observation)
    passes = Passes(
        rules,
        watches=Watches(following, stored, jobs=JOBS, dialects=rules.dialects),
        now_ms=ledger.now_ms,
        running=running,
        observation=observation,
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
        passes=passes,
        stored=stored,
        observation=observation,
    )
    return DataPlane(pipeline, following, rules.apis)


def _serving(providers: Mapping[str, Provider]) -> Mapping[str, Sequence[str]]:
    """By API, the names of those that serve it."""
    return {
        api: tuple(name for name, each in providers.items() if api in each.apis) for api in APIS
    }


def _admission(
    inherited: Inherited,
    stores: Stores,
    serving: Mapping[str, Sequence[str]],
    settlements: Settlements,
    *,
    lease_ms: int,
) -> Admission:
    settings = inherited.settings
    return Admission(
        ledger=stores.ledger,
        settlements=settlements,
        counter=inherited.counter,
        routes=settings.routes,
        providers=serving,
        rate_card=settings.rate_card,
        lease_ms=lease_ms,
    )


def _following(
    inherited: Inherited,
    *,
    stores: Stores,
    providers: Mapping[str, Provider],
    tasks: TaskSet,
    observation: Observation,
) -> Following:
    asking = Asking(providers, now_ms=stores.ledger.now_ms, timeout_s=ASKING_S)
    return Following(
        JOBS,
        ledger=stores.ledger,
        store=stores.jobs,
        asking=asking,
        rate_card=inherited.settings.rate_card,
        counter=inherited.counter,
        tasks=tasks,
        observation=observation,
    )


def _rules(
    settings: Settings, providers: Mapping[str, Provider], serving: Mapping[str, Sequence[str]]
) -> Rules:
    return Rules(
        apis=apis(quota_status=settings.refusals.quota_status),
        dialects={**DIALECTS, UNKNOWN_ENDPOINT: UNKNOWN},
        providers=providers,
        default_providers={api: names[0] for api, names in serving.items() if names},
        unknown_endpoints=UNKNOWN_KINDS[settings.unknown_endpoints],
        jobs=JOBS,
        poll_longest_ms=int(settings.metering.job_poll_s * 1000),
        body_bytes_max=settings.listen.body_bytes_max,
        checkpoint_s=settings.metering.checkpoint_s,
    )
