"""The dials of a playground as widgets of a notebook."""

from dataclasses import replace
from typing import Any

from tl_steer.errors import SteerError, to_install
from tl_steer.generation import Generations
from tl_steer.notebook._session import STEERED, UNSTEERED, Cancelled, Session
from tl_steer.notebook._settings import SCOPES, Settings
from tl_steer.page.html import escaped

LIMIT = 0.5
"""Where the dials end: text breaks above a dose of about .4."""


class View:
    """Widgets that show a session, and turn it."""

    def __init__(self, session: Session) -> None:
        """Make the widgets; nothing is written yet.

        Raises:
            SteerError: When ``ipywidgets`` is not installed.
        """
        self._session, self._w = session, _ipywidgets()
        w, now = self._w, session.settings
        wide = w.Layout(width="auto")
        self.prompt = w.Textarea(now.prompt, placeholder="Prompt", rows=2, layout=wide)
        limit = max(LIMIT, *map(abs, now.doses.values()), 0.0)
        names = {"description_width": f"{min(24, max(map(len, session.directions)))}ch"}
        self.dials = {
            name: w.FloatSlider(
                now.doses.get(name, 0.0),
                min=-limit,
                max=limit,
                step=0.01,
                readout_format="+.2f",
                description=name,
                style=names,
                layout=w.Layout(flex="1 1 12em"),
            )
            for name in session.directions
        }
        self.switches = {
            name: w.Checkbox(True, description="on", indent=False, layout=w.Layout(width="4em"))
            for name in session.directions
        }
        self.scope = w.Dropdown(options=list(SCOPES), value=now.scope, description="tokens")
        self.chat = w.Checkbox(False, description="chat", indent=False)
        self.seed = w.BoundedIntText(now.sampling.seed, min=0, max=2**31 - 1, description="seed")
        self.tokens = w.BoundedIntText(
            now.sampling.max_new_tokens, min=1, max=2000, description="length"
        )
        self.temperature = w.BoundedFloatText(
            now.sampling.temperature, min=0.0, max=5.0, step=0.1, description="temperature"
        )
        for each in (self.scope, self.seed, self.tokens, self.temperature):
            each.style, each.layout = {"description_width": "initial"}, w.Layout(width="auto")
        self.write = w.Button(description="Write", button_style="primary")
        self.cancel = w.Button(description="Cancel", disabled=True)
        self.undo = w.Button(description="Undo", disabled=True)
        self.copy = w.Button(description="As code")
        self.texts = {
            name: w.HTML(layout=w.Layout(flex="1 1 18em")) for name in (UNSTEERED, STEERED)
        }
        self.said = w.HTML()
        self.code = w.HTML()
        self.write.on_click(lambda _: self._write())
        self.cancel.on_click(lambda _: session.cancel())
        self.undo.on_click(lambda _: self._undo())
        self.copy.on_click(lambda _: self._show_code())
        self.box = self._laid_out()
        for name in self.texts:
            self._show(name, "")

    def _laid_out(self) -> Any:
        w = self._w
        wrapped = w.Layout(flex_flow="row wrap")
        return w.VBox(
            [
                self.prompt,
                *(w.HBox([self.dials[name], self.switches[name]]) for name in self.dials),
                w.HBox(
                    [self.scope, self.temperature, self.tokens, self.seed, self.chat],
                    layout=wrapped,
                ),
                w.HBox([self.write, self.cancel, self.undo, self.copy], layout=wrapped),
                self.said,
                w.HBox(list(self.texts.values()), layout=wrapped),
                self.code,
            ]
        )

    @property
    def settings(self) -> Settings:
        """How the widgets stand."""
        before = self._session.settings
        return Settings(
            prompt=self.prompt.value,
            doses={name: round(dial.value, 4) for name, dial in self.dials.items()},
            off=frozenset(name for name, switch in self.switches.items() if not switch.value),
            scope=self.scope.value,
            chat=self.chat.value,
            sampling=replace(
                before.sampling,
                max_new_tokens=self.tokens.value,
                temperature=self.temperature.value,
                seed=self.seed.value,
            ),
        )

    def _write(self) -> None:
        self._session.settings = self.settings
        self._busy(True)
        self.said.value = ""
        for name in self.texts:
            self._show(name, "")
        self._session.begin(self._heard, self._done)

    def _heard(self, texts: dict[str, list[str]]) -> None:
        for name, (text,) in texts.items():
            self._show(name, text)

    def _done(self, ended: Generations | BaseException) -> None:
        if isinstance(ended, Generations):
            self._show_written(ended)
        else:
            said = "Cancelled." if isinstance(ended, Cancelled) else str(ended)
            self.said.value = f'<div role="status">{escaped(said)}</div>'
        self._busy(False)

    def _undo(self) -> None:
        written = self._session.undo()
        now = self._session.settings
        self.prompt.value, self.scope.value, self.chat.value = now.prompt, now.scope, now.chat
        for name in self.dials:
            self.dials[name].value = now.doses.get(name, 0.0)
            self.switches[name].value = name not in now.off
        self.seed.value = now.sampling.seed
        self.tokens.value = now.sampling.max_new_tokens
        self.temperature.value = now.sampling.temperature
        if written is not None:
            self._show_written(written)
        self._busy(False)

    def _show_written(self, written: Generations) -> None:
        for name in self.texts:
            texts = written.of(name).texts if name in written.conditions else [""]
            self._show(name, texts[0])

    def _show(self, name: str, text: str) -> None:
        style = "white-space:pre-wrap;line-height:1.5"
        self.texts[name].value = (
            f'<div style="padding:.4em .7em"><b>{name}</b>'
            f'<div dir="auto" style="{style}">{escaped(text)}</div></div>'
        )

    def _show_code(self) -> None:
        self._session.settings = self.settings
        # One click selects all of it.
        self.code.value = (
            '<pre style="user-select:all;white-space:pre-wrap;padding:.4em .7em">'
            f"{escaped(self._session.code)}</pre>"
        )

    def _busy(self, busy: bool) -> None:
        self.write.disabled = busy
        self.cancel.disabled = not busy
        self.undo.disabled = busy or len(self._session.written) < 2


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError as error:
        raise SteerError(
            f"a playground needs the package ipywidgets: {to_install('ipywidgets')}."
        ) from error
    return ipywidgets
