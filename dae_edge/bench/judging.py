"""When not to believe a number: rules over what was recorded, as plain functions.

A reason names what was seen and what is allowed. No reason: the run is called stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dae_edge.bench.statistics import Latencies, median_interval, variation


@dataclass(frozen=True)
class Limits:
    """What a stable run may show.

    Attributes:
        windows: Fewest windows.
        cov: Largest coefficient of variation of the latency.
        interval: Widest interval of the median, relative to it.
        drift: Largest change of the median from a launch's first to its last third.
        launches: Largest distance between the launches' medians.
        others: Processor cores that other processes may keep busy.
        stolen: Share of processor time that a hypervisor may take.
        clock: Largest fall of the clock below its highest during the run.
        interruptions: Involuntary context switches per second.
    """

    windows: int = 30
    cov: float = 0.15
    interval: float = 0.05
    drift: float = 0.05
    launches: float = 0.08
    others: float = 0.15
    stolen: float = 0.01
    clock: float = 0.10
    interruptions: float = 100.0


LIMITS = Limits()


def judge(
    latencies: Sequence[Latencies], watches: Sequence[dict[str, Any]], limits: Limits = LIMITS
) -> list[str]:
    """Why the run is unstable; nothing if it is not.

    Args:
        latencies: Of each launch, microseconds, in order.
        watches: Of each launch: what ``watch.Watch.result`` gave, or nothing.
        limits: What is allowed.
    """
    return _of_latencies(latencies, limits) + judge_machine(watches, limits)


def judge_machine(watches: Sequence[dict[str, Any]], limits: Limits = LIMITS) -> list[str]:
    """The same by what the machine did alone; for runs whose latency is meant to vary."""
    reasons = []
    for number, watch in enumerate(watches, 1):
        where = f"launch {number}: " if len(watches) > 1 else ""
        reasons += [where + reason for reason in _of_machine(watch, limits)]
    return reasons


def drift(values: Latencies) -> float:
    """Change of the median from the first to the last third, relative."""
    third = len(values) // 3
    if not third:
        return 0.0
    return float(np.median(values[-third:]) / np.median(values[:third]) - 1)


def _of_latencies(launches: Sequence[Latencies], limits: Limits) -> list[str]:
    values = np.concatenate([*launches, np.empty(0)])
    if len(values) < limits.windows:
        return [f"{len(values)} windows, at least {limits.windows} are needed"]
    reasons = []
    cov, middle = variation(values) or 0.0, float(np.median(values))
    if cov > limits.cov:
        reasons.append(f"latency varies by {cov:.0%} (CoV), allowed are {limits.cov:.0%}")
    low, high = median_interval(launches) or (middle, middle)
    if (high - low) / middle > limits.interval:
        reasons.append(
            f"the median is known to {(high - low) / middle:.0%} only, wanted are "
            f"{limits.interval:.0%}: measure longer"
        )
    worst = max((drift(launch) for launch in launches), key=abs, default=0.0)
    if abs(worst) > limits.drift:
        reasons.append(
            f"latency drifts by {worst:+.0%} from the first to the last third of a launch, "
            f"allowed are {limits.drift:.0%}"
        )
    centres = [float(np.median(launch)) for launch in launches if len(launch)]
    apart = max(centres) / min(centres) - 1
    if apart > limits.launches:
        reasons.append(
            f"the launches' medians are {apart:.0%} apart, allowed are {limits.launches:.0%}"
        )
    return reasons


def _of_machine(watch: dict[str, Any], limits: Limits) -> list[str]:
    reasons = []
    if watch.get("warmed_up") is False:
        reasons.append("warming up did not come to an end")
    others = watch.get("others_cores")
    if others is not None and others > limits.others:
        reasons.append(
            f"other processes kept {others:.2f} cores busy, allowed are {limits.others:.2f}"
        )
    stolen = watch.get("stolen")
    if stolen is not None and stolen > limits.stolen:
        reasons.append(f"the hypervisor took {stolen:.1%} of the time")
    switches = watch.get("involuntary_per_s")
    if switches is not None and switches > limits.interruptions:
        reasons.append(f"interrupted {switches:.0f} times a second by other work")
    for name in ("cpu_mhz", "gpu_mhz"):
        if (fall := _fall(watch.get(name) or [])) > limits.clock:
            reasons.append(f"{name[:3].upper()} clock fell by {fall:.0%} during the run")
    if watch.get("throttled"):
        reasons.append(f"throttled: {', '.join(watch['throttled'])}")
    return reasons


def _fall(clocks: Sequence[float | None]) -> float:
    """How far the clock's lower tenth lies below its upper tenth; 0 where it was not seen."""
    seen = [clock for clock in clocks if clock]
    if len(seen) < 2:
        return 0.0
    low, high = np.percentile(seen, [10, 90])
    return float(1 - low / high)
