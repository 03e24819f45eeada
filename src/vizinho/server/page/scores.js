// The versions of a language's models, side by side on their pinned test sets.
const element = (kind, text, name = "") => Object.assign(document.createElement(kind), { textContent: text, className: name });
const rate = (value) => `${(100 * value).toFixed(1)} %`;

export function scoreTables(tables, lang) {
  if (!tables.length) return [element("p", `There is no model of ${lang} yet. The command below makes the first; pin a test set to its name with vizinho evaluate or vizinho models pin.`, "facts")];
  return tables.flatMap(({ name, pinned, problem, versions }) => {
    const title = element("p", pinned ? `${name}: ${pinned.utterances} utterances (${pinned.split})` : `${name}: no pinned test set. vizinho evaluate ${name}@${versions[0].ref.split("@")[1]} --corpus FILE pins one.`, "facts");
    if (problem) title.textContent += ` (${problem})`;
    const table = document.createElement("table");
    const head = document.createElement("tr");
    head.append(...["version", "CER (95 %)", "WER", "minutes"].map((text) => element("th", text)));
    table.append(head, ...versions.map(row));
    return [title, table, gain(versions)];
  });
}

function row({ ref, current, cer, cer_ci: interval, wer, minutes }) {
  const line = document.createElement("tr");
  line.className = current ? "current" : "";
  line.dataset.ref = ref;
  const scored = cer === undefined ? "not measured" : interval ? `${rate(cer)} (${(100 * interval[0]).toFixed(1)}–${(100 * interval[1]).toFixed(1)})` : rate(cer);
  const cells = [current ? `${ref} (current)` : ref, scored, wer === undefined || wer === null ? "" : rate(wer), minutes ?? ""];
  line.append(...cells.map((text) => element("td", text)));
  return line;
}

function gain(versions) {
  const measured = versions.filter(({ cer }) => cer !== undefined);
  if (measured.length < 2) return element("p", "");
  const [first, last] = [measured[0], measured.at(-1)];
  const change = last.cer - first.cer;
  const text = `${last.ref} against ${first.ref}: ${rate(first.cer)} to ${rate(last.cer)} of the characters wrong, ${rate(Math.abs(change))} ${change < 0 ? "fewer" : "more"}`;
  return element("p", text, change < 0 ? "better" : change > 0 ? "worse" : "");
}
