import pytest
from lm_reference.page import pages

MEMORY = pages()["precision.memory"]


@pytest.mark.parametrize(
    ("width", "gradients", "wanted"),
    [
        (4, "narrow", {"weights": 4, "masters": 0, "gradients": 4, "moments": 8}),
        (2, "narrow", {"weights": 2, "masters": 4, "gradients": 2, "moments": 8}),
        (2, "wide", {"weights": 2, "masters": 4, "gradients": 4, "moments": 8}),
    ],
)
def test_the_parts_of_a_parameter(width, gradients, wanted):
    page = MEMORY.module(*MEMORY.sides({"gradients": gradients}))

    assert page.parameter(width) == wanted


def test_mixed_precision_keeps_as_much_as_float32_and_more_with_wide_gradients():
    narrow, wide = (MEMORY.module(*MEMORY.sides({"gradients": side})) for side in ("narrow", "wide"))

    sums = [sum(page.parameter(width).values()) for page, width in ((narrow, 4), (narrow, 2), (wide, 2))]

    assert sums == [16, 16, 18]


def test_weights_grow_by_half():
    kept = MEMORY.module().parameter(2)

    assert (kept["weights"] + kept["masters"]) / 4 == 1.5
