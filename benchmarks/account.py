"""Accounts: verifying a long log, cold and from a checkpoint ten ops before its end; linking a device."""

from __future__ import annotations

import os
import random
import time

from peergos_collab.codec import encode
from peergos_collab.crypto import UserSeed
from peergos_collab.identity.account import Account, Checkpoint, split
from peergos_collab.identity.account_ops import AccountOp, Action, AddDevice, RemoveDevice
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.identity.user_keys import new_generation

from .linking import add_linking
from .report import Report

OPS = 10_000
AFTER = 10
MOST_DEVICES = 8
TIMES = 5


def long_log(ops: int) -> tuple[list[object], list[AccountOp]]:
    """Inception and ops of an account of up to eight devices that come, go and make user keys."""
    choose, founded = random.Random(1), Credentials.found("A", RecoveryCode.generate(os.urandom), os.urandom)
    log, devices = founded.account.ops(), [founded.device]
    while len(log) < ops:
        signer = choose.choice(devices)
        action = _some_action(choose, devices, signer)
        log.append(AccountOp.sign(founded.account_id, (log[-1].id,), action, signer.sign))
    return split(founded.account.raw)[0], log


def _some_action(choose: random.Random, devices: list[DeviceSecrets], signer: DeviceSecrets) -> Action:
    chance = choose.random()
    if len(devices) < MOST_DEVICES and chance < 0.5:
        devices.append(DeviceSecrets.generate(os.urandom))
        return AddDevice(devices[-1].public)
    others = [device for device in devices if device is not signer]
    if others and chance < 0.75:
        gone = choose.choice(others)
        devices.remove(gone)
        return RemoveDevice(gone.public.id)
    seed = UserSeed.generate(os.urandom)
    return new_generation(seed, [device.public for device in devices], None, {}, os.urandom)


def _least_ms(raw: bytes, checkpoint: Checkpoint | None) -> float:
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        Account.parse_untrusted(raw, checkpoint)
        times.append((time.perf_counter() - started) * 1000)
    return min(times)


def _add_logs(report: Report) -> None:
    inception, ops = long_log(OPS)
    raw = encode([inception, [op.encoded() for op in ops]])
    before = Account.parse_untrusted(encode([inception, [op.encoded() for op in ops[:-AFTER]]]))
    size = f"{len(raw) / 1e6:.1f} MB; the least of {TIMES}"
    report.add(f"log of {OPS:,} ops, cold", _least_ms(raw, None), "ms", "<= 1500", size)
    found = _least_ms(raw, before.checkpoint())
    report.add(f"log of {OPS:,} ops, {AFTER} after a checkpoint", found, "ms", "<= 100", size)


async def measure() -> Report:
    report = Report("accounts")
    _add_logs(report)  # of which nothing is left then that would be looked through for garbage
    await add_linking(report)
    return report
