"""Names for actions from the ways that they move the player. A name needs evidence, or the action stays a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from genie_core.config import Action

Way = tuple[int, int]  # -1, 0 or 1 along x, to the right, and along y, down
Moves = Mapping[str, tuple[Way, tuple[str, ...]]]  # a name's way and its pygame key names; "up+right" means both held

# In shares of a frame's width a step.
RESTING = 1 / 256  # less is no motion
SMALLEST = 1 / 128  # the farthest motion counts as at least this: noise must not be scaled up
LEAST_SPREAD = 1 / 640  # motion is measured no better
HALF = 0.5  # of the farthest motion that way: less adds nothing to a name
WITHIN = 68  # per cent of the pictures lie within the spread
LEAST_TOLD = 0.5  # of the pictures must tell an action's motion
LEAST_ACTING = 1 / 3  # of those that tell must show it, if elsewhere something stands in the way

WAYS: Moves = {
    "stay": ((0, 0), ()),
    "left": ((-1, 0), ("left", "a")),
    "right": ((1, 0), ("right", "d")),
    "up": ((0, -1), ("up", "w")),
    "down": ((0, 1), ("down", "s")),
    "up_left": ((-1, -1), ("up+left", "w+a")),
    "up_right": ((1, -1), ("up+right", "w+d")),
    "down_left": ((-1, 1), ("down+left", "s+a")),
    "down_right": ((1, 1), ("down+right", "s+d")),
}


class ActionMotions(NamedTuple):
    """The player's motion under each held code from each prompt, (prompts, codes, 2) pixels a step, x right, y down.

    NaN where nothing tells it. `width` is that of a frame in pixels.
    """

    per_prompt: np.ndarray
    width: int

    @property
    def rests(self) -> np.ndarray:
        """Prompts where some code leaves the player at rest, bool (prompts,)."""
        speed = np.linalg.norm(self.per_prompt, axis=-1)
        return np.where(np.isnan(speed), np.inf, speed).min(axis=1) < RESTING * self.width

    @property
    def clearest(self) -> np.ndarray:
        """Of those prompts, if there are any: a player who moves already shows less of what each code does."""
        return self.per_prompt[self.rests] if self.rests.any() else self.per_prompt

    @property
    def typical(self) -> np.ndarray:
        """What each code shows from the clearest prompts, (codes, 2), 0 for a code of which none of them tells."""
        return np.stack([Effect.of(each, self.width).motion for each in np.swapaxes(self.clearest, 0, 1)])

    @property
    def effects(self) -> list[Effect]:
        """What each code does. Where nobody ever rests, that is how it differs from the median over all codes."""
        found = self.clearest
        shared = 0 if self.rests.any() else _median(np.swapaxes(found, 0, 1))[:, None]
        return [Effect.of(each, self.width) for each in np.swapaxes(found - shared, 0, 1)]


class Effect(NamedTuple):
    """The motion that one code makes: from each prompt (prompts, 2), from those that count, and the median of these
    (2,), pixels a step.

    If it moves anything from enough of the prompts, these count alone: from the others something may be in its way, as
    in a maze.
    """

    per_prompt: np.ndarray
    counted: np.ndarray
    motion: np.ndarray
    width: int

    @classmethod
    def of(cls, per_prompt: np.ndarray, width: int) -> Effect:
        told = per_prompt[~np.isnan(per_prompt[:, 0])]
        moving = told[np.linalg.norm(told, axis=-1) >= RESTING * width]
        counted = moving if len(moving) >= max(1, LEAST_ACTING * len(told)) else told
        return cls(per_prompt, counted, _median(counted) if len(counted) else np.zeros(2), width)

    @property
    def told(self) -> bool:
        """Whether enough of the prompts show it."""
        return bool((~np.isnan(self.per_prompt[:, 0])).mean() >= LEAST_TOLD)

    @property
    def size(self) -> float:
        return float(np.linalg.norm(self.motion))

    @property
    def clearness(self) -> float:
        """The motion over its spread."""
        return self.size / self.spread(self.motion)

    def spread(self, along: np.ndarray) -> float:
        """How far WITHIN per cent of the prompts that count are from the median, along the direction `along` (2,)."""
        length = float(np.linalg.norm(along))
        off = np.abs((self.counted - self.motion) @ (along / length if length else np.ones(2)))
        return max(LEAST_SPREAD * self.width, float(np.percentile(off, WITHIN)) if len(off) else 0.0)

    def differs(self, other: Effect) -> bool:
        """Whether the two are farther apart than either spreads."""
        gap = self.motion - other.motion
        return float(np.linalg.norm(gap)) > max(self.spread(gap), other.spread(gap))

    def way(self, farthest: tuple[np.ndarray, np.ndarray]) -> Way:
        """Where it points: along each axis, if clear of its spread there and at least HALF of the `farthest` motion,
        (2,) to the left and up, and (2,) to the right and down."""
        signs = []
        for axis, step in enumerate(np.eye(2)):
            along = float(self.motion[axis])
            far = HALF * farthest[int(along > 0)][axis]
            signs.append(int(np.sign(along)) if abs(along) > self.spread(step) and abs(along) >= far else 0)
        return signs[0], signs[1]

    def straight(self, farthest: tuple[np.ndarray, np.ndarray]) -> float:
        """How little it goes beside its way, from 0 to 1 for nothing; with `farthest` as for `way`."""
        way = np.array(self.way(farthest))
        scaled = self.motion / np.where(self.motion > 0, farthest[1], farthest[0])
        return float(scaled @ way / (np.linalg.norm(scaled) * np.linalg.norm(way))) if way.any() else 1.0

    def in_words(self) -> str:
        told = (~np.isnan(self.per_prompt[:, 0])).sum()
        share = f" from {len(self.counted) / told:.0%} of the pictures" if len(self.counted) < told else ""
        return f"{self.size:.2f} ± {self.spread(self.motion):.2f} px a step{share}"


def name_by_motion(motions: ActionMotions, moves: Moves) -> tuple[Action, ...]:
    """Actions with the names and keys of `moves` where their motions give evidence, and numbers where they do not.

    A name needs a motion clear of its own spread over the prompts, and of each action named before, the clearest first:
    of two actions with the same effect the clearer has the name, or of two as clear the straighter. `stay` needs others
    that move, and interferes least with what happens by itself. Who can go to the right only aslant does so by the
    key for the right.
    """
    effects, typical = motions.effects, motions.typical
    names, reasons = _directions(effects, {way: name for name, (way, _) in moves.items() if any(way)})
    words = {way: name for name, (way, _) in moves.items()}
    still = _most_idle(effects, [effects[code] for code in names])
    if still is not None and (0, 0) in words:
        names[still] = words[0, 0]
    actions = []
    for code, effect in enumerate(effects):
        name = names.get(code)
        evidence = "its motion could not be told" if not effect.told else effect.in_words()
        if name is None and effect.told:
            evidence += reasons.get(code, ", no motion clear of its spread")
        x, y = (round(float(along), 2) + 0.0 for along in typical[code])
        keys = _keys(name, set(names.values()), moves) if name else ()
        actions.append(Action(code, name or f"action_{code}", keys, (x, y), evidence))
    return tuple(actions)


def _keys(name: str, named: set[str], moves: Moves) -> tuple[str, ...]:
    """The keys of `name`, behind those of each straight way in it that no other of those `named` goes, even in part."""
    way, keys = moves[name]
    others = [moves[other][0] for other in named - {name}]
    for axis, along in enumerate(way):
        straight = tuple(along if each == axis else 0 for each in range(2))
        if along and straight != way and all(other[axis] != along for other in others):
            keys = next((plain for each, plain in moves.values() if each == straight), ()) + keys
    return keys


def _directions(effects: list[Effect], words: dict[Way, str]) -> tuple[dict[int, str], dict[int, str]]:
    """Names by code for those that move, and for codes that move without a name, why."""
    motion = np.array([effect.motion for effect in effects])
    least = SMALLEST * effects[0].width
    farthest = np.maximum((-motion).max(0), least), np.maximum(motion.max(0), least)
    names: dict[int, str] = {}
    reasons: dict[int, str] = {}
    clear = [effect.clearness * effect.straight(farthest) for effect in effects]
    for code in sorted(range(len(effects)), key=lambda code: -clear[code]):
        effect = effects[code]
        way = effect.way(farthest)
        if not effect.told or effect.size < RESTING * effect.width or effect.clearness <= 1 or way == (0, 0):
            continue
        alike = next((name for other, name in names.items() if not effect.differs(effects[other])), None)
        name = words.get(way)
        if alike or name in names.values():
            reasons[code] = f", like {alike or name}"
        elif name is None:
            reasons[code] = ", a direction without a name"
        else:
            names[code] = name
    return names, reasons


def _most_idle(effects: list[Effect], moving: list[Effect]) -> int | None:
    """Of the codes that leave a resting player at rest and are clear of all that move it, the one under which happens
    most nearly, from each prompt, what happens by itself; None if there is none.

    That is what all codes have in common, each less what it does itself. A code that holds still what falls under all
    others is not standing still.
    """
    resting = [
        code
        for code, effect in enumerate(effects)
        if effect.told and effect.size < RESTING * effect.width and all(map(effect.differs, moving))
    ]
    if not resting or not moving:
        return None
    alone = _median(np.stack([effect.per_prompt - effect.motion for effect in effects if effect.told]))
    return min(resting, key=lambda code: float(np.nanmean(np.linalg.norm(effects[code].per_prompt - alone, axis=-1))))


def _median(values: np.ndarray) -> np.ndarray:
    """Over the first axis of (n, m, 2) or (n, 2), without NaN; 0 where there is nothing else."""
    known = ~np.isnan(values).all(axis=0)
    safe = np.where(known, values, 0)
    return np.asarray(np.nanmedian(safe, axis=0))
