"""Everything that can go wrong in a way the user can mend.

GenieError
├── ConfigError         a number or a name in a configuration makes no sense
├── CheckpointError     a world on disk cannot be loaded as it stands
│   └── MissingGraphError   it brings no graphs to be played by
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


class ConfigError(GenieError, ValueError): ...


class CheckpointError(GenieError): ...


class MissingGraphError(CheckpointError): ...


class HubError(GenieError): ...


class DataError(GenieError): ...


class PictureError(GenieError): ...


class SessionError(GenieError): ...


class ScriptError(GenieError, ValueError): ...


class DisplayError(GenieError): ...


class WriteError(GenieError): ...


class MissingExtraError(GenieError): ...
