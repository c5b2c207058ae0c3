"""The part of an attached workspace that is about the account's devices: it asks the engine."""

from __future__ import annotations

from typing import Any, Protocol

from .api import Device, DeviceComparison, DeviceOffer, DeviceRemoval
from .wire import from_wire


class _Calls(Protocol):
    async def call(self, method: str, *arguments: Any) -> Any: ...


class AttachedDevices:
    """Implements that part of ``Workspace``."""

    _calls: _Calls

    async def devices(self) -> list[Device]:
        listed: list[Device] = from_wire(list[Device], await self._calls.call("devices"))
        return listed

    async def remove_device(self, who: str, *, end_links: bool = False) -> DeviceRemoval:
        done: DeviceRemoval = from_wire(
            DeviceRemoval, await self._calls.call("remove_device", who, end_links)
        )
        return done

    async def link_device(self) -> DeviceOffer:
        offer: DeviceOffer = from_wire(DeviceOffer, await self._calls.call("link_device"))
        return offer

    async def compare_device(self, id: str) -> DeviceComparison:
        found: DeviceComparison = from_wire(DeviceComparison, await self._calls.call("compare_device", id))
        return found

    async def finish_linking(self, id: str, *, same: bool) -> Device | None:
        device: Device | None = from_wire(Device | None, await self._calls.call("finish_linking", id, same))
        return device
