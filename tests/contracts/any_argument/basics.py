"""A small model, and what is made of it by hand."""

from pathlib import Path

import pandas as pd
from controls_of import REVIEWS, Share
from making import direction, own_model
from strengths_of import SITE as AT

import tl_steer as ts
from tl_steer.lens.protocol import model_info
from tl_steer.statistics import Interval

EARLY, Z = "blocks.0.hook_resid_post", "blocks.1.attn.hook_z"
PATTERN = "blocks.1.attn.hook_pattern"
PROMPTS = ["the film was very good", "a movie", "i loved it so much"]
WORDS = [("good", "bad"), ("long", "short"), ("great", "awful"), ("bright", "dull")]
FEW = ts.Sampling(2, samples=1, temperature=1.0)
TEMPLATE = (
    "{% for turn in messages %}<{{ turn['role'] }}> {{ turn['content'] }} </{{ turn['role'] }}>\n"
    "{% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}"
)


class Basics:
    """What needs no pass of the model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = own_model("bridge")
        self.model.tokenizer.chat_template = TEMPLATE
        self.info = model_info(self.model)
        self.judge = Share("good", "great", "film", "loved")
        self.direction = direction(self.model, AT)
        self.other = direction(self.model, AT, seed=1)
        self.add = ts.Add(self.direction, 0.5)
        self.steering = ts.Steering(self.add)
        self.pairs = REVIEWS
        self.frame = pd.DataFrame({"a": [1.0, 2.0]})
        self.interval = Interval(0.1, 0.0, 0.2)
