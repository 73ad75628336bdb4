// The page: what is searched for and filtered, the list of calls, the times, the keys.

const hidden = { kinds: new Set(), methods: new Set() };
const CALL_HEIGHT = 74;
/** The distances that times may have at the strip, in milliseconds. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 864e5];
const KIND_NAMES = { data: "Other bytes", media: "Media", key: "DTMF", quality: "Quality", state: "States", note: "Notes" };

/** Show the rows that pass the filter; the one that is read stays in sight. */
function refilter() {
  const texts = ladder.found ? matching(ladder.found) : null;
  const rows = [];
  data.rows.forEach((row, number) => {
    if (ladder.call >= 0 && row[CALL] !== ladder.call) return;
    if (isMessage(row) && row[KIND] < 2 ? hidden.methods.has(row[METHOD]) : hidden.kinds.has(row[KIND])) return;
    if (texts && !texts(row)) return;
    rows.push(number);
  });
  ladder.show(rows);
  const all = data.rows.length;
  const count = (number) => number.toLocaleString("en");
  by("counts").textContent = rows.length === all
    ? `${count(all)} rows, ${count(data.calls.length)} ${data.calls.length === 1 ? "call" : "calls"}`
    : `${count(rows.length)} of ${count(all)} rows`;
  if (ladder.chosen >= 0) ladder.reveal(ladder.chosen, true);
  calls.draw();
}

/** A test of rows: whether a row, or the message that it is of, has the text in it. */
function matching(text) {
  const lines = data.lines.map((line) => line[0].toLowerCase().includes(text));
  const messages = data.messages.map((message) =>
    message[5].some((number) => lines[number]) || message[7].toLowerCase().includes(text));
  const columns = data.columns.map((name) => name.toLowerCase().includes(text));
  return (row) => `${row[LABEL]} ${row[MORE]}`.toLowerCase().includes(text) ||
    columns[row[FROM]] || columns[row[TO]] || (isMessage(row) && messages[row[REF]]);
}

/** Read a row; -1 for none. */
function choose(number, follow = false) {
  ladder.chosen = number;
  const pane = by("reader"), was = pane.hidden;
  if (number < 0) pane.hidden = true;
  else reader.show(number);
  if (was !== pane.hidden) ladder.arrange();
  ladder.redress();
  const rows = by("rows");
  if (number < 0) rows.removeAttribute("aria-activedescendant");
  else {
    ladder.reveal(number);
    rows.setAttribute("aria-activedescendant", `r${number}`);
    if (follow) rows.focus({ preventScroll: true });
  }
  history.replaceState(null, "", number < 0 ? "#" : `#${number + 1}`);
  calls.reveal();
}

function showCall(number) {
  ladder.call = number;
  by("calls").classList.remove("open");
  if (number >= 0 && ladder.chosen >= 0 && data.rows[ladder.chosen][CALL] !== number) choose(-1);
  by("ladder").scrollTop = 0;
  refilter();
  calls.reveal();
}

const calls = {
  start() {
    const pane = by("calls");
    pane.hidden = data.calls.length < 2;
    by("show-calls").hidden = pane.hidden;
    pane.firstElementChild.style.height = `${(data.calls.length + 1) * CALL_HEIGHT}px`;
    pane.onscroll = () => this.draw();
  },

  draw() {
    const pane = by("calls");
    if (!pane.clientHeight) return;
    const first = Math.max(0, Math.floor(pane.scrollTop / CALL_HEIGHT) - 4);
    const last = Math.min(data.calls.length + 1, first + Math.ceil(pane.clientHeight / CALL_HEIGHT) + 9);
    const rows = [];
    for (let place = first; place < last; place++) rows.push(this.row(place));
    pane.firstElementChild.replaceChildren(...rows);
  },

  row(place) {
    const number = place - 1;
    const [id, method, caller, callee, phase, outcome, start, rows] = number < 0
      ? ["", "", "", "", "", `${data.rows.length.toLocaleString("en")} rows`, 0, 0] : data.calls[number];
    const what = [method === "INVITE" ? "" : method, outcome].filter(Boolean).join(", ");
    const button = make("button", phase || "all");
    if (number < 0) button.append(make("span", "", "All calls"));
    else if (caller || callee) button.append(make("i", "", `${place}`), make("span", "", caller || "?"), make("span", "", `→ ${callee || "?"}`));
    else button.append(make("i", "", `${place}`), make("span", "", id));
    button.append(make("small", "", what));
    button.style.top = `${place * CALL_HEIGHT}px`;
    button.style.setProperty("--c", number < 0 ? "" : `var(--c${number % COLORS})`);
    button.title = number < 0 ? "" : `${id}\n${elapsed(start)} s: ${what}, ${rows} rows`;
    button.setAttribute("aria-current", String(number === this.current()));
    button.onclick = () => showCall(number);
    return button;
  },

  /** The call that is shown alone, else that of the row that is read; -1 for all. */
  current: () => ladder.call >= 0 || ladder.chosen < 0 ? ladder.call : data.rows[ladder.chosen][CALL],

  reveal() {
    const pane = by("calls"), top = (this.current() + 1) * CALL_HEIGHT;
    if (top < pane.scrollTop || top + CALL_HEIGHT > pane.scrollTop + pane.clientHeight) {
      pane.scrollTop = top - pane.clientHeight / 2;
    }
    this.draw();
  },
};

