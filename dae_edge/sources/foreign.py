"""The errors that other packages raise on bad bytes, as the end of one line of ours."""

from __future__ import annotations

LONGEST = 200


def in_one_line(error: BaseException) -> str:
    r"""Give an error's text without line breaks and without what is too long to read.

    >>> in_one_line(ValueError("bad byte\n  at 3"))
    'bad byte at 3'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
