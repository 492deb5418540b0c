"""What the tests of the twin share."""

from typing import Any

from making import TEXTS, greedy

AT = "blocks.1.hook_resid_post"
READ = ["blocks.*.hook_resid_pre", "blocks.*.hook_attn_out", "blocks.*.hook_mlp_out"]
READ += ["blocks.*.hook_resid_post", "blocks.*.attn.hook_z", "blocks.*.mlp.hook_post"]


def written(model: Any, path: Any = None, steering: Any = None) -> Any:
    return greedy(model, TEXTS, steering, path=path, steps=4)
