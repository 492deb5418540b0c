"""Chat templates of the kinds that there are, short: each writes turns in its maker's format."""

from atexit import register
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

from text_passes import Merged
from transformers import PreTrainedTokenizerFast

ALTERNATE = (
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
)
SYSTEM_FIRST = (
    "{% if messages[0].role == 'system' %}{% set said = messages[0].content %}"
    "{% set messages = messages[1:] %}{% endif %}"
)
GEMMA_TURN = (
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ said + '\n\n' if said is defined and loop.first }}{{ m.content | trim }}<end_of_turn>\n"
)
GEMMA_BEGUN = "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
CHATML_TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
CHATML_BEGUN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
LLAMA_3_TURN = (
    "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
)
LLAMA_3_BEGUN = (
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def each(turn: str) -> str:
    return "{% for m in messages %}" + turn + "{% endfor %}"


def defaulted(name: str) -> str:
    """ChatML, where a first turn of the system is written if there is none."""
    return each(
        "{% if loop.first and m.role != 'system' %}<|im_start|>system\n"
        f"You are {name}.<|im_end|>\n{{% endif %}}" + CHATML_TURN
    )


@dataclass(frozen=True)
class Template:
    """A template, and what becomes of a system's turn in it."""

    text: str
    system: str
    """``own``, or ``refused``, ``left out``, ``folded`` into the user's turn."""
    bos: str | None = None
    eos: str = "</s>"
    says: str = ""
    """What it begins the system's turn with itself: always, or where nobody gave one."""
    thinks: str = ""
    """What stands before the last answer."""


TEMPLATES = {
    "gemma 2": Template(
        "{{ bos_token }}{% if messages[0].role == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        + each(ALTERNATE + GEMMA_TURN)
        + GEMMA_BEGUN,
        "refused",
        "<bos>",
        "<eos>",
    ),
    "gemma 3": Template(
        "{{ bos_token }}" + SYSTEM_FIRST + each(ALTERNATE + GEMMA_TURN) + GEMMA_BEGUN,
        "folded",
        "<bos>",
        "<eos>",
    ),
    "mistral 1": Template(
        "{{ bos_token }}"
        + each(
            ALTERNATE + "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
            "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }} "
            "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}"
        ),
        "refused",
        "<s>",
    ),
    # The system's text stands in the user's turn that is the last of all.
    "mistral 3": Template(
        "{{ bos_token }}"
        + SYSTEM_FIRST
        + each(
            ALTERNATE + "{% if m.role == 'user' %}[INST] "
            "{{ said + '\n\n' if loop.last and said is defined }}{{ m.content }}[/INST]"
            "{% else %} {{ m.content }}{{ eos_token }}{% endif %}"
        ),
        "folded",
        "<s>",
    ),
    "mistral 7": Template(
        "{{ bos_token }}"
        + each(
            "{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
            "{% elif m.role == 'system' %}[SYSTEM_PROMPT] {{ m.content }}[/SYSTEM_PROMPT]"
            "{% else %} {{ m.content }}{{ eos_token }}{% endif %}"
        ),
        "own",
        "<s>",
    ),
    "phi 3": Template(
        each("<|{{ m.role }}|>\n{{ m.content }}<|end|>\n")
        + "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        "own",
        "<s>",
        "<|endoftext|>",
    ),
    # Its first version: a system's turn is left out, and an answer is always begun.
    "phi 3, first": Template(
        "{{ bos_token }}"
        + each(
            "{% if m.role == 'user' %}<|user|>\n{{ m.content }}<|end|>\n<|assistant|>\n"
            "{% elif m.role == 'assistant' %}{{ m.content }}<|end|>\n{% endif %}"
        ),
        "left out",
        "<s>",
        "<|endoftext|>",
    ),
    "phi 4": Template(
        each("<|im_start|>{{ m.role }}<|im_sep|>{{ m.content }}<|im_end|>")
        + "{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}",
        "own",
        None,
        "<|endoftext|>",
    ),
    "phi 4 mini": Template(
        each("<|{{ m.role }}|>{{ m.content }}<|end|>")
        + "{% if add_generation_prompt %}<|assistant|>{% else %}{{ eos_token }}{% endif %}",
        "own",
        None,
        "<|endoftext|>",
    ),
    "llama 2": Template(
        SYSTEM_FIRST
        + each(
            ALTERNATE + "{% if m.role == 'user' %}{{ bos_token }}[INST] "
            "{% if loop.first and said is defined %}<<SYS>>\n{{ said }}\n<</SYS>>\n\n{% endif %}"
            "{{ m.content | trim }} [/INST]{% else %} {{ m.content | trim }} {{ eos_token }}"
            "{% endif %}"
        ),
        "own",
        "<s>",
    ),
    "llama 3": Template(
        "{{ bos_token }}" + each(LLAMA_3_TURN) + LLAMA_3_BEGUN,
        "own",
        "<|begin_of_text|>",
        "<|eot_id|>",
    ),
    "llama 3.1": Template(
        "{{ bos_token }}"
        + SYSTEM_FIRST
        + "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        "Today Date: {{ strftime_now('%d %b %Y') }}\n\n"
        "{{ said | trim if said is defined }}<|eot_id|>" + each(LLAMA_3_TURN) + LLAMA_3_BEGUN,
        "own",
        "<|begin_of_text|>",
        "<|eot_id|>",
        says="Cutting Knowledge Date",
    ),
    "qwen 2.5": Template(
        defaulted("Qwen") + CHATML_BEGUN, "own", None, "<|im_end|>", says="You are Qwen."
    ),
    "qwen 3": Template(
        each(
            "<|im_start|>{{ m.role }}\n{{ '<think>\n\n</think>\n\n' "
            "if m.role == 'assistant' and loop.last }}{{ m.content }}<|im_end|>\n"
        )
        + CHATML_BEGUN,
        "own",
        None,
        "<|im_end|>",
        thinks="<think>\n\n</think>\n\n",
    ),
    "smollm 2": Template(
        defaulted("SmolLM") + CHATML_BEGUN, "own", "<|im_start|>", "<|im_end|>", says="You are"
    ),
    "chatml": Template(each(CHATML_TURN) + CHATML_BEGUN, "own", None, "<|im_end|>"),
    "chatml without system": Template(
        each(
            "{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML_TURN
        )
        + CHATML_BEGUN,
        "refused",
        None,
        "<|im_end|>",
    ),
}

SPECIAL = (
    "<bos>", "<eos>", "<s>", "</s>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
    "<|endoftext|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>", "<|begin_of_text|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<think>", "</think>",
)  # fmt: skip
"""What is one token. Those of Llama 2, as there, are not."""


@cache
def words(name: str) -> Merged:
    """A byte-level tokenizer of few merges, with a template and the tokens that it is written in.

    All have one vocabulary.
    """
    template = TEMPLATES[name]
    special = [each for each in SPECIAL if name != "llama 2" or each not in ("[INST]", "[/INST]")]
    found = Merged(*special)
    own = found.tokenizer
    own.chat_template, own.eos_token, own.pad_token = template.text, template.eos, template.eos
    if template.bos is not None:
        own.bos_token = template.bos
    # TransformerLens reads tokenizers again from where they came from.
    folder = Path(mkdtemp(prefix="tl_steer-tokenizer-"))
    register(rmtree, folder, ignore_errors=True)
    own.save_pretrained(folder)
    found.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    found.bos_token_id = found.tokenizer.bos_token_id
    return found


def speaking(tokenizer: Any) -> Any:
    """What counts as a model, and has nothing but a tokenizer."""
    asked = "cfg hook_dict hooks run_with_hooks run_with_cache generate to_tokens reset_hooks"
    return SimpleNamespace(**dict.fromkeys(asked.split(), print), tokenizer=tokenizer)


CHAT = (
    ("user", "What is a film?\n\nSay it."),
    ("assistant", "Moving pictures."),
    ("user", "Says who?\nReally?"),
    ("assistant", "I do.\n\nYes."),
)
ASKED = "Answer briefly."
CHATS = {
    f"{n} turns{', system' if system else ''}{', begun' if begun else ''}": (
        ((("system", ASKED),) if system else ()) + CHAT[:n],
        begun,
    )
    for n in range(1, 5)
    for system in (False, True)
    for begun in ((False, True) if n % 2 else (False,))
}
"""By name: turns, and whether the assistant's next one is begun."""


def takes(template: Template, turns: Any) -> bool:
    """Whether a chat can be written in a template, and is not cut."""
    return turns[0][0] != "system" or template.system in ("own", "folded")


def written(name: str, turns: Any, *, begun: bool) -> str:
    """What the template makes of a chat, by transformers."""
    text: str = words(name).tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns],
        tokenize=False,
        add_generation_prompt=begun,
    )
    return text


def said_by(name: str, turns: Any, text: str, role: str) -> list[str]:
    """What a role says in a text: the contents, and what the template does with the system's."""
    template = TEMPLATES[name]
    said = [content for who, content in turns if who == role]
    if role == "user" and turns[0][0] == "system" and template.system == "folded":
        # Gemma has it in the first of the user's turns, Mistral in the one that is last of all.
        whose = 0 if name.startswith("gemma") else len(said) - 1 if turns[-1][0] == "user" else None
        said = [f"{ASKED}\n\n{each}" if n == whose else each for n, each in enumerate(said)]
    if role == "system" and template.says and template.says in text:
        start = text.index(template.says)
        said = [text[start : text.index(template.eos, start)].strip()]
    return said
