"""What each command key does in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygame

from app.play import commands as c
from app.play.autoplay import ListedActions, RandomActions
from app.window.drawing import THEMES
from app.window.help import Help

if TYPE_CHECKING:
    from app.window.loop import Game


def steer(game: Game, command: str, shift: bool) -> None:
    """Does what the command of that name in `CONTROLS` says; with Shift, its other way."""
    simple: dict[str, c.Command] = {
        "pause": c.Pause(),
        "step": c.Step(),
        "restart": c.Restart(),
        "seed": c.NewSeed(),
        "keep": c.Keep(),
        "quit": c.Quit(),
    }
    if command in simple:
        game.session.handle(simple[command])
    elif command in ("slower", "faster"):
        _change_speed(game, 1 if command == "faster" else -1)
    elif command in ("next", "previous"):
        game.files.next_picture(1 if command == "next" else -1)
    elif command == "recall":
        _recall(game)
    elif command == "branch":
        _next_branch(game, -1 if shift else 1)
    elif command == "autoplay":
        _cycle_autoplay(game)
    elif command == "help":
        game.open_overlay(Help(game.session.config.actions, game.settings, game.change))
    elif command == "sees":
        game.files.preview()
    elif command == "latency":
        game.show_latency = not game.show_latency
    elif command == "hud":
        game.set(hud=not game.settings.hud)
    elif command == "theme":
        names = list(THEMES)
        game.set(theme=names[(names.index(game.settings.theme) + 1) % len(names)])
    elif command == "smooth":
        game.set(smooth=not game.settings.smooth)
    elif command == "screen":
        game.screen.toggle()
    else:
        _write(game, command, shift)


def _write(game: Game, command: str, shift: bool) -> None:
    if command == "record":
        game.files.record(hud=shift)
    elif command == "gif":
        game.files.gif()
    elif command == "photo":
        game.files.photo(pygame.display.get_surface() if shift else None)
    elif command == "save":
        game.files.save()
    elif command == "load":
        game.files.load()


def _change_speed(game: Game, by: int) -> None:
    place = c.SPEEDS.index(game.session.speed) + by
    game.session.handle(c.Speed(c.SPEEDS[min(max(place, 0), len(c.SPEEDS) - 1)]))
    game.set_pace()
    game.messages.add(f"speed {game.session.speed:g}×")


def _recall(game: Game) -> None:
    """The kept moment before the one shown, or else the last."""
    session = game.session
    if not session.kept:
        game.messages.add(f"nothing kept yet; {game.settings.key('keep').upper()} keeps this moment")
        return
    here = [place for place, kept in enumerate(session.kept) if kept.step == session.steps]
    session.handle(c.Recall(((here[0] if here else 0) - 1) % len(session.kept)))


def _next_branch(game: Game, by: int) -> None:
    lines = game.session.timeline.lines
    if len(lines) < 2:
        game.messages.add(f"one line only; hold {game.settings.key('rewind').capitalize()}, then act to branch")
        return
    line = lines[(lines.index(game.session.timeline.line) + by) % len(lines)]
    game.session.handle(c.Jump(line.number))


def _cycle_autoplay(game: Game) -> None:
    """Off, by chance, by chance where the player holds nothing, by the last video's actions, and off again."""
    session, seed = game.session, game.session.seed + game.session.steps
    sources: list[tuple[c.Autoplay, str]] = [
        (c.Autoplay(None), "autoplay off"),
        (c.Autoplay(RandomActions(seed)), "autoplay: chance plays until you press a key"),
        (c.Autoplay(RandomActions(seed), mix=True), "autoplay, mixed: chance plays while you hold nothing"),
    ]
    if game.files.imitated:
        listed = ListedActions(tuple(game.files.imitated), repeat=True)
        sources.append((c.Autoplay(listed), "autoplay: what the video did"))
    now = 0
    if session.autoplay is not None:
        now = 3 if isinstance(session.autoplay.source, ListedActions) else 1 + session.autoplay.mix
    command, text = sources[(now + 1) % len(sources)]
    session.handle(command)
    game.messages.add(text)
