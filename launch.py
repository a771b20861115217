"""The one command line: python launch.py --help. Finds the mode's file in app/cli by its flag, and tells errors."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C before anything is begun ends without a word
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads beside a busy core cost tenfold

from app.cli.console import one_line, print_anything, refusal
from app.cli.options import parse
from app.cli.web import space_arguments
from genie_core.errors import GenieError

LEFT_OUT = ("torch", "einops", "lightning", "gradio", "onnx", "huggingface_hub", "matplotlib", "fastapi", "uvicorn")
INSTALL = "pip install -r requirements.txt"


def main(argv: list[str] | None = None) -> int:
    """Runs one mode; returns the exit code: 0 done, 1 an error told in a sentence, 130 interrupted."""
    print_anything()
    arguments = sys.argv[1:] if argv is None else argv
    args = parse(arguments or space_arguments())
    try:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if args.quiet:
            os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        args.run(args)
        sys.stdout.flush()
    except GenieError as error:
        return _failed(str(error))
    except ModuleNotFoundError as error:
        if error.name not in LEFT_OUT:
            raise
        return _failed(f"this needs {error.name}, which the light install leaves out; {INSTALL}")
    except BrokenPipeError:  # whoever read the output has enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        told = refusal(error)
        if told is None:
            raise
        return _failed(told)
    except KeyboardInterrupt:
        print(f"\nstopped; {args.kept(args)}", file=sys.stderr)
        return 130
    return 0


def _failed(told: str) -> int:
    print(f"error: {one_line(told)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
