"""`--play`: opens the window, says how far loading is, and plays until the player quits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pygame

from app.play.loading import Progress
from app.play.session import PlaySession
from app.play.start_pictures import Prompts
from app.window.loop import Game
from app.window.screen import open_window, splash
from app.window.shortcuts import settings_file
from genie_core.errors import DisplayError


def play(
    start: Callable[[], PlaySession],
    name: str,
    prompts: Prompts | None = None,
    progress: Progress | None = None,
    settings: Path | None = None,
    quiet: bool = False,
) -> None:
    """Opens a window for the world called `name`, builds the session while it says so, and plays until Quit.

    `prompts` are the pictures to go through, `progress` is told by `start` how far it is, `settings` is the file with
    the player's own keys, by default the user's. Raises whatever `start` raises, and DisplayError where no window can
    be opened.
    """
    try:
        scale = open_window(name)
    except DisplayError:
        start()  # raises what is wrong with the input, which no screen would mend
        raise
    try:
        session = splash(name, start, progress or Progress(), scale)
        if session is not None:
            game = Game(session, name, prompts, settings or settings_file(), scale)
            game.quiet = quiet  # of what is still written after the window has closed
            game.run()
    finally:
        pygame.quit()
