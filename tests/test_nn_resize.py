"""The baked resize is the free one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from dae_edge.nn import DepthAnyEvent, ModelConfig
from dae_edge.nn.resize import Bicubic


@pytest.mark.parametrize(("before", "after"), [((260, 346), (98, 126)), ((84, 112), (266, 350))])
def test_a_baked_resize_gives_what_the_free_one_gives(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    image = torch.rand(2, 3, *before, generator=torch.Generator().manual_seed(1))
    free, baked = Bicubic(), Bicubic()
    baked.bake(*before, after)
    assert baked(image, after).shape == (2, 3, *after)
    torch.testing.assert_close(baked(image, after), free(image, after), rtol=0, atol=2e-6)


def test_a_baked_model_keeps_the_keys_of_its_weights() -> None:
    model = DepthAnyEvent(ModelConfig(encoder="tiny", input_width=112, input_height=84))
    assert model.bake(84, 112).state_dict().keys() == model.state_dict().keys()
