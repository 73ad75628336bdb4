// The reader: one message with its lines explained, or what happened in names and values.

const reader = {
  plain: false, // whether explanations are hidden

  /** Show a row. */
  show(number) {
    const row = data.rows[number], pane = by("reader");
    const head = make("header"), line = make("div"), title = make("h2", "", row[LABEL]);
    if (row[FLAGS] & FAILED) title.style.color = "var(--red)";
    line.append(title);
    if (isMessage(row)) {
      const copy = make("button", "", "Copy");
      copy.onclick = () => this.copy(data.messages[row[REF]], copy);
      const explain = make("button", "", "Explain");
      explain.setAttribute("aria-pressed", String(!this.plain));
      explain.onclick = () => {
        this.plain = pane.classList.toggle("plain");
        explain.setAttribute("aria-pressed", String(!this.plain));
      };
      line.append(explain, copy);
    }
    if (row[CALL] >= 0 && data.calls.length > 1) {
      const only = make("button", "", ladder.call < 0 ? "Only this call" : "All calls");
      only.onclick = () => showCall(ladder.call < 0 ? row[CALL] : -1);
      line.append(only);
    }
    const close = make("button", "", "✕");
    close.title = "Close (Esc)";
    close.setAttribute("aria-label", "Close");
    close.onclick = () => choose(-1);
    line.append(close);
    head.append(line, make("p", "", this.where(row)));
    pane.replaceChildren(head);
    pane.append(...(isMessage(row) ? this.message(row) : this.thing(row)));
    pane.classList.toggle("plain", this.plain);
    pane.hidden = false;
    pane.scrollTop = 0;
  },

  where(row) {
    const parts = [`${elapsed(row[TIME])} s`, ofDay(row[TIME])];
    if (isMessage(row)) {
      const [transport, from, to, size] = data.messages[row[REF]];
      const name = (column, address) => {
        const given = data.columns[column];
        return given === address ? address : `${given} (${address})`;
      };
      parts.unshift(`${name(row[FROM], from)} → ${name(row[TO], to)}`, `${transport}, ${size} bytes`);
    } else if (row[FROM] >= 0) {
      const ends = isMark(row) ? [row[FROM]] : [row[FROM], row[TO]];
      parts.unshift(ends.map((column) => data.columns[column]).join(row[FLAGS] & BOTH ? " ↔ " : " → "));
    }
    const again = row[FLAGS] >> 2;
    if (again) parts.push(`sent ${again + 1} times by now`);
    return parts.join(" · ");
  },

  message(row) {
    const [, , , , , numbers, head, body] = data.messages[row[REF]];
    const said = numbers.map((number) => this.line(data.lines[number]));
    const parts = said.slice(0, head);
    if (said.length > head) parts.push(make("p", "what", "Session description"), ...said.slice(head));
    if (body) parts.push(make("p", "what", numbers.length ? "Body" : "Bytes"), make("pre", "", ...this.lit(body)));
    return parts;
  },

  line([text, meaning, details, faults]) {
    const element = make("div", "said");
    const code = make("code");
    const colon = /^[\w!%*+`'~.-]+\s*(?=:)|^\w(?==)/.exec(text);
    const name = colon && !text.startsWith("SIP/") ? colon[0] : "";
    if (name) code.append(make("b", "", ...this.lit(name)));
    const column = faults.length && faults[0][1] !== null ? Math.max(faults[0][1], name.length) : -1;
    if (column >= 0 && column < text.length) {
      code.append(text.slice(name.length, column), make("mark", "", text.slice(column)));
    } else {
      code.append(...this.lit(text.slice(name.length)));
    }
    element.append(code);
    for (const [what, , severe] of faults) {
      element.classList.add(severe ? "severe" : "tolerated");
      element.append(make("p", "fault", `${severe ? "Wrong" : "Tolerated"}: ${what}`));
    }
    const [words, source] = data.meanings[meaning];
    const says = make("p");
    for (const one of [words, ...details].filter(Boolean)) says.append(make("span", "", one));
    if (source) says.append(" ", link(source));
    if (says.childNodes.length) element.append(says);
    return element;
  },

  thing(row) {
    const [pairs, picture] = data.things[row[REF]];
    const list = make("dl");
    for (const [name, value] of pairs) list.append(make("dt", "", name), make("dd", "", value));
    if (picture < 0) return [list];
    const drawn = new DOMParser().parseFromString(data.pictures[picture], "image/svg+xml");
    const frame = make("div", "picture", document.importNode(drawn.documentElement, true));
    return [list, make("p", "what", "The machine in the end, and the way that it came"), frame];
  },

  /** Text with what is searched for marked in it. */
  lit(text) {
    const found = ladder.found;
    if (!found) return [text];
    const parts = [], low = text.toLowerCase();
    let at = 0;
    for (let next = low.indexOf(found); next >= 0; next = low.indexOf(found, at)) {
      parts.push(text.slice(at, next), make("mark", "found", text.slice(next, next + found.length)));
      at = next + found.length;
    }
    return [...parts, text.slice(at)];
  },

  async copy([, , , , , numbers, head, body], button) {
    const lines = numbers.map((number) => data.lines[number][0]);
    const below = body ? [body] : lines.slice(head);
    const text = [...lines.slice(0, head), "", ...below].join("\r\n");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  },
};

/** A link to where something is defined, such as "RFC 3261 §20.42". */
function link(source) {
  const found = /^RFC (\d+)(?: §([\d.]+))?/.exec(source);
  if (!found) return make("span", "", source);
  const made = make("a", "", source);
  made.href = `https://www.rfc-editor.org/rfc/rfc${found[1]}${found[2] ? `#section-${found[2]}` : ""}`;
  made.rel = "noreferrer noopener";
  made.target = "_blank";
  return made;
}
