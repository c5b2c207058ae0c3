"""What follows from a set of account ops: which devices stand, which user key is theirs, who is the root.

A pure function of the set. It reads the ops in their one canonical order (depth, then id), which puts
every op after all it has seen. ``past`` of an op is the set of ops it has seen, as a bit mask.

Rules, in which an op *counts* if its signer had the right to it and nothing voids it:

1. A root outranks every device. The root that was announced by its hash takes over with ROTATE_ROOT;
   of what an older root signed only that counts which the new one has seen.
2. A device may do everything but what is a root's, if its own past has its addition and no removal.
3. A removal that was allowed in its past is never voided by a device. Everything else a removed device
   did counts only if its removal has seen it; and so does a device that it added.
4. A root's removal names the last ops of the device that count; all others are void, seen or not,
   removals included. So what a thief did with a stolen device ends with it.
5. Who was removed stays removed: a device comes back under new keys. Two devices that remove each other
   are both out (*frozen*), until a root removes one and so voids what that one did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Final

from ..codec.ids import DeviceId
from ..crypto import BoxPublic, VerifyKey
from ..errors import RemoteProtocolError
from ..values import dataclass
from .account_ops import (
    AccountOp,
    AddDevice,
    AddNode,
    BoxFirstUserKey,
    CutOff,
    DevicePublic,
    RemoveDevice,
    RotateRoot,
    RotateUserKey,
    SetRecovery,
    next_root_hash,
)

MAX_VOIDED: Final = 100_000
"""Steps spent on voiding what removed devices added; honest logs need a handful."""


@dataclass(frozen=True, slots=True)
class UserKey:
    """The public half of one generation of the account's user key.

    Args:
        generation: its name: of the first one, the hash of what else the inception says, else the op's id.
    """

    generation: bytes
    sign: VerifyKey
    box: BoxPublic


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an account after a set of ops.

    Args:
        heads: ids of the ops that no other op has seen, ascending.
        size: how many ops there are.
        depth: of the deepest op.
        root: the current root key, and ``next_root`` the hash of the one that may take over.
        devices: the devices that stand, by id.
        gone: devices that stood once, or were added by one that had no right to.
        cut: those of ``gone`` that a root ended by name, whether their ops are here or not.
        frozen: those of ``gone`` that were removed only by devices which were removed at the same time.
        forked: devices that signed two ops of which neither has seen the other: a copy is about.
        user_keys: all generations that count, by name, older ones first; the first is the inception's.
        false_user_keys: those that do not, made by devices that had been removed or whose acts are void.
        ended: names of user keys that a root ended without their ops being here.
        newest: the generations that no other has seen, best first.
        rotation_due: some device was removed that the newest generation may still be known to.
        root_forked: two roots were announced after one and the same; the recovery code was used twice.
        recovery: what user seeds are boxed to for the recovery code.
        nodes: where mail is taken, sorted.
        void: ids of ops that do not count, with the reason.
    """

    heads: tuple[bytes, ...]
    root: bytes
    next_root: bytes
    size: int = 0
    depth: int = 0
    root_generation: int = 0
    devices: dict[DeviceId, DevicePublic] = field(default_factory=dict)
    gone: frozenset[DeviceId] = frozenset()
    cut: frozenset[DeviceId] = frozenset()
    frozen: frozenset[DeviceId] = frozenset()
    forked: frozenset[DeviceId] = frozenset()
    user_keys: dict[bytes, UserKey] = field(default_factory=dict)
    false_user_keys: dict[bytes, UserKey] = field(default_factory=dict)
    ended: frozenset[bytes] = frozenset()
    newest: tuple[bytes, ...] = ()
    rotation_due: bool = False
    root_forked: bool = False
    recovery: BoxPublic | None = None
    nodes: tuple[str, ...] = ()
    void: dict[bytes, str] = field(default_factory=dict)


class Entangled(Exception):
    """These ops change what came before the standing they were to follow."""


def judge(base: Standing, ops: Sequence[AccountOp]) -> Standing:
    """The standing after ``base`` and ``ops`` in canonical order, all of which have seen all of ``base``.

    Raises:
        Entangled: some op has not, or reaches back behind ``base``: judge the whole set instead.
        RemoteProtocolError: not in canonical order, with ops missing, or by strangers.
    """
    if not ops:
        return base
    return _Judge(base, ops).standing()


def cut_off(base: Standing, ops: Sequence[AccountOp]) -> set[bytes]:
    """Ids of ops that can be left out of a log, by what its roots cut off. Raises as ``judge`` does.

    Args:
        base: the standing before any op.
    """
    return _Judge(base, ops).cut_off()


