"""Opens an environment by its id, and says in words why one cannot be opened."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from genie_core.data.environments.packages import import_all, import_gymnasium, import_package_of, package_of
from genie_core.errors import ConfigError, DataError, GenieError, MissingExtraError

EXAMPLES = "CartPole-v1, ALE/Breakout-v5, CarRacing-v3 or your own module:Env-v0"


@contextmanager
def told_by(name: str, doing: str) -> Iterator[None]:
    """Turns whatever the foreign code of `name` raises into a DataError that says what it was doing, and where."""
    try:
        yield
    except GenieError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        said = f"{type(error).__name__}: {error}".strip(": ")
        raise DataError(f"{name} failed {doing}: {said} ({where}); nothing was written") from error


def import_own(module: str, what: str) -> ModuleType:
    """A user's own module, from the folder of the command too; ConfigError if there is none."""
    sys.path[:0] = [""] if "" not in sys.path else []
    with told_by(module, f"to be imported for {what}"):
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ConfigError(f"there is no module {module}, which {what} names; run from its folder") from error


def open_environment(name: str, options: Mapping[str, Any]) -> Any:
    """The Gymnasium environment called `name`, which draws into arrays, made with the keyword arguments `options`.

    Raises ConfigError for a name that is unknown, MissingExtraError with the pip line for a package that is missing,
    DataError if the environment refuses.
    """
    for driver in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):  # many draw with pygame; nothing is shown or heard here
        os.environ.setdefault(driver, "dummy")
    gymnasium = import_gymnasium(name)
    if ":" in name:
        import_own(name.partition(":")[0], name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_package_of(name)
        try:
            with told_by(name, "when it was opened"):
                return gymnasium.make(name, render_mode="rgb_array", disable_env_checker=True, **options)
        except DataError as error:
            cause = error.__cause__
            if isinstance(cause, gymnasium.error.DependencyNotInstalled):
                raise MissingExtraError(f"{name} needs a package that is missing: {cause}") from cause
            if isinstance(cause, gymnasium.error.UnregisteredEnv | gymnasium.error.DeprecatedEnv):
                raise ConfigError(f"there is no environment {name}; {_near(gymnasium, name)}") from cause
            raise


def _near(gymnasium: Any, name: str) -> str:
    import_all()
    plain = name.rpartition(":")[2]
    near = difflib.get_close_matches(plain, list(gymnasium.registry), n=1)
    return f"did you mean {near[0]}?" if near else f"expected an id such as {EXAMPLES}"


def own_fps(env: Any) -> float | None:
    """Steps a second at which people play `env`, None where it does not say."""
    spec = env.spec
    package = package_of(spec.id)
    skipped = spec.kwargs.get(package.skip) if package else None
    if package and package.emulated_fps and skipped is not None:
        low, high = skipped if isinstance(skipped, list | tuple) else (skipped, skipped + 1)
        return package.emulated_fps / ((low + high - 1) / 2)
    fps = env.metadata.get("render_fps")
    return float(fps) if isinstance(fps, int | float | np.number) and fps > 0 else None
