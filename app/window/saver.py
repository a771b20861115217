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
from app.play.made import short
from app.play.session import PlaySession
from app.play.session_file import SUFFIX, write_session
from app.play.session_snapshot import snapshot
from genie_core.files import whole_file

GIF_SECONDS = 10


class Saver:
    """Saves files of one session into `folder`, which is made when the first is saved, named after world and time."""

    def __init__(self, session: PlaySession, name: str, folder: Path) -> None:
        self._session, self._name, self.folder = session, name, folder
        self._background = Background()
        self._recorder: VideoRecorder | None = None
        self._whole = False
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
        if self._recorder is not None and not self._whole:
            self._recorder.add(session.frame)

    def drawn(self, screen: pygame.Surface) -> None:
        """Call this whenever the screen has been drawn."""
        if self._recorder is not None and self._whole and self._new_frame:
            self._recorder.add(_pixels(screen))
        self._new_frame = False

    def record(self, whole: bool) -> None:
        """Starts a video of the world, or of the `whole` window; ends the video if one is being recorded."""
        if self._recorder is None:
            path = self._path(".mp4")
            self._recorder, self._whole = VideoRecorder(path, self._session.config.fps), whole
            what = "the whole window" if whole else "the world"
            self._session.tell(c.TOLD, f"recording a video of {what}; the same key ends it")
        else:
            self._background.submit(self._recorder.close)
            if not self._recorder.frames:
                self._given.discard(self._recorder.path)  # which is never made
            self._recorder = None
            self._session.tell(c.TOLD, "writing the video …")

    def gif(self) -> None:
        """Saves the last seconds as a GIF."""
        path, session = self._path(".gif"), self._session
        recent = list(self._recent) or [(session.frame, session.idle)]
        frames, actions = np.stack([frame for frame, _ in recent]), np.array([action for _, action in recent[1:]])
        names, fps = [action.name for action in session.config.actions], session.config.fps
        told = f" ({len(frames) / fps:.1f} s)"
        self._submit(path, lambda: save_frames(path, frames, actions, fps, names), told)

    def photo(self, screen: pygame.Surface | None) -> None:
        """Saves a picture: the world's frame, enlarged, or all of `screen`."""
        path, frame = self._path(".png"), self._session.frame
        picture = enlarge(frame, MP4_ENLARGED) if screen is None else _pixels(screen)
        self._submit(path, lambda: _save_png(path, picture))

    def save(self) -> None:
        """Saves the session with its branches and kept moments. What is not in the file is told."""
        path, pack, session = self._path(SUFFIX), snapshot(self._session), self._session
        played = sum(line.tip > 0 for line in session.timeline.lines)
        parts = [_count(played, "branch", "branches")] * (played > 1)
        parts += [_count(pack.kept, "kept moment", "kept moments")] * (pack.kept > 0)
        told = f" with {' and '.join(parts)}" if parts else ""
        if len(pack.lines) < len(session.timeline.lines):
            told = ": the branch shown alone, all of them are too long for a file"

        def write() -> None:
            write_session(path, pack())
            pack.mark_saved()

        self._last_session = path, self._submit(path, write, told)

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
            self.record(whole=False)

    def close(self, quiet: bool = False) -> None:
        """Ends a video, waits until everything is written, and prints what was; with `quiet` only what was not."""
        if self._recorder is not None:
            self.record(whole=False)
        for well, text in self._background.close():
            if not well:
                print(f"error: {text}", file=sys.stderr)
            elif not quiet:
                print(text)
        if self._given and not quiet:
            print(f"your files are in {self.folder}")

    def _submit(self, path: Path, write: Callable[[], None], told: str = "") -> Future[str]:
        def job() -> str:
            write()
            return f"saved {path.name}{told}"

        return self._background.submit(job)

    def _path(self, suffix: str) -> Path:
        """A new name: the world and the time, with a number if there are several in one second."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(
                f"the folder {short(self.folder)} cannot be made ({error.strerror}); make it, then save again"
            ) from error
        stem = re.sub(r"[^\w.-]+", "-", self._name) + time.strftime("-%Y%m%d-%H%M%S")
        paths = (self.folder / f"{stem}{number}{suffix}" for number in ("", *(f"-{i}" for i in range(2, 1000))))
        path = next(path for path in paths if not path.exists() and path not in self._given)
        self._given.add(path)  # the file itself may be written later
        return path


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _pixels(screen: pygame.Surface) -> np.ndarray:
    """The content of the screen, uint8 (H, W, 3)."""
    return np.ascontiguousarray(pygame.surfarray.array3d(screen).swapaxes(0, 1))


def _save_png(path: Path, picture: np.ndarray) -> None:
    with whole_file(path, RecordingError) as partial:
        Image.fromarray(picture).save(partial, "PNG")
