"""The one command line: python launch.py --help. Finds the mode's file in app/cli by its flag, and tells errors."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads beside a busy core cost tenfold

from app.cli.options import parse
from app.cli.web import space_arguments
from genie_core.errors import GenieError

LEFT_OUT = ("torch", "einops", "lightning", "gradio", "onnx", "huggingface_hub", "matplotlib", "fastapi", "uvicorn")
INSTALL = "pip install -r requirements.txt"


def main(argv: list[str] | None = None) -> int:
    """Runs one mode; returns the exit code: 0 done, 1 an error told in a sentence, 130 interrupted."""
    arguments = sys.argv[1:] if argv is None else argv
    args = parse(arguments or space_arguments())
    try:
        if args.quiet:
            os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        args.run(args)
    except GenieError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in LEFT_OUT:
            raise
        print(f"error: this needs {error.name}, which the light install leaves out; {INSTALL}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
