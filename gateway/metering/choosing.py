"""Which of a model's upstreams a call takes: weights, priorities and what is known of their state.

Whoever keeps that state hands it in, and the random draw with it. Among several in service the
lowest priority number goes first, and calls are shared by weight. One that is ejected (it failed
several times in a row) or cools (it said that it was asked too often) is passed over; but when all
are, the one whose time ends first is asked all the same: to refuse a call because of an old failure
would be an outage of our own making (Envoy's panic threshold, HAProxy's `allbackups`). One whose
budget is used up is never asked.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.metering.routes import Route

# However slow, an upstream keeps this part of its weight: what is never asked is never measured.
SLOWEST_SHARE = 0.1


class Standing(NamedTuple):
    """One upstream as it stands at this moment."""

    back_s: float = 0.0
    """How long it is to be passed over; 0: it is in service."""
    full: bool = False
    """The budget that the operator gave it is used up."""
    latency_s: float = 0.0
    """Its answers took so long to begin; 0 is unknown."""


IN_SERVICE = Standing()


def choose(
    routes: Sequence[Route], standings: Sequence[Standing], *, draw: float, last_resort: bool
) -> int | None:
    """The index of the route to take; None if there is none to be taken.

    `draw` is uniform in [0, 1). `last_resort`: rather one that is out of service than none.
    """
    open_ = [index for index, standing in enumerate(standings) if not standing.full]
    serving = [index for index in open_ if not standings[index].back_s]
    if serving:
        first = min(routes[index].priority for index in serving)
        return _drawn(
            [index for index in serving if routes[index].priority == first],
            routes,
            standings,
            draw=draw,
        )
    if open_ and last_resort:
        return min(open_, key=lambda index: (standings[index].back_s, routes[index].priority))
    return None


def _drawn(
    among: Sequence[int], routes: Sequence[Route], standings: Sequence[Standing], *, draw: float
) -> int:
    shares = _shares(among, routes, standings)
    left = draw * sum(shares)
    for index, share in zip(among, shares, strict=True):
        left -= share
        if left < 0:
            return index
    return among[-1]


def _shares(
    among: Sequence[int], routes: Sequence[Route], standings: Sequence[Standing]
) -> list[float]:
    """Weights; by latency, each divided by how much slower it is than the fastest. One that was
    never measured counts as the fastest, and so is measured."""
    if not routes[among[0]].by_latency:
        return [routes[index].weight for index in among]
    known = [standings[index].latency_s for index in among if standings[index].latency_s]
    fastest = min(known, default=0.0)
    return [
        routes[index].weight
        * max(SLOWEST_SHARE, fastest / (standings[index].latency_s or fastest or 1.0))
        if fastest
        else routes[index].weight
        for index in among
    ]
