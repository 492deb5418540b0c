"""A site: one place in a model whose activation can be exchanged by itself."""

from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.lens.hook_names import layer_of, site_of


@checked
@dataclass(frozen=True)
class Site:
    """A hook point, one head of it, one position of it, or one head at one position."""

    hook_name: str
    """TransformerLens' own name, e.g. ``blocks.4.attn.hook_z``."""

    head: int | None = None
    """From 0; ``None`` where the hook point has no heads."""

    position: int | None = None
    """From 0 at a prompt's first token, or from -1 at its last; ``None`` for several tokens."""

    @property
    def layer(self) -> int:
        """The block."""
        return layer_of(self.hook_name)

    @property
    def kind(self) -> str:
        """What follows the block's number: ``hook_mlp_out``, ``attn.hook_z`` and so on."""
        return site_of(self.hook_name)

    def __str__(self) -> str:
        """The hook name, and what of it."""
        head = "" if self.head is None else f" head {self.head}"
        position = "" if self.position is None else f" position {self.position}"
        return f"{self.hook_name}{head}{position}"
