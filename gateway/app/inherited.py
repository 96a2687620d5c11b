"""What workers share because it was made before they were forked."""

from dataclasses import dataclass

from gateway.app.stores import StoreAddress
from gateway.dialects import DIALECTS, SESSIONS
from gateway.dialects.unknown_endpoint import UNKNOWN_ENDPOINT
from gateway.settings import Settings
from gateway.telemetry.metrics import MetricLabels, Metrics
from gateway.tokens.counter import TiktokenCounter


@dataclass(frozen=True, slots=True)
class Inherited:
    """Made once, in the process that forks."""

    settings: Settings
    address: StoreAddress
    metrics: Metrics
    counter: TiktokenCounter

    @classmethod
    def prepare(cls, settings: Settings, address: StoreAddress) -> "Inherited":
        counter = TiktokenCounter(settings.encodings)
        labels = MetricLabels(
            dialects=(*DIALECTS, *SESSIONS, UNKNOWN_ENDPOINT),
            providers=tuple(settings.providers),
            models=settings.rate_card.model_names,
            sinks=tuple(sink.name for sink in settings.sinks),
            sources=tuple(settings.incoming),
        )
        metrics = Metrics.create(labels, workers=settings.listen.workers)
        return cls(settings, address, metrics, counter)
