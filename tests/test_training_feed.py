"""Clips made ahead: in order, with their errors, and not longer than they are wanted."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch

from training.clip import Clip
from training.feed import AHEAD, Feed


class Counted:
    """Each clip is its own number; the one at ``fails`` cannot be made."""

    def __init__(self, fails: int = -1) -> None:
        self.asked: list[tuple[int, int, slice]] = []
        self._fails = fails

    def clip(self, sequence_batch: int, chunk: int, items: slice) -> Clip:
        self.asked.append((sequence_batch, chunk, items))
        if len(self.asked) - 1 == self._fails:
            raise MemoryError("no room for this one")
        number = torch.tensor(float(len(self.asked) - 1))
        return Clip(number, number)

    def validation(self) -> Any:
        return iter(())


def test_clips_come_in_the_order_of_the_steps_from_the_first_one_on():
    clips, items = Counted(), slice(2, 4)
    with Feed(clips, items, carry=3, first=4, steps=9) as feed:
        numbers = [float(feed.next().windows) for _ in range(5)]
    assert numbers == [0, 1, 2, 3, 4]
    assert clips.asked == [(s // 3, s % 3, items) for s in range(4, 9)]


def test_only_a_few_clips_wait():
    clips = Counted()
    with Feed(clips, slice(0, 1), carry=1, first=0, steps=1000) as feed:
        for _ in range(3):
            feed.next()
        time.sleep(0.3)
        assert len(clips.asked) <= 3 + AHEAD + 1


def test_an_error_arrives_where_the_clip_was_wanted():
    with Feed(Counted(fails=2), slice(0, 1), carry=1, first=0, steps=9) as feed:
        feed.next()
        feed.next()
        with pytest.raises(MemoryError, match="no room for this one"):
            feed.next()


def test_closing_ends_the_thread_while_clips_wait_and_twice_does_no_harm():
    before = threading.active_count()
    feed = Feed(Counted(), slice(0, 1), carry=1, first=0, steps=1000)
    feed.next()
    feed.close()
    feed.close()
    assert threading.active_count() == before
