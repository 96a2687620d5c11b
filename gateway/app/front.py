"""The listener of callers: the Metering API's paths to it, every other one to the data plane."""

from aiohttp import web

from gateway.api.metering import PREFIX
from gateway.app.control_plane import ControlPlane
from gateway.proxy.handler import ProxyHandler


class Front:
    def __init__(self, proxy: ProxyHandler, control: ControlPlane) -> None:
        self._proxy = proxy
        self._control = control

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(PREFIX):
            self._proxy.spoke(request)
            return await self._control.metering.handle(request)
        if self._asks_for_figures(request):
            self._proxy.spoke(request)
            return await self._control.compatible.handle(request)
        return await self._proxy.handle(request)

    def _asks_for_figures(self, request: web.BaseRequest) -> bool:
        """At a path where vendors tell usage and credit: ours are told there, never theirs."""
        path = request.raw_path.partition("?")[0]
        return path in self._control.compatible_paths and request.method == "GET"
