"""Does what a shortcut says."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from app.play import commands as c
from app.play.autoplay import ListedActions, RandomActions
from app.play.made import short
from app.window.drawing import THEMES
from app.window.folder import open_folder
from app.window.loop import WindowLoop


def run_shortcut(window: WindowLoop, name: str, shift: bool) -> None:
    """Runs a shortcut of `SHORTCUTS`, other than rewind and forward, which are held; Shift may vary it."""
    session, settings, opener, saver = window.session, window.settings, window.opener, window.saver
    runs: dict[str, Callable[[], object]] = {
        "help": window.open_help,
        "pause": lambda: session.handle(c.Pause()),
        "step": lambda: session.handle(c.Step()),
        "restart": lambda: _restart(window),
        "seed": lambda: _new_seed(window),
        "slower": lambda: _change_speed(window, -1),
        "faster": lambda: _change_speed(window, 1),
        "previous": lambda: opener.next_picture(-1),
        "next": lambda: opener.next_picture(1),
        "sees": opener.preview,
        "world": window.choose_world,
        "keep": lambda: session.handle(c.Keep()),
        "recall": lambda: _recall(window),
        "branch": lambda: _next_branch(window, -1 if shift else 1),
        "autoplay": lambda: _cycle_autoplay(window),
        "record": lambda: saver.record(whole=shift),
        "gif": saver.gif,
        "photo": lambda: saver.photo(pygame.display.get_surface() if shift else None),
        "save": saver.save,
        "load": lambda: _load(window),
        "folder": lambda: _open_folder(window),
        "hud": lambda: _switch_panel(window),
        "latency": lambda: setattr(window, "show_latency", not window.show_latency),
        "theme": lambda: window.set(theme=next(theme for theme in THEMES if theme != settings.theme)),
        "smooth": lambda: window.set(smooth=not settings.smooth),
        "screen": window.screen.toggle,
        "quit": window.close,
    }
    runs[name]()


def _change_speed(window: WindowLoop, by: int) -> None:
    place = c.SPEEDS.index(window.session.speed) + by
    window.session.handle(c.Speed(c.SPEEDS[min(max(place, 0), len(c.SPEEDS) - 1)]))
    window.follow_speed()
    window.messages.add(f"speed {window.session.speed:g}×")


def _restart(window: WindowLoop) -> None:
    window.session.handle(c.Restart())
    window.session.tell(c.WENT, "back at the start")


def _new_seed(window: WindowLoop) -> None:
    if window.session.sampling.temperature:
        window.session.handle(c.NewSeed())
    else:
        window.messages.add(
            "every seed plays alike at temperature 0; start with --temperature 0.5 to leave something to chance"
        )


def _switch_panel(window: WindowLoop) -> None:
    window.set(hud=not window.settings.hud)
    told = "panel on" if window.settings.hud else f"panel off; {_key(window, 'hud')} shows it again"
    window.messages.add(told, kind="panel")


def _open_folder(window: WindowLoop) -> None:
    folder = window.saver.folder
    if folder.is_dir():
        open_folder(folder)
        window.messages.add(f"your files are in {short(folder)}")  # a file manager that fails says nothing
    else:
        window.messages.add(f"nothing is saved yet; files go to {short(folder)}")


def _load(window: WindowLoop) -> None:
    saved = window.saver.last_session()
    if saved is None:
        window.messages.add(f"no session saved yet; {_key(window, 'save')} saves this one")
    else:
        window.opener.load(saved)


def _recall(window: WindowLoop) -> None:
    """Goes to the kept moment before the one shown, or to the last one."""
    session = window.session
    if not session.kept:
        window.messages.add(f"nothing kept yet; {_key(window, 'keep')} keeps this moment")
        return
    shown = (session.timeline.line, session.steps)
    here = session.kept.index(shown) if shown in session.kept else 0
    session.handle(c.Recall((here - 1) % len(session.kept)))
    session.tell(c.WENT, f"back at step {session.steps}, which you kept")


def _next_branch(window: WindowLoop, by: int) -> None:
    session = window.session
    branches, line = session.branches, session.timeline.line
    if not branches or branches == [line]:
        window.messages.add(f"there is one branch only; hold {_key(window, 'rewind')}, then a key to play another")
        return
    here = branches.index(line) if line in branches else min(-by, 0)  # a start has no place among them yet
    line = branches[(here + by) % len(branches)]
    session.handle(c.GoTo(line.number))
    session.tell(c.WENT, f"branch {line.number + 1}, at step {session.steps}")


def _cycle_autoplay(window: WindowLoop) -> None:
    """Switches autoplay from off to random, to random while no key is held, to the last video's actions, to off; tells
    what comes next."""
    session, imitated = window.session, window.opener.imitated
    chance = RandomActions(session.seed + session.steps)
    sources: list[tuple[c.Autoplay, str, str]] = [
        (c.Autoplay(None), "off", "autoplay off"),
        (c.Autoplay(chance), "random", "autoplay: random actions until you press a key"),
        (c.Autoplay(chance, mix=True), "mixed", "autoplay, mixed: random actions while you hold no key"),
    ]
    if imitated:
        listed = ListedActions(tuple(imitated), repeat=True)
        sources.append((c.Autoplay(listed), "the video", "autoplay: the actions of the video until you press a key"))
    now = 0
    if session.autoplay is not None:
        now = 3 if isinstance(session.autoplay.source, ListedActions) else 1 + session.autoplay.mix
    command, _, text = sources[(now + 1) % len(sources)]
    after = sources[(now + 2) % len(sources)][1]
    session.handle(command)
    session.tell(c.AUTOPLAY, f"{text}; {_key(window, 'autoplay')} again: {after}")


def _key(window: WindowLoop, name: str) -> str:
    return window.shortcut_label(name)
