"""The networks in torch: DepthAnyEvent and its recurrent form, the baselines E2Depth and EReFormer,
the image teacher; their weights, seeded or loaded."""

from dae_edge.extras import require

require("torch", extra="export", purpose="dae_edge.nn")  # before the modules that import it

from dae_edge.nn.config import ModelConfig  # noqa: E402
from dae_edge.nn.convlstm import LstmState, LstmStates  # noqa: E402
from dae_edge.nn.dav2 import DepthAnythingV2  # noqa: E402
from dae_edge.nn.depth_anyevent import DepthAnyEvent, network_size  # noqa: E402
from dae_edge.nn.e2depth import E2Depth  # noqa: E402
from dae_edge.nn.ereformer import EReFormer  # noqa: E402
from dae_edge.nn.seeded import seeded_state_dict, seeded_tensor  # noqa: E402
from dae_edge.nn.weights import load_weights  # noqa: E402

__all__ = [
    "DepthAnyEvent",
    "DepthAnythingV2",
    "E2Depth",
    "EReFormer",
    "LstmState",
    "LstmStates",
    "ModelConfig",
    "load_weights",
    "network_size",
    "seeded_state_dict",
    "seeded_tensor",
]