class _Judge:
    """One pass over the ops. Bit 0 of a mask is the base, bit n the nth op."""

    def __init__(self, base: Standing, ops: Sequence[AccountOp]) -> None:
        self.base = base
        self.ops = ops
        self.fresh = base.size == 0
        self.void: dict[bytes, str] = {}
        self.added: dict[bytes, int] = dict.fromkeys(base.devices, 0)
        self.device = dict(base.devices)
        self.additions: dict[bytes, list[bytes]] = {}
        self.voiders: dict[bytes, int] = {}
        self.removals: dict[bytes, int] = {}
        self.steps = 0
        self._order()
        self._refuse_strangers()
        self._find_roots()
        self._find_cuts()
        self.counting = [False, *(self._judge(at, op) for at, op in enumerate(ops, 1))]

    # -- order ------------------------------------------------------------------------------------

    def _order(self) -> None:
        heads, index, depths = set(self.base.heads), dict[bytes, int](), [self.base.depth]
        self.past: list[int] = [0]
        last, named = (self.base.depth, b""), set[bytes]()
        for at, op in enumerate(self.ops, 1):
            past, depth = 0, 0
            for parent in op.parents:
                seen = index.get(parent)
                if seen is None:
                    if parent not in heads:
                        raise (RemoteProtocolError if self.fresh else Entangled)("an op that is not here")
                    past, depth = past | 1, max(depth, depths[0])
                else:
                    past, depth = past | self.past[seen] | 1 << seen, max(depth, depths[seen])
            if (of_base := heads & set(op.parents)) and of_base != heads:
                raise Entangled
            if not last < (depth + 1, op.id):
                raise RemoteProtocolError("account ops that are not in their order")
            last = depth + 1, op.id
            index[op.id] = at
            depths.append(depth + 1)
            self.past.append(past)
            named |= set(op.parents)
        self.index = index
        self.depth = max(depths)
        self.heads = tuple(sorted(index.keys() - named))

    def _refuse_strangers(self) -> None:
        """Who was never a device or an announced root has no place in the log, so he cannot fill it."""
        self.root_keys = {self.base.root, *self._announced_roots()}
        known = {*self.base.devices, *self.base.gone, *self.root_keys}
        for op in self.ops:
            if op.signer not in known:
                raise (RemoteProtocolError if self.fresh else Entangled)("an account op by a stranger")
            if isinstance(op.action, AddDevice):
                known.add(op.action.device.id)

    def _announced_roots(self) -> set[bytes]:
        """Keys that the root, or a root announced by one, announced: all of them, where they fork."""
        taking_over: dict[bytes, list[AccountOp]] = {}
        for op in self.ops:
            if isinstance(op.action, RotateRoot):
                taking_over.setdefault(next_root_hash(op.signer), []).append(op)
        self.taking_over, roots, waiting = dict(taking_over), set[bytes](), [self.base.next_root]
        while waiting:
            for op in taking_over.pop(waiting.pop(), []):
                assert isinstance(op.action, RotateRoot)
                roots.add(op.signer)
                waiting.append(op.action.next_hash)
        return roots

    # -- roots ------------------------------------------------------------------------------------

    def _find_roots(self) -> None:
        """The chain of roots, each announced by the one before. A root takes over once.

        Of two take-overs by one root that have not seen each other the one with the lower id counts.
        """
        self.roots: dict[bytes, int] = {self.base.root: self.base.root_generation}
        self.taken_over: list[int] = [0]
        self.root, self.next_root = self.base.root, self.base.next_root
        self.root_forked = self.base.root_forked
        while found := self.taking_over.pop(self.next_root, None):
            places = sum(1 << self.index[op.id] for op in found)
            first = [op for op in found if not self.past[self.index[op.id]] & places]
            chosen = min(first, key=lambda op: op.id)
            assert isinstance(chosen.action, RotateRoot)
            self.root_forked = self.root_forked or len(first) > 1
            self.root, self.next_root = chosen.signer, chosen.action.next_hash
            self.roots[self.root] = self.base.root_generation + len(self.taken_over)
            self.taken_over.append(self.index[chosen.id])

    def _root_counts(self, at: int, generation: int) -> bool:
        """Whether an op of that root has seen its own take-over, and the next take-over has seen it."""
        place = generation - self.base.root_generation
        own = self.taken_over[place]
        if own not in (0, at) and not self.past[at] >> own & 1:
            return False
        following = self.taken_over[place + 1 :][:1]
        return not following or bool(self.past[following[0]] >> at & 1)

    def _find_cuts(self) -> None:
        """What removals by roots leave of each device."""
        self.cuts: dict[bytes, int] = {}
        for at, op in enumerate(self.ops, 1):
            generation = self.roots.get(op.signer)
            if generation is None or not isinstance(op.action, RemoveDevice | CutOff):
                continue
            if not self.fresh:
                raise Entangled
            if isinstance(op.action, CutOff):
                if self._root_counts(at, generation):
                    self.cuts.update(dict.fromkeys(op.action.devices, 0))
                continue
            kept = 0
            for accepted in op.action.accepted:
                place = self.index.get(accepted, 0)
                if not self.past[at] >> place & 1 or not place:
                    break
                kept |= self.past[place] | 1 << place
            else:
                if self._root_counts(at, generation):
                    self.cuts[op.action.device] = self.cuts.get(op.action.device, -1) & kept

    # -- ops --------------------------------------------------------------------------------------

    def _judge(self, at: int, op: AccountOp) -> bool:
        """Takes in one op, after all it has seen. Whether it counts, as far as its past says."""
        reason = self._refusal(at, op) or self._apply(at, op)
        if reason:
            self.void[op.id] = reason
        return not reason

    def _refusal(self, at: int, op: AccountOp) -> str:
        generation = self.roots.get(op.signer)
        if generation is not None:
            return "" if self._root_counts(at, generation) else "by a root that was replaced"
        if isinstance(op.action, (RotateRoot, SetRecovery, BoxFirstUserKey, CutOff)):
            return "only the root may do this"
        if isinstance(op.action, RemoveDevice) and op.action.accepted:
            return "only the root may name the ops that count"
        if not self.cuts.get(op.signer, -1) >> at & 1:
            return "by a stolen device, after its last op that counts"
        if not self._stands(op.signer, self.past[at]):
            return "by a device that had been removed"
        return ""

    def _stands(self, device: bytes, seen: int) -> bool:
        """Whether a device stands in the view of ``seen``, a set that has the past of all its members."""
        place = self.added.get(device)
        if place is None or not seen >> place & 1:
            return False
        return not seen & (self.voiders.get(device, 0) | self.removals.get(device, 0))

    def _apply(self, at: int, op: AccountOp) -> str:
        match op.action:
            case AddDevice(device):
                return self._add(at, op.signer, device)
            case RemoveDevice(device):
                return self._remove(at, op, device)
            case RotateRoot() if at not in self.taken_over:
                return "a second take-over by one root"
        return ""

    def _add(self, at: int, signer: bytes, device: DevicePublic) -> str:
        if device.id in self.added or device.id in self.base.gone or device.id in self.roots:
            return "that device was added before"
        self.added[device.id] = at
        self.device[device.id] = device
        if signer not in self.roots:
            self.additions.setdefault(signer, []).append(device.id)
            self.voiders[device.id] = self.voiders.get(signer, 0) | self._unseen_by(signer, at)
        return ""

    def _unseen_by(self, signer: bytes, at: int) -> int:
        """The removals of ``signer`` that have not seen the op at ``at``."""
        found, rest = 0, self.removals.get(signer, 0)
        while rest:
            removal = rest.bit_length() - 1
            rest ^= 1 << removal
            if not self.past[removal] >> at & 1:
                found |= 1 << removal
        return found

    def _remove(self, at: int, op: AccountOp, device: DeviceId) -> str:
        place = self.added.get(device)
        if place is None or not self.past[at] >> place & 1:
            return "that device is not known to whoever removed it"
        if op.signer in self.roots:
            assert isinstance(op.action, RemoveDevice)
            if device not in self.cuts:
                return "it names ops that it has not seen"
        self.removals[device] = self.removals.get(device, 0) | 1 << at
        for child in self.additions.get(device, ()):
            if not self.past[at] >> self.added[child] & 1:
                self._void_addition(child, at)
        return ""

    def _void_addition(self, device: bytes, removal: int) -> None:
        """Voids a device, and those it added, in every view that has the removal of who added it."""
        waiting = [device]
        while waiting:
            self.steps += 1
            if self.steps > MAX_VOIDED:
                raise RemoteProtocolError("an account log more tangled than any honest one")
            found = waiting.pop()
            if not self.voiders.get(found, 0) >> removal & 1:
                self.voiders[found] = self.voiders.get(found, 0) | 1 << removal
                waiting += self.additions.get(found, ())

    def cut_off(self) -> set[bytes]:
        """The ops that a root cut off, and that nothing has seen which it did not.

        Neither they nor what a device did that only they added will ever count, whatever else comes: but for
        a root that takes over in place of the one here.
        """
        if not self.cuts:
            return set()
        left, added = 0, set[bytes](self.base.devices)
        for at, op in enumerate(self.ops, 1):
            if op.signer not in self.root_keys and (
                op.signer not in added or not self.cuts.get(op.signer, -1) >> at & 1
            ):
                continue
            left |= self.past[at] | 1 << at
            if isinstance(op.action, AddDevice):
                added.add(op.action.device.id)
        return {op.id for at, op in enumerate(self.ops, 1) if not left >> at & 1}

    # -- what follows -----------------------------------------------------------------------------

    def _counts(self, at: int) -> bool:
        """Whether an op that is no removal counts in the end."""
        if not self.counting[at]:
            return False
        signer = self.ops[at - 1].signer
        if signer in self.roots:
            return True
        late = self._unseen_by(signer, at) | self.voiders.get(signer, 0)
        if late:
            self.void[self.ops[at - 1].id] = "by a device that was removed by somebody who had not seen this"
        return not late

    def standing(self) -> Standing:
        everything = (1 << len(self.ops) + 1) - 1
        recovery, nodes, rotations = self.base.recovery, set(self.base.nodes), list[int]()
        named, ended = set(self.base.cut), set(self.base.ended)
        for at, op in enumerate(self.ops, 1):
            if isinstance(op.action, (SetRecovery, AddNode, RotateUserKey, CutOff)) and self._counts(at):
                match op.action:
                    case CutOff(devices=cut, generations=generations):
                        named.update(cut)
                        ended.update(generations)
                    case SetRecovery(box):
                        recovery = box
                    case AddNode(address):
                        nodes.add(address)
                    case RotateUserKey():
                        rotations.append(at)
        false = {op.id: key for op in self.ops if (key := _user_key(op)) and op.id in self.void}
        devices = {
            DeviceId(id_): self.device[DeviceId(id_)]
            for id_ in self.added
            if self._stands(id_, everything) and id_ not in named
        }
        gone = self.base.gone | named | {DeviceId(id_) for id_ in self.added if DeviceId(id_) not in devices}
        return replace(
            self._with_user_keys(rotations),
            heads=self.heads,
            root=self.root,
            next_root=self.next_root,
            size=self.base.size + len(self.ops),
            depth=self.depth,
            root_generation=self.base.root_generation + len(self.taken_over) - 1,
            devices=devices,
            false_user_keys={**self.base.false_user_keys, **false},
            ended=frozenset(ended),
            gone=gone,
            cut=frozenset(named),
            frozen=self.base.frozen | self._frozen(),
            forked=self.base.forked | self._forked(),
            root_forked=self.root_forked,
            recovery=recovery,
            nodes=tuple(sorted(nodes)),
            void={**self.base.void, **self.void},
        )

    def _with_user_keys(self, rotations: list[int]) -> Standing:
        ended = 0
        for removals in self.removals.values():
            ended |= removals
        if not rotations:
            return replace(self.base, rotation_due=self.base.rotation_due or ended != 0)
        seen = 0
        for at in rotations:
            seen |= self.past[at]
        newest = [at for at in rotations if not seen >> at & 1]
        newest.sort(key=lambda at: ((ended & ~self.past[at]).bit_count(), self.ops[at - 1].id))
        keys = dict(self.base.user_keys)
        for at in rotations:
            key = _user_key(self.ops[at - 1])
            assert key is not None
            keys[key.generation] = key
        due = len(newest) > 1 or bool(ended & ~self.past[newest[0]])
        return replace(
            self.base,
            user_keys=keys,
            newest=tuple(self.ops[at - 1].id for at in newest),
            rotation_due=due,
        )

    def _frozen(self) -> set[DeviceId]:
        """Devices removed only by devices whose own removal is concurrent with that."""
        return {
            DeviceId(device) for device, removals in self.removals.items() if self._all_contested(removals)
        }

    def _all_contested(self, removals: int) -> bool:
        while removals:
            at = removals.bit_length() - 1
            removals ^= 1 << at
            if not self._unseen_by(self.ops[at - 1].signer, at) & ~self.past[at]:
                return False
        return True

    def _forked(self) -> set[DeviceId]:
        last: dict[bytes, int] = {}
        forked = set()
        for at, op in enumerate(self.ops, 1):
            before = last.get(op.signer)
            if before is not None and op.signer not in self.roots and not self.past[at] >> before & 1:
                forked.add(DeviceId(op.signer))
            last[op.signer] = at
        return forked


def _user_key(op: AccountOp) -> UserKey | None:
    """The generation that an op makes, whether it counts or not."""
    if not isinstance(op.action, RotateUserKey):
        return None
    return UserKey(op.id, op.action.sign, op.action.box)
