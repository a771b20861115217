"""Opens one of Procgen's games, or names the command that brings Procgen."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from genie_core.errors import MissingExtraError


def open_procgen(name: str, seed: int, **options: Any) -> Any:
    """The game `name`, whose levels come in the order of `seed`; MissingExtraError without Procgen."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # gym greets with an advertisement for its successor
            from procgen import ProcgenGym3Env
    except ImportError as error:
        raise MissingExtraError(
            f"recording {name} needs Procgen ({error}); on Linux with Python 3.11 or 3.12: "
            "pip install -r requirements.txt -r genie_core/games/coinrun/requirements-record.txt"
        ) from error
    return ProcgenGym3Env(num=1, env_name=name, rand_seed=seed, num_threads=0, **options)
