"""What the configuration declares, as it is brought into the store."""

from collections.abc import Sequence

from gateway.settings import Settings
from gateway.workers.declare import Declared


def declarations(settings: Settings, *, pepper: bytes) -> Sequence[Declared]:
    return [
        Declared(
            account=declared.account,
            projects=declared.projects,
            keys=tuple(key.stored(declared.account.account_id, pepper) for key in declared.keys),
            grants=declared.grants,
        )
        for declared in settings.accounts
    ]
