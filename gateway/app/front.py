"""The listener of callers: the Metering API's paths to it, every other one to the data plane."""

from aiohttp import web

from gateway.api.dispatch import Dispatcher
from gateway.api.metering import PREFIX
from gateway.proxy.handler import ProxyHandler


class Front:
    def __init__(self, proxy: ProxyHandler, metering_api: Dispatcher) -> None:
        self._proxy = proxy
        self._metering_api = metering_api

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(PREFIX):
            self._proxy.spoke(request)
            return await self._metering_api.handle(request)
        return await self._proxy.handle(request)
