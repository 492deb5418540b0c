"""Pictures of a localization: where a property is carried."""

from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.causal._effects_figure import (
    draw_head_heatmap,
    draw_layer_effects,
    draw_position_heatmap,
)
from tl_steer.causal._localization import Localization


@checked
def position_heatmap(
    found: Localization,
    *,
    site: str | None = None,
    value: str = "effect",
    prompt: int | None = None,
) -> Figure:
    """Effects by layer and position, with the tokens that stand there.

    Violet moves the metric up, brown down, white not at all; grey is where no prompt has one.

    Args:
        found: With ``positions=EachPosition()``, at hook points without heads.
        site: Which of them, e.g. ``hook_resid_post``, where there are several kinds.
        value: ``effect`` or ``share``.
        prompt: Draw the effects on one prompt, by its number, and its tokens. Without it, means
            are drawn, and a token is named where all prompts have the same.

    Raises:
        DataError: For a localization without positions or with heads, a site or prompt that it
            lacks, or shares where there are none.
    """
    return draw_position_heatmap(found, site=site, value=value, prompt=prompt)


@checked
def head_heatmap(
    found: Localization,
    *,
    site: str | None = None,
    value: str = "effect",
    position: int | None = None,
) -> Figure:
    """Effects by layer and head.

    Args:
        found: At hook points with heads, such as ``attn.hook_z``.
        site: Which of them, where there are several kinds.
        value: ``effect`` or ``share``.
        position: Which, where there are several.

    Raises:
        DataError: For a localization without heads, a site or position that it lacks, or shares
            where there are none.
    """
    return draw_head_heatmap(found, site=site, value=value, position=position)


@checked
def layer_effects(found: Localization, *, value: str = "effect") -> Figure:
    """Effects over the layers with their intervals, one line for each kind of hook point.

    Args:
        found: At hook points without heads, with one choice of positions.
        value: ``effect`` or ``share``.

    Raises:
        DataError: For heads or several positions, or shares where there are none.
    """
    return draw_layer_effects(found, value=value)
