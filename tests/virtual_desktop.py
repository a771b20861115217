"""A virtual screen, the program on it as a player starts it, and real keys: Xvfb, xdotool and xclip."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

from app.play.saved import SavedSession
from app.play.session_file import load_session
from app.window.drawing import DARK, LIGHT
from genie_core.world import World

ROOT = Path(__file__).parents[1]
PROGRAMS = ("Xvfb", "xdotool", "xclip")
PANELS = (DARK.panel, LIGHT.panel)  # no splash has one
PATIENCE, LOADING_PATIENCE = 30.0, 120.0  # seconds to wait for anything, and for a world to load


def require_programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no Xvfb desk: {', '.join(missing)} missing; apt-get install xvfb xdotool xclip")


@contextmanager
def desk(size: str = "1280x900x24") -> Iterator[str]:
    """Runs Xvfb on a free display; gives its name."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(write)
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


class Desk:
    """The program, running in `folder`, and a player's hands on the keyboard."""

    def __init__(self, display: str, folder: Path, *arguments: str | Path) -> None:
        self.display, self.folder = display, folder
        hidden = ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY")
        self.environment = {name: value for name, value in os.environ.items() if name not in hidden}
        self.environment |= {"DISPLAY": display, "XDG_CONFIG_HOME": str(folder / "config"), "PYTHONFAULTHANDLER": "1"}
        self.made = folder / "genie"  # where the program puts files
        self.environment["XDG_DOCUMENTS_DIR"] = str(folder)
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        command = [sys.executable, ROOT / "launch.py", *self._arguments]
        self._log = (self.folder / "log.txt").open("ab")
        self.game = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=self._log, stderr=self._log)
        self.until(self._played, "the panel", LOADING_PATIENCE)

    def _played(self) -> bool:
        return any((self.screen() == colour).all(-1).sum() > 50_000 for colour in PANELS)

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def hands(self, *words: object) -> None:
        """xdotool: `key`, `keydown`, `keyup`, `mousemove` and so on."""
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True, timeout=PATIENCE)

    def hold(self, key: str, seconds: float) -> None:
        self.hands("keydown", key)
        time.sleep(seconds)
        self.hands("keyup", key)

    def screen(self) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return np.asarray(ImageGrab.grab(xdisplay=self.display).convert("RGB"))

    def photograph(self, path: Path) -> None:
        Image.fromarray(self.screen()).save(path)

    def title(self) -> str:
        """The title of the window that has the focus."""
        asked = ["xdotool", "getwindowfocus", "getwindowname"]
        return subprocess.run(asked, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def window(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the window: all that is not the black root."""
        y, x = np.nonzero(self.screen().any(-1))
        if not len(x):
            return 0, 0, 0, 0
        return int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1

    def panel(self) -> np.ndarray:
        left, top, width, height = self.window()
        return self.screen()[top : top + height, left + width - 300 : left + width]

    def until(self, true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                self.photograph(self.folder / "instead.png")
                pytest.fail(f"{what} did not come; see {self.folder / 'instead.png'}; {self.log()}")
            assert self.game.poll() is None, f"ended with {self.game.returncode}; {self.log()}"
            time.sleep(0.1)

    def new(self, suffix: str, act: Callable[[], object]) -> Path:
        """The file that the program writes on `act`."""
        before = set(self.made.glob(f"*.{suffix}"))
        act()
        self.until(lambda: set(self.made.glob(f"*.{suffix}")) - before, suffix)
        (path,) = set(self.made.glob(f"*.{suffix}")) - before
        return path

    def saved(self, world: World) -> SavedSession:
        """The session so far, saved by F5."""
        return load_session(self.new("genie", lambda: self.hands("key", "F5")), world)

    def played(self, world: World, true: Callable[[SavedSession], object], what: str) -> SavedSession:
        """The session, once `true` holds of it."""
        found: list[SavedSession] = []

        def look() -> object:
            found.append(self.saved(world))
            return true(found[-1])

        self.until(look, what)
        return found[-1]

    def quit(self) -> None:
        """Also where branches are not saved, and the first Escape asks."""
        self.hands("key", "Escape")
        with suppress(subprocess.TimeoutExpired):
            self.game.wait(2)
        if self.game.poll() is None:
            self.hands("key", "q")
        assert self.game.wait(PATIENCE) == 0, self.log()

    def close(self) -> None:
        if self.game.poll() is None:
            self.game.send_signal(signal.SIGKILL)
            self.game.wait()
        self._log.close()
