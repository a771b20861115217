"""Python programs in processes of their own, forked from a process that has torch loaded: each starts at once.

huggingface_hub reads its environment when it is imported, so it is left to each program.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import runpy
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

LOADED = ["pytest", "numpy", "torch", "einops", "safetensors.torch", "PIL.Image", "tqdm.auto", "httpx", "yaml"]
LOADED += ["genie_core.world", "genie_core.engine"]
PATIENCE = 300.0  # seconds
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(LOADED)

Ended = subprocess.CompletedProcess[str]


def run(words: list[str], folder: Path, environment: dict[str, str], most_bytes: int | None = None) -> Ended:
    """Run `python` with `words`, a script or -c with code, in `folder`; files may get no larger than `most_bytes`."""
    with TemporaryDirectory() as scratch:
        out, err = Path(scratch, "out"), Path(scratch, "err")
        process = CONTEXT.Process(target=become, args=(words, str(folder), environment, most_bytes, str(out), str(err)))
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, PATIENCE, out.read_text(), err.read_text())
        return Ended(words, process.exitcode, out.read_text(), err.read_text())


def become(
    words: list[str], folder: str, environment: dict[str, str], most_bytes: int | None, out: str, err: str
) -> None:
    """Be the program: its environment, folder, output, arguments and limit, then its code."""
    assert "huggingface_hub" not in sys.modules
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    first, *rest = words
    sys.argv = [first, *rest] if first != "-c" else ["-c", *rest[1:]]
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    if first == "-c":
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path.insert(0, str(Path(first).resolve().parent))
        runpy.run_path(first, run_name="__main__")
