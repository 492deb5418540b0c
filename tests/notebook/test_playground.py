"""Dials: what they say is what is written, what is shown, and what the code writes again."""

import time
from typing import Any

import pytest
from making import direction, hooks_of

import tl_steer as ts
from tl_steer.errors import MismatchError, SteerError
from tl_steer.notebook import Settings
from tl_steer.notebook._view import View

AT = "blocks.1.hook_resid_post"
SAMPLED = ts.Sampling(5, temperature=0.8, seed=2)


def made(model: Any, **settings: Any) -> Any:
    directions = {"joy": direction(model, AT), "a <b> name": direction(model, AT, seed=1)}
    return ts.notebook.playground(model, directions, "the film", sampling=SAMPLED, **settings)


def view_of(played: Any) -> View:
    view: View = played._view
    return view


def pressed(played: Any, button: str) -> None:
    """Press a button, and wait until what it began is done."""
    getattr(view_of(played), button).click()
    played._session.wait()


def test_it_writes_what_the_dials_say_and_so_does_its_code(model: Any) -> None:
    played = made(model, doses={"joy": 0.3})
    view = view_of(played)
    view.dials["a <b> name"].value = -0.2
    view.scope.value = "generated"
    pressed(played, "write")
    steering = ts.Steering(
        ts.Add(played._session.directions["joy"], dose=0.3, scope=ts.generated),
        ts.Add(played._session.directions["a <b> name"], dose=-0.2, scope=ts.generated),
    )
    expected = ts.compare(model, "the film", steering, SAMPLED, progress=False)
    assert played.written.texts == expected.texts
    printed: list[Any] = []
    names = {"ts": ts, "model": model, "directions": played._session.directions}
    exec(played.code, names | {"print": printed.append})
    assert printed[0].texts == expected.texts


def test_a_switch_takes_a_direction_out(model: Any) -> None:
    played = made(model)
    view = view_of(played)
    view.dials["joy"].value = 0.3
    view.switches["joy"].value = False
    pressed(played, "write")
    assert played.written.conditions == ["unsteered"]
    assert "ts.generate" in played.code
    printed: list[Any] = []
    exec(played.code, {"ts": ts, "model": model, "print": printed.append})
    assert printed[0].texts == played.written.texts


def test_undo_goes_back_to_settings_and_texts(model: Any) -> None:
    played = made(model)
    view = view_of(played)
    view.dials["joy"].value = 0.3
    pressed(played, "write")
    first, settings = played.written.texts, played.settings
    view.dials["joy"].value, view.seed.value, view.prompt.value = -0.4, 7, "the acting"
    pressed(played, "write")
    assert played.written.texts != first
    assert not view.undo.disabled
    view.undo.click()
    assert played.written.texts == first
    assert played.settings == settings == view.settings
    assert view.undo.disabled


def test_cancel_ends_it_and_leaves_nothing(model: Any) -> None:
    played = made(model)
    view = view_of(played)
    before = hooks_of(model)
    view.tokens.value = 40
    view.dials["joy"].value = 0.2
    shown: list[str] = []

    def slow(change: Any) -> None:
        shown.append(change.new)
        view.cancel.click()

    view.texts["steered"].observe(slow, "value")
    began = time.monotonic()
    pressed(played, "write")
    assert time.monotonic() - began < 60
    assert "Cancelled." in view.said.value
    assert played.written is None
    assert hooks_of(model) == before
    assert not view.write.disabled
    assert view.cancel.disabled


def test_what_goes_wrong_is_said_and_the_dials_stay(model: Any) -> None:
    played = made(model)
    view = view_of(played)
    view.chat.value = True
    pressed(played, "write")
    assert "no chat template" in view.said.value
    assert not view.write.disabled


def test_texts_and_names_are_no_markup(model: Any) -> None:
    played = made(model)
    view = view_of(played)
    view._show("steered", "<script>alert(1)</script>")
    assert "<script>" not in view.texts["steered"].value
    view.dials["a <b> name"].value = 0.1
    pressed(played, "copy")
    assert "<b> name" not in view.code.value


def test_wrong_input_is_refused_first(model: Any) -> None:
    joy = direction(model, AT)
    with pytest.raises(SteerError, match="no direction"):
        ts.notebook.playground(model, {})
    with pytest.raises(SteerError, match="samples=1"):
        ts.notebook.playground(model, joy, sampling=ts.Sampling(samples=2))
    with pytest.raises(SteerError, match=r"'glad': the directions are direction"):
        ts.notebook.playground(model, joy, doses={"glad": 0.1})
    with pytest.raises(SteerError):
        ts.notebook.playground(model, joy, doses={"direction": float("nan")})
    narrow = ts.Direction.of([1.0, 2.0], at=AT, scale=1.0)
    with pytest.raises(MismatchError):
        ts.notebook.playground(model, narrow)


def test_settings_without_a_dial_steer_nothing() -> None:
    assert Settings(prompt="a").steering({}) is None
    assert Settings(prompt="a", doses={"joy": 0.0}).acting == {}