const timeline = {
  start() {
    const strip = by("times");
    strip.onpointerdown = (event) => {
      strip.setPointerCapture(event.pointerId);
      this.go(event);
    };
    strip.onpointermove = (event) => { if (event.buttons) this.go(event); };
  },

  span: () => Math.max(1, data.rows.length ? data.rows[data.rows.length - 1][TIME] : 0),

  /** Go to the time that is pointed at. */
  go(event) {
    const wide = by("times").clientWidth;
    const time = (event.offsetX - 12) / (wide - 24) * this.span();
    let low = 0, high = ladder.shown.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.rows[ladder.shown[middle]][TIME] < time) low = middle + 1;
      else high = middle;
    }
    by("ladder").scrollTop = low * HEIGHT - by("ladder").clientHeight / 2;
  },

  /** Where a time is, in pixels. */
  at(time) {
    return 12 + time / this.span() * (this.wide - 24);
  },

  /** Show which times are in the window. */
  follow() {
    const shown = ladder.shown, wide = by("times").clientWidth;
    if (this.of !== shown || this.wide !== wide) this.draw();
    const pane = by("ladder"), place = (y) => Math.max(0, Math.min(shown.length - 1, Math.floor(y / HEIGHT)));
    const mark = by("times").lastElementChild;
    mark.hidden = !shown.length;
    if (mark.hidden) return;
    const from = this.at(data.rows[shown[place(pane.scrollTop)]][TIME]);
    const to = this.at(data.rows[shown[place(pane.scrollTop + pane.clientHeight - 43)]][TIME]);
    mark.style.transform = `translateX(${from - 2}px) scaleX(${Math.max(4, to - from + 4) / 100})`;
  },

  /** Bars for how much happened when, and the times. */
  draw() {
    const canvas = by("times").firstElementChild, scale = window.devicePixelRatio || 1;
    const wide = canvas.clientWidth, high = canvas.clientHeight, base = high - 15, span = this.span();
    this.of = ladder.shown;
    this.wide = wide;
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(high * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const [accent, red, soft] = ["accent", "red", "soft"].map((name) => getComputedStyle(by(`color-${name}`)).color);
    const bars = this.count(), most = Math.max(...bars.map((bar) => bar.all), 1);
    for (const [x, bar] of bars.entries()) {
      for (const [number, color] of [[bar.all, accent], [bar.failed, red]]) {
        const tall = number && Math.max(3, number / most * (base - 6));
        pen.fillStyle = color;
        pen.fillRect(x * 3, base - tall, 2.2, tall);
      }
    }
    pen.fillStyle = soft;
    pen.font = "10px system-ui, sans-serif";
    const step = STEPS.find((one) => one / span * (wide - 24) > 70) || 864e5;
    for (let time = 0; time <= span && this.at(time) < wide - 20; time += step) {
      const text = step < 1000 ? `${(time / 1000).toFixed(3)} s` : time < 60000 ? `${time / 1000} s` : elapsed(time).split(".")[0];
      pen.textAlign = time === 0 ? "left" : "center";
      pen.fillText(text, this.at(time), high - 4);
    }
  },

  /** How many rows, and how many failures, are at every third pixel. */
  count() {
    const bars = Array.from({ length: Math.ceil(this.wide / 3) + 1 }, () => ({ all: 0, failed: 0 }));
    for (const number of ladder.shown) {
      const row = data.rows[number], bar = bars[Math.floor(this.at(row[TIME]) / 3)];
      bar.all += 1;
      if (row[FLAGS] & FAILED) bar.failed += 1;
    }
    return bars;
  },
};

