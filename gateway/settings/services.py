"""Service keys as configured: resolved, of the right form."""

from gateway.access.services import PREFIX, Service, ServiceKey, ServiceScope
from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.sources import Sources

KEY_CHARS_MIN = len(PREFIX) + 32


def build_services(files: Files, sources: Sources, problems: Problems) -> tuple[ServiceKey, ...]:
    keys = []
    for index, block in enumerate(files.main.services):
        node = files.node.at("services", index)
        presented = sources.secret(block.secret, asked_by=node.at("secret")) or ""
        if presented and not (presented.startswith(PREFIX) and len(presented) >= KEY_CHARS_MIN):
            problems.add(
                node.at("secret"),
                f"expected a service key: {PREFIX} and 32 characters or more",
                suggestion="Make one: echo ts_$(openssl rand -hex 24)",
            )
        scopes = frozenset(ServiceScope(scope) for scope in block.scopes)
        keys.append(ServiceKey(Service(block.id, scopes), presented))
    return tuple(keys)
