import torch

from tl_steer.lens.on_device import OnDevice


def test_what_was_kept_in_inference_mode_lets_gradients_through_later() -> None:
    with torch.inference_mode():
        kept = OnDevice(torch.full((3,), 2.0))
        kept(torch.zeros(3))
    acts = torch.ones(3, requires_grad=True)
    (twice,) = kept(acts)
    (acts * twice).sum().backward()
    torch.testing.assert_close(acts.grad, torch.full((3,), 2.0))
