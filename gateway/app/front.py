"""The listener of callers: paths of the Metering API and of the dashboard's pages, and all others,
which are calls."""

from collections.abc import Awaitable
from collections.abc import Set as AbstractSet

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.api.metering import PREFIX
from gateway.app.control_plane import ControlPlane
from gateway.dashboard.pages import Pages
from gateway.errors import BadCall
from gateway.proxy.framing import check_asked
from gateway.proxy.handler import ProxyHandler
from gateway.proxy.plain import PlainConnection, PlainRequest


class Front:
    def __init__(self, proxy: ProxyHandler, control: ControlPlane, pages: Pages) -> None:
        self._proxy = proxy
        self._pages = pages
        self._control = control
        self._busy: set[RequestHandler] = set()

    @property
    def leaving(self) -> bool:
        return self._proxy.leaving

    def leave(self) -> None:
        """From now on every answer is the last on its connection, and says so."""
        self._proxy.leaving = True

    def busy(self) -> AbstractSet[RequestHandler]:
        """The connections on which a request is being answered."""
        return self._busy

    def takes(self, path: str) -> bool:
        """Whether a `POST` there is a call: whatever is not the Metering API's."""
        return not path.startswith(PREFIX)

    def call(self, request: PlainRequest, connection: PlainConnection) -> Awaitable[bool]:
        """Answer a call; whether another request may follow on its connection."""
        return self._proxy.handle_plain(request, connection)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._busy.add(connection)
        try:
            check_asked(request.version, request.headers)
            path = request.raw_path.partition("?")[0]
            if path.startswith(PREFIX) or self._asks_for_figures(request.method, path):
                return await self._figures(request, path)
            if self._pages.answers(request.method, path):
                self._proxy.spoke(request)
                return self._last(self._pages.answer(request))
            return await self._proxy.handle(request)
        except BadCall as error:
            return self._proxy.refused(request, error)
        finally:
            self._busy.discard(connection)

    def malformed(self, request: web.BaseRequest, *, ours: bool) -> web.StreamResponse:
        """The answer to what is no request or, if `ours`, met a bug before it was a call."""
        return self._proxy.malformed(request, ours=ours)

    async def _figures(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        self._proxy.spoke(request)
        metering = path.startswith(PREFIX)
        asked = self._control.metering if metering else self._control.compatible
        return self._last(await asked.handle(request))

    def _last(self, response: web.StreamResponse) -> web.StreamResponse:
        if self.leaving:
            response.force_close()
        return response

    def _asks_for_figures(self, method: str, path: str) -> bool:
        """At a path where vendors tell usage and credit: ours are told there, never theirs."""
        return path in self._control.compatible_paths and method == "GET"
