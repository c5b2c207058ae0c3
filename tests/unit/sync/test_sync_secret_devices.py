"""A device that a removed one had added, and kept to itself: it is out with that one, wherever it comes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from support.circle import account_principal, actor_of, found
from support.members import Group
from support.replicas import Chatting, meet

RANDOM = random.Random(66).randbytes


class Theft:
    """Bob, an admin beside Ana, has a second device. A thief takes that, and adds one of his own with it."""

    def __init__(self) -> None:
        self.group = Group(["Ana", "Bob"], RANDOM, Kind.CHAT)
        self.group.add("Ana", "Bob", Level.ADMIN)
        self.stolen, secret = DeviceSecrets.generate(RANDOM), DeviceSecrets.generate(RANDOM)
        both = self.group["Bob"].credentials.add_device(self.stolen.public)
        self.both = self.group["Bob"].credentials = both
        self.ana, self.bob = (Chatting(self.group, one, RANDOM) for one in self.group.people.values())
        self.bob.replica.act_as(actor_of(both))
        self.bob.say("honest")
        meet(self.ana, self.bob)
        on_stolen = replace(both, device=self.stolen)
        self.thief = self.on(replace(on_stolen.add_device(secret.public), device=secret))
        self.bob.tell(self.thief)

    def on(self, credentials: Credentials) -> Chatting:
        """Bob on another device, or who has it."""
        chatting = Chatting(self.group, replace(self.group["Bob"], credentials=credentials), RANDOM)
        chatting.replica.act_as(actor_of(credentials))
        return chatting

    def remove(self) -> None:
        """Bob removes the stolen device, of which he knows, and goes on under new keys."""
        after = self.both.remove_device(self.stolen.public.id, RANDOM)
        self.bob.replica.act_as(actor_of(after))
        self.bob.say("after")


@pytest.mark.parametrize("when", ["heard before", "heard after"])
def test_what_it_writes_does_not_count(when: str) -> None:
    """Under the old keys, which it has: neither for who hears of the removal first nor for who does later."""
    theft = Theft()
    theft.thief.say("by the secret device")
    if when == "heard after":
        theft.thief.tell(theft.ana)
        assert theft.ana.texts == ["honest", "by the secret device"]
    theft.remove()
    theft.bob.tell(theft.ana)
    theft.thief.tell(theft.ana, theft.bob)

    assert theft.bob.texts == ["honest", "after"]
    assert theft.ana.again().texts == ["honest", "after"]
    assert not theft.ana.again().replica.unsettled


def test_whom_it_adds_is_no_member() -> None:
    """As an admin's device it might add an accomplice, dated back to before it was out."""
    theft = Theft()
    friend = account_principal(found("friend", RANDOM))
    theft.thief.know(*theft.thief.replica.seat.maker.add(friend, Level.WRITE))
    theft.thief.tell(theft.ana)
    assert friend.id in theft.ana.replica.view.members
    theft.remove()
    theft.bob.tell(theft.ana)

    assert friend.id not in theft.ana.replica.view.members


def test_what_others_built_upon_counts() -> None:
    """As it does of the removed device itself."""
    theft = Theft()
    theft.thief.say("by the secret device")
    theft.thief.tell(theft.ana)
    theft.ana.say("Ana answers")
    theft.remove()
    meet(theft.ana, theft.bob)

    texts = {"honest", "by the secret device", "Ana answers", "after"}
    assert set(theft.ana.again().texts) == texts


def test_a_device_that_another_one_added_goes_on() -> None:
    """The first device adds a tablet that the one who removes has not heard of yet: it stays in."""
    theft = Theft()
    tablet = DeviceSecrets.generate(RANDOM)
    on_tablet = theft.on(replace(theft.both.add_device(tablet.public), device=tablet))
    theft.bob.tell(on_tablet)
    on_tablet.say("by the tablet")
    theft.remove()
    theft.bob.tell(theft.ana)
    on_tablet.tell(theft.ana)

    assert set(theft.ana.again().texts) == {"honest", "by the tablet", "after"}


def test_a_device_that_was_known_when_its_adder_was_removed_goes_on() -> None:
    """Its addition counts, as the one who removed had seen it."""
    theft = Theft()
    tablet = DeviceSecrets.generate(RANDOM)
    three = replace(theft.both, device=theft.stolen).add_device(tablet.public)
    on_tablet = theft.on(replace(three, device=tablet))
    theft.bob.tell(on_tablet)
    on_tablet.say("by the tablet")
    theft.both = replace(three, device=theft.both.device)
    theft.bob.replica.act_as(actor_of(theft.both))
    theft.remove()
    theft.bob.tell(theft.ana)
    on_tablet.tell(theft.ana)

    assert set(theft.ana.again().texts) == {"honest", "by the tablet", "after"}
