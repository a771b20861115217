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
        "restart": lambda: session.handle(c.Restart()),
        "seed": lambda: _new_seed(window),
        "slower": lambda: _change_speed(window, -1),
        "faster": lambda: _change_speed(window, 1),
        "previous": lambda: opener.next_picture(-1),
        "next": lambda: opener.next_picture(1),
        "sees": opener.preview,
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


def _new_seed(window: WindowLoop) -> None:
    if window.session.sampling.temperature:
        window.session.handle(c.NewSeed())
    else:
        window.messages.add(
            "every seed plays alike here: nothing is left to chance; start with --temperature 0.5 for another"
        )


def _switch_panel(window: WindowLoop) -> None:
    window.set(hud=not window.settings.hud)
    if not window.settings.hud:
        window.messages.add(f"panel off; {_key(window, 'hud')} shows it again")


def _open_folder(window: WindowLoop) -> None:
    folder = window.saver.folder
    if folder.is_dir():
        open_folder(folder)
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
    here = [place for place, kept in enumerate(session.kept) if kept.step == session.steps]
    session.handle(c.Recall(((here[0] if here else 0) - 1) % len(session.kept)))
    window.messages.add(f"back at step {session.steps}, which you kept")


def _next_branch(window: WindowLoop, by: int) -> None:
    timeline = window.session.timeline
    if len(timeline.lines) < 2:
        window.messages.add(f"there is one branch only; hold {_key(window, 'rewind')}, then a key to play another")
        return
    line = timeline.lines[(timeline.lines.index(timeline.line) + by) % len(timeline.lines)]
    window.session.handle(c.GoTo(line.number))


def _cycle_autoplay(window: WindowLoop) -> None:
    """Switches autoplay from off to random, to random while no key is held, to the last video's actions, to off."""
    session, imitated = window.session, window.opener.imitated
    chance = RandomActions(session.seed + session.steps)
    sources: list[tuple[c.Autoplay, str]] = [
        (c.Autoplay(None), "autoplay off"),
        (c.Autoplay(chance), "autoplay: random actions until you press a key"),
        (c.Autoplay(chance, mix=True), "autoplay, mixed: random actions while you hold no key"),
    ]
    if imitated:
        listed = ListedActions(tuple(imitated), repeat=True)
        sources.append((c.Autoplay(listed), "autoplay: the actions of the video until you press a key"))
    now = 0
    if session.autoplay is not None:
        now = 3 if isinstance(session.autoplay.source, ListedActions) else 1 + session.autoplay.mix
    command, text = sources[(now + 1) % len(sources)]
    session.handle(command)
    window.messages.add(text)


def _key(window: WindowLoop, name: str) -> str:
    return window.shortcut_label(name)
