"""`tl-steer chat`: both answers, the dials, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from making import direction, packaged, small_model

import tl_steer as ts
from tl_steer.cli import main
from tl_steer.cli.chat import Conversation, named_directions, talk
from tl_steer.errors import SteerError

AT = "blocks.15.hook_resid_post"


@pytest.fixture
def conversation() -> Conversation:
    model = packaged("bridge")
    joy = direction(model, AT)
    return Conversation(model, {"joy": joy, "calm": -joy}, ts.Sampling(6, temperature=0.0))


@pytest.mark.packaged
def test_it_goes_on_from_the_steered_answer(conversation: Conversation) -> None:
    plain = conversation.answer("Say a word.")
    assert plain.startswith("unsteered │ ")
    assert "\n" not in plain.strip()
    assert conversation.answer("/joy 0.3") == "joy +0.3  calm +0"
    both = conversation.answer("Another one.").splitlines()
    assert [line.split("│")[0].strip() for line in both] == ["unsteered", "steered"]
    assert [who for who, _ in conversation.turns] == ["user", "assistant"] * 2
    steering = ts.Steering(joy=ts.Add(conversation.directions["joy"], dose=0.3))
    alone = ts.generate(
        conversation.model,
        _history(conversation),
        steering,
        conversation.sampling,
        prepend_bos=False,
    )
    assert conversation.turns[-1] == ("assistant", alone.texts[0])
    assert conversation.answer("/undo") == "1 turn left"
    assert conversation.answer("/off") == "joy +0  calm +0"
    assert conversation.steering is None


def _history(conversation: Conversation) -> str:
    turns = [{"role": who, "content": said} for who, said in conversation.turns[:-1]]
    text: str = conversation.model.tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True
    )
    return text


@pytest.mark.packaged
def test_commands_that_there_are_not(conversation: Conversation) -> None:
    for said, why in {
        "/anger 1": "/joy DOSE, /calm DOSE, /off",
        "/joy": "a number is wanted",
        "/joy much": "a number is wanted",
        "/joy 0.1 0.2": "there are /joy DOSE",
        "/joy nan": "dose",
    }.items():
        with pytest.raises(SteerError, match=why):
            conversation.answer(said)
    assert conversation.doses == {}
    assert "/joy 0.3" in conversation.answer("/help")


@pytest.mark.packaged
def test_in_the_terminal(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = iter(["", "/joy 0.2", "/nothing", "/quit"])
    monkeypatch.setattr("builtins.input", lambda _: next(said))
    talk(conversation)
    shown = capsys.readouterr().out
    assert "joy +0.2" in shown
    assert "/nothing: there are" in shown

    def end(_: str) -> Any:
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    talk(conversation)


def test_files_are_dials_by_their_names(tmp_path: Path) -> None:
    joy = direction(small_model("bridge"), "blocks.1.hook_resid_post")
    files = [joy.save(tmp_path / "joy.safetensors"), joy.save(tmp_path / "calm.safetensors")]
    assert list(named_directions(files, None)) == ["joy", "calm"]
    (tmp_path / "more").mkdir()
    with pytest.raises(SteerError, match="two files have one name"):
        named_directions([*files, joy.save(tmp_path / "more" / "joy.safetensors")], None)

    for name in ("off", "my joy"):
        with pytest.raises(SteerError, match="its name is its dial"):
            named_directions([joy.save(tmp_path / f"{name}.safetensors")], None)


@pytest.mark.packaged
def test_a_direction_of_another_model_is_refused_before_anything_is_said() -> None:
    other = direction(small_model("bridge"), "blocks.1.hook_resid_post")
    with pytest.raises(SteerError, match="read from another model"):
        Conversation(packaged("bridge"), {"joy": other}, ts.Sampling(2))


def test_what_sets_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sets"]) == 0
    shown = capsys.readouterr().out
    assert all(f"ts.data.{name}()" in shown for name in ts.data.DATA_CARDS)
