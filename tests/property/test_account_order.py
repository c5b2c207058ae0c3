"""Accounts under partition: whatever devices and thieves sign, and however it arrives, all agree."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from peergos_collab.codec import encode
from peergos_collab.errors import LocalProtocolError
from peergos_collab.identity.account import Account, _verify_inception, split
from peergos_collab.identity.account_ops import AddDevice, AddNode, RemoveDevice, RotateRoot
from peergos_collab.identity.account_verdict import cut_off
from support.accounts import AccountMaker

NAMES = [f"d{number}" for number in range(6)]


class Partitioned:
    """Devices that each hold a log of their own, act on it, and now and then hear of another's."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.maker = AccountMaker(random.Random(seed).randbytes)
        self.logs: dict[str, Account] = {"first": self.maker.founded.account}
        self.steps: list[Account] = []

    def step(self) -> None:
        name = self.choose.choice(list(self.logs))
        if self.choose.random() < 0.4:
            self.logs[name] = self.logs[name].merge(self.logs[self.choose.choice(list(self.logs))])
            return
        target = self.choose.choice([*NAMES, "first"])
        device = self.maker.secret(target).public
        action = self.choose.choice(
            [AddDevice(device), RemoveDevice(device.id), self.maker.generation(), AddNode(f"pgc://{target}")]
        )
        try:
            self.logs[name] = self.logs[name].with_op(action, self.maker.secret(name).sign)
        except LocalProtocolError:
            return  # it had no right to this, and knows
        if isinstance(action, AddDevice):
            self.logs.setdefault(target, self.logs[name])
        self.steps.append(self.logs[name])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_every_order_of_arrival_gives_one_verdict(seed: int, order: random.Random) -> None:
    """The union of all logs is the same whoever is merged into whom, and with or without checkpoints."""
    world = Partitioned(seed)
    for _ in range(25):
        world.step()
    logs = [*world.steps, *world.logs.values()]
    unions = []
    for _ in range(2):
        order.shuffle(logs)
        union = logs[0]
        for log in logs[1:]:
            union = union.merge(log)
        unions.append(union)

    assert unions[0] == unions[1]
    assert all(Account.parse_untrusted(unions[0].raw, log.checkpoint()) == unions[0] for log in logs[:4])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_removed_device_has_no_say_in_what_follows(seed: int) -> None:
    """Whatever a removed device still signs, unseen by its remover: no device and no user key come of it."""
    world = Partitioned(seed)
    for _ in range(15):
        world.step()
    base = world.logs["first"]
    for log in world.logs.values():
        base = base.merge(log)
    remover, thief = world.maker.secret("honest"), world.maker.secret("thief")
    if world.maker.secret("first").public.id not in base.devices:
        return
    first = world.maker.secret("first").sign
    base = base.with_op(AddDevice(remover.public), first).with_op(AddDevice(thief.public), first)
    removed = base.with_op(RemoveDevice(thief.public.id), remover.sign)
    hostile, signer = base, thief
    for number in range(4):
        child = world.maker.secret(f"thief {number}")
        hostile = hostile.with_op(AddDevice(child.public), signer.sign)
        hostile = hostile.with_op(world.maker.generation(), signer.sign)
        signer = child if world.choose.random() < 0.5 else signer
    merged = removed.merge(hostile)

    assert merged.devices == removed.devices
    assert merged.user_key == removed.user_key


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_what_a_root_cut_off_can_be_left_out(seed: int) -> None:
    """Whatever it was: devices, keys and nodes are the same without it, also after more of the same came."""
    world = Partitioned(seed)
    for _ in range(20):
        world.step()
    seen = world.choose.choice([*world.steps, world.maker.founded.account])
    taken = seen.with_op(RotateRoot(bytes(32)), world.maker.root)
    for device in sorted(taken.devices.keys() | taken.standing.gone):
        known = device in taken.devices or device in taken.standing.gone
        if known and world.choose.random() < 0.7:
            accepted = world.choose.choice([seen.last_ops(device), ()])
            taken = taken.with_op(RemoveDevice(device, accepted), world.maker.root)
    for _ in range(10):
        world.step()
    everything = taken
    for log in world.logs.values():
        everything = everything.merge(log)
    shorter = without_cut_off(everything)

    assert verdict(shorter) == verdict(everything)
    assert without_cut_off(shorter) == shorter
    for log in world.logs.values():
        assert verdict(shorter.merge(log)) == verdict(everything)
    LEFT_OUT.append(len(everything.ops()) - len(shorter.ops()))


def test_something_was_left_out() -> None:
    """In some of the runs above, or they would show nothing."""
    test_what_a_root_cut_off_can_be_left_out()

    assert sum(LEFT_OUT) > 10


LEFT_OUT: list[int] = []


def without_cut_off(account: Account) -> Account:
    inception, _ = split(account.raw)
    left_out = cut_off(_verify_inception(inception)[1], account.ops())
    kept = [op.encoded() for op in account.ops() if op.id not in left_out]
    return Account.parse_untrusted(encode([inception, kept]))


def verdict(account: Account) -> tuple[object, ...]:
    standing = account.standing
    keys = (standing.user_keys, standing.newest, standing.recovery, standing.rotation_due)
    return (standing.devices, *keys, standing.nodes, standing.root, standing.next_root)
