"""Opens the window, shows how far loading is, and plays until the player quits."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from app.play.made import made_folder
from app.play.session import PlaySession
from app.play.start_pictures import Prompts
from app.window.loop import WindowLoop
from app.window.run_shortcut import run_shortcut
from app.window.screen import Progress, open_window, splash
from app.window.settings import settings_file
from app.window.worlds import AtHand
from genie_core.errors import DisplayError


def play(
    start: Callable[[Progress], PlaySession],
    name: str,
    prompts: Prompts | None = None,
    quiet: bool = False,
    pictures: int = 1,
    at_hand: AtHand | None = None,
) -> None:
    """Opens a window for the world called `name`, builds the session behind a splash, and plays until Quit.

    `start` tells the Progress how far it is. `quiet` prints no saved files. There is room for so many `pictures` side
    by side. `at_hand` gives the worlds to change to. Raises what `start` raises, and DisplayError if no window can be
    opened.
    """
    try:
        scale = open_window(name, pictures)
    except DisplayError:
        start(Progress())  # a fault of the input comes first: no screen would mend it
        raise
    try:
        session = splash(name, start, scale)
        loop: WindowLoop | None = None
        if session is not None:
            loop = WindowLoop(session, name, prompts, settings_file(), scale, run_shortcut, made_folder(), at_hand)
        while loop is not None:  # each world that the player changes to has a loop of its own
            loop.run(quiet)
            loop = loop.next
    finally:
        pygame.quit()
