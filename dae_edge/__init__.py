"""Depth from event cameras on the robot's own computer. Start from the example in the README."""

from dae_edge._native import VERSION
from dae_edge.depth import Depth, Health
from dae_edge.encoding import tencode, voxel_grid
from dae_edge.errors import BudgetError, ContractError, FormatError, MissingExtraError
from dae_edge.events import EVENT, as_events, events_from
from dae_edge.model import Model, load
from dae_edge.sources import open_source as open
from dae_edge.sources.source import Source
from dae_edge.stream import DepthStream, StreamState

__version__ = VERSION

__all__ = [
    "EVENT",
    "BudgetError",
    "ContractError",
    "Depth",
    "DepthStream",
    "FormatError",
    "Health",
    "MissingExtraError",
    "Model",
    "Source",
    "StreamState",
    "__version__",
    "as_events",
    "events_from",
    "load",
    "open",
    "tencode",
    "voxel_grid",
]
