"""Python packages that bring environments: which ids are theirs, and how a user gets them.

Gymnasium finds an id only after its package was imported. An id of any other package names its module itself:
`module:Env-v0`.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, NamedTuple

from genie_core.errors import MissingExtraError

GYMNASIUM = "pip install 'gymnasium>=1.1,<2'"


class Package(NamedTuple):
    """`ids` matches the ids of the environments of `module`, which `install` brings.

    `emulated_fps` is the rate of the console or game that the package runs, if it does: environments there skip frames
    by themselves.
    """

    module: str
    install: str
    ids: str
    emulated_fps: float | None = None
    skip: str = "frameskip"  # the argument of an environment that says how many


# Gymnasium's own extra for Box2D installs pygame-ce over pygame, and so does VizDoom with what it depends on; hence the
# bare packages.
PACKAGES = (
    Package("ale_py", "ale-py", r"ALE/|\w+NoFrameskip-v", 60),
    Package("vizdoom.gymnasium_wrapper", "--no-deps vizdoom", "Vizdoom", 35, "frame_skip"),
    Package("minigrid", "minigrid", "MiniGrid-|BabyAI-"),
    Package("miniworld", "miniworld", "MiniWorld-"),
    Package("Box2D", "box2d", "CarRacing|LunarLander|BipedalWalker"),
    Package("mujoco", "mujoco", "Ant|HalfCheetah|Hopper|Humanoid|Inverted|Pusher|Reacher|Swimmer|Walker2d"),
)


def import_gymnasium(name: str) -> Any:
    """The package gymnasium; MissingExtraError with the command that installs what environment `name` needs."""
    try:
        import gymnasium

        return gymnasium
    except ImportError as error:
        package = package_of(name)
        # an option of pip would count for gymnasium too; that package is told of next
        also = f" {package.install}" if package and not package.install.startswith("-") else ""
        raise MissingExtraError(f"recording {name} needs gymnasium; {GYMNASIUM}{also}") from error


def package_of(name: str) -> Package | None:
    """The package that brings the environment called `name`, None for one that Gymnasium or its own module brings."""
    return next((package for package in PACKAGES if re.match(package.ids, name)), None)


def import_package_of(name: str) -> None:
    """Imports what registers `name`; MissingExtraError with the command that installs it."""
    package = package_of(name)
    if package is None:
        return
    try:
        importlib.import_module(package.module)
    except ImportError as error:
        raise MissingExtraError(f"{name} needs a package that is missing; pip install {package.install}") from error


def import_all() -> None:
    """Imports every package that is installed, so that all ids are known."""
    for package in PACKAGES:
        try:
            importlib.import_module(package.module)
        except ImportError:
            continue
