"""The help over the window: a drawn keyboard with what each key does, and below it the way to keys of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pygame

from app.play.keymap import COMBINE, bound_keys, build_keymap, keys_of
from app.window.drawing import SMALL, TEXT, TITLE, Pen, key_label
from app.window.shortcuts import ALSO, CONTROLS, Settings, clashes
from genie_core.config import Action

DRAWN_WIDTH, DRAWN_HEIGHT = 940, 640  # at scale 1; it is scaled to the window
UNIT, COLUMNS, ROW = 48, 3, 20
KEYBOARD = (
    ("escape", *(f"f{number}" for number in range(1, 13))),
    ("`", *"1234567890-=", "backspace"),
    ("tab", *"qwertyuiop[]\\"),
    ("caps lock", *"asdfghjkl;'", "return"),
    ("left shift", *"zxcvbnm,./", "right shift"),
    ("left ctrl", "left alt", "space", "right alt", "right ctrl"),
)
WIDE = {"backspace": 2, "tab": 1.5, "\\": 1.5, "caps lock": 1.75, "return": 2.25, "left shift": 2.25}
WIDE |= {"right shift": 2.75, "space": 7, "left ctrl": 2, "right ctrl": 2, "left alt": 2, "right alt": 2}
BESIDE = {"page up": (16.5, 1), "page down": (16.5, 2), "up": (16.5, 4), "left": (15.4, 5)}  # in units
BESIDE |= {"down": (16.5, 5), "right": (17.6, 5)}
USAGE = "Arrows choose, Enter gives new keys, + adds more, Delete takes yours back, Esc closes"


class Row(NamedTuple):
    """Something that has keys: an action, or else a command."""

    name: str
    action: Action | None
    does: str


class Help:
    """Open until `handle` says otherwise. `change` is told the settings whenever something is given new keys."""

    def __init__(self, actions: Sequence[Action], settings: Settings, change: Callable[[Settings], None]) -> None:
        self._actions, self._change = actions, change
        self.settings = settings
        self.rows = [Row(action.name, action, "") for action in actions]
        self.rows += [Row(name, None, control.does) for name, control in CONTROLS.items()]
        self.chosen = 0
        self.said = USAGE
        self._adding = False
        self._pressed: list[str] | None = None  # while keys are being given

    @property
    def _per_column(self) -> int:
        return -(-len(self.rows) // COLUMNS)

    def handle(self, event: pygame.event.Event) -> bool:
        """Whether the help stays open after `event`."""
        if event.type == pygame.KEYUP and self._pressed:
            self._give(self._pressed)
            self._pressed = None
        if event.type != pygame.KEYDOWN:
            return True
        key = pygame.key.name(event.key)
        if self._pressed is not None:
            self._collect(key)
            return True
        moves = {"up": -1, "down": 1, "left": -self._per_column, "right": self._per_column}
        if key in moves:
            self.chosen = min(max(self.chosen + moves[key], 0), len(self.rows) - 1)
        elif key in ("return", "=", "+"):
            self._pressed, self._adding = [], key != "return"
            self.said = f"hold the key or keys for {self.rows[self.chosen].name}, then let go; Esc leaves it as it is"
        elif key == "delete":
            self._take_back()
        return key not in ("escape", "f1", self.settings.key("help"))

    def _collect(self, key: str) -> None:
        assert self._pressed is not None
        if key == "escape":
            self._pressed, self.said = None, USAGE
        elif key not in self._pressed:
            self._pressed.append(key)

    def _give(self, keys: list[str]) -> None:
        row, settings = self.rows[self.chosen], self.settings
        raw = {str(action.id + 1) for action in self._actions}
        if raw & set(keys):
            self.said = f"1 to {len(raw)} are the actions by number, whatever else they are called"
        elif row.action is not None:
            self._give_action(row.action, COMBINE.join(keys))
        elif taken := [name for name in CONTROLS if settings.key(name) == keys[-1] and name != row.name]:
            self.said = f"{key_label(keys[-1])} is {taken[0]} already; give that another key first"
        else:
            self._set(dataclasses.replace(settings, commands={**settings.commands, row.name: keys[-1]}))
            self.said = f"{row.name} is {key_label(keys[-1])} now"

    def _give_action(self, action: Action, keys: str) -> None:
        bound = {other.name: keys_of(other, self.settings.actions) for other in self._actions}
        mine = [*bound[action.name], keys] if self._adding else [keys]
        changed = {name: [each for each in theirs if each != keys] for name, theirs in bound.items() if keys in theirs}
        self._set(dataclasses.replace(self.settings, actions={**self.settings.actions, **changed, action.name: mine}))
        lost = [name for name in changed if name != action.name]
        self.said = f"{action.name} is {', '.join(mine)} now" + (f", and {lost[0]} no longer" if lost else "")

    def _take_back(self) -> None:
        name = self.rows[self.chosen].name
        actions, commands = dict(self.settings.actions), dict(self.settings.commands)
        (commands if self.rows[self.chosen].action is None else actions).pop(name, None)
        self._set(dataclasses.replace(self.settings, actions=actions, commands=commands))
        self.said = f"{name} has its usual keys again"

    def _set(self, settings: Settings) -> None:
        self.settings = settings
        self._change(settings)

    def draw(self, pen: Pen, area: pygame.Rect) -> None:
        pen.veil(area, opacity=250)
        scale = min(area.width / DRAWN_WIDTH, area.height / DRAWN_HEIGHT)
        pen = Pen(pen.surface, pen.theme, scale)
        left, top = area.centerx - pen.px(DRAWN_WIDTH) // 2, area.centery - pen.px(DRAWN_HEIGHT) // 2
        pen.text("Keys", (left + pen.px(20), top + pen.px(14)), TITLE)
        pen.text(self.said, (left + pen.px(100), top + pen.px(22)), TEXT, pen.theme.faint)
        self._draw_keyboard(pen, left + pen.px(20), top + pen.px(52))
        self._draw_rows(
            pen, left + pen.px(20), top + pen.px(DRAWN_HEIGHT - 12 - 18 - ROW * -(-len(self.rows) // COLUMNS))
        )

    def _draw_keyboard(self, pen: Pen, left: int, top: int) -> None:
        roles = self._roles()
        moving = bound_keys(build_keymap(self._actions, self.settings.actions))
        for line, keys in enumerate(KEYBOARD):
            x = 0.0
            for key in keys:
                wide = WIDE.get(key, 1)
                self._draw_cap(pen, left, top, (x, line, wide), key, roles.get(key, ""), key in moving)
                x += wide + (0.25 if key in ("escape", "f4", "f8") else 0)
        for key, (x, line) in BESIDE.items():
            self._draw_cap(pen, left, top, (x, line, 1.1), key, roles.get(key, ""), key in moving)

    def _draw_cap(
        self, pen: Pen, left: int, top: int, place: tuple[float, int, float], key: str, role: str, moves: bool
    ) -> None:
        x, line, wide = place
        side = pen.px(UNIT)
        gap = pen.px(3)
        cap = pygame.Rect(left + round(x * side), top + line * side, round(wide * side) - gap, side - gap)
        theme = pen.theme
        fill, ink = (theme.accent, theme.on_accent) if moves else (theme.cap, theme.ink if role else theme.faint)
        pygame.draw.rect(pen.surface, fill, cap, border_radius=pen.px(5))
        pygame.draw.rect(pen.surface, theme.cap_edge, cap, width=1, border_radius=pen.px(5))
        pen.text(key_label(key), (cap.left + pen.px(4), cap.top + pen.px(4)), SMALL, ink)
        room = cap.inflate(-2, -2)
        kept = pen.surface.get_clip()
        pen.surface.set_clip(room)
        start = cap.left + pen.px(4)
        for part, text in enumerate(role.split("_")[:2]):
            size = next((size for size in range(SMALL, 1, -1) if start + pen.width(text, size) <= room.right), 1)
            pen.text(text, (start, cap.top + pen.px(18 + 11 * part)), size, ink)
        pen.surface.set_clip(kept)

    def _roles(self) -> dict[str, str]:
        """What each key does alone, in a word."""
        roles = ALSO | {self.settings.key(name): name for name in CONTROLS}
        for binding in reversed(build_keymap(self._actions, self.settings.actions)):
            if len(binding.keys) == 1:
                roles[next(iter(binding.keys))] = self._actions[binding.action].name
        return roles

    def _draw_rows(self, pen: Pen, left: int, top: int) -> None:
        per_column = self._per_column
        width = pen.px(DRAWN_WIDTH - 40) // COLUMNS
        ctrl = clashes(self.settings, bound_keys(build_keymap(self._actions, self.settings.actions)))
        for place, row in enumerate(self.rows):
            x, y = left + place // per_column * width, top + place % per_column * pen.px(ROW)
            if place == self.chosen:
                box = (x - pen.px(6), y - pen.px(3), width - pen.px(6), pen.px(ROW))
                pygame.draw.rect(pen.surface, pen.theme.accent, box, width=2, border_radius=pen.px(5))
            keys = keys_of(row.action, self.settings.actions) if row.action else []
            own = ", ".join(keys) if row.action else ctrl.get(row.name, self.settings.key(row.name))
            pen.text(row.does or row.name, (x, y), 19, pen.theme.ink)
            pen.text(own or "-", (x + width - pen.px(20), y), 19, pen.theme.faint, align="right")
