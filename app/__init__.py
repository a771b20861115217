"""What a player sees and touches: the window, the recordings, the browser. pygame and Gradio live here only."""

import os
import warnings

# Both before pygame is imported: it greets, and it asks an older setuptools, which recording needs, for its data,
# which warns the player of it.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", module="pygame")
