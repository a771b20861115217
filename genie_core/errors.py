"""Everything that can go wrong in a way the user can mend.

GenieError
├── ConfigError         a number or a name in a configuration makes no sense
├── CheckpointError     a world on disk cannot be loaded as it stands
├── HubError            the Hugging Face Hub, or the way there, refuses what was asked
├── DataError           a data set is missing, foreign or too small
├── PictureError        a picture cannot be read or is unusable as a prompt
├── SessionError        a saved session is damaged, foreign or of another world
├── ScriptError         an action script names something the world does not have
├── DisplayError        there is no screen to open a window on
├── WriteError          the disk refuses a file
└── MissingExtraError   an optional package is needed for this command

Each message says what was found, what was expected and what to do next. `launch.py` prints it and
exits with 1; any other exception is a bug and shows its traceback.
"""


class GenieError(Exception):
    """Base of all errors that a user can mend."""


class ConfigError(GenieError, ValueError):
    """A configuration value is out of range or inconsistent with another one."""


class CheckpointError(GenieError):
    """A world folder is incomplete, foreign, damaged or of another format version."""


class HubError(GenieError):
    """A world cannot be downloaded from, or uploaded to, the Hugging Face Hub."""


class DataError(GenieError):
    """A data set is missing, malformed or too small for what was asked."""


class PictureError(GenieError):
    """A picture file is missing, unreadable or too small or large to be a prompt."""


class SessionError(GenieError):
    """A saved session is damaged, foreign or was played in another world."""


class ScriptError(GenieError, ValueError):
    """An action script cannot be parsed or names an unknown action."""


class DisplayError(GenieError):
    """No window can be opened here."""


class WriteError(GenieError):
    """A file cannot be written where it was asked for."""


class MissingExtraError(GenieError):
    """A package that only this command needs is not installed."""
