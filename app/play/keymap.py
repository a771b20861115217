"""From held keys to latent actions. Keys have pygame's names; this file needs no pygame.

If several keys are held, a number key (also on the keypad) wins, then the largest combination, then the key pressed
last. So up and right play the world's action for both; if it has none, the later of the two keys counts until it is
released, then the other.

An action named after two others, like up_right, is also played by any key of the one with any key of the other. A
gamepad's buttons are keys named `pad left` and so on, beside those of the keyboard.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genie_core.config import Action

COMBINE = "+"
PAD = "pad "  # before the names of a gamepad's directions and buttons
PAD_KEYS = {"left": "pad left", "right": "pad right", "up": "pad up", "down": "pad down", "space": "pad a"}


@dataclass(frozen=True)
class Binding:
    """Keys that play an action when held together. `raw` ones are the number keys, bound by position."""

    keys: frozenset[str]
    action: int
    raw: bool = False


Keymap = tuple[Binding, ...]


def build_keymap(actions: Sequence[Action], bound: Mapping[str, Sequence[str]] | None = None) -> Keymap:
    """The bindings of a world. Keys that two actions claim belong to the lower id.

    `bound` maps names of actions to the keys that the player chose instead of the world's.
    """
    bindings: dict[frozenset[str], Binding] = {}
    for action in actions:
        for name in (str(action.id + 1), f"[{action.id + 1}]"):  # [1] is the keypad's
            bindings[frozenset([name])] = Binding(frozenset([name]), action.id, raw=True)
    bound = bound or {}
    spelled = {action.name: _spelled(action, bound) for action in actions}
    for action in actions:
        for keys in [*spelled[action.name], *_combined(action.name, spelled)]:
            bindings.setdefault(keys, Binding(keys, action.id))
    return tuple(bindings.values())


def keys_of(action: Action, bound: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """The keys to show for an action: the player's, else the world's, unless its parts were given others."""
    bound = bound or {}
    if action.name in bound:
        return list(bound[action.name])
    return [] if any(part in bound for part in action.name.split("_", 1)) else list(action.keys)


def keys_shown(
    action: Action, actions: Sequence[Action], bound: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """`keys_of`, or, for an action such as up_right without keys of its own, any key of up with any of right."""
    first, _, second = action.name.partition("_")
    keys = {each.name: keys_of(each, bound) for each in actions}
    pairs = itertools.product(keys.get(first, []), keys.get(second, []))
    return keys_of(action, bound) or [COMBINE.join(pair) for pair in pairs if pair[0] != pair[1]]


def doubles(actions: Sequence[Action]) -> dict[int, int]:
    """The ids of actions that do the same as another, stay_2 as stay, each with that other's id. They have no keys but
    their number."""
    named = {action.name: action.id for action in actions}
    parts = {action.id: action.name.rpartition("_") for action in actions}
    return {id: named[base] for id, (base, _, number) in parts.items() if number.isdecimal() and base in named}


def bound_keys(keymap: Keymap) -> set[str]:
    """Every key that plays an action, alone or with others, and so is no command."""
    return {key for binding in keymap for key in binding.keys}


def _spelled(action: Action, bound: Mapping[str, Sequence[str]]) -> list[frozenset[str]]:
    """The combinations that play `action`, on the keyboard and on a gamepad."""
    own = [frozenset(keys.split(COMBINE)) for keys in keys_of(action, bound)]
    worlds = [frozenset(keys.split(COMBINE)) for keys in action.keys]  # a gamepad keeps them, whatever is bound
    return own + [frozenset(PAD_KEYS[key] for key in keys) for keys in worlds if keys <= PAD_KEYS.keys()]


def _combined(name: str, spelled: Mapping[str, list[frozenset[str]]]) -> list[frozenset[str]]:
    """Any key of up with any of right, for up_right."""
    first, _, second = name.partition("_")
    pairs = itertools.product(spelled.get(first, []), spelled.get(second, []))
    return [one | other for one, other in pairs if not one & other and _is_pad(one) == _is_pad(other)]


def _is_pad(keys: frozenset[str]) -> bool:
    return any(key.startswith(PAD) for key in keys)


def resolve(held: Sequence[str], keymap: Keymap) -> int | None:
    """The action id that `held`, key names in the order pressed, plays; None if it plays nothing."""
    order = {name: position for position, name in enumerate(held)}
    spelled = [binding for binding in keymap if binding.keys <= order.keys()]
    if not spelled:
        return None
    return max(spelled, key=lambda binding: _rank(binding, order)).action


def _rank(binding: Binding, order: Mapping[str, int]) -> tuple[bool, int, int]:
    return binding.raw, len(binding.keys), max(order[name] for name in binding.keys)


class HeldKeys:
    """The keys that are down, in the order pressed.

    A key that went down and up between two looks still counts in the next look, so that no tap is lost.
    """

    def __init__(self) -> None:
        self._down: list[str] = []
        self._unseen: set[str] = set()
        self._lifted: set[str] = set()

    def press(self, name: str) -> None:
        if name in self._down:
            self._down.remove(name)
        self._down.append(name)
        self._unseen.add(name)
        self._lifted.discard(name)

    def release(self, name: str) -> None:
        if name in self._unseen:
            self._lifted.add(name)
        elif name in self._down:
            self._down.remove(name)

    def clear(self) -> None:
        """Releases every key, looked at or not."""
        self._down.clear()
        self._unseen.clear()
        self._lifted.clear()

    def look(self) -> list[str]:
        """The keys held since the last look, earliest first."""
        held = list(self._down)
        self._down = [name for name in held if name not in self._lifted]
        self._unseen.clear()
        self._lifted.clear()
        return held
