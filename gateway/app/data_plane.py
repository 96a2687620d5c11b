"""The data plane of one worker: what serves callers, tied together."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random

from gateway.access.keys import Authentication
from gateway.app.inherited import Inherited
from gateway.app.stores import Stores
from gateway.dialects import APIS, DIALECTS, JOBS, MEMOS, apis
from gateway.dialects.base import Api
from gateway.dialects.endpoint import EndpointKind
from gateway.dialects.unknown_endpoint import UNKNOWN, UNKNOWN_ENDPOINT
from gateway.proxy.admit import Admission
from gateway.proxy.advances import Advances
from gateway.proxy.asking import Asking
from gateway.proxy.fairness import Places
from gateway.proxy.following import Following
from gateway.proxy.health import Health
from gateway.proxy.hedging import Hedging
from gateway.proxy.hold import Hold, OpenHold
from gateway.proxy.intake import Intake, watch
from gateway.proxy.observation import Observation
from gateway.proxy.passes import Passes
from gateway.proxy.pipeline import Pipeline
from gateway.proxy.probing import Probe
from gateway.proxy.providers import Provider
from gateway.proxy.realtime import Metering
from gateway.proxy.rules import Rules
from gateway.proxy.running import RunningCalls
from gateway.proxy.sessions import Sessions
from gateway.proxy.settlements import Settlements
from gateway.proxy.stored import StoredObjects
from gateway.proxy.upstreams import Upstreams
from gateway.proxy.watching import Watches
from gateway.settings import Settings
from gateway.settings.values import Listen, UnknownEndpoints
from gateway.stores.base import Ledger
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
    probes: Sequence[Probe]
    intake: Intake

    def background(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """What runs beside the calls for as long as there are any, by its name."""
        clock_s = asyncio.get_running_loop().time
        yield "watch the intake", watch(self.intake, clock_s=clock_s)
        for probe in self.probes:
            yield f"probe {probe.provider}", probe.run()


def data_plane(
    inherited: Inherited,
    *,
    stores: Stores,
    authentication: Authentication,
    providers: Mapping[str, Provider],
    settlements: Settlements,
    advances: Advances,
    running: RunningCalls,
    tasks: TaskSet,
    observation: Observation,
) -> DataPlane:
    """`tasks`: what calls have under way, and what is left to do for those that are over."""
    settings, counter, ledger = inherited.settings, inherited.counter, stores.ledger
    lease_ms, serving = int(settings.metering.lease_s * 1000), _serving(providers)
    admission = _admission(
        inherited, ledger, serving, settlements=settlements, advances=advances, lease_ms=lease_ms
    )
    open_hold = partial(
        Hold, ledger=ledger, settlements=settlements, observation=observation, lease_ms=lease_ms
    )
    rules = _rules(settings, providers, serving)
    metering = _metering(inherited, ledger, admission=admission, open_hold=open_hold)
    following = _following(
        inherited, stores=stores, providers=providers, tasks=tasks, observation=observation
    )
    stored = _stored(rules, stores, tasks=tasks, observation=observation)
    passes = Passes(
        rules,
        watches=Watches(following, stored, jobs=JOBS, dialects=rules.dialects),
        stored=stored,
        now_ms=ledger.now_ms,
        running=running,
        observation=observation,
    )
    intake, healths = _intake(settings.listen), _healths(settings, observation)
    pipeline = Pipeline(
        rules,
        authentication=authentication,
        admission=admission,
        open_hold=open_hold,
        now_ms=ledger.now_ms,
        counter=counter,
        upstreams=_upstreams(
            inherited, stores, rules, healths=healths, tasks=tasks, observation=observation
        ),
        running=running,
        sessions=_sessions(metering, rules, running=running, observation=observation),
        passes=passes,
        stored=stored,
        places=Places(settings.listen.calls_max),
        intake=intake,
        observation=observation,
    )
    probes = _probes(settings, providers, healths, now_ms=ledger.now_ms, observation=observation)
    return DataPlane(pipeline, following, rules.apis, probes, intake)


def _serving(providers: Mapping[str, Provider]) -> Mapping[str, Sequence[str]]:
    """By API, the names of those that serve it."""
    return {
        api: tuple(name for name, each in providers.items() if api in each.apis) for api in APIS
    }


def _admission(
    inherited: Inherited,
    ledger: Ledger,
    serving: Mapping[str, Sequence[str]],
    *,
    settlements: Settlements,
    advances: Advances,
    lease_ms: int,
) -> Admission:
    settings = inherited.settings
    return Admission(
        ledger=ledger,
        settlements=settlements,
        counter=inherited.counter,
        routes=settings.routes,
        providers=serving,
        rate_card=settings.rate_card,
        lease_ms=lease_ms,
        advances=advances,
    )


def _metering(
    inherited: Inherited, ledger: Ledger, *, admission: Admission, open_hold: OpenHold
) -> Metering:
    return Metering(
        admission=admission,
        counter=inherited.counter,
        open_hold=open_hold,
        now_ms=ledger.now_ms,
        checkpoint_s=inherited.settings.metering.checkpoint_s,
    )


def _sessions(
    metering: Metering, rules: Rules, *, running: RunningCalls, observation: Observation
) -> Sessions:
    return Sessions(
        metering,
        apis=rules.apis,
        providers=rules.providers,
        default_providers=rules.default_providers,
        running=running,
        observation=observation,
    )


def _intake(listen: Listen) -> Intake:
    lag_max_ms = listen.loop_lag_max_ms
    return Intake(lag_max_s=inf if lag_max_ms is None else lag_max_ms / 1000)


def _healths(settings: Settings, observation: Observation) -> Mapping[str, Health]:
    return {
        name: Health(each.health, each.budget, tell=partial(observation.turned, name))
        for name, each in settings.providers.items()
    }


def _upstreams(
    inherited: Inherited,
    stores: Stores,
    rules: Rules,
    *,
    healths: Mapping[str, Health],
    tasks: TaskSet,
    observation: Observation,
) -> Upstreams:
    routes = inherited.settings.routes
    return Upstreams(
        rules,
        healths=healths,
        policy=inherited.settings.failover,
        hedgings={each.entry: Hedging(each.hedge) for each in routes if each.hedge is not None},
        counter=inherited.counter,
        now_ms=stores.ledger.now_ms,
        # Seeded here, in the worker: those of one host must not choose alike.
        draw=Random(os.urandom(32)).random,  # noqa: S311  a share of calls, not a secret
        tasks=tasks,
        told=observation,
    )


def _probes(
    settings: Settings,
    providers: Mapping[str, Provider],
    healths: Mapping[str, Health],
    *,
    now_ms: Callable[[], int],
    observation: Observation,
) -> Sequence[Probe]:
    draw = Random(os.urandom(32)).random  # noqa: S311  as above
    return [
        Probe(
            name,
            each.probe,
            asking=Asking(providers, now_ms=now_ms, timeout_s=each.probe.timeout_s),
            health=healths[name],
            draw=draw,
            told=observation.probed,
            on_fault=partial(observation.fault, "probe"),
        )
        for name, each in settings.providers.items()
        if each.probe is not None
    ]


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


def _stored(
    rules: Rules, stores: Stores, *, tasks: TaskSet, observation: Observation
) -> StoredObjects:
    by_account = [
        api
        for api, name in rules.default_providers.items()
        if rules.providers[name].objects_by_account
    ]
    return StoredObjects(
        stores.objects, memos=MEMOS, by_account=by_account, tasks=tasks, observation=observation
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
