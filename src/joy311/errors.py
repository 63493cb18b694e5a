"""What goes wrong by misuse, by broken storage, or by a rule that says no.

What life brings to a customer (a used token, a wrong digit) is never an exception: it is a value that
`joy311.sts` and `joy311.meter` return.
"""

from __future__ import annotations


class Joy311Error(Exception):
    """The one root: catch this to catch everything that joy311 raises on purpose."""


class InvalidInput(Joy311Error, ValueError):
    """A value from outside that cannot be used; the message names the value and the limit.

    The command line ends with exit code 2 on it, the API answers 4xx, and nothing has changed.

    Parameters
    ----------
    message : str
        One sentence for a person, with the value and the limit; never a key or a whole unused token.
    field : str, optional
        The name of the field, option or column that holds the value.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Refused(Joy311Error):
    """A rule of the business says no to a well-formed request; nothing has changed.

    Parameters
    ----------
    code : str
        The stable name of the rule, such as ``UnknownMeter``; clients branch on it.
    message : str
        One sentence for a person, with the value and the limit.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StorageError(Joy311Error):
    """Storage that is broken, full, torn beyond repair, or not what it should be."""
