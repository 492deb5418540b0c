"""Workers do what one process does."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
import torch
from making import direction
from sweeping import AT, PROMPTS, SAMPLING, small, swept

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.experiments import _workers as workers
from tl_steer.experiments._cell import NONE, Cell, PromptSet
from tl_steer.experiments._measures import Measures
from tl_steer.experiments._running import Runner

pytestmark = pytest.mark.once


def test_a_factory_is_as_good_as_a_model(tmp_path: Path) -> None:
    loaded: list[Any] = []

    def factory() -> Any:
        loaded.append(small())
        return loaded[-1]

    expected = swept(small(), tmp_path / "a").texts
    workers._loaded.clear()
    with joblib.parallel_config(backend="sequential"):
        found = swept(factory, tmp_path / "b").texts
    pd.testing.assert_frame_equal(found, expected)
    workers._loaded.clear()


def test_two_processes(tmp_path: Path) -> None:
    expected = swept(small(), tmp_path / "a").texts
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = swept(small, tmp_path / "b").texts
        without_folder = swept(small).texts
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(
        without_folder.drop(columns="cell"), expected.drop(columns="cell")
    )


def test_two_threads_of_one_process(tmp_path: Path) -> None:
    """They share a model, and take turns; sixteen times over."""
    expected = swept(small(), seeds=[0]).texts
    with joblib.parallel_config(backend="threading", n_jobs=2):
        for _ in range(16):
            found = swept(small, seeds=[0]).texts
            pd.testing.assert_frame_equal(found, expected)
    workers._loaded.clear()


def test_two_threads_with_a_sweep_each(tmp_path: Path) -> None:
    """Of factories; a model of one's own cannot be swept over by two threads."""
    model = small()
    expected = {seed: swept(model, seeds=[seed]).texts for seed in (0, 1)}
    # Made here: a thread that made its own would seed torch under the model of the other.
    given = {"joy": direction(model, AT), "noise": direction(model, AT, seed=1)}

    def of_seed(seed: int) -> pd.DataFrame:
        return swept(small, seeds=[seed], directions=given).texts

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            found = pool.map(of_seed, expected)
            for seed, texts in zip(expected, found, strict=True):
                pd.testing.assert_frame_equal(texts, expected[seed])
        with (
            ts.steer(model, ts.Add(direction(model, AT))),
            pytest.raises(SteerError, match="steered or read by another thread"),
        ):
            pool.submit(swept, model).result()
    workers._loaded.clear()


def loading_from(file: Path) -> Any:
    """What loads a model whose last weights are in a file."""

    def factory() -> Any:
        model = small()
        with torch.no_grad():
            model.original_model.get_output_embeddings().weight.mul_(float(file.read_text()))
        return model

    return factory


def test_a_checkpoint_that_changed_is_loaded_anew(tmp_path: Path) -> None:
    """Workers outlive a sweep; what they loaded for one says nothing of the next."""
    file, found = tmp_path / "checkpoint", []
    with joblib.parallel_config(backend="sequential"):
        for scale in ("1", "3"):
            file.write_text(scale)
            found.append(swept(loading_from(file), tmp_path / "cells", seeds=[0]).texts)
    assert not set(found[0]["cell"]) & set(found[1]["cell"])
    assert list(found[0]["log_probs"]) != list(found[1]["log_probs"])


def test_a_checkpoint_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    file.write_text("1")
    prompts = PromptSet("all", PROMPTS)
    cells = [Cell(NONE, None, 0.0, "", ts.everywhere, prompts, SAMPLING)]
    with joblib.parallel_config(backend="sequential"):
        runner = Runner(loading_from(file), workers.Job(Measures(), None))
        runner.texts(cells)
        file.write_text("3")
        workers._loaded.clear()  # as when a worker that was idle for long has been replaced
        with pytest.raises(SteerError, match="Did the checkpoint change on disk"):
            runner.texts(cells)
    workers._loaded.clear()


def test_a_dask_worker_of_two_threads(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    expected = swept(small(), tmp_path / "a").texts
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        found = swept(small, tmp_path / "b").texts
    pd.testing.assert_frame_equal(found, expected)


def test_two_workers_on_dask(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    expected = swept(small(), tmp_path / "a").texts
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        found = swept(small, tmp_path / "b").texts
    pd.testing.assert_frame_equal(found, expected)


def test_two_workers_on_ray(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    expected = swept(small(), tmp_path / "a").texts
    # Its processes are new ones, and have to find what the tests import.
    path = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1])))
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    try:
        register_ray()
        with joblib.parallel_config(backend="ray", n_jobs=2):
            found = swept(small, tmp_path / "b").texts
    finally:
        ray.shutdown()
    pd.testing.assert_frame_equal(found, expected)


def no_model() -> Any:
    return "a model"


def test_a_factory_of_something_else() -> None:
    with pytest.raises(SteerError, match="is not a TransformerLens model"):
        workers.described(no_model, workers.Job(Measures(), None), [])
