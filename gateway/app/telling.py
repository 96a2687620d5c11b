"""What the log is told of a configuration when it comes into force."""

from gateway.app.inherited import Inherited
from gateway.settings import Settings
from gateway.settings.coverage import free_endpoints, unmetered
from gateway.telemetry.logs import Level, Log


def tell_changes(inherited: Inherited, log: Log) -> None:
    for change in inherited.changes:
        log.state("config_changed", change=change)


def tell_unmetered(settings: Settings, log: Log) -> None:
    """What is served without a charge."""
    found = unmetered(settings)
    for each in found:
        log.state("unmetered_route", level=Level.WARNING, route=each.route, reason=each.reason)
    free = free_endpoints(settings)
    log.state("metering_checked", unmetered_routes=len(found), free_endpoints=free)
