"""Memory of mixed precision: what training with Adam keeps for each parameter, activations aside.

    A weight that the model computes with has 2 bytes in 16 bits, 4 in float32.              (1)
    Its master has 4 bytes; a float32 weight is its own master.                              (2)
    Its gradient has as many bytes as the weight.                                            (3)
    Its two moments have 4 bytes each.                                                       (4)
    In all 16 bytes in float32, and 16 in mixed precision: it saves none of them.            (5)

Counts, scales and rates are few, and do not count.

Source: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740v3, section 3.1; Rajbhandari et al., "ZeRO",
    arXiv:1910.02054v3, section 3.1: 2 + 2 + 12.
Differs: lecture notes say that mixed precision halves the memory. It halves activations; weights grow by half, 4 to 6.
Forks:
    gradients = narrow | wide
        wide (3): gradient = 4
        Gradients are kept in float32, so 18 bytes in all: autocast with float32 weights, Megatron-LM's main_grad.
    formats = both | float16 | bfloat16
        float16: the implementation has no bfloat16.
        bfloat16: the implementation has no float16.
"""


def parameter(
    width: int,  # 2 or 4: the bytes of a number of the model
) -> dict[str, int]:
    """The bytes of one parameter, by what they hold."""
    weight = width  # (1)
    master = 4 if width == 2 else 0  # (2)
    gradient = width  # (3)
    moments = 2 * 4  # (4)
    return {"weights": weight, "masters": master, "gradients": gradient, "moments": moments}  # (5)
