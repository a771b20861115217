"""The loop of the window: events become commands, ticks come at an even pace, frames go to the screen."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pygame

from app.play import commands as c
from app.play.keymap import bound_keys, build_keymap
from app.play.made import short
from app.play.pace import Pacer
from app.play.pilot import Pilot
from app.play.session import Mode, PlaySession
from app.play.start_pictures import Prompts
from app.window import panel
from app.window.ask import Ask
from app.window.bindings import Bindings
from app.window.drawing import THEMES, Canvas, key_label
from app.window.gamepad import CHOOSES, Gamepads, waiting_events
from app.window.help import Help
from app.window.hud import Messages, draw_caption, draw_guessing, draw_notice, notice
from app.window.keys import Key, Keyboard
from app.window.latency import Latency
from app.window.opener import Opener
from app.window.preview import Preview
from app.window.saver import Saver
from app.window.screen import Screen, name_window, splash
from app.window.settings import Settings, load_settings, save_settings
from app.window.shortcuts import SHORTCUTS, find_shortcut, keys_to, shortcut_key
from app.window.strip import Thumbnail
from app.window.worlds import AtHand, Choice, Worlds
from genie_core.errors import ConfigError, GenieError

ONE = "a branch is not saved"
UNDRAWN_SECONDS = 0.05  # the screen may lag this far behind the world, if there is no time for both
SILENT = {f"{side} {key}" for side in ("left", "right") for key in ("shift", "ctrl", "alt", "meta")} | {"caps lock"}
LEAVE_UNSAVED = "q"  # in the question that Escape asks
ONE_OF = {c.BRANCHED: "place", c.LINE_ENDED: "place", c.WENT: "place", c.TAKEN_OVER: "player"}
ONE_OF |= {c.AUTOPLAY_ENDED: "player", c.AUTOPLAY: "player"}  # of these, the latest message alone stays
WARNINGS = (c.REFUSED, c.UNFAMILIAR, c.CANNOT_KEEP_UP)
Overlay = Help | Preview | Worlds | Ask


class WindowLoop:
    """A session in the window, with the player's settings, and the help or a preview over it at times.

    `next` is the loop of another world, which the player has left this one for.
    """

    def __init__(
        self,
        session: PlaySession,
        name: str,
        prompts: Prompts | None,
        settings_file: Path,
        scale: float,
        run_shortcut: Callable[[WindowLoop, str, bool], None],
        folder: Path,
        at_hand: AtHand | None = None,
    ) -> None:
        """`run_shortcut` runs the shortcut of a name, with Shift or without: it knows the window, not the other way.

        Files that the player saves go into `folder`. Without `at_hand` there is no other world to choose.
        """
        self.session, self.name, self.scale = session, name, scale
        self.messages, self.screen, self.gamepads, self.keyboard = Messages(), Screen(), Gamepads(), Keyboard()
        self.overlay: Overlay | None = None
        self.next: WindowLoop | None = None
        self.latency, self.show_latency = Latency(), False
        self.thumbnails: list[Thumbnail] = []
        self.buttons = panel.Buttons([], [])
        self._pressed = ""  # the number key that the mouse holds
        self._settings_file, self._run_shortcut, self._at_hand = settings_file, run_shortcut, at_hand
        self.settings = self._load_settings()
        self.pilot = Pilot(session, build_keymap(session.config.actions, self.settings.actions))
        self.pacer = Pacer(session.fps)
        self.opener = Opener(session, prompts, lambda: self.settings.fit, self.open_overlay)
        self.saver = Saver(session, name, folder)
        self._drawn = 0.0  # when the screen was drawn last, in seconds

    def run(self, quiet: bool = False) -> None:
        """Plays until Quit, then waits until every file is written; prints them unless `quiet`."""
        name_window(self.name)
        try:
            while self.session.running:
                self.draw_if_there_is_time()
                self.pacer.wait()
                for event in waiting_events():  # as late as possible before the step
                    self.handle(event)
                self.tick()
        finally:
            if self.next is None:
                self.gamepads.close()
            self.opener.close()
            self.saver.close(quiet)

    def handle(self, event: pygame.event.Event) -> None:
        """Turns a pygame event into commands."""
        if event.type == pygame.QUIT:
            self._quit()
        elif event.type == pygame.KEYMAPCHANGED:
            self.keyboard.read()
        elif event.type == pygame.WINDOWFOCUSLOST:  # another window gets the key-up events
            self.pilot.release_all()
        elif event.type == pygame.DROPFILE:
            self.opener.open(Path(event.file))
        elif self.overlay is not None:
            for each in [event, *self._pressed_on_pads(event)]:
                if self.overlay is not None and not self.overlay.handle(each):
                    self._close_overlay()
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._click(event.pos)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self.pilot.held.release(self._pressed)
        elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
            mod, down = getattr(event, "mod", 0), event.type == pygame.KEYDOWN
            if not (down and mod & pygame.KMOD_LALT):  # Alt+Tab belongs to the desktop
                ctrl, shift = bool(mod & (pygame.KMOD_CTRL | pygame.KMOD_META)), bool(mod & pygame.KMOD_SHIFT)
                self._key(self.keyboard.key(event), down, ctrl, shift)
        else:
            for name, down in self.gamepads.changes(event):
                self._key(Key(name, name), down)

    def tick(self) -> None:
        """One tick of the session, unless the help or a preview is open."""
        if self.overlay is None and self.session.running:
            self._attempt(self._step)
        if self.session.beside is not None:
            self.session.beside.follow(self.session.timeline)
        self.opener.tell()
        self.saver.tell()
        for event in self.session.events():
            self.messages.add(
                event.text + self._next_step(event.kind), event.kind in WARNINGS, ONE_OF.get(event.kind, "")
            )

    def _step(self) -> None:
        began = time.perf_counter()
        stepped = False
        try:
            stepped = self.pilot.tick()
        except GenieError:  # what was played until now can still be saved
            self.session.handle(c.Pause(True))
            raise
        if stepped:
            self.latency.stepped(began, time.perf_counter(), self.pacer.fps)
            self.saver.stepped()
        else:
            self.latency.stand_still()

    def change_settings(self, settings: Settings) -> None:
        """Applies new settings and saves them."""
        self.settings = settings
        self.pilot.keymap = build_keymap(self.session.config.actions, settings.actions)
        self._attempt(lambda: save_settings(settings, self._settings_file))

    def set(self, **changes: object) -> None:
        self.change_settings(dataclasses.replace(self.settings, **changes))  # type: ignore[arg-type]

    def open_help(self) -> None:
        """Opens the help, with what this world can do."""
        actions = self.session.config.actions
        self.open_overlay(Help(Bindings(actions, self.settings, self.keyboard, self.change_settings)))

    def choose_world(self) -> None:
        """Shows the worlds to choose another from, or tells that there is none."""
        if self.session.beside is not None:
            self.messages.add("the real game goes with this world; start without --beside-real to choose another")
            return
        choices = [] if self._at_hand is None else self._at_hand(self.session.engine.world)
        if all(choice.played for choice in choices):
            self.messages.add(f"{self.name} is the only world here; --train makes another, --world OWNER/NAME gets one")
        else:
            self.open_overlay(Worlds(choices))

    def close(self) -> None:
        """Closes what is open, or else quits: not without asking once if branches would be lost."""
        if self.opener.reading:
            self.opener.stop()
        elif self.show_latency:
            self.show_latency = False
        else:
            self._quit()

    def shortcut_label(self, name: str) -> str:
        """The key of a shortcut, as it is printed on this keyboard."""
        keys = keys_to(name, self.settings, bound_keys(self.pilot.keymap), self.keyboard)
        return " + ".join(key_label(key) for key in keys) or f"“{name}” in the help ({key_label('f1')})"

    def open_overlay(self, overlay: Overlay) -> None:
        self.pilot.release_all()
        self.overlay = overlay

    def follow_speed(self) -> None:
        """Sets the pace to the speed of the session."""
        self.pacer.fps = self.session.fps
        self.stand_still()

    def stand_still(self) -> None:
        """Forgets the measured pace: a pause is no slow step."""
        self.pilot.stand_still()
        self.latency.stand_still()

    def draw_if_there_is_time(self) -> None:
        now = time.perf_counter()
        if self.pacer.left > 0 or now - self._drawn > UNDRAWN_SECONDS:
            self._drawn = now
            self.draw()
            self.saver.drawn(pygame.display.get_surface())
            pygame.display.flip()

    def draw(self) -> None:
        """Draws the world, the panel beside it if there is room, and what lies over them."""
        screen = pygame.display.get_surface()
        area = screen.get_rect()
        canvas = Canvas(screen, THEMES[self.settings.theme], self.scale)
        screen.fill(canvas.theme.paper)
        self.thumbnails, self.buttons = [], panel.Buttons([], [])
        width, height = canvas.px(panel.WIDTH), canvas.px(panel.least_height(len(self.session.config.actions)))
        if self.settings.hud and area.width >= width + self.session.frame.shape[1] and area.height >= height:
            area.width -= width
            side = pygame.Rect(area.right, 0, width, area.height)
            drawn = panel.Panel(canvas, side, self.pilot, self.settings, self.keyboard)
            self.thumbnails, self.buttons = drawn.draw(self.name, self.saver.recording), drawn.buttons
        area = self._draw_worlds(canvas, area)
        if self.show_latency:
            self.latency.draw(canvas, area)
        self.messages.draw(canvas, area)
        text = notice(self.session, self.opener.reading, self.shortcut_label("pause"))
        draw_notice(canvas, area, text, self.session.mode is Mode.PAUSED and not self.opener.reading)
        if self.overlay is not None:
            self.overlay.draw(canvas, screen.get_rect())

    def _draw_worlds(self, canvas: Canvas, area: pygame.Rect) -> pygame.Rect:
        """Draws the world, and beside it the real game if that is played too; returns the world's part of `area`."""
        smooth, beside = self.settings.smooth, self.session.beside
        if beside is not None:
            right = area.move(area.width // 2, 0)
            area.width //= 2
            right.width = area.width
            canvas.picture(beside.frame, right, smooth, whole=not smooth)
            draw_caption(canvas, right, f"{beside.name}: {beside.told()}")
        picture = canvas.picture(self.session.frame, area, smooth, whole=not smooth)
        if self.session.guesses:
            draw_guessing(canvas, picture)
        return area

    def _next_step(self, kind: str) -> str:
        """What to add to a message of this kind: a key that goes on from there."""
        if kind == c.SAVED:
            return f"; {self.shortcut_label('folder')} opens {short(self.saver.folder)}"
        if kind in (c.TAKEN_OVER, c.AUTOPLAY_ENDED):
            return f"; {self.shortcut_label('autoplay')} plays random actions"
        return f"; {self.shortcut_label('sees')} shows what it makes of it" if kind == c.UNFAMILIAR else ""

    def _attempt(self, act: Callable[[], object]) -> None:
        """Calls `act`. The player is told of a GenieError, and play goes on."""
        try:
            act()
        except GenieError as error:
            self.session.tell(c.REFUSED, str(error))

    def _pressed_on_pads(self, event: pygame.event.Event) -> list[pygame.event.Event]:
        """As keys of a keyboard, for what is open over the game; the help, where keys are changed, takes none.

        The button that chooses answers a question by its first choice, which loses nothing. Gamepads are followed
        meanwhile: one plugged in is told of once, and a button let go must not stay held.
        """
        pressed = [CHOOSES[name] for name, down in self.gamepads.changes(event) if down and name in CHOOSES]
        if isinstance(self.overlay, Ask):
            first = pygame.key.key_code(next(iter(self.overlay.choices)))
            pressed = [first if key == pygame.K_RETURN else key for key in pressed]
        keys = [] if isinstance(self.overlay, Help) else pressed
        return [pygame.event.Event(pygame.KEYDOWN, key=key, mod=0) for key in keys]

    def _close_overlay(self) -> None:
        overlay, self.overlay = self.overlay, None
        if isinstance(overlay, Preview) and overlay.chosen is not None:
            if overlay.chosen.how != self.settings.fit:
                self.set(fit=overlay.chosen.how)
            self._attempt(lambda: self.opener.take(overlay))
        if isinstance(overlay, Worlds) and overlay.chosen is not None:
            choice = overlay.chosen
            self._leave(lambda: self._change_world(choice), "change world")
        if isinstance(overlay, Ask) and overlay.chosen == LEAVE_UNSAVED:
            overlay.leave()
        elif isinstance(overlay, Ask) and overlay.chosen:
            self._attempt(lambda: self._save_and(overlay.leave))
        self.stand_still()

    def _change_world(self, choice: Choice) -> None:
        """Loads another world, and only then leaves this one, which plays on if that fails or the player stops it."""
        self._attempt(lambda: self._go_to(choice, splash(choice.name, choice.begin, self.scale)))

    def _go_to(self, choice: Choice, session: PlaySession | None) -> None:
        """Ends this loop; `next` goes on with the `session` of another world. None, which was not loaded, ends none."""
        if session is None:
            return
        files = self._settings_file, self.scale, self._run_shortcut, self.saver.folder
        self.next = WindowLoop(session, choice.name, choice.prompts, *files, self._at_hand)
        # SDL tells of a gamepad once, and the size of the window is known to the one that left it for the full screen.
        self.next.gamepads, self.next.screen = self.gamepads, self.screen
        self.session.handle(c.Quit())

    def _quit(self) -> None:
        if isinstance(self.overlay, Ask):
            self.session.handle(c.Quit())
        else:
            self._leave(lambda: self.session.handle(c.Quit()), "quit")

    def _leave(self, leave: Callable[[], object], what: str) -> None:
        """Calls `leave`: not without asking once if branches would be lost. `what` it does stands in the question."""
        unsaved = self.session.unsaved
        if not unsaved:
            leave()
            return
        of = f" of {len(self.session.branches)}" if len(self.session.branches) > unsaved else ""
        title = f"{unsaved}{of} branches {'is' if unsaved == 1 else 'are'} not saved" if of or unsaved > 1 else ONE
        own = shortcut_key("save", self.settings)
        save = SHORTCUTS["save"].key if own in ("", LEAVE_UNSAVED) else own
        choices = {
            save: f"{key_label(self.keyboard.shown(save))}: save the session and {what}",
            LEAVE_UNSAVED: f"{key_label(self.keyboard.shown(LEAVE_UNSAVED))}: {what} without saving",
            "escape": f"{key_label('escape')}: play on",
        }
        self.open_overlay(Ask(title, choices, self.keyboard, leave))

    def _save_and(self, leave: Callable[[], object]) -> None:
        """Leaves once the session is written; what the disk refuses is told, and play goes on."""
        self.saver.save()
        self.saver.last_session()  # waits for the writing
        if not self.session.unsaved:
            leave()

    def _key(self, key: Key, down: bool, ctrl: bool = False, shift: bool = False) -> None:
        if not down:
            self.pilot.held.release(key.place)  # even one that another key makes a shortcut by now
        moving = bound_keys(self.pilot.keymap)
        shortcut = find_shortcut(key, ctrl, moving, self.settings, self.keyboard)
        if ctrl and self.keyboard.command(key) == "v":
            if down:
                self.opener.paste()
        elif shortcut in ("rewind", "forward"):
            self.session.handle(c.Rewind(down) if shortcut == "rewind" else c.Forward(down))
        elif shortcut is not None:
            if down:
                self._attempt(lambda: self._run_shortcut(self, shortcut, shift))
        elif down:
            self.pilot.held.press(key.place)
            self.latency.key_pressed()
            if self.session.mode is Mode.RESTING and key.place not in SILENT:
                self.session.handle(c.Pause(False))  # any key plays on, also one that does nothing else

    def _click(self, position: tuple[int, int]) -> None:
        for thumbnail in self.thumbnails:
            if thumbnail.area.collidepoint(position):
                self.session.handle(c.GoTo(thumbnail.line.number, thumbnail.step))
                return
        shortcut = self.buttons.shortcut_at(position)
        if shortcut is not None:
            self._attempt(lambda: self._run_shortcut(self, shortcut, False))
        key = self.buttons.key_at(position)
        if key is not None:
            self._pressed = key
            self.pilot.held.press(key)

    def _load_settings(self) -> Settings:
        try:
            return load_settings(self._settings_file)
        except ConfigError as error:
            self.session.tell(c.REFUSED, str(error))
            return Settings()
