"""The modes of the command line, a file each: flags, defaults and `run` side by side."""