/** The buttons that hide methods and kinds. */
function makeFilter() {
  const count = (test) => data.rows.reduce((sum, row) => sum + (test(row) ? 1 : 0), 0);
  const chip = (name, number, set, value) => {
    const button = make("button", "", name, make("span", "", number.toLocaleString("en")));
    button.setAttribute("aria-pressed", "true");
    button.title = "Click to hide or show; double click to show this alone";
    button.onclick = () => {
      button.setAttribute("aria-pressed", String(set.delete(value) || !set.add(value)));
      refilter();
    };
    button.ondblclick = () => {
      for (const other of by("filter").querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      data.methods.forEach((_, index) => hidden.methods.add(index));
      data.kinds.forEach((_, index) => hidden.kinds.add(index));
      set.delete(value);
      refilter();
    };
    return button;
  };
  const chips = data.methods.map((name, index) =>
    chip(name, count((row) => row[METHOD] === index), hidden.methods, index));
  const others = data.kinds.flatMap((name, index) => {
    const number = index < 2 ? 0 : count((row) => row[KIND] === index);
    return number ? [chip(KIND_NAMES[name], number, hidden.kinds, index)] : [];
  });
  by("filter").replaceChildren(...chips, ...(chips.length && others.length ? [make("i")] : []), ...others);
}

function showAll() {
  for (const set of Object.values(hidden)) set.clear();
  for (const button of by("filter").querySelectorAll("button")) button.setAttribute("aria-pressed", "true");
  by("search").value = ladder.found = "";
  ladder.call = -1;
  refilter();
}

function turnTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  timeline.draw();
}

/** Go some rows on, from the one that is read. */
function step(rows) {
  const place = ladder.chosen < 0 ? (rows > 0 ? -1 : ladder.shown.length) : ladder.places.get(ladder.chosen) ?? -1;
  const next = Math.min(ladder.shown.length - 1, Math.max(0, place + rows));
  if (ladder.shown.length) choose(ladder.shown[next]);
}

function nextCall(by) {
  if (!data.calls.length) return;
  showCall(Math.min(data.calls.length - 1, Math.max(-1, calls.current() + by)));
}

const page = () => Math.max(1, Math.floor(by("ladder").clientHeight / HEIGHT) - 2);
const KEYS = {
  ArrowDown: () => step(1), j: () => step(1), ArrowUp: () => step(-1), k: () => step(-1),
  PageDown: () => step(page()), PageUp: () => step(-page()),
  Home: () => step(-Infinity), g: () => step(-Infinity), End: () => step(Infinity), G: () => step(Infinity),
  Enter: () => { if (ladder.chosen < 0) step(1); else by("reader").focus(); },
  "/": () => by("search").focus(),
  c: () => { if (ladder.call >= 0) showCall(-1); else if (ladder.chosen >= 0) showCall(data.rows[ladder.chosen][CALL]); },
  "[": () => nextCall(-1), "]": () => nextCall(1),
  s: () => ladder.turnTimes(), t: turnTheme, "?": () => by("keys").showModal(),
  Escape: () => {
    if (by("calls").classList.contains("open")) by("calls").classList.remove("open");
    else if (!by("reader").hidden) choose(-1);
    else showAll();
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || by("keys").open) return;
  const where = event.target;
  if (where === by("search")) {
    if (event.key === "Escape" || event.key === "Enter" || event.key === "ArrowDown") {
      by("rows").focus({ preventScroll: true });
      if (event.key !== "Escape") step(1);
      event.preventDefault();
    }
    return;
  }
  if (where.closest("button, a") && (event.key === "Enter" || event.key === " ")) return;
  if (by("reader").contains(where) && /^(Page|Home|End|Arrow)/.test(event.key)) return;
  const act = KEYS[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

function begin() {
  for (const name of ["accent", "red", "soft"]) {
    const swatch = make("i");
    swatch.id = `color-${name}`;
    swatch.hidden = true;
    swatch.style.color = `var(--${name})`;
    document.body.append(swatch);
  }
  calls.start();
  timeline.start();
  makeFilter();
  let waiting = false;
  const soon = (act) => () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; act(); });
  };
  by("ladder").addEventListener("scroll", soon(() => ladder.draw()), { passive: true });
  new ResizeObserver(soon(() => { ladder.arrange(); calls.draw(); })).observe(by("ladder"));
  let typing;
  by("search").oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      ladder.found = by("search").value.trim().toLowerCase();
      refilter();
      if (ladder.chosen >= 0) reader.show(ladder.chosen);
    }, 120);
  };
  by("theme").onclick = turnTheme;
  by("help").onclick = () => by("keys").showModal();
  by("nothing").querySelector("button").onclick = showAll;
  for (const [button, pane] of [["show-calls", "calls"], ["show-filter", "filter"]]) {
    by(button).onclick = () => {
      by(button).setAttribute("aria-expanded", String(by(pane).classList.toggle("open")));
      calls.draw();
    };
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => timeline.draw());
  refilter();
  const asked = parseInt(location.hash.slice(1), 10) - 1;
  if (asked >= 0 && asked < data.rows.length) {
    choose(asked);
    ladder.reveal(asked, true);
  }
  document.documentElement.dataset.ready = "yes";
}

begin();
