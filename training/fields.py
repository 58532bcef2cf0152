"""One table of a recipe, emptied key by key: what is left over is unknown, and refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dae_edge.hints import closest

_REQUIRED: Any = object()


class Table:
    """A TOML table. Every refusal (ValueError) says where, what, what it got and what it wanted."""

    def __init__(self, content: Any, where: str) -> None:
        self.where = where
        if not isinstance(content, Mapping):
            raise ValueError(f"{where}: wanted a table, got {content!r}")
        self._left = dict(content)
        self._asked: list[str] = []

    def text(self, key: str, *, default: Any = _REQUIRED) -> str:
        """A text."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a text")
        return value

    def has_text(self, key: str) -> bool:
        """There is a text, and not something else."""
        return isinstance(self._left.get(key), str)

    def flag(self, key: str, *, default: Any = _REQUIRED) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def whole(self, key: str, least: int, *, default: Any = _REQUIRED) -> int:
        """A whole number."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(key, value, f"a whole number of at least {least}")
        return value

    def number(
        self,
        key: str,
        least: float,
        *,
        above: bool = False,
        below: float = math.inf,
        default: Any = _REQUIRED,
    ) -> float:
        """A number in [least, below), or in (least, below)."""
        value = self._take(key, default)
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not plain or not least <= value < below or (above and value == least):
            limit = f" and below {below:g}" if below < math.inf else ""
            wanted = f"a number {'above' if above else 'of at least'} {least:g}{limit}"
            raise self._wrong(key, value, wanted)
        return float(value)

    def choice(self, key: str, known: Sequence[str], *, default: Any = _REQUIRED) -> Any:
        """One of some names; the default need not be among them."""
        value = self._take(key, default)
        if value not in known and value is not default:
            if isinstance(value, str):
                names = [name for name in known if name]
                raise ValueError(f"{self.where}: {key}: got {value!r}{closest(value, names)}")
            raise self._wrong(key, value, " or ".join(map(repr, known)))
        return value

    def passed_on(self, key: str) -> dict[str, Any]:
        """A table that somebody else understands; {} where there is none."""
        value = self._take(key, {})
        if not isinstance(value, Mapping):
            raise self._wrong(key, value, "a table")
        return dict(value)

    def sizes(self, key: str) -> tuple[int, ...]:
        """(width, height); () where there is none."""
        value = self._take(key, [])
        whole = isinstance(value, list) and all(type(side) is int and side > 0 for side in value)
        if not whole or len(value) not in (0, 2):
            raise self._wrong(key, value, "[width, height] in pixels")
        return tuple(value)

    def tables(self, key: str) -> list[Table]:
        """One table or more."""
        value = self._take(key, _REQUIRED)
        if not (isinstance(value, list) and value):
            raise self._wrong(key, value, "a list of tables")
        return [Table(one, f"{self.where}: {key} {index}") for index, one in enumerate(value, 1)]

    def end(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._left:
            raise ValueError(f"{self.where}: unknown key {key!r}{closest(key, self._asked)}")

    def _take(self, key: str, default: Any) -> Any:
        self._asked.append(key)
        if key in self._left:
            return self._left.pop(key)
        if default is not _REQUIRED:
            return default
        near = closest(key, self._left) if self._left else ""
        raise ValueError(
            f"{self.where}: {key!r} is missing" + (f" (got{near})" if "did" in near else "")
        )

    def _wrong(self, key: str, value: Any, wanted: str) -> ValueError:
        return ValueError(f"{self.where}: {key}: got {value!r}, wanted {wanted}")
