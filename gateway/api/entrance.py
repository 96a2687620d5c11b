"""Who asks: by the key of a request, or by the session of somebody who signed in with it.

A key that is presented counts, whatever cookie came beside it. A session is taken where no key is:
a virtual key's where its holder may ask, an operator's on the admin listener. One mechanism then
decides what it may do, since a session is its key: an operation neither knows nor asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.access.keys import Authentication
from gateway.access.services import Service, ServiceKeys, ServiceScope
from gateway.access.sessions import Session, Sessions
from gateway.api import browser
from gateway.api.operation import Audience, Operation
from gateway.dialects.keys import presented_key
from gateway.errors import ScopeMissing, Unauthenticated
from gateway.metering.accounts import Caller


@dataclass(frozen=True, slots=True)
class Who:
    """Nobody, for an operation that anybody may ask. `session`: if no key was presented."""

    caller: Caller | None = None
    service: Service | None = None
    session: Session | None = None


class Entrance:
    """`admin`: that of the admin listener."""

    def __init__(
        self,
        authentication: Authentication,
        services: ServiceKeys,
        sessions: Sessions,
        *,
        admin: bool = False,
    ) -> None:
        self._authentication = authentication
        self._services = services
        self._sessions = sessions
        self._admin = admin

    async def who(
        self, operation: Operation, request: web.BaseRequest, query: Mapping[str, str]
    ) -> Who:
        """Raises Unauthenticated, ScopeMissing, and Forbidden for what another site caused."""
        presented = presented_key(request.headers, query) is not None
        match operation.audience:
            case Audience.ANYBODY:
                return Who()
            case Audience.KEY:
                return await self._holder(request, query, presented=presented)
            case Audience.SERVICE | Audience.ADMIN:
                return await self._service(operation, request, presented=presented)
            case Audience.KEY_OR_SERVICE:
                known = self._services.service(request.headers) is not None
                if known or (self._admin and not presented):
                    return await self._service(operation, request, presented=presented)
                return await self._holder(request, query, presented=presented)

    async def _holder(
        self, request: web.BaseRequest, query: Mapping[str, str], *, presented: bool
    ) -> Who:
        session = None if presented else await self._session(request, browser.COOKIE)
        if session is not None and isinstance(session.who, Caller):
            return Who(caller=session.who, session=session)
        address = request.remote or ""
        return Who(
            caller=await self._authentication.caller(request.headers, query, address=address)
        )

    async def _service(
        self, operation: Operation, request: web.BaseRequest, *, presented: bool
    ) -> Who:
        service, session = self._services.service(request.headers), None
        if service is None and self._admin and not presented:
            session = await self._session(request, browser.OPERATOR_COOKIE)
            service = session.who if session and isinstance(session.who, Service) else None
        if service is None and self._admin and not presented:
            raise Unauthenticated("Send a service key (ts_...) as `Authorization: Bearer`.")
        if service is None:
            raise ScopeMissing(
                "This is for services. Send a service key (ts_...) as `Authorization: Bearer`; a "
                "virtual key sees only itself and its account."
            )
        everything = self._admin and ServiceScope.ADMIN in service.scopes
        if operation.scope not in service.scopes and not everything:
            raise ScopeMissing(
                f"The service key does not have the scope {str(operation.scope)!r}, which this "
                "needs. Add it to `services` in the configuration."
            )
        return Who(service=service, session=session)

    async def _session(self, request: web.BaseRequest, cookie: str) -> Session | None:
        token = browser.session_token(request.headers, cookie)
        if not token:
            return None
        browser.check_own_site(request.headers)
        session = await self._sessions.session(token)
        browser.check_guard(request.method, request.headers, session.guard)
        return session
