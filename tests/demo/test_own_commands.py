"""The command line with somebody's own texts, directions and model."""

import json
from pathlib import Path

import pandas as pd
import pytest
from models import hf_llama, tokenizer

import tl_steer as ts
from tl_steer.cli import main
from tl_steer.cli.own import AT_LEAST

WORDS = ("film", "movie", "plot", "scene", "story")
GOOD = [f"the {word} was {how} good" for word in WORDS for how in ("very", "so", "much", "a")]
BAD = [f"the {word} was {how} bad" for word in WORDS for how in ("very", "so", "much", "a")]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    hf_llama().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def texts(tmp_path: Path) -> tuple[str, str]:
    for name, lines in (("good.txt", GOOD), ("bad.txt", BAD)):
        (tmp_path / name).write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return str(tmp_path / "good.txt"), str(tmp_path / "bad.txt")


def test_from_texts_to_steered_text(
    checkpoint: str, texts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "good.safetensors")
    assert len(GOOD) >= AT_LEAST
    assert main(["extract", *texts, "-o", file, "--model", checkpoint, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    direction = ts.Direction.load(file)
    assert found["hook_name"] == direction.hook_name
    assert direction.provenance.data == "good.txt against bad.txt"
    assert direction.provenance.n_positive == 15
    assert 0 <= found["auroc"] <= 1
    assert found["verdict"] in ("use", "doubtful", "do not use")

    assert main(["inspect", file]) == 0
    shown = capsys.readouterr().out
    assert direction.hook_name in shown
    assert "good.txt against bad.txt" in shown

    asked = ["steer", file, "the film was", "--model", checkpoint, "--tokens", "4", "--dose", "0.3"]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("the film was", "dose -0.3", "unsteered", "dose +0.3"))
    assert main([*asked, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)["texts"]
    assert [each["condition"] for each in written] == ["dose -0.3", "unsteered", "dose +0.3"]


def test_a_layer_is_as_asked(checkpoint: str, texts: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "joy.safetensors"
    asked = ["extract", *texts, "-o", str(file), "--model", checkpoint, "--layer", "1"]
    assert main(asked) == 0
    direction = ts.Direction.load(file)
    assert direction.hook_name == "blocks.1.hook_resid_post"
    assert direction.provenance.n_positive == len(GOOD)


def test_few_texts_and_a_table(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "texts.csv"
    rows = [f"{text},good" for text in GOOD[:3]] + [f"{text},bad" for text in BAD[:3]]
    table.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    file = str(tmp_path / "joy.safetensors")
    assert (
        main(["extract", str(table), "--positive", "good", "-o", file, "--model", checkpoint]) == 0
    )
    assert "fewer than 16 texts a side" in capsys.readouterr().out


def test_what_every_dose_does(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "joy.safetensors", tmp_path / "swept"
    vectors = {layer: [1.0] + [0.0] * 31 for layer in (1, 2)}
    ts.Directions.from_dict(vectors, model=ts.load_local(checkpoint)).save(file)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a movie\n", encoding="utf-8")
    asked = ["sweep", str(file), "the film was", "--prompts", str(prompts), "--model", checkpoint,
             "--doses", "-0.2", "0.3", "--tokens", "3", "--samples", "1"]  # fmt: skip
    assert main([*asked, "--judge", "vader", "--output", str(out)]) == 0
    shown = capsys.readouterr().out
    said = ("unsteered", "blocks.1.hook_resid_post", "-0.2", "vader", "perplexity", str(out))
    assert all(each in shown for each in said)
    assert set(pd.read_parquet(out / "texts.parquet")["prompt"]) == {"the film was", "a movie"}
    assert main([*asked, "--layer", "2", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert [(each["layer"], round(each["dose"], 3)) for each in cells] == [
        (-1, 0.0),
        (2, -0.2),
        (2, 0.3),
    ]


@pytest.mark.once
def test_whether_own_texts_steer(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hows = ("very", "so", "much", "a", "not", "it", "you", "the")
    for name in ("good", "bad"):
        lines = [f"the {word} was {how} {name}" for word in WORDS for how in hows]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "prompts.txt").write_text("the film was\na movie\nyou saw\nthe end is\n")
    out = tmp_path / "out"
    asked = ["study", "--positive", str(tmp_path / "good.txt"), "--negative",
             str(tmp_path / "bad.txt"), "--prompts", str(tmp_path / "prompts.txt"), "--model",
             checkpoint, "--output", str(out), "--quick", "--both-ways", "--kl", "0.05", "--tokens",
             "3", "--samples", "1"]  # fmt: skip
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    methods = ["none", "mean difference", "away from mean difference", "random (mean of 4)"]
    assert [row["method"] for row in found["table"]] == methods
    assert set(found["verdicts"]) == {"mean difference"}
    facts = json.loads((out / "facts.json").read_text())["facts"]
    assert facts["command"].startswith(f"tl-steer study --positive {tmp_path}")
    assert facts["data"] == "20 and 20 texts, mean of tokens"
    assert "blocks.{1..2}.hook_resid_post" in facts["hook points"]
    assert "says nothing" in (out / "report.html").read_text()


def test_a_study_says_what_it_needs(
    checkpoint: str, texts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few, four = tmp_path / "few.txt", tmp_path / "four.txt"
    few.write_text("the film was\n", encoding="utf-8")
    four.write_text("the film was\na movie\nyou saw\nthe end\n", encoding="utf-8")
    own = ["study", "--positive", texts[0], "--negative", texts[1], "--model", checkpoint,
           "--output", str(tmp_path / "out")]  # fmt: skip
    for said, prompts in {
        "a study needs 4 or more": few,
        "or another judge, --judge": four,
    }.items():
        assert main([*own, "--prompts", str(prompts)]) == 1
        assert said in capsys.readouterr().err
    assert main(["sweep", "joy.safetensors"]) == 1
    assert "give prompts to continue" in capsys.readouterr().err
    for asked in (own, ["study", "sentiment", "--positive", texts[0]]):
        with pytest.raises(SystemExit) as ended:
            main(asked)
        assert ended.value.code == 2
    assert "--prompts" in capsys.readouterr().err


def test_a_conversation_has_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chat", "joy.safetensors", "--json"])
    assert ended.value.code == 2
    assert "--json" in capsys.readouterr().err


def test_what_is_refused(
    checkpoint: str, texts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = tmp_path / "two.safetensors"
    vectors = {layer: [1.0] + [0.0] * 31 for layer in (1, 2)}
    ts.Directions.from_dict(vectors, model=ts.load_local(checkpoint)).save(two)
    cases = {
        "two text files": ["extract", texts[0], "--model", checkpoint],
        "cannot be read as text": ["extract", texts[0], "nowhere.txt", "--model", checkpoint],
        "choose one with --layer: 1, 2": ["steer", str(two), "the film", "--model", checkpoint],
        "not a whole safetensors file": ["inspect", texts[0]],
        "not a folder here, and cannot be fetched": ["steer", str(two), "the film", "--layer", "1",
                                              "--model", "nobody/nothing"],
        "this model has layers 0 to": ["extract", *texts, "--layer", "99", "--model", checkpoint],
    }  # fmt: skip
    for said, asked in cases.items():
        assert main(asked) == 1
        assert said in capsys.readouterr().err
    assert main(["inspect", texts[0], "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_doctor_knows_what_was_tested(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor", "--without-model", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["untested"] == []
    assert found["devices"][0] == "cpu"
    monkeypatch.setattr("tl_steer.cli.doctor.versions", lambda: {"transformers": "99.0"})
    monkeypatch.setattr("tl_steer.cli.doctor.requires", lambda name: ["transformers>=5.9,<5.25"])
    assert main(["doctor", "--without-model"]) == 0
    assert "transformers 99.0" in (shown := capsys.readouterr().out)
    assert "NOT TESTED WITH THIS" in shown


@pytest.mark.packaged
def test_the_doctor_compares_with_and_without_a_cache(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cache"] is True


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("tl_steer 0.")
