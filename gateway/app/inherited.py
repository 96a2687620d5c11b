"""What workers share because it was made before they were forked."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.app.stores import StoreAddress
from gateway.dialects import DIALECTS, SESSIONS
from gateway.dialects.unknown_endpoint import UNKNOWN_ENDPOINT
from gateway.settings import Settings
from gateway.telemetry.closed_sets import MetricLabels
from gateway.telemetry.metrics import Metrics
from gateway.tokens.counter import TiktokenCounter


@dataclass(frozen=True, slots=True)
class Inherited:
    """Made once for each configuration, in the process that forks."""

    settings: Settings
    address: StoreAddress
    metrics: Metrics
    counter: TiktokenCounter
    changes: Sequence[str] = ()
    """What a reload changed, for the log; nothing at the start."""

    @classmethod
    def prepare(
        cls,
        settings: Settings,
        address: StoreAddress,
        *,
        before: "Inherited | None" = None,
        changes: Sequence[str] = (),
    ) -> "Inherited":
        """`before`: what is being replaced; its metrics go on counting."""
        counter = TiktokenCounter(settings.encodings)
        labels = MetricLabels(
            dialects=(*DIALECTS, *SESSIONS, UNKNOWN_ENDPOINT),
            providers=tuple(settings.providers),
            models=settings.rate_card.model_names,
            sinks=tuple(sink.name for sink in settings.sinks),
            sources=tuple(settings.incoming),
        )
        metrics = Metrics.create(
            labels,
            workers=settings.listen.workers,
            earlier=None if before is None else before.metrics,
        )
        return cls(settings, address, metrics, counter, changes)
