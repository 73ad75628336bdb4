"use strict";
// The ladder: which rows are shown, where their columns are, and the rows inside the window.

const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);
const HEIGHT = 38, SPARE = 9, COLORS = 8;
const [TIME, KIND, FROM, TO, CALL, LABEL, MORE, FLAGS, REF, METHOD] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const BOTH = 1, FAILED = 2;
const isMessage = (row) => row[KIND] < 3;
const isMark = (row) => row[FROM] < 0 || row[KIND] > 4;

/** Make an element: its name, its classes, what is in it (text or elements). */
function make(name, classes = "", ...inside) {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  made.append(...inside);
  return made;
}

const ladder = {
  shown: data.rows.map((_, number) => number), // the rows that pass the filter
  chosen: -1, // the row that is read
  found: "", // what is searched for
  call: -1, // the call that is shown alone
  columns: [], // of the columns: name, x
  drawn: new Map(), // place among the shown: element
  times: 0, // 0: since the start, 1: since the row before, 2: of day

  /** Show these rows. */
  show(rows) {
    this.shown = rows;
    this.places = new Map(rows.map((number, place) => [number, place]));
    this.arrange();
    by("nothing").hidden = rows.length > 0;
  },

  /** Give the columns that the shown rows need their places, then draw. */
  arrange() {
    const spans = new Map(); // of each column: the first and the last place that needs it
    this.shown.forEach((number, place) => {
      const row = data.rows[number];
      for (const column of row[FROM] < 0 ? [] : [row[FROM], row[TO]]) {
        if (spans.has(column)) spans.get(column)[1] = place;
        else spans.set(column, [place, place]);
      }
    });
    const pane = by("ladder"), left = this.left();
    const space = pane.clientWidth - left - 8, least = spans.size < 5 ? 90 : 130;
    this.spans = spans;
    this.shared = spans.size * least > space;
    const lanes = this.lanes();
    const count = Math.max(1, ...[...lanes.values()].map((lane) => lane + 1));
    const gap = Math.min(430, Math.max(least, space / count));
    const edge = left + Math.max(0, (space - gap * count) / 2);
    this.gap = gap;
    this.x = new Map([...lanes].map(([column, lane]) => [column, edge + gap * (lane + 0.5)]));
    this.wide = Math.max(pane.clientWidth, edge + gap * count);
    const rows = by("rows");
    by("heads").style.width = rows.style.width = `${this.wide}px`;
    rows.style.height = `${this.shown.length * HEIGHT + 12 + this.covered()}px`;
    this.drawn.clear();
    rows.replaceChildren();
    this.named = "";
    this.draw();
  },

  /** The lane of each column. Where there is no space for all, those share one whose rows are apart. */
  lanes() {
    const columns = [...this.spans.keys()].sort((one, other) => one - other);
    if (!this.shared) return new Map(columns.map((column, place) => [column, place]));
    const ends = [], lanes = new Map();
    columns.sort((one, other) => this.spans.get(one)[0] - this.spans.get(other)[0] || one - other);
    for (const column of columns) {
      const [first, last] = this.spans.get(column);
      const free = ends.findIndex((end) => end < first);
      const lane = free < 0 ? ends.length : free;
      ends[lane] = last;
      lanes.set(column, lane);
    }
    return lanes;
  },

  /** The names of the columns at the top of the window. */
  name(place) {
    const named = new Map(); // of each x: the column there, or the next one to be
    for (const [column, [first, last]] of this.spans) {
      const x = this.x.get(column), known = named.get(x);
      if (last >= place && (known === undefined || first < this.spans.get(known)[0])) named.set(x, column);
    }
    const heads = [...named].sort((one, other) => one[0] - other[0]);
    const later = (column) => this.shared && this.spans.get(column)[0] > place + 15 ? "later" : "";
    const key = [this.times, ...heads.map(([, column]) => column + later(column))].join();
    if (key === this.named) return;
    this.named = key;
    const when = make("button", "when", ["Elapsed", "Step", "Time"][this.times]);
    when.title = "Times: since the start, since the row before, of day (s)";
    when.onclick = () => this.turnTimes();
    by("heads").replaceChildren(when, ...heads.map(([x, column]) => this.head(x, column, later(column))));
  },

  head(x, column, classes) {
    const head = make("span", classes, data.columns[column]);
    head.title = data.columns[column];
    head.style.cssText = `left:${x}px;max-width:${this.gap - 8}px`;
    return head;
  },

  /** The lifelines of a row, and the names of those that begin there. */
  lifelines(place) {
    const lines = document.createDocumentFragment();
    for (const [column, [first, last]] of this.spans) {
      if (this.shared && (place < first || place > last)) continue;
      const x = this.x.get(column), line = make("i");
      line.style.left = `${x}px`;
      lines.append(line);
      if (this.shared && first === place && place > 0) lines.append(this.head(x, column, "born"));
    }
    return lines;
  },

  left: () => parseInt(getComputedStyle(document.documentElement).getPropertyValue("--times")),

  /** Have the rows inside the window there, and no others. */
  draw() {
    const pane = by("ladder"), rows = by("rows");
    const top = pane.scrollTop - 42;
    const first = Math.max(0, Math.floor(top / HEIGHT) - SPARE);
    this.name(Math.max(0, Math.ceil(top / HEIGHT)));
    const last = Math.min(this.shown.length, Math.ceil((top + pane.clientHeight) / HEIGHT) + SPARE);
    for (const [place, element] of this.drawn) {
      if (place < first || place >= last) {
        element.remove();
        this.drawn.delete(place);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let place = first; place < last; place++) {
      if (!this.drawn.has(place)) {
        const element = this.row(place);
        this.drawn.set(place, element);
        fresh.append(element);
      }
    }
    rows.append(fresh);
    timeline.follow();
  },

  /** The element of one row. */
  row(place) {
    const number = this.shown[place], row = data.rows[number], mark = isMark(row);
    const element = make("div", `row ${data.kinds[row[KIND]]}${mark ? " mark" : ""}`);
    element.id = `r${number}`;
    element.setAttribute("role", "option");
    element.setAttribute("aria-label", `${this.spoken(row)}`);
    element.style.top = `${place * HEIGHT}px`;
    if (row[CALL] >= 0) element.style.setProperty("--c", `var(--c${row[CALL] % COLORS})`);
    if (row[FLAGS] & FAILED) element.classList.add("failed");
    if (data.kinds[row[KIND]] === "quality") element.classList.add(worth(row[LABEL]));
    element.onclick = () => choose(number, true);
    element.append(this.lifelines(place), this.time(place, row, element));
    if (mark) this.drawMark(element, row);
    else this.drawArrow(element, row);
    this.dress(element, number);
    return element;
  },

  time(place, row, element) {
    const before = place > 0 ? row[TIME] - data.rows[this.shown[place - 1]][TIME] : 0;
    const shown = make("time", "", [elapsed(row[TIME]), elapsed(before), ofDay(row[TIME])][this.times]);
    if (before >= 1000) {
      element.classList.add("pause");
      if (this.times !== 1) shown.append(make("em", "", `+${elapsed(before)}`));
    }
    return shown;
  },

  label(row) {
    const key = data.kinds[row[KIND]] === "key";
    const what = make("b", "", key ? row[LABEL].slice(5) : row[LABEL]), shown = make("span", "", what);
    if (data.calls.length > 1 && this.call < 0 && row[CALL] >= 0 && this.gap > 130) {
      (key ? shown : what).prepend(make("span", "number", `${row[CALL] + 1}`));
    }
    const again = row[FLAGS] >> 2;
    if (again) what.append(make("em", "again", `×${again + 1}`));
    for (const more of row[MORE].split(" · ").filter(Boolean)) shown.append(make("small", "", more));
    return shown;
  },

  drawArrow(element, row) {
    const from = this.x.get(row[FROM]), to = this.x.get(row[TO]);
    const label = make("div", "label", this.label(row));
    if (from === to) {
      const loop = make("div", "loop");
      loop.style.left = `${from}px`;
      label.style.cssText = `left:${from + 28}px;max-width:${this.gap * 0.9}px;top:14px`;
      element.append(loop, label);
      return;
    }
    const low = Math.min(from, to), wide = Math.abs(to - from);
    const arrow = make("div", "arrow");
    arrow.classList.toggle("right", to > from || Boolean(row[FLAGS] & BOTH));
    arrow.classList.toggle("left", to < from || Boolean(row[FLAGS] & BOTH));
    arrow.style.cssText = `left:${low + 2}px;width:${wide - 3}px`;
    label.style.cssText = `left:${low + 8}px;width:${wide - 16}px`;
    element.append(arrow, label);
  },

  drawMark(element, row) {
    const label = make("div", "label", this.label(row));
    const x = this.x.get(row[FROM]);
    if (x === undefined) {
      label.style.cssText = `left:${this.left() + 8}px;right:12px;justify-content:center`;
    } else {
      const dot = make("div", "dot");
      dot.style.left = `${x}px`;
      element.append(dot);
      if (x > this.wide - this.gap && this.x.size > 1) {
        label.classList.add("end");
        label.style.cssText = `left:${this.left() + 8}px;right:${this.wide - x + 12}px`;
      } else {
        label.style.cssText = `left:${x + 12}px;right:12px`;
      }
    }
    element.append(label);
  },

  /** How a row looks by what is chosen. */
  dress(element, number) {
    const chosen = this.chosen === number;
    element.classList.toggle("chosen", chosen);
    element.classList.toggle("same", !chosen && this.isSame(number));
    element.setAttribute("aria-selected", String(chosen));
  },

  /** Whether a row is of the transaction that is read: same call, same CSeq. */
  isSame(number) {
    if (this.chosen < 0) return false;
    const one = data.rows[number], other = data.rows[this.chosen];
    const cseq = (row) => /CSeq (\d+)/.exec(row[MORE])?.[1];
    return isMessage(one) && isMessage(other) && one[CALL] === other[CALL] && one[CALL] >= 0 &&
      cseq(one) === cseq(other) && Math.abs(one[TIME] - other[TIME]) < 3e5;
  },

  redress() {
    for (const [place, element] of this.drawn) this.dress(element, this.shown[place]);
  },

  /** Bring a row into the window. */
  reveal(number, middle = false) {
    const place = this.places.get(number), pane = by("ladder");
    if (place === undefined) return;
    const top = place * HEIGHT, high = pane.clientHeight - 42 - this.covered();
    if (middle || top < pane.scrollTop || top + HEIGHT > pane.scrollTop + high) {
      pane.scrollTop = middle || Math.abs(top - pane.scrollTop) > 2 * high ? top - high / 2
        : top < pane.scrollTop ? top : top + HEIGHT - high;
    }
    const row = data.rows[number], ends = row[FROM] < 0 ? [] : [this.x.get(row[FROM]), this.x.get(row[TO])];
    if (Math.min(...ends) < pane.scrollLeft + this.left() || Math.max(...ends) > pane.scrollLeft + pane.clientWidth) {
      pane.scrollLeft = Math.min(...ends) - this.left() - 60;
    }
    this.draw();
  },

  /** How much of the window a reader that lies upon it takes. */
  covered() {
    const sheet = by("reader");
    return !sheet.hidden && getComputedStyle(sheet).position === "absolute" ? sheet.offsetHeight : 0;
  },

  turnTimes() {
    this.times = (this.times + 1) % 3;
    this.arrange();
  },

  spoken: (row) => [
    elapsed(row[TIME]), row[LABEL], row[MORE],
    row[FROM] >= 0 && !isMark(row) ? `from ${data.columns[row[FROM]]} to ${data.columns[row[TO]]}` : "",
  ].filter(Boolean).join(", "),
};

function worth(label) {
  const score = parseFloat(label.slice(4));
  return score >= 4 ? "good" : score >= 3.1 ? "fair" : score > 0 ? "poor" : "";
}

function elapsed(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(4)}`;
  const minutes = Math.floor(seconds / 60), rest = (seconds % 60).toFixed(3).padStart(6, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

function ofDay(ms) {
  const date = new Date(data.start * 1000 + ms);
  const two = (number, wide = 2) => String(number).padStart(wide, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}
