"""Whose count was charged: the provider's, ours, or, where there was neither, what was held.

Where a provider reports, its figure is what is charged and nothing is counted beside it; the
gateway counts itself where no report came. So what tells of accuracy are shares: how much was
charged without a report, what ran beyond its hold, what was settled late.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.metering.events import End
from gateway.metering.history import EndSum
from gateway.metering.usage import Provenance

SETTLED, LATE, EXPIRED = "settled", "late", "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Of one model at one provider. The calls and charges by provenance add up to all. `broken`:
    calls that did not end as they should, and were charged for what was served."""

    provider: str
    model: str
    calls: int
    reported: int
    counted: int
    held: int
    charge_ucr: int
    unreported_ucr: int
    """Charged by our count, or for what was held."""
    broken: int
    late: int
    expired: int
    over_ucr: int


def accuracy(sums: Sequence[EndSum]) -> Sequence[Counted]:
    """Each model by itself, the one with most unreported charges first. What was settled late adds
    to a call that is counted already."""
    alike: dict[tuple[str, str], list[EndSum]] = {}
    for each in sums:
        alike.setdefault((each.provider, each.model), []).append(each)
    found = [_counted(name, some) for name, some in alike.items()]
    return sorted(found, key=lambda each: (-each.unreported_ucr, each.provider, each.model))


def _counted(name: tuple[str, str], sums: Sequence[EndSum]) -> Counted:
    calls = [each for each in sums if each.kind != LATE]

    def how_many(provenance: Provenance) -> int:
        return sum(each.entries for each in calls if each.provenance == provenance)

    return Counted(
        provider=name[0],
        model=name[1],
        calls=sum(each.entries for each in calls),
        reported=how_many(Provenance.REPORTED),
        counted=how_many(Provenance.COUNTED),
        held=how_many(Provenance.HELD),
        charge_ucr=sum(each.charge_ucr for each in sums),
        unreported_ucr=sum(
            each.charge_ucr for each in sums if each.provenance != Provenance.REPORTED
        ),
        broken=sum(each.entries for each in calls if each.end != End.COMPLETED),
        late=sum(each.entries for each in sums if each.kind == LATE),
        expired=sum(each.entries for each in sums if each.kind == EXPIRED),
        over_ucr=sum(each.beyond_ucr for each in sums),
    )
