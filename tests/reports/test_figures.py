"""Pictures of a study: that what is drawn is what the frames say."""

import numpy as np
import pandas as pd
import pytest
from frames_of import (
    GAINS,
    HOSTILE,
    JUDGE,
    STRENGTHS,
    cells_of,
    controlled_of,
    level,
    site,
    texts_of_cells,
)
from matplotlib.figure import Figure

from tl_steer.drawing.rendering import figure_png
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.reports._averages import averaged, kind_of
from tl_steer.reports._figures import dose_effect_curves
from tl_steer.reports._heatmap import layer_strength_heatmap
from tl_steer.reports._pareto import pareto, pareto_front
from tl_steer.reports._spread_figures import per_prompt_spread, sigma_bars


def lines(figure: Figure, panel: int = 0) -> dict[str, list[tuple[float, float]]]:
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in line.get_xydata()]
        for line in figure.axes[panel].get_lines()
        if not str(line.get_label()).startswith("_")
    }


def nameless(figure: Figure, panel: int = 0) -> int:
    return sum(str(line.get_label()).startswith("_") for line in figure.axes[panel].get_lines())


def legend(figure: Figure) -> list[str]:
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("none", "none"),
        ("random 12", "random"),
        ("shuffled 1", "shuffled"),
        ("orthogonal 3", "orthogonal"),
        ("instruction", "instruction"),
        ("random forest", "direction"),
        ("a random 1", "direction"),
    ],
)
def test_controls_are_known_by_their_names(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_settings_are_averaged_over_prompt_sets_each_beside_its_own_unsteered_cell() -> None:
    shifted = cells_of(layers=[17], controls=0, prompts="negative")
    shifted[[JUDGE, f"{JUDGE}_low"]] -= 0.2
    shifted["perplexity"] *= 4
    cells = pd.concat([cells_of(layers=[17], controls=0), shifted])
    found = averaged(cells, JUDGE)
    assert len(found) == len(shifted)
    one = found[(found["direction"] == "leace") & (found["strength"] == 2)].iloc[0]
    assert one["cells"] == 2
    assert one["score"] == pytest.approx(level(0.3, 2) - 0.1)
    assert one["effect"] == pytest.approx(level(0.3, 2) - 0.5)
    assert one["high"] - one["low"] == pytest.approx(0.11 + 0.1)
    assert one["perplexity"] == pytest.approx(2 * 11 * np.exp(0.2))


def test_a_curve_is_drawn_for_each_direction_and_passes_through_no_steering() -> None:
    figure = dose_effect_curves(cells_of(layers=[14, 17]), JUDGE)
    panels = [(layer, name) for layer in (14, 17) for name in GAINS]
    titles = [f"{name}\n{site(layer)}" for layer, name in panels]
    assert [axes.get_title(loc="left") for axes in figure.axes] == titles
    for panel, (layer, own) in enumerate(panels):
        # One coloured band beside that of the random directions, and the others' lines faint.
        assert len(figure.axes[panel].collections) == 2
        faint = {line.get_label(): line.get_alpha() for line in figure.axes[panel].get_lines()}
        assert {name for name in GAINS if faint[name] == 1} == {own}
        found = lines(figure, panel)
        assert set(found) == {*GAINS, "no steering"}
        for name, gain in GAINS.items():
            wanted = {s * 0.06: level(gain, s, layer) for s in (*STRENGTHS, 0.0)}
            assert len(found[name]) == len(wanted)
            for (x, y), dose in zip(found[name], sorted(wanted), strict=True):
                assert (x, y) == pytest.approx((dose, wanted[dose]))
        assert nameless(figure, panel) == 30
    assert legend(figure)[0] == "random (30)"
    assert set(legend(figure)) == {*GAINS, "no steering", "random (30)"}


def test_the_band_reaches_from_the_lowest_to_the_highest_random_direction() -> None:
    cells = cells_of(layers=[17], controls=5)
    (band,) = [
        each
        for each in dose_effect_curves(cells, JUDGE).axes[0].collections
        if each.get_label() == "random (5)"
    ]
    at_end = cells[(cells["strength"] == 4) & cells["direction"].str.startswith("random ")][JUDGE]
    corners = band.get_paths()[0].vertices
    ends = corners[np.isclose(corners[:, 0], 0.24), 1]
    assert (ends.min(), ends.max()) == pytest.approx((at_end.min(), at_end.max()))


def test_curves_stand_without_controls_no_steering_or_intervals() -> None:
    cells = cells_of({"joy": 1.0}, layers=[17], controls=0, none=False)
    cells = cells.drop(columns=[f"{JUDGE}_low", f"{JUDGE}_high", "perplexity"])
    figure = dose_effect_curves(cells, JUDGE)
    assert set(lines(figure)) == {"joy"}
    assert len(lines(figure)["joy"]) == len(STRENGTHS)


def test_too_many_bands_to_stand_apart_are_not_drawn() -> None:
    layers = [11, 14, 17, 20]
    figure = dose_effect_curves(cells_of(layers=layers, controls=0), JUDGE)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [site(each) for each in layers]
    assert [len(axes.collections) for axes in figure.axes] == [0] * 4


def test_scopes_have_lines_of_their_own() -> None:
    cells = pd.concat(
        [
            cells_of({"joy": 1.0}, layers=[17], controls=0),
            cells_of({"joy": 0.5}, layers=[17], controls=0, scope="prompt", none=False),
        ]
    )
    found = set(lines(dose_effect_curves(cells, JUDGE)))
    assert found == {"joy, everywhere", "joy, prompt", "no steering"}


def test_long_names_that_are_cut_alike_are_still_two() -> None:
    names = [f"{'a' * 40}{middle}{'b' * 40}" for middle in "xy"]
    figure = dose_effect_curves(cells_of(dict.fromkeys(names, 1.0), layers=[17]), JUDGE)
    assert len(legend(figure)) == 4


def beaten(point: pd.Series, settings: pd.DataFrame) -> bool:
    """Word for word: another is no dearer and does no less, and one of both is better."""
    no_dearer = settings["perplexity"] <= point["perplexity"]
    no_less = settings["score"] >= point["score"]
    better = (settings["perplexity"] < point["perplexity"]) | (settings["score"] > point["score"])
    return bool((no_dearer & no_less & better).any())


@pytest.mark.parametrize("higher", [True, False])
def test_the_front_is_all_settings_that_none_beats(higher: bool) -> None:
    cells = cells_of(controls=3)
    draws = np.random.default_rng(0)
    cells[JUDGE] += 0.1 * draws.normal(size=len(cells))
    cells["perplexity"] *= np.exp(0.2 * draws.normal(size=len(cells)))
    settings = averaged(cells, JUDGE)
    settings = settings[settings["kind"].isin(["direction", "none"])]
    sign = 1 if higher else -1
    turned = settings.assign(score=sign * settings["score"])
    level_of_none = float(turned.loc[turned["kind"] == "none", "score"].iloc[0])
    wanted = [
        (row["direction"], row["hook_name"], row["strength"])
        for _, row in turned.iterrows()
        if row["score"] >= level_of_none and not beaten(row, turned)
    ]
    front = pareto(cells, JUDGE, higher=higher)
    found = list(zip(front["direction"], front["hook_name"], front["strength"], strict=True))
    assert sorted(found) == sorted(wanted)
    assert len(found) > 2
    assert front["perplexity"].is_monotonic_increasing


def test_the_front_is_drawn_among_all_points_controls_grey() -> None:
    cells = cells_of(layers=[17], controls=4)
    cells.loc[cells["direction"] == "leace", "perplexity"] = np.nan
    figure = pareto_front(cells, JUDGE)
    found = lines(figure)
    assert len(found["random (4)"]) == 4 * len(STRENGTHS)
    assert len(found["mean difference"]) == sum(s > 0 for s in STRENGTHS)
    assert found["leace"] == []
    front = pareto(cells, JUDGE)
    assert found["front, higher"] == [
        (pytest.approx(x), pytest.approx(y))
        for x, y in zip(front["perplexity"], front["score"], strict=True)
    ]
    assert found["no steering"] == [(pytest.approx(11.0), pytest.approx(0.5))]
    assert found["limit, 1.5×"][0][0] == pytest.approx(16.5)
    assert "9 settings without a finite one" in figure.axes[0].get_xlabel()


def test_without_any_perplexity_there_is_no_front() -> None:
    cells = cells_of(controls=0).assign(perplexity=float("inf"))
    with pytest.raises(DataError, match="no setting has a score and a finite perplexity"):
        pareto_front(cells, JUDGE)


def test_each_prompt_is_drawn_and_those_that_move_the_other_way_are_marked() -> None:
    figure = per_prompt_spread(texts_of_cells(), JUDGE)
    found = lines(figure)
    assert len(found["a text"]) == 64
    assert len(found["prompt (14)"]) == 14
    assert {y for _, y in found["moved the other way (2)"]} == {0.0, 1.0}
    assert all(x < 0 for x, _ in found["moved the other way (2)"])
    heavy = [tick for tick in figure.axes[0].get_yticklabels() if tick.get_weight() == "bold"]
    assert [tick.get_text()[:9] for tick in heavy] == ["Number 8:", "Number 3:"]


def test_many_prompts_are_drawn_without_names() -> None:
    texts = texts_of_cells(prompts=[f"prompt {n}" for n in range(60)], samples=1)
    figure = per_prompt_spread(texts, JUDGE)
    assert len(lines(figure)["prompt (58)"]) == 58
    assert figure.axes[0].get_yticklabels() == []


def test_effects_stand_beside_all_their_controls() -> None:
    several = {"joy": controlled_of(0.2), "noise": controlled_of(0.0, shuffled=None, others=False)}
    figure = sigma_bars(several)
    axes = figure.axes[0]
    drawn = {}
    for line in axes.get_lines():
        drawn.setdefault(line.get_label(), []).append(len(line.get_xdata()))
    assert drawn["random"] == [30, 30]
    assert drawn["shuffled"] == [10]
    assert drawn["direction"] == [1, 1]
    assert [text.get_text() for text in axes.texts] == [
        f"{each.sigma:+.1f} σ".replace("-", "−") for each in several.values()
    ]
    spreads = [each.frame.query("kind == 'random'")["effect"].std() for each in several.values()]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([4 * s for s in spreads])


@pytest.mark.parametrize("text", [HOSTILE, "$\\frac{", "$$", "_hidden", "", "😀 影", "a $x$ b $"])
def test_any_text_can_be_drawn_and_is_seen(text: str) -> None:
    cells = cells_of({text: 1.0, "joy": 0.5}, layers=[3, 4], controls=2)
    for figure in (
        dose_effect_curves(cells, JUDGE),
        pareto_front(cells, JUDGE, title=text),
        layer_strength_heatmap(cells, JUDGE),
        per_prompt_spread(texts_of_cells(prompts=[text, "b"], anti=[0]), JUDGE, title=text),
    ):
        assert figure_png(figure, dpi=30).startswith(b"\x89PNG")
    assert "joy" in legend(dose_effect_curves(cells, JUDGE))
    assert drawable("_x") in legend(
        dose_effect_curves(cells.replace({"direction": {text: "_x"}}), JUDGE)
    )


def test_what_is_too_long_keeps_both_ends() -> None:
    assert drawable("0123456789", 7) == "0123…89"
    assert drawable("0123456789", 10) == "0123456789"


@pytest.mark.parametrize("draw", [dose_effect_curves, pareto_front, layer_strength_heatmap])
def test_frames_that_cannot_be_drawn_are_refused(draw) -> None:
    cells = cells_of(layers=[17], controls=2)
    with pytest.raises(DataError, match="no rows"):
        draw(cells.iloc[:0], JUDGE)
    with pytest.raises(DataError, match=r"lacks \['vader'\]"):
        draw(cells, "vader")
    with pytest.raises(DataError, match="several cells without steering"):
        draw(pd.concat([cells, cells[cells["direction"] == "none"]]), JUDGE)


def test_pictures_without_a_direction_or_a_baseline_are_refused() -> None:
    cells = cells_of({}, controls=3)
    for draw in (dose_effect_curves, layer_strength_heatmap):
        with pytest.raises(DataError, match="there is no direction"):
            draw(cells.query("direction == 'none'"), JUDGE)
    with pytest.raises(DataError, match="no effect on sentiment is known"):
        layer_strength_heatmap(cells_of(none=False), JUDGE)
    with pytest.raises(DataError, match="0 directions"):
        sigma_bars({})
