"""Gives actions and shortcuts keys: what they have, what a new key takes from others, and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.play.keymap import COMBINE, Keymap, bound_keys, build_keymap, doubles, keys_of, keys_shown
from app.window.drawing import key_label
from app.window.keys import Key, Keyboard
from app.window.settings import Settings
from app.window.shortcuts import ALSO, SHORTCUTS, keys_to, shortcut_key
from genie_core.config import Action


class Row(NamedTuple):
    """An action, or a shortcut if `action` is None: its name, and what it does."""

    name: str
    action: Action | None
    does: str


class Bindings:
    """The player's keys. Calls `change` with the new settings whenever something gets new keys.

    `collected` are the keys pressed so far while keys are being given, else None. `changed` are the places of the keys
    given last, and `displaced` the names of what lost a key to them.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        settings: Settings,
        keyboard: Keyboard,
        change: Callable[[Settings], None],
    ) -> None:
        twins = doubles(actions)
        self._actions, self._change = actions, change
        self.settings, self.keyboard = settings, keyboard
        self.rows = [Row(action.name, action, action.name) for action in actions if action.id not in twins]
        self.rows += [Row(name, None, SHORTCUTS[name].does) for name in SHORTCUTS]
        self.collected: list[Key] | None = None
        self.changed: set[str] = set()
        self.displaced: list[str] = []
        self._add = False
        self._before: list[Settings] = []  # to go back to

    @property
    def keymap(self) -> Keymap:
        return build_keymap(self._actions, self.settings.actions)

    def keys(self, row: Row) -> list[Sequence[str]]:
        """The combinations of keys of a row, as they are printed on this keyboard."""
        if row.action is None:
            keys = keys_to(row.name, self.settings, bound_keys(self.keymap), self.keyboard)
            return [keys] if keys else []
        own = keys_shown(row.action, self._actions, self.settings.actions)
        return [[self.keyboard.label(key) for key in keys.split(COMBINE)] for keys in own]

    def roles(self) -> dict[str, str]:
        """What each key does alone, in a word or two, by its place."""
        roles = {place: SHORTCUTS[name].cap for place, name in ALSO.items()}
        for name in SHORTCUTS:
            roles[self.keyboard.place(shortcut_key(name, self.settings))] = SHORTCUTS[name].cap
        names, twins = {action.id: action.name for action in self._actions}, doubles(self._actions)
        for binding in reversed(self.keymap):
            if len(binding.keys) == 1:
                roles[next(iter(binding.keys))] = names[twins.get(binding.action, binding.action)]
        return roles

    def begin(self, add: bool) -> None:
        """From now on keys are collected, to be given in place of those that a row has, or with `add` beside them."""
        self.collected, self._add = [], add

    def collect(self, key: Key) -> None:
        assert self.collected is not None
        if key not in self.collected:
            self.collected.append(key)

    def give(self, row: Row) -> str:
        """Gives `row` the keys collected; returns what to tell the player of that."""
        keys, self.collected = self.collected or [], None
        numbers = {key for binding in self.keymap if binding.raw for key in binding.keys}
        if numbers & {key.place for key in keys}:
            return "the number keys always play the actions by number; give another key"
        if row.action is None:
            return self._give_shortcut(row.name, keys[-1])
        return self._give_action(row.action, [key.place for key in keys])

    def _give_shortcut(self, name: str, key: Key) -> str:
        command = self.keyboard.command(key)
        taken = [other for other in SHORTCUTS if other != name and shortcut_key(other, self.settings) == command]
        commands = {**self.settings.commands, **dict.fromkeys(taken, ""), name: command}
        self._set(dataclasses.replace(self.settings, commands=commands), {key.place}, taken)
        lost = [f"“{SHORTCUTS[other].does}” has no key" for other in taken]
        return self._told(f"{self._keys_of(name)} is “{SHORTCUTS[name].does}” now", lost)

    def _give_action(self, action: Action, places: list[str]) -> str:
        keys, moving = COMBINE.join(places), bound_keys(self.keymap)
        bound = {other.name: keys_of(other, self.settings.actions) for other in self._actions}
        mine = [*bound[action.name], keys] if self._add else [keys]
        changed = {name: [each for each in theirs if each != keys] for name, theirs in bound.items() if keys in theirs}
        actions = {**self.settings.actions, **changed, action.name: mine}
        covered = [
            name for name in SHORTCUTS if self.keyboard.place(shortcut_key(name, self.settings)) in set(places) - moving
        ]
        taken = [name for name in changed if name != action.name]
        self._set(dataclasses.replace(self.settings, actions=actions), set(places), [*taken, *covered])
        lost = [f"“{name}” no longer" for name in taken]
        lost += [f"“{SHORTCUTS[name].does}” is {self._keys_of(name)}" for name in covered]
        label = " + ".join(key_label(self.keyboard.label(place)) for place in places)
        return self._told(f"{label} is “{action.name}” now", lost)

    def take_back(self, row: Row) -> str:
        """Gives a row its default keys again."""
        actions, commands = dict(self.settings.actions), dict(self.settings.commands)
        (commands if row.action is None else actions).pop(row.name, None)
        self._set(dataclasses.replace(self.settings, actions=actions, commands=commands))
        return f"“{row.does}” has its default keys again; Z undoes that"

    def reset(self) -> str:
        """Gives everything its default keys again."""
        self._set(dataclasses.replace(self.settings, actions={}, commands={}))
        return "all keys are the defaults again; Z undoes that"

    def undo(self) -> str:
        """Takes the last change back."""
        if not self._before:
            return "nothing to undo; Enter gives new keys"
        before = self._before.pop()
        self.settings = dataclasses.replace(self.settings, actions=before.actions, commands=before.commands)
        self.changed, self.displaced = set(), []
        self._change(self.settings)
        return "undone"

    def _set(self, settings: Settings, changed: set[str] | None = None, displaced: Sequence[str] = ()) -> None:
        self._before.append(self.settings)
        self.settings, self.changed, self.displaced = settings, changed or set(), list(displaced)
        self._change(settings)

    def _keys_of(self, name: str) -> str:
        keys = keys_to(name, self.settings, bound_keys(self.keymap), self.keyboard)
        return " + ".join(key_label(key) for key in keys) or "without a key"

    @staticmethod
    def _told(what: str, lost: list[str]) -> str:
        return "; ".join([what, *lost, "Z undoes that"])
