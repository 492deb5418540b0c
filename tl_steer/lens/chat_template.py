"""The tokenizer's chat template, asked in one place.

A template is a program of the model's makers: it may refuse a turn, fold one into another, or
leave it out without a word. What it refuses is said in a sentence here, and so is what it leaves
out.
"""

from collections.abc import Sequence
from contextlib import suppress

from jinja2.exceptions import TemplateError

from tl_steer.errors import SteerError
from tl_steer.lens.protocol import SteerableModel

Turn = tuple[str, str]
"""Who speaks, and what is said."""

# What an expression of a template may raise: templates add texts to what is none, for example.
_RAISED = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)

_INSTEAD = "Leave the system's text out, or put it at the beginning of the prompt."


def as_chat(model: SteerableModel, turns: Sequence[Turn], *, begin_answer: bool = False) -> str:
    """Write turns as the template does, and make sure that what is asked stands there.

    Args:
        model: Whose tokenizer has a chat template.
        turns: Who says what, in order.
        begin_answer: Whether the text ends where the assistant's next turn begins.

    Raises:
        SteerError: Without a template, for turns that it refuses, and for a turn of the system or
            the user that it leaves out.
    """
    text = rendered(model, turns, begin_answer=begin_answer)
    for who, said in turns:
        # The assistant's may be cut: some templates leave out what it thought in earlier turns.
        if who != "assistant" and said.strip() not in text:
            raise SteerError(
                f"this model's chat template leaves out the {who}'s turn of a chat of "
                f"{_roles(turns)}: {said[:60]!r}. "
                + (_INSTEAD if who == "system" else "Write the turns into the text yourself.")
            )
    return text


def rendered(model: SteerableModel, turns: Sequence[Turn], *, begin_answer: bool = False) -> str:
    """Write turns as the template does, whatever becomes of them.

    Raises:
        SteerError: Without a template, and for turns that it refuses.
    """
    if not getattr(model.tokenizer, "chat_template", None):
        raise SteerError(
            "this model's tokenizer has no chat template. Write the turns into the text yourself, "
            "or set model.tokenizer.chat_template."
        )
    try:
        return _applied(model, turns, begin_answer)
    except _RAISED as error:
        raise SteerError(_refusal(model, turns, begin_answer, error)) from error


def _applied(model: SteerableModel, turns: Sequence[Turn], begin_answer: bool) -> str:
    text: str = model.tokenizer.apply_chat_template(
        [{"role": who, "content": said} for who, said in turns],
        tokenize=False,
        add_generation_prompt=begin_answer,
    )
    return text


def _refusal(
    model: SteerableModel, turns: Sequence[Turn], begin_answer: bool, error: Exception
) -> str:
    others = [(who, said) for who, said in turns if who != "system"]
    if 0 < len(others) < len(turns):
        with suppress(*_RAISED):  # It may refuse something else.
            _applied(model, others, begin_answer)
            return f"this model's chat template takes no 'system' turn ({error}). {_INSTEAD}"
    return f"this model's chat template takes no chat of {_roles(turns)} ({error})."


def _roles(turns: Sequence[Turn]) -> str:
    return ", ".join(who for who, _ in turns)
