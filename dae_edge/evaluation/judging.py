"""The loop: sequences, windows, predictions, scores. What is slow here is the predictor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets import Sample, Sequence
from dae_edge.errors import ContractError
from dae_edge.evaluation.predictors import Predictor
from dae_edge.evaluation.record import Evaluation, SequenceRecord
from dae_edge.tally import Tally

RANKED_BY = "abs_rel"
"""The score that is kept for each frame, to find the best and the worst ones."""


class Prediction(NamedTuple):
    """A window and its depth; ``empty``: it has no events, and the depth is the one before."""

    sample: Sample
    depth: NDArray[np.float32]
    empty: bool


def evaluate(
    predictor: Predictor,
    sequences: list[Sequence],
    evaluation: Evaluation,
    *,
    stop: threading.Event | None = None,
    finished: Callable[[Evaluation], None] = lambda evaluation: None,
    progress: Callable[[int, str], None] = lambda frames, sequence: None,
) -> bool:
    """Judge every sequence that ``evaluation`` does not have yet, and add it there.

    Args:
        predictor: What is judged.
        sequences: Of a dataset, in any order.
        evaluation: Where results go; its ``limit`` is how many samples of each sequence count.
        stop: Once it is set, the loop ends; a sequence that is not finished leaves no trace.
        finished: Called after each sequence.
        progress: Called for each frame with the number of frames done and the sequence's name.

    Returns:
        False if it was stopped.

    Raises:
        FormatError: a file of the dataset is missing or damaged.
        ContractError: the predictor does not fit the dataset.
    """
    done = 0
    for sequence in sequences:
        if sequence.name not in evaluation.sequences:
            tick = _ticker(progress, done, sequence.name)
            record = _judge(predictor, sequence, evaluation, stop, tick)
            if record is None:
                return False
            evaluation.add(sequence.name, *record)
            finished(evaluation)
        done += evaluation.sequences[sequence.name].frames
        progress(done, sequence.name)
    return True


def predictions(
    predictor: Predictor, sequence: Sequence, limit: int | None
) -> Iterator[Prediction]:
    """Depth for each sample of a sequence, from zero state on.

    A window without events does not reach the predictor: the depth before it stays, zeros at first.

    Raises:
        ContractError: the depth has another size than the true one.
    """
    predictor.reset()
    last: NDArray[np.float32] | None = None
    for sample in islice(sequence, limit):
        empty = not (np.any(sample.voxels) if sample.events is None else len(sample.events))
        if not empty:
            last = predictor.predict(sample)
        elif last is None:
            last = np.zeros(sample.depth.shape, np.float32)
        assert last is not None  # one of the two set it
        if last.shape != sample.depth.shape:
            got, wanted = (f"{s[1]}x{s[0]}" for s in (last.shape, sample.depth.shape))
            raise ContractError(
                f"{sequence.name}: sample {sample.index}: depth is {got}, true depth is {wanted}"
            )
        yield Prediction(sample, last, empty)


def _judge(
    predictor: Predictor,
    sequence: Sequence,
    evaluation: Evaluation,
    stop: threading.Event | None,
    tick: Callable[[int], None],
) -> tuple[SequenceRecord, dict[str, Tally]] | None:
    """One sequence; None if it was stopped."""
    began, empty = perf_counter(), 0
    protocols = evaluation.protocols
    tallies = {name: Tally(name) for name in protocols}
    ranks: dict[str, list[float]] = {name: [] for name in protocols}
    for prediction in predictions(predictor, sequence, evaluation.limit):
        for name, protocol in protocols.items():
            scores = protocol.frame(prediction.depth, prediction.sample.depth)
            tallies[name].add(sequence.name, scores)
            ranks[name].append(scores[RANKED_BY])
        empty += prediction.empty
        tick(tallies[next(iter(protocols))].frames(sequence.name))
        if stop is not None and stop.is_set():
            return None
    frames = len(next(iter(ranks.values())))
    if not frames:
        raise ContractError(f"{sequence.name}: no samples to judge")
    return SequenceRecord(frames, empty, round(perf_counter() - began, 3), ranks), tallies


def _ticker(progress: Callable[[int, str], None], done: int, name: str) -> Callable[[int], None]:
    return lambda frames: progress(done + frames, name)
