"""The help over the window: a keyboard that shows what each key does, and a list to give actions and shortcuts keys."""

from __future__ import annotations

import pygame

from app.play.keymap import bound_keys
from app.window.bindings import Bindings, Row
from app.window.drawing import CAP_SIDE, SMALL, TITLE, Canvas, key_label
from app.window.shortcuts import shortcut_key

DRAWN_WIDTH, KEYBOARD_TOP, LIST_TOP, BELOW_LIST = 940, 54, 354, 10  # at scale 1; scaled to the window
LEAST_SCALE = 0.85  # in smaller windows the list comes alone, at full size
UNIT, COLUMNS, COLUMN, ROW, LIST_TEXT, CAP_TEXT = 49, 3, 300, 23, 13, 11
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
BESIDE = {"page up": (16.3, 1), "page down": (16.3, 2), "up": (16.3, 4), "left": (15.25, 5)}  # in units
BESIDE |= {"down": (16.3, 5), "right": (17.35, 5)}
USAGE = (
    "Arrows choose · Enter gives new keys · + adds keys · Del: its defaults · Z undoes · X: all defaults · Esc closes"
)
ALSO = (
    "Also: Shift with V or C takes the whole window · Ctrl + V pastes · drop a picture, video or session · "
    "click branches and actions"
)


