"""Where events come from: recordings of every common format, ROS bags, and live cameras."""

from dae_edge.sources.opening import open_source
from dae_edge.sources.source import PACKET_EVENTS, Source

__all__ = ["PACKET_EVENTS", "Source", "open_source"]
