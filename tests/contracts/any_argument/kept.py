"""What is in files, and what people are asked."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from any_argument.found import Found
from making_people import as_the_form_writes, texts as texts_to_rate, written
from models import hf_llama, tokenizer

import tl_steer as ts


class Kept(Found):
    """Files, and what people said."""

    @cached_property
    def sheet(self) -> ts.people.RatingSheet:
        return ts.people.rating_sheet(texts_to_rate(), question="How kind?", n=4)

    @cached_property
    def rated(self) -> Path:
        self.sheet.save(self.folder / "rated")
        answers = as_the_form_writes(self.sheet, "ann", lambda item: ("3", ""))
        written(self.folder / "rated" / "ann.csv", answers)
        again = as_the_form_writes(self.sheet, "bob", lambda item: ("4", ""))
        written(self.folder / "rated" / "bob.csv", again)
        return self.folder / "rated"

    @cached_property
    def ratings(self) -> ts.people.Ratings:
        return ts.people.read_ratings(self.rated)

    @cached_property
    def judged(self) -> pd.DataFrame:
        frame = texts_to_rate()
        return frame.assign(kind=np.linspace(0, 1, len(frame)))

    @cached_property
    def agreement(self) -> ts.people.Agreement:
        return self.ratings.agreement(draws=20)

    @cached_property
    def saved(self) -> Path:
        return self.directions.save(self.folder / "directions.safetensors")

    @cached_property
    def saved_sweep(self) -> Path:
        return self.swept.save(self.folder / "swept")

    @cached_property
    def csv(self) -> Path:
        path = self.folder / "texts.csv"
        path.write_text("text,label\nfine,1\nbad,0\n", encoding="utf-8")
        return path

    @cached_property
    def jsonl(self) -> Path:
        path = self.folder / "texts.jsonl"
        lines = ('{"text": "fine", "label": 1}', '{"text": "bad", "label": 0}')
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    @cached_property
    def questions_csv(self) -> Path:
        path = self.folder / "questions.csv"
        path.write_text('question,choices,answer\nis it,"[""yes"", ""no""]",0\n', encoding="utf-8")
        return path

    @cached_property
    def questions_jsonl(self) -> Path:
        path = self.folder / "questions.jsonl"
        path.write_text('{"question": "is it", "choices": ["yes", "no"], "answer": 0}')
        return path

    @cached_property
    def checkpoint(self) -> Path:
        folder = self.folder / "checkpoint"
        hf_llama().save_pretrained(folder)
        tokenizer().save_pretrained(folder)
        return folder

    @cached_property
    def context(self) -> Any:
        from tl_steer.lens.context import Context

        positions = torch.arange(3)[None]
        return Context(positions, torch.tensor([2]), positions)

    @cached_property
    def batch(self) -> Any:
        from tl_steer.lens.tokens import pad

        return pad([(5, 6, 7)], side="left", pad_id=0)
