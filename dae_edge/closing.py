"""A ``with`` block for everything that has a ``close``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

C = TypeVar("C", bound="Closing")


class Closing(ABC):
    """Closed at the end of its ``with`` block, whatever happens in it."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held. Harmless when called twice."""

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
