"""Writes what is played: videos, GIFs, pictures of the world or the screen, and sessions. A thread does the writing."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path

import numpy as np
import pygame
from PIL import Image

from app.media.mp4 import enlarge
from app.media.recorder import Background, VideoRecorder
from app.media.write import MP4_ENLARGED, RecordingError, save_frames
from app.play import commands as c
from app.play.session import PlaySession
from app.play.session_file import SUFFIX, snapshot, write_session
from genie_core.files import whole_file

GIF_SECONDS = 10


class Saver:
    """Saves files of one session into the folder current at the start, named after the world and the time."""

    def __init__(self, session: PlaySession, name: str) -> None:
        self._session, self._name, self._folder = session, name, Path.cwd()
        self._background = Background()
        self._recorder: VideoRecorder | None = None
        self._with_hud = False
        self._new_frame = False
        self._recent = deque[tuple[np.ndarray, int]](maxlen=max(2, round(GIF_SECONDS * session.config.fps)))
        self._given: set[Path] = set()
        self._last_session: tuple[Path, Future[str]] | None = None

    @property
    def recording(self) -> bool:
        return self._recorder is not None

    def stepped(self) -> None:
        """Call this whenever the session shows a new frame."""
        session = self._session
        self._new_frame = True
        self._recent.append((session.frame, session.action if session.action is not None else session.idle))
        if self._recorder is not None and not self._with_hud:
            self._recorder.add(session.frame)

    def drawn(self, screen: pygame.Surface) -> None:
        """Call this whenever the screen has been drawn."""
        if self._recorder is not None and self._with_hud and self._new_frame:
            self._recorder.add(_pixels(screen))
        self._new_frame = False

    def record(self, hud: bool) -> None:
        """Starts a video of the world, or of the whole screen with `hud`; ends the video if one is being recorded."""
        if self._recorder is None:
            path = self._path(".mp4")
            self._recorder, self._with_hud = VideoRecorder(path, self._session.config.fps), hud
            self._session.tell(c.TOLD, f"recording {path.name}{' with HUD' if hud else ''}; press again to end it")
        else:
            self._background.submit(self._recorder.close)
            self._recorder = None

    def gif(self) -> None:
        """Saves the last seconds as a GIF."""
        path, session = self._path(".gif"), self._session
        recent = list(self._recent) or [(session.frame, session.idle)]
        frames, actions = np.stack([frame for frame, _ in recent]), np.array([action for _, action in recent[1:]])
        names, fps = [action.name for action in session.config.actions], session.config.fps
        self._submit(path, lambda: save_frames(path, frames, actions, fps, names))

    def photo(self, screen: pygame.Surface | None) -> None:
        """Saves the world's frame, enlarged, or all of `screen`, as a PNG."""
        path, frame = self._path(".png"), self._session.frame
        picture = enlarge(frame, MP4_ENLARGED) if screen is None else _pixels(screen)
        self._submit(path, lambda: _save_png(path, picture))

    def save(self) -> None:
        """Saves the session."""
        path, pack = self._path(SUFFIX), snapshot(self._session)
        self._last_session = path, self._submit(path, lambda: write_session(path, pack()))

    def last_session(self) -> Path | None:
        """The session saved last, once it is written; None if none was saved."""
        if self._last_session is None:
            return None
        path, written = self._last_session
        wait([written])  # a player may load at once what was saved just now
        return path

    def tell(self) -> None:
        """Tells the session what was written, or why not, since the last call."""
        for well, text in self._background.told():
            self._session.tell(c.SAVED if well else c.REFUSED, text)
        if self._recorder is not None and self._recorder.problem is not None:
            self.record(hud=False)

    def close(self, quiet: bool = False) -> None:
        """Ends a video, waits until everything is written, and prints what was; with `quiet` only what was not."""
        if self._recorder is not None:
            self.record(hud=False)
        for well, text in self._background.close():
            if not well:
                print(f"error: {text}", file=sys.stderr)
            elif not quiet:
                print(text)

    def _submit(self, path: Path, write: Callable[[], None]) -> Future[str]:
        def job() -> str:
            write()
            return f"saved {path.name}"

        return self._background.submit(job)

    def _path(self, suffix: str) -> Path:
        """A new name: the world and the time, with a number if there are several in one second."""
        if not self._folder.is_dir():
            raise RecordingError(f"the folder {self._folder} is gone; make it again, or start anew in another")
        stem = re.sub(r"[^\w.-]+", "-", self._name) + time.strftime("-%Y%m%d-%H%M%S")
        paths = (self._folder / f"{stem}{number}{suffix}" for number in ("", *(f"-{i}" for i in range(2, 1000))))
        path = next(path for path in paths if not path.exists() and path not in self._given)
        self._given.add(path)  # the file itself may be written later
        return path


def _pixels(screen: pygame.Surface) -> np.ndarray:
    """The content of the screen, uint8 (H, W, 3)."""
    return np.ascontiguousarray(pygame.surfarray.array3d(screen).swapaxes(0, 1))


def _save_png(path: Path, picture: np.ndarray) -> None:
    with whole_file(path, RecordingError) as partial:
        Image.fromarray(picture).save(partial, "PNG")
