"""The help over the window: a keyboard that shows what each key does, and a list to give actions and shortcuts keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pygame

from app.play.keymap import COMBINE, Keymap, bound_keys, build_keymap, keys_of
from app.window.drawing import SMALL, TEXT, TITLE, Canvas, key_label
from app.window.panel import number_keys
from app.window.settings import Settings
from app.window.shortcuts import ALSO, SHORTCUTS, clashes, shortcut_key
from genie_core.config import Action

DRAWN_WIDTH, LIST_TOP, BELOW_LIST = 940, 370, 30  # at scale 1; scaled to the window
UNIT, COLUMNS, ROW, LIST_TEXT = 48, 3, 20, 19
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
    """A line of the list: an action, or a shortcut if `action` is None."""

    name: str
    action: Action | None
    does: str


class Help:
    """Open until `handle` returns False. Calls `change` with the new settings whenever something gets new keys."""

    def __init__(self, actions: Sequence[Action], settings: Settings, change: Callable[[Settings], None]) -> None:
        self._actions, self._change = actions, change
        self.settings = settings
        self.rows = [Row(action.name, action, action.name) for action in actions]
        self.rows += [Row(name, None, shortcut.does) for name, shortcut in SHORTCUTS.items()]
        self.chosen = 0
        self.said = USAGE
        self._adding = False
        self._pressed: list[str] | None = None  # the keys pressed so far, while keys are being given

    @property
    def _per_column(self) -> int:
        return -(-len(self.rows) // COLUMNS)

    @property
    def _keymap(self) -> Keymap:
        return build_keymap(self._actions, self.settings.actions)

    def handle(self, event: pygame.event.Event) -> bool:
        """Takes an event; whether the help stays open."""
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
            self.said = f"hold the key or keys for {self.rows[self.chosen].name}, then let go; Esc changes nothing"
        elif key == "delete":
            self._take_back()
        return key not in ("escape", "f1", shortcut_key("help", self.settings))

    def _collect(self, key: str) -> None:
        assert self._pressed is not None
        if key == "escape":
            self._pressed, self.said = None, USAGE
        elif key not in self._pressed:
            self._pressed.append(key)

    def _give(self, keys: list[str]) -> None:
        row, settings, numbers = self.rows[self.chosen], self.settings, number_keys(self._keymap).values()
        if set(numbers) & set(keys):
            self.said = f"the keys 1 to {len(numbers)} always play the actions by number; give another key"
        elif row.action is not None:
            self._give_action(row.action, COMBINE.join(keys))
        elif taken := [name for name in SHORTCUTS if shortcut_key(name, settings) == keys[-1] and name != row.name]:
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
        self.said = f"{name} has its default keys again"

    def _set(self, settings: Settings) -> None:
        self.settings = settings
        self._change(settings)

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        canvas.veil(area, opacity=250)
        rows = ROW * self._per_column
        drawn_height = LIST_TOP + rows + BELOW_LIST
        scale = min(area.width / DRAWN_WIDTH, area.height / drawn_height)
        canvas = Canvas(canvas.surface, canvas.theme, scale)
        px = canvas.px
        left, top = area.centerx - px(DRAWN_WIDTH) // 2, area.centery - px(drawn_height) // 2
        canvas.text("Keys", (left + px(20), top + px(14)), TITLE)
        canvas.text(self.said, (left + px(100), top + px(22)), TEXT, canvas.theme.faint)
        self._draw_keyboard(canvas, left + px(20), top + px(52))
        self._draw_rows(canvas, left + px(20), top + px(LIST_TOP))

    def _draw_keyboard(self, canvas: Canvas, left: int, top: int) -> None:
        roles, moving = self._roles(), bound_keys(self._keymap)
        places = {key: (x, line, 1.1) for key, (x, line) in BESIDE.items()}
        for line, keys in enumerate(KEYBOARD):
            x = 0.0
            for key in keys:
                places[key] = (x, line, WIDE.get(key, 1))
                x += WIDE.get(key, 1) + (0.25 if key in ("escape", "f4", "f8") else 0)
        side, gap = canvas.px(UNIT), canvas.px(3)
        for key, (x, line, wide) in places.items():
            cap = pygame.Rect(left + round(x * side), top + line * side, round(wide * side) - gap, side - gap)
            self._draw_cap(canvas, cap, key, roles.get(key, ""), key in moving)

    def _draw_cap(self, canvas: Canvas, cap: pygame.Rect, key: str, role: str, moves: bool) -> None:
        """Draws a key with its label and below it, in at most two lines, the role it plays."""
        theme, room, start = canvas.theme, cap.inflate(-2, -2), cap.left + canvas.px(4)
        fill, ink = (theme.accent, theme.on_accent) if moves else (theme.cap, theme.ink if role else theme.faint)
        canvas.cap(cap, fill)
        canvas.text(key_label(key), (start, cap.top + canvas.px(4)), SMALL, ink)
        clip = canvas.surface.get_clip()
        canvas.surface.set_clip(room)
        for part, text in enumerate(role.split("_")[:2]):
            size = next((size for size in range(SMALL, 1, -1) if start + canvas.width(text, size) <= room.right), 1)
            canvas.text(text, (start, cap.top + canvas.px(18 + 11 * part)), size, ink)
        canvas.surface.set_clip(clip)

    def _roles(self) -> dict[str, str]:
        """The name of the shortcut, or of the action, that each key plays alone."""
        roles = ALSO | {shortcut_key(name, self.settings): name for name in SHORTCUTS}
        for binding in reversed(self._keymap):
            if len(binding.keys) == 1:
                roles[next(iter(binding.keys))] = self._actions[binding.action].name
        return roles

    def _draw_rows(self, canvas: Canvas, left: int, top: int) -> None:
        px, theme = canvas.px, canvas.theme
        width = px(DRAWN_WIDTH - 40) // COLUMNS
        ctrl = clashes(self.settings, bound_keys(self._keymap))
        for place, row in enumerate(self.rows):
            x, y = left + place // self._per_column * width, top + place % self._per_column * px(ROW)
            if place == self.chosen:
                box = (x - px(6), y - px(3), width - px(6), px(ROW))
                pygame.draw.rect(canvas.surface, theme.accent, box, width=2, border_radius=px(5))
            if row.action is not None:
                keys = ", ".join(keys_of(row.action, self.settings.actions))
            else:
                keys = ctrl.get(row.name, shortcut_key(row.name, self.settings))
            canvas.text(row.does, (x, y), LIST_TEXT)
            canvas.text(keys or "-", (x + width - px(20), y), LIST_TEXT, theme.faint, align="right")
