"""The command line and the front ends. Only they know argparse, pygame, Gradio and ffmpeg."""

import os
import warnings

# Both before pygame is imported: it greets, and it asks an older setuptools, which recording needs, for its data,
# which warns the player of it.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", module="pygame")
