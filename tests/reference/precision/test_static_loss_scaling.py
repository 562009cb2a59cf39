import math

import pytest
import torch
from lm_reference.page import pages

STATIC = pages()["precision.static_loss_scaling"]


def test_the_scale_outlives_an_overflow():
    page = STATIC.module()

    skipped, after = page.step([torch.tensor([math.nan])], page.init(1024.0))
    made, then = page.step([torch.tensor([2048.0])], after)

    assert (skipped, made[0].item(), then.item()) == (None, 2.0, 1024.0)


def test_a_side_of_the_fork_passes_infinities_on():
    page = STATIC.module(*STATIC.sides({"nonfinite": "passed"}))

    (found,), _ = page.step([torch.tensor([math.inf, 8.0])], page.init(8.0))

    assert found.tolist() == [math.inf, 1.0]


@pytest.mark.parametrize("scale", [8.0, 32768.0])
def test_the_published_constants_are_powers_of_two_and_so_exact(scale):
    page = STATIC.module()
    gradients = torch.randn(1000, generator=torch.Generator().manual_seed(0))

    (found,), _ = page.step([page.scaled(gradients, page.init(scale))], page.init(scale))

    assert torch.equal(found, gradients)