class Help:
    """Open until `handle` returns False."""

    def __init__(self, bindings: Bindings) -> None:
        self.bindings = bindings
        self.chosen = 0
        self.said = USAGE
        self._per_column = -(-len(bindings.rows) // COLUMNS)

    @property
    def rows(self) -> list[Row]:
        return self.bindings.rows

    def handle(self, event: pygame.event.Event) -> bool:
        """Takes an event; whether the help stays open."""
        bindings = self.bindings
        if event.type == pygame.KEYUP and bindings.collected:
            self.said = bindings.give(self.rows[self.chosen])
        if event.type != pygame.KEYDOWN:
            return True
        key = bindings.keyboard.key(event)
        if bindings.collected is not None:
            if key.place == "escape":
                bindings.collected, self.said = None, USAGE
            else:
                bindings.collect(key)
            return True
        return self._command(key.place, bindings.keyboard.command(key))

    def _command(self, place: str, command: str) -> bool:
        bindings, row = self.bindings, self.rows[self.chosen]
        moves = {"up": -1, "down": 1, "left": -self._per_column, "right": self._per_column}
        if place in moves:
            self.chosen = min(max(self.chosen + moves[place], 0), len(self.rows) - 1)
        elif place in ("return", "enter") or command in ("=", "+", "[+]"):
            add = place not in ("return", "enter")
            bindings.begin(add)
            how = "beside the keys it has" if add else "in place of the keys it has (+ adds instead)"
            self.said = f"hold the key or keys for “{row.does}”, then let go: {how}; Esc cancels"
        elif place == "delete":
            self.said = bindings.take_back(row)
        elif command == "z":
            self.said = bindings.undo()
        elif command == "x":
            self.said = bindings.reset()
        return place not in ("escape", "f1") and command != shortcut_key("help", bindings.settings)

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        canvas.veil(area, opacity=252)
        rows = -(-len(self.rows) // COLUMNS)
        drawn_height = LIST_TOP + ROW * rows + BELOW_LIST
        scale = min(area.width / DRAWN_WIDTH, area.height / drawn_height)
        if scale < LEAST_SCALE:
            self._draw_list_alone(canvas, area)
            return
        canvas = Canvas(canvas.surface, canvas.theme, scale)
        px = canvas.px
        left, top = area.centerx - px(DRAWN_WIDTH) // 2, area.centery - px(drawn_height) // 2
        canvas.text("Keys", (left + px(20), top + px(12)), TITLE)
        self._draw_said(canvas, pygame.Rect(left + px(100), top + px(6), px(DRAWN_WIDTH - 120), px(40)))
        self._draw_keyboard(canvas, left + px(20), top + px(KEYBOARD_TOP))
        self._per_column = rows
        inside = pygame.Rect(left + px(20), top + px(LIST_TOP), px(DRAWN_WIDTH - 40), px(ROW * rows))
        self._draw_rows(canvas, inside, COLUMNS)

    def _draw_list_alone(self, canvas: Canvas, area: pygame.Rect) -> None:
        px = canvas.px
        inside = area.inflate(-px(24), -px(16))
        said = pygame.Rect(inside.left, inside.top, inside.width, px(40))
        self._draw_said(canvas, said)
        inside.height, inside.top = inside.height - said.height - px(8), said.bottom + px(8)
        self._per_column = max(1, inside.height // px(ROW))
        self._draw_rows(canvas, inside, max(1, inside.width // px(COLUMN)))

    def _draw_said(self, canvas: Canvas, area: pygame.Rect) -> None:
        lines = canvas.wrapped(self.said, area.width, SMALL)
        lines += canvas.wrapped(ALSO, area.width, SMALL) if self.said == USAGE else []
        room = max(1, area.height // canvas.line_height(SMALL))
        for line, text in enumerate(lines[:room]):
            place = area.left, area.top + line * canvas.line_height(SMALL)
            canvas.text(text, place, SMALL, canvas.theme.faint if self.said == USAGE else canvas.theme.accent)

    def _draw_keyboard(self, canvas: Canvas, left: int, top: int) -> None:
        roles, moving = self.bindings.roles(), bound_keys(self.bindings.keymap)
        places = {key: (x, line, 1.0) for key, (x, line) in BESIDE.items()}
        for line, keys in enumerate(KEYBOARD):
            x = 0.0
            for key in keys:
                places[key] = (x, line, WIDE.get(key, 1))
                x += WIDE.get(key, 1) + (0.25 if key in ("escape", "f4", "f8") else 0)
        side, gap = canvas.px(UNIT), canvas.px(3)
        for key, (x, line, wide) in places.items():
            cap = pygame.Rect(left + round(x * side), top + line * side, round(wide * side) - gap, side - gap)
            self._draw_cap(canvas, cap, key, roles.get(key, ""), key in moving)

    def _draw_cap(self, canvas: Canvas, cap: pygame.Rect, place: str, role: str, moves: bool) -> None:
        """Draws a key with its label and below it, in at most two lines, the role it plays."""
        theme, left = canvas.theme, cap.left + canvas.px(4)
        fill, ink = (theme.accent, theme.on_accent) if moves else (theme.cap, theme.ink if role else theme.faint)
        canvas.cap(cap, fill)
        if place in self.bindings.changed:
            pygame.draw.rect(canvas.surface, theme.warning, cap, width=canvas.px(2), border_radius=canvas.px(5))
        room = cap.width - canvas.px(5)
        label = key_label(self.bindings.keyboard.label(place))
        canvas.text(canvas.cut(label, room, SMALL), (left, cap.top + canvas.px(2)), SMALL, ink)
        for part, text in enumerate(role.replace("_", " ").split()[:2]):
            at = left, cap.top + canvas.px(17 + 13 * part)
            canvas.text(canvas.cut(text, room, CAP_TEXT), at, CAP_TEXT, ink)

    def _draw_rows(self, canvas: Canvas, area: pygame.Rect, columns: int) -> None:
        """The rows in columns, `_per_column` in each, with the page of them that has the chosen one."""
        px, theme, bindings = canvas.px, canvas.theme, self.bindings
        page = columns * self._per_column
        first = self.chosen // page * page
        width = area.width // columns
        for place, row in enumerate(self.rows[first : first + page]):
            x, y = area.left + place // self._per_column * width, area.top + place % self._per_column * px(ROW)
            middle = y + px(ROW) // 2
            if first + place == self.chosen:
                box = (x - px(6), y, width - px(6), px(ROW))
                pygame.draw.rect(canvas.surface, theme.accent, box, width=max(1, px(2)), border_radius=px(5))
            keys, changed = bindings.keys(row), row.name in bindings.displaced
            ink = theme.warning if changed else theme.ink
            end = canvas.text(row.does, (x, middle), LIST_TEXT, ink, middle=True)
            right = x + width - px(20)
            if keys:
                canvas.keys(right, y + (px(ROW) - px(CAP_SIDE)) // 2, keys, right - end)
            else:
                words = "no key" if changed else "–"
                canvas.text(words, (right, middle), LIST_TEXT, ink, align="right", middle=True)
