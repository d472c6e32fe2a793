"""What can go wrong, for a person at a terminal.

CloseoutError             exit 1   anything the project says in one line instead of a traceback
├── BadInput              exit 2   a file, key or argument is not as expected; nothing was started
│   └── NotSupportedYet   exit 2   understood, but no part of the project does it yet
└── EnvironmentProblem    exit 3   a tool is missing, a port is busy, a chain does not answer
"""

__all__ = ["BadInput", "CloseoutError", "EnvironmentProblem", "NodeError", "NotSupportedYet"]


class CloseoutError(Exception):
    """Base of all errors that are shown as one line. `exit_code` is the process's exit status."""

    exit_code = 1


class BadInput(CloseoutError):
    """Input that is refused before anything is started: where it is, what was found, what was expected."""

    exit_code = 2

    def __init__(self, where: str, found: object, expected: str) -> None:
        self.where = where
        self.found = found
        self.expected = expected
        super().__init__(f"{where}: found {found!r}, expected {expected}")


class NotSupportedYet(BadInput):
    """Input that is valid but asks for something that does not exist yet."""

    def __init__(self, where: str, found: object) -> None:
        super().__init__(where, found, "nothing here: not supported yet")


class EnvironmentProblem(CloseoutError):
    """The machine lacks something: a tool, a free port, an answering chain."""

    exit_code = 3


class NodeError(EnvironmentProblem):
    """A node does not answer, or answers with an error that no caller expected."""
