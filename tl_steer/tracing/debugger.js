"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  const DASHES = ["", "7 4", "2 3"];
  const PALETTES = [
    ["213,94,0", "0,114,178"], ["153,79,160", "27,120,55"], ["230,159,0", "86,180,233"],
  ];
  const MOST = 0.5;
  const MEASURES = [
    ...data.series.map((each, index) => ({ ...each, index })),
    { name: "surprise", of: "surprise", unit: "nats" },
    { name: "entropy", of: "entropy", unit: "nats" },
    { name: "KL from unsteered", of: "kl", unit: "nats" },
  ].filter((each) => each.index !== undefined || data.texts.some((t) => t[each.of].some(known)));
  const state = { group: 0, measure: 0, moment: "after", palette: 0, position: 0 };

  // Everything that is written goes in as text: nothing in it is ever markup.
  function made(tag, text, kind) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  }
  function drawn(tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }
  function known(value) { return value !== null && value !== undefined; }
  function number(value, digits = 3) {
    if (!known(value)) return "–";
    const size = Math.abs(value);
    const shown = size !== 0 && (size < 0.001 || size >= 1e5)
      ? value.toExponential(1) : Number(value.toPrecision(digits)).toString();
    return shown.replaceAll("-", "−");
  }
  function visible(piece) { return piece === "" ? "∅" : piece.replace(/\n/g, "⏎").replace(/\t/g, "⇥"); }

  function texts() { return data.texts.filter((text) => text.group === state.group); }
  function measure() { return MEASURES[state.measure]; }
  function values(text) {
    const what = measure();
    if (what.index === undefined) return text[what.of];
    const own = text.series[what.index];
    if (state.moment !== "change") return own[state.moment];
    return own.after.map((value, n) => known(value) ? value - own.before[n] : null);
  }
  function isSink(text, n) {
    const what = measure();
    return what.index === undefined ? n === 0 : text.series[what.index].sinks.includes(n);
  }
  function scale() {
    const found = data.texts.flatMap((text) =>
      values(text).filter((value, n) => known(value) && !isSink(text, n)));
    if (!found.length) return { around: 0, reach: 1 };
    found.sort((a, b) => a - b);
    const zero = state.moment === "change" || measure().index === undefined;
    const around = zero ? 0 : found[Math.floor(found.length / 2)];
    const reach = Math.max(...[found[0], found[found.length - 1]].map((v) => Math.abs(v - around)));
    return { around, reach: reach || 1, low: found[0], high: found[found.length - 1] };
  }
  function colour(share) {
    const alpha = Math.min(Math.abs(share), 1) * MOST;
    return `rgba(${PALETTES[state.palette][share > 0 ? 0 : 1]},${alpha.toFixed(3)})`;
  }

  function drawLegend(ends) {
    const unit = measure().unit ? ` ${measure().unit}` : "";
    const box = at("legend");
    box.replaceChildren();
    const signed = ends.low < ends.around;
    const marks = [...(signed ? [[-1, `${number(ends.around - ends.reach)} and less`]] : []),
      [0, number(ends.around)], [1, `${number(ends.around + ends.reach)} and more`]];
    for (const [share, text] of marks) {
      const swatch = made("span", text, "swatch");
      swatch.style.background = colour(share);
      box.append(swatch);
    }
    const where = measure().at ? ` h·v̂ at ${measure().at}.` : `${unit}.`;
    box.append(made("span",
      `${where} The prompt is paler; a bar marks where the model begins to write; attention sinks `
      + "are dotted and have no colour."));
  }

  function drawChart(several) {
    const svg = at("chart");
    const width = 1000, height = 200, edge = 6;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    const count = Math.max(...several.map((text) => text.tokens.length));
    const all = several.flatMap((text) =>
      values(text).filter((value, n) => known(value) && !isSink(text, n)));
    const low = Math.min(...all), span = Math.max(...all) - low || 1;
    const x = (n) => count < 2 ? width / 2 : edge + (n / (count - 1)) * (width - 2 * edge);
    const y = (value) => height - edge - ((value - low) / span) * (height - 2 * edge);
    const read = Math.min(...several.map((text) => text.prompt));
    svg.append(drawn("rect", { x: 0, y: 0, width: Math.max(x(read - 0.5), 0), height,
      fill: "currentColor", opacity: 0.06 }));
    if (low < 0 && low + span > 0) {
      svg.append(drawn("line", { x1: 0, x2: width, y1: y(0), y2: y(0), stroke: "currentColor",
        opacity: 0.3, "stroke-dasharray": "2 4" }));
    }
    several.forEach((text) => {
      let path = "", pen = "M";
      values(text).forEach((value, n) => {
        if (!known(value) || isSink(text, n)) { pen = "M"; return; }
        path += `${pen}${x(n).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = "L";
      });
      svg.append(drawn("path", { d: path, fill: "none", "stroke-width": 2.5,
        stroke: LINES[text.condition % LINES.length], "vector-effect": "non-scaling-stroke",
        "stroke-dasharray": DASHES[text.condition % DASHES.length] }));
    });
    const now = x(state.position);
    svg.append(drawn("line", { x1: now, x2: now, y1: 0, y2: height, stroke: "currentColor",
      "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
    svg.onclick = (event) => {
      const place = svg.getBoundingClientRect();
      const share = ((event.clientX - place.left) / place.width * width - edge)
        / (width - 2 * edge);
      go(Math.round(share * (count - 1)));
    };
    const lines = at("lines");
    lines.replaceChildren();
    several.forEach((text) => {
      const entry = made("span", undefined, "entry"), line = made("span", undefined, "line");
      line.style.borderTopColor = LINES[text.condition % LINES.length];
      line.style.borderTopStyle = DASHES[text.condition % DASHES.length] ? "dashed" : "solid";
      entry.append(line, made("bdi", data.conditions[text.condition]));
      lines.append(entry);
    });
    if (all.length) lines.append(made("span", `from ${number(low)} to ${number(low + span)}`));
  }

  function words(text, ends) {
    const box = made("p", undefined, "words");
    box.dir = "auto";
    const own = values(text);
    text.tokens.forEach((piece, n) => {
      const token = made("span", piece === "" ? "·" : piece.replace(/\n/g, "⏎\n"));
      if (n < text.prompt) token.classList.add("prompt");
      if (n === text.prompt) token.classList.add("first");
      if (n === state.position) { token.classList.add("now"); token.setAttribute("aria-current", "true"); }
      if (isSink(text, n)) token.classList.add("sink");
      else if (known(own[n])) token.style.background = colour((own[n] - ends.around) / ends.reach);
      token.title = `${visible(piece)}: ${number(own[n], 4)}`;
      token.onclick = () => go(n);
      box.append(token);
    });
    return box;
  }

  function table(head, rows, kinds = []) {
    const whole = made("table"), wide = made("div", undefined, "wide");
    const line = made("tr");
    head.forEach((name) => line.append(made("th", name)));
    whole.append(line);
    rows.forEach((cells, row) => {
      const one = made("tr", undefined, kinds[row]);
      cells.forEach((cell) => one.append(cell instanceof Node ? cell : made("td", cell)));
      whole.append(one);
    });
    wide.append(whole);
    return wide;
  }
  function named(name, title) {
    const cell = made("td"), own = made("bdi", name);
    own.title = title || name;
    cell.append(own);
    return cell;
  }
  function short(at) { return at.replace(/^blocks\.(\d+)\.(attn\.|mlp\.)?(hook_)?/, "layer $1 $2"); }

  function alternatives(text) {
    const n = state.position, rows = [], kinds = [];
    for (const [piece, logProb] of text.alternatives[n] || []) {
      const bar = made("span", undefined, "bar"), cell = made("td"), token = made("td", undefined, "token");
      token.append(made("bdi", visible(piece)));
      const share = Math.exp(logProb);
      bar.style.width = `${(share * 6).toFixed(2)}rem`;
      cell.append(bar);
      cell.style.textAlign = "left";
      rows.push([token, `${(100 * share).toFixed(1)} %`, cell]);
      kinds.push(piece === text.names[n] ? "drawn" : "");
    }
    return rows.length ? table(["instead", "probability", ""], rows, kinds) : null;
  }

  function fact(name, value) {
    const whole = made("span", `${name} `), strong = made("b");
    strong.append(made("bdi", value));
    whole.append(strong);
    return whole;
  }
  function done(text) {
    const n = state.position, box = made("div");
    for (const change of text.changes) {
      const line = made("p", undefined, "facts"), own = made("bdi", change.name);
      const name = made("span");
      name.title = change.at;
      name.append(own, `, ${short(change.at)}`);
      line.append(name, fact("strength", number(change.strength[n])),
        fact("acts", change.acts[n] ? "yes" : "no"));
      for (const look of change.looks) {
        const moved = `${number(look.before[n], 4)} → ${number(look.after[n], 4)}`;
        line.append(fact(`along ${data.series[look.series].name}`, moved));
      }
      if (known(change.relative[n])) {
        line.append(fact("‖Δh‖/‖h‖", `${number(100 * change.relative[n])} %`),
          fact("angle", `${number(change.angle[n])}°`), fact("norm", `${number(change.ratio[n])}×`));
      }
      box.append(line);
    }
    return text.changes.length ? box : null;
  }

  function stands(text) {
    const n = state.position;
    const rows = data.series.map((each, index) => {
      const own = text.series[index];
      return [named(`${each.name}, ${short(each.at)}`, each.at), number(own.before[n], 4), number(own.after[n], 4)];
    });
    return rows.length ? table(["direction", "before", "after"], rows) : null;
  }

  function attention(text) {
    const n = state.position;
    const rows = text.attention.map((each) => [named(short(each.at).split(" attn")[0], each.at), number(each.keys[n]),
      number(each.before[n]), number(each.rerouted[n])]);
    const head = ["heads' mean", "to keys", "unsteered", "JS, nats"];
    return rows.length ? table(head, rows) : null;
  }

  function card(text, ends) {
    const box = made("article", undefined, "card"), title = made("h2");
    title.append(made("bdi", data.conditions[text.condition]));
    box.append(title, words(text, ends));
    const n = state.position;
    if (n >= text.tokens.length) {
      box.append(made("p", "This text has ended before.", "faint"));
      return box;
    }
    const facts = made("p", undefined, "facts");
    const said = [["token", visible(text.tokens[n])], ["log p", number(text.logProb[n])],
      ["entropy", number(text.entropy[n])], ["KL", number(text.kl[n])]];
    for (const [name, value] of said) facts.append(fact(name, value));
    box.append(facts);
    const parts = [["Likeliest here", alternatives(text)], ["What was done to it", done(text)],
      ["Along each direction", stands(text)], ["Attention", attention(text)]];
    for (const [heading, part] of parts) if (part) box.append(made("h3", heading), part);
    return box;
  }

  function draw() {
    const several = texts(), ends = scale();
    const longest = Math.max(...several.map((text) => text.tokens.length));
    state.position = Math.max(0, Math.min(state.position, longest - 1));
    at("position").max = longest - 1;
    at("position").value = state.position;
    const first = several.find((text) => state.position < text.tokens.length);
    const part = state.position < first.prompt ? "prompt" : "written";
    at("where").textContent =
      `${state.position + 1} of ${longest}, ${part}: ${visible(first.tokens[state.position])}`;
    at("moment").parentElement.hidden = measure().index === undefined;
    [...at("measures").children].forEach((chip, index) =>
      chip.setAttribute("aria-checked", String(index === state.measure)));
    drawLegend(ends);
    drawChart(several);
    at("columns").replaceChildren(...several.map((text) => card(text, ends)));
  }
  function go(position) { state.position = position; draw(); }
  function setTo(name) { return (event) => { state[name] = name === "moment"
    ? event.target.value : Number(event.target.value); draw(); }; }

  data.groups.forEach((name, index) => {
    const option = made("option", name);
    option.value = index;
    at("text").append(option);
  });
  at("text").parentElement.hidden = data.groups.length < 2;
  MEASURES.forEach((each, index) => {
    const chip = made("button");
    chip.append(made("bdi", each.name));
    if (each.layer !== undefined) chip.append(made("span", ` · ${each.layer}`));
    chip.setAttribute("role", "radio");
    chip.title = each.at || each.name;
    chip.onclick = () => { state.measure = index; draw(); };
    at("measures").append(chip);
  });
  at("text").onchange = (event) => {
    state.group = Number(event.target.value);
    go(texts()[0].prompt);
  };
  at("moment").onchange = setTo("moment");
  at("palette").onchange = setTo("palette");
  at("position").oninput = setTo("position");
  at("back").onclick = () => go(state.position - 1);
  at("forth").onclick = () => go(state.position + 1);
  document.querySelector("main").hidden = false;
  state.position = texts()[0].prompt;
  draw();
})();
