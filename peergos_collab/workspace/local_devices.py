"""The devices of this account: the part of a workspace that is about them."""

from __future__ import annotations

from .api import Device, DeviceComparison, DeviceOffer, DeviceRemoval
from .engine import Engine


class LocalDevices:
    """Implements that part of ``Workspace``."""

    engine: Engine

    async def devices(self) -> list[Device]:
        return self.engine.devices.all()

    async def remove_device(self, who: str, *, end_links: bool = False) -> DeviceRemoval:
        return await self.engine.devices.remove(who, end_links=end_links)

    async def link_device(self) -> DeviceOffer:
        return await self.engine.linkings.start()

    async def compare_device(self, id: str) -> DeviceComparison:
        return await self.engine.linkings.compare(id)

    async def finish_linking(self, id: str, *, same: bool) -> Device | None:
        return await self.engine.linkings.finish(id, same=same)
