"""Weights of a HookedTransformer, laid out in memory as its passes want them.

It multiplies as transformers does, with weights that have the output's axis first, and keeps them
with another order of axes: so every pass copies every weight before it multiplies. Where the
parameter already lies in memory in the order that is wanted, the same rearrangement is a view, and
nothing is copied. Shapes, numbers and results are the same to the last bit.
"""

from typing import Any

from torch import nn

_HEADS_IN, _HEADS_OUT, _MATRIX = (0, 2, 1), (2, 0, 1), (1, 0)
_ATTENTION = {
    **dict.fromkeys(("W_Q", "W_K", "W_V", "_W_K", "_W_V"), _HEADS_IN),
    "W_O": _HEADS_OUT,
}
_GATED = dict.fromkeys(("W_gate", "W_in", "W_out"), _MATRIX)
_UNEMBEDDING = {"W_U": _MATRIX}


def lay_out(model: Any) -> None:
    """Lay a model's weights out anew; only strides change.

    Args:
        model: A ``HookedTransformer`` that nobody else has a reference to yet.
    """
    for module in model.modules():
        own = module._parameters
        # Without a gate, an MLP multiplies with its weights as they are.
        orders = _ATTENTION | _UNEMBEDDING | (_GATED if "W_gate" in own else {})
        for name, order in orders.items():
            if own.get(name) is not None:
                _lay_out(own[name], order)


def _lay_out(parameter: nn.Parameter, order: tuple[int, ...]) -> None:
    back = [order.index(axis) for axis in range(len(order))]
    parameter.data = parameter.data.permute(order).contiguous().permute(back)
