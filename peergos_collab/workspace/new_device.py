"""A new device joins an account: reads the code, compares, and makes its home from what it is given."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from ..codec import to_multibase
from ..codec.address import format_address, parse_address
from ..codec.ids import AccountId
from ..codec.shown import check_person, show_person
from ..errors import Conflict, Offline, RemoteProtocolError, TimedOut
from ..identity.credentials import Credentials, DeviceSecrets
from ..identity.device_code import DeviceCode
from ..identity.device_meeting import Joining, MeetingEnded
from ..ports import Transport
from ..ports.installed import installed_transport
from ..values import dataclass
from .account_parcel import AccountParcel
from .home import create_linked_home, home_exists
from .machine import now_ms
from .meeting_place import MeetingPlace

ANSWER_SECONDS: Final = 30.0
PARCEL_SECONDS: Final = 300.0
"""How long people at the other device may take to compare."""

Compare = Callable[[str], Awaitable[bool]]
"""Shows digits, and says whether the other device shows the same."""


@dataclass(frozen=True, slots=True)
class LinkedHome:
    """A new home of an account that was there before. ``name`` is the person's."""

    account: str
    device: str
    name: str


async def join_account(
    home: Path,
    code: str,
    compare: Compare,
    *,
    device_name: str,
    passphrase: str | None,
    node: str = "",
    transport: Transport | None = None,
) -> LinkedHome:
    """Makes this installation a device of the account whose device shows ``code``.

    Args:
        compare: asked once; what it answers decides.
        node: the node's address, for a code in words.
        passphrase: None keeps the master key in a file of mode 0600 instead.

    Raises:
        Conflict: there is a home already. BadCode: mistyped. UsageError: words without a node, or no name.
        TimedOut: nobody answers. MeetingEnded: the comparison failed, here or there.
        Offline, WrongPin: the node.
    """
    if home_exists(home):
        raise Conflict(
            f"{home} holds an account already; nothing was changed",
            hint="Name an empty directory with --home DIR.",
        )
    check_person(*([device_name] if device_name else []))
    read = DeviceCode.read_untrusted(code, parse_address(node) if node else None)
    device = DeviceSecrets.generate(os.urandom)
    meeting = _NewDevice(read, Joining(read, device.public, device_name, os.urandom), transport)
    async with meeting.place:
        parcel = await meeting.run(compare)
        credentials = _credentials(parcel, meeting.account, device, device_name)
        circles = parcel.circles.kept(credentials.local, os.urandom, now_ms())
        create_linked_home(home, credentials, parcel, passphrase, stored=circles)
        await meeting.say_done()
    account, own = to_multibase(credentials.account_id), to_multibase(credentials.device_id)
    return LinkedHome(account, own, show_person(credentials.name))


def _credentials(
    parcel: AccountParcel, account: AccountId, device: DeviceSecrets, device_name: str
) -> Credentials:
    """Raises MeetingEnded where what came does not fit what was compared."""
    if parcel.account.id != account or device.public.id not in parcel.account.devices:
        raise MeetingEnded("the other device gave another account than it had named; nothing was kept")
    return Credentials(parcel.name, parcel.account, parcel.user_seeds, device, device_name)


class _NewDevice:
    """This side of the meeting."""

    def __init__(self, code: DeviceCode, joining: Joining, transport: Transport | None) -> None:
        self._joining = joining
        self._parcel: AccountParcel | None = None
        node = format_address(code.node)
        transport = transport or installed_transport()
        self.place = MeetingPlace(transport, node, code.to_new(), code.to_first(), self._take_untrusted)

    @property
    def account(self) -> AccountId:
        assert self._joining.account is not None
        return self._joining.account

    async def _take_untrusted(self, sealed: bytes) -> None:
        answers, contents = self._joining.take_untrusted(sealed)
        if contents:
            self._parcel = _read_parcel(contents)
        for answer in answers:
            await self.place.send(answer)

    async def run(self, compare: Compare) -> AccountParcel:
        await self.place.send(self._joining.begin())
        await self._answered()
        if not await compare(self._joining.digits):
            await self.place.send(self._joining.refusal())
            raise MeetingEnded("the two devices did not show the same code; nothing was changed on either")
        await self.place.send(self._joining.agree())
        await self.place.until(
            lambda: self._parcel is not None, PARCEL_SECONDS, "waiting for the word on the other device"
        )
        assert self._parcel is not None
        return self._parcel

    async def _answered(self) -> None:
        try:
            await self.place.until(lambda: self._joining.ready, ANSWER_SECONDS, "the other device's answer")
        except TimedOut:
            raise TimedOut(
                "the other device does not answer: the code has expired or was used, or it is offline; "
                "nothing was changed",
                hint="Show a new code there with 'pgc device link', and leave that running.",
            ) from None

    async def say_done(self) -> None:
        """The other side is told; if it cannot be, it sees by itself in the profile."""
        try:
            await self.place.send(self._joining.done())
        except Offline:
            return


def _read_parcel(contents: bytes) -> AccountParcel:
    try:
        return AccountParcel.decode_untrusted(contents)
    except RemoteProtocolError as error:
        raise MeetingEnded(f"what the other device gave is damaged ({error}); nothing was kept") from None
