"""Every token of a text, in numbers and in colours."""

from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from making import direction
from models import small_model

from tl_steer.diagnostics._projections import token_projections
from tl_steer.errors import DataError, MismatchError, SteerError

AT = "blocks.1.hook_resid_post"
TEXT = "the film was  very good"


class Spans(HTMLParser):
    """The text, style and title of every span of the last paragraph."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.spans: list[dict[str, str]] = []
        self.other = 0
        self.feed(html.rsplit("<p ", 1)[1])

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "span":
            self.spans.append({"text": "", **dict(attrs)})
        else:
            self.other += 1

    def handle_data(self, data: str) -> None:
        if self.spans:
            self.spans[-1]["text"] += data


@pytest.mark.parametrize("prepend_bos", [False, True])
def test_they_are_the_models_own_activations_along_the_unit_vector(
    model: Any, prepend_bos: bool
) -> None:
    joy = direction(model, AT)
    found = token_projections(model, TEXT, joy, prepend_bos=prepend_bos)
    ids = found.frame["token_id"].tolist()
    kept: list[torch.Tensor] = []
    with torch.no_grad():
        model.run_with_hooks(
            torch.tensor([ids]), fwd_hooks=[(AT, lambda acts, hook: kept.append(acts[0].clone()))]
        )
    expected = (kept[0] @ (joy.vector / joy.vector.norm())).tolist()
    assert found.frame["projection"].tolist() == pytest.approx(expected, abs=1e-4)
    assert len(ids) == 5 + prepend_bos
    assert "".join(found.frame["token"].iloc[int(prepend_bos) :]) == TEXT


def test_the_strip_shows_the_text_with_a_colour_and_a_number_for_each_token() -> None:
    model = small_model("bridge")
    found = token_projections(model, TEXT, direction(model, AT), around=0.0)
    shown = Spans(found._repr_html_()).spans
    assert "".join(span["text"] for span in shown) == TEXT
    for span, value in zip(shown, found.frame["projection"], strict=True):
        assert f"{value:.4g}" in span["title"]
        assert ("rgba(213,94,0" if value > 0 else "rgba(0,114,178") in span["style"]
    furthest = found.frame["projection"][1:].abs().idxmax()
    assert "0.50)" in shown[furthest]["style"]


def test_nothing_in_a_text_is_markup() -> None:
    model = small_model("bridge")
    text = '<script>alert("film")</script> & " title="x'
    html = token_projections(model, text, direction(model, AT))._repr_html_()
    parsed = Spans(html)
    assert "<script" not in html
    assert "".join(span["text"] for span in parsed.spans) == text
    assert parsed.other == 0
    assert all(set(span) == {"text", "title", "style"} for span in parsed.spans)


def test_without_a_middle_the_median_has_no_colour() -> None:
    model = small_model("bridge")
    found = token_projections(model, TEXT, direction(model, AT))
    assert found.around == pytest.approx(found.frame["projection"][1:].median())
    one = token_projections(model, "film", direction(model, AT))
    assert one.around == pytest.approx(one.frame["projection"][0])
    assert "film" in one._repr_html_()


def test_what_does_not_fit_is_refused() -> None:
    model = small_model("bridge")
    joy = direction(model, AT)
    with pytest.raises(DataError, match="has no token"):
        token_projections(model, "", joy)
    with pytest.raises(SteerError, match="around=inf"):
        token_projections(model, TEXT, joy, around=float("inf"))
    with pytest.raises(MismatchError, match="another model"):
        token_projections(small_model("bridge", "gpt2"), TEXT, joy)
