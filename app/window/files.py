"""All that the window reads and writes: pictures, videos and sessions in; recordings, pictures and sessions out."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pygame
from PIL import Image, ImageGrab

from app.media.read import infer_actions, is_animated, read_video
from app.media.recorder import Background, VideoRecorder
from app.media.write import MP4_ENLARGED, RecordingError, save_frames
from app.play import commands as c
from app.play.autoplay import ListedActions
from app.play.session_file import SUFFIX, load_session, snapshot, write_session
from app.window.preview import Preview
from genie_core.errors import PictureError
from genie_core.pictures import fit, load_picture

if TYPE_CHECKING:
    from app.window.loop import Game

GIF_SECONDS = 10
PICKED_FRAMES = 900  # of a video, to pick from or to imitate: a minute


class Files:
    """What comes into a game from files and goes out to them, slow things in a thread of their own."""

    def __init__(self, game: Game, background: Background, folder: Path | None = None) -> None:
        """Writes into `folder`, by default the one the program was started in."""
        self._game, self._background, self._folder = game, background, folder or Path.cwd()
        self._recorder: VideoRecorder | None = None
        self._with_hud = False
        self._new_picture = False
        config = game.session.config
        self._recent = deque[tuple[np.ndarray, int]](maxlen=max(2, round(GIF_SECONDS * config.fps)))
        self._source: Path | np.ndarray | None = None  # of the picture played from; None is that of the start
        self._saved: Path | None = None
        self._given: set[Path] = set()
        self._finding: Future[list[int]] | None = None
        self._thinker = ThreadPoolExecutor(1, "finding actions")
        self.imitated: list[int] = []

    @property
    def recording(self) -> bool:
        return self._recorder is not None

    # ---- in

    def open(self, path: Path) -> None:
        """A file that was dropped: a session is gone on with, a video shown to pick from, a picture started from."""
        if path.suffix == SUFFIX:
            self._open_session(path)
        elif is_animated(path):
            self._source = path
            self.preview()
        else:
            self.start(load_picture(path))

    def start(self, picture: np.ndarray) -> None:
        """Starts from uint8 (H, W, 3), fitted as the player likes it."""
        self._source = picture
        self._game.session.handle(c.StartFrom(self._fitted(picture)))

    def next_picture(self, by: int) -> None:
        if self._game.prompts is not None and self._game.prompts.files:
            path = self._game.prompts.next(by)
            self.start(load_picture(path))
            self._game.session.tell(c.TOLD, path.name)

    def paste(self) -> None:
        """Starts from the picture, or the file, in the clipboard. Raises PictureError if there is none."""
        try:
            found = ImageGrab.grabclipboard()
        except (NotImplementedError, OSError, ValueError) as error:
            raise PictureError(f"the clipboard cannot be read ({error}); drop a picture file on the window") from error
        if isinstance(found, list) and found:
            self.open(Path(found[0]))
        elif isinstance(found, Image.Image):
            self.start(np.array(found.convert("RGB")))
        else:
            raise PictureError("there is no picture in the clipboard; copy one, or drop a file on the window")

    def preview(self) -> None:
        """Shows what the world sees of the picture played from, or lets pick from the video opened last."""
        game, source = self._game, self._source
        if source is None:
            first = game.prompts.first if game.prompts is not None else None
            source = game.session.prompt if first is None else load_picture(first)
        size, fps = game.session.config.frame_size, game.session.config.fps

        def frames(how: str) -> np.ndarray:
            if isinstance(source, Path):
                return read_video(source, size, fps, how, self._palette, PICKED_FRAMES)
            return source[None]

        judge = game.session.engine.familiarity
        game.open_overlay(Preview(frames, game.settings.fit, size, self._palette, judge))

    def start_from(self, preview: Preview) -> None:
        """Does what was decided in the preview."""
        game, chosen = self._game, preview.chosen
        assert chosen is not None
        if chosen.how != game.settings.fit:
            game.set(fit=chosen.how)
        game.session.handle(c.StartFrom(chosen.picture))
        if chosen.imitate:
            frames = preview.frames()[preview.at :]
            self._finding = self._thinker.submit(infer_actions, game.session.engine.world, frames)
            game.session.tell(c.TOLD, f"finding the actions of {len(frames)} frames")

    def load(self) -> None:
        if self._saved is None:
            key = self._game.settings.key("save").upper()
            self._game.session.tell(c.TOLD, f"no session saved yet; {key} saves this one")
        else:
            self._open_session(self._saved)

    def _open_session(self, path: Path) -> None:
        session = self._game.session
        session.handle(c.Open(load_session(path, session.engine.world)))
        self._source = session.prompt
        session.tell(c.TOLD, f"{path.name}, at step {session.steps}")

    @property
    def _palette(self) -> np.ndarray | None:
        return self._game.prompts.palette if self._game.prompts is not None else None

    def _fitted(self, picture: np.ndarray) -> np.ndarray:
        return fit(picture, self._game.session.config.frame_size, self._game.settings.fit, self._palette)

    # ---- out

    def shown(self) -> None:
        """There is a new picture of the world."""
        session = self._game.session
        self._new_picture = True
        self._recent.append((session.frame, session.action if session.action is not None else session.idle))
        if self._recorder is not None and not self._with_hud:
            self._recorder.add(session.frame)

    def drawn(self) -> None:
        """The screen has been drawn, with the HUD."""
        if self._recorder is not None and self._with_hud and self._new_picture:
            self._recorder.add(_pixels(pygame.display.get_surface()))
        self._new_picture = False

    def record(self, hud: bool) -> None:
        """Starts a video, or ends the one that is being made."""
        if self._recorder is None:
            path = self._path("mp4")
            self._recorder, self._with_hud = VideoRecorder(path, self._game.session.config.fps), hud
            self._game.session.tell(c.TOLD, f"recording {path.name}{' with HUD' if hud else ''}")
        else:
            self._background.submit(self._recorder.close)
            self._recorder = None

    def gif(self) -> None:
        path, session = self._path("gif"), self._game.session
        recent = list(self._recent) or [(session.frame, session.idle)]
        frames, actions = np.stack([frame for frame, _ in recent]), np.array([action for _, action in recent[1:]])
        names, fps = [action.name for action in session.config.actions], session.config.fps
        self._submit(path, lambda: save_frames(path, frames, actions, fps, names))

    def photo(self, screen: pygame.Surface | None) -> None:
        """The world's picture enlarged, or all of `screen`, as a PNG."""
        path, frame = self._path("png"), self._game.session.frame
        large = frame.repeat(MP4_ENLARGED, 0).repeat(MP4_ENLARGED, 1) if screen is None else _pixels(screen)
        self._submit(path, lambda: _write_png(path, large))

    def save(self) -> None:
        path, pack = self._path(SUFFIX[1:]), snapshot(self._game.session)
        self._saved = path
        self._submit(path, lambda: write_session(path, pack()))

    def tell(self) -> None:
        """Passes on what was done meanwhile."""
        for well, text in self._background.told():
            self._game.session.tell(c.SAVED if well else c.REFUSED, text)
        if self._recorder is not None and self._recorder.problem is not None:
            self.record(hud=False)
        if self._finding is not None and self._finding.done():
            self.imitated, self._finding = self._finding.result(), None
            if self.imitated:
                self._game.session.handle(c.Autoplay(ListedActions(tuple(self.imitated))))
            self._game.session.tell(c.TOLD, f"playing the {len(self.imitated)} actions found in the video")

    def close(self) -> None:
        """Ends a video that is being made, and waits until everything is written."""
        if self._recorder is not None:
            self.record(hud=False)
        self._thinker.shutdown(wait=False, cancel_futures=True)
        for well, text in self._background.close():
            if not well:
                print(f"error: {text}", file=sys.stderr)
            elif not self._game.quiet:
                print(text)

    def _submit(self, path: Path, write: object) -> None:
        def job() -> str:
            write()  # type: ignore[operator]
            return f"saved {path.name}"

        self._background.submit(job)

    def _path(self, suffix: str) -> Path:
        """A name that nothing has yet: the world, the time, and a number if there are several in a second."""
        name = re.sub(r"[^\w.-]+", "-", self._game.name) + time.strftime("-%Y%m%d-%H%M%S")
        paths = (self._folder / f"{name}{number}.{suffix}" for number in ("", *(f"-{i}" for i in range(2, 1000))))
        path = next(path for path in paths if not path.exists() and path not in self._given)
        self._given.add(path)  # it may be written only later
        if not path.parent.is_dir():
            raise RecordingError(f"there is no folder {path.parent} any more to save {path.name} in")
        return path


def _pixels(screen: pygame.Surface) -> np.ndarray:
    """What is on the screen, uint8 (H, W, 3)."""
    return np.ascontiguousarray(pygame.surfarray.array3d(screen).swapaxes(0, 1))


def _write_png(path: Path, picture: np.ndarray) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(picture).save(partial, "PNG")
        partial.replace(path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be written ({error}); save elsewhere or make room") from error
    finally:
        partial.unlink(missing_ok=True)
