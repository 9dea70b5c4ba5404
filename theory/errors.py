"""The one exception for bad input: the front door prints its lines and exits with 2, without a traceback."""


class InputError(Exception):
    """What the user gave cannot be used. Each message is one line: the file, key and value, and what was expected."""

    def __init__(self, *messages: str) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages
