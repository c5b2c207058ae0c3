"""Sleep and moves to another network: noticed soon, and nothing else is taken for one."""

from __future__ import annotations

import asyncio

from peergos_collab.workspace.surroundings import ASLEEP_SECONDS, LOOK_SECONDS, Surroundings, own_addresses
from support.jumping_loop import in_no_time, passing


class Machine:
    """Its wall clock, which goes on while it sleeps and can be set, and its addresses."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.addresses = ("192.168.1.7", "")
        self.told: list[bool] = []
        self.surroundings = Surroundings(self.clock, self.told.append, lambda: self.addresses)
        self.surroundings.start()

    def clock(self) -> int:
        return int((1e9 + asyncio.get_running_loop().time() + self.ahead) * 1000)


def test_a_sleep_is_noticed_once() -> None:
    """At the first look after it."""

    async def main() -> None:
        machine = Machine()
        await passing(100)
        assert machine.told == []
        machine.ahead += 3600
        await passing(LOOK_SECONDS + 0.1)
        assert machine.told == [False]
        await passing(100)
        assert machine.told == [False]
        machine.surroundings.stop()

    in_no_time(main())


def test_another_network_is_noticed() -> None:
    """When it goes, when another one comes, and when both happened during a sleep, each time once."""

    async def main() -> None:
        machine = Machine()
        for addresses in (("", ""), ("10.0.0.2", ""), ("10.0.0.2", "2001:db8::7")):
            machine.addresses = addresses
            await passing(10)
        machine.addresses, machine.ahead = ("172.16.0.1", ""), 500
        await passing(10)
        assert machine.told == [True] * 4
        machine.surroundings.stop()
        machine.addresses = ("", "")
        await passing(10)
        assert machine.told == [True] * 4

    in_no_time(main())


def test_small_steps_of_the_clock_are_none() -> None:
    """Corrections, and a clock that was set back."""

    async def main() -> None:
        machine = Machine()
        for step in (0.5, -0.7, ASLEEP_SECONDS - 0.1, -3600):
            machine.ahead += step
            await passing(10)
        assert machine.told == []
        machine.surroundings.stop()

    in_no_time(main())


def test_the_own_addresses_are_asked_of_the_system() -> None:
    """One for each family, and the same if nothing changes."""
    assert len(own_addresses()) == 2
    assert own_addresses() == own_addresses()
