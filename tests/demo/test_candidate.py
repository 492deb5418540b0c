from making import direction, shared_model

import tl_steer as ts
from tl_steer.demo.candidate import Candidate, random_directions
from tl_steer.lens.hook_names import resolve


def test_hook_name_is_a_pattern_of_the_same_hook_points() -> None:
    model = shared_model("bridge", "llama")
    many = Candidate("hook_mlp_out", 1, 3, 0.5)
    names = [f"blocks.{layer}.hook_mlp_out" for layer in range(4)]
    directions = ts.Directions({name: direction(model, name) for name in names})
    steering = many.steering(directions)
    assert tuple(each.hook_name for each in steering.active) == resolve(model, many.hook_name)
    assert Candidate("hook_mlp_out", 2, 2, 1.0).hook_name == "blocks.2.hook_mlp_out"
    assert many.times(-2) == Candidate("hook_mlp_out", 1, 3, -1.0)


def test_random_directions_have_the_norms_and_differ_from_each_other() -> None:
    model = shared_model("bridge", "llama")
    names = [f"blocks.{layer}.hook_resid_post" for layer in range(4)]
    directions = ts.Directions({name: direction(model, name) for name in names})
    control = random_directions(directions, seed=1)
    for name in names:
        assert abs(control[name].norm - directions[name].norm) < 1e-5
        assert abs(control[name].cosine(directions[name])) < 0.9
    assert abs(control[names[0]].cosine(control[names[1]])) < 0.9
