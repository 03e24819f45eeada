// One column for each model: its text as it comes, what is known of the model, and ways to take the text away.
import { FORMATS, copy, download } from "./transcript.js";
import { percent, wordButton } from "./words.js";

const element = (kind, className, textContent = "") => Object.assign(document.createElement(kind), { className, textContent });

export class Column {
  // `choice` is { label, warning }; `name` is how files are called.
  constructor(place, choice, name) {
    this.name = name;
    this.section = element("section", "result");
    this.section.dataset.model = choice.label;
    this.title = element("h2", "", choice.label);
    this.facts = element("p", "facts", "…");
    this.warning = element("p", "note", choice.warning ?? "");
    this.problem = element("p", "problem");
    this.problem.setAttribute("role", "alert");
    this.list = element("div", "words");
    this.list.setAttribute("role", "group");
    this.list.setAttribute("aria-label", `Words by ${choice.label}`);
    this.section.append(this.title, this.facts, this.warning, this.problem, this.list);
    place.append(this.section);
  }

  show(words, partial = []) {
    const maybe = element("span", "words partial");
    maybe.append(...spaced(partial));
    const all = spaced(words);
    if (words.length) all[0].tabIndex = 0;
    this.list.replaceChildren(...all, ...(partial.length ? [maybe] : []));
  }

  // `result` is { words, model, language, share, seconds, took }.
  finish(result) {
    const { words, model, language, share, seconds, took } = result;
    this.show(words);
    this.title.textContent = model;
    const mean = words.reduce((sum, word) => sum + word.confidence, 0) / (words.length || 1);
    const count = words.length === 1 ? "1 word" : `${words.length} words`;
    this.facts.textContent = [
      ...(language ? [`Language detected: ${language} (${percent(share)} sure)`] : []),
      words.length ? `${count}, mean confidence ${percent(mean)}` : "No words were recognised",
      `${seconds.toFixed(1)} s of audio`,
      ...(took === undefined ? [] : [`answered in ${took.toFixed(2)} s`]),
    ].join(" · ");
    if (words.length) this.section.append(this.#actions(result));
  }

  // Words that are there already stay, with what went wrong above them.
  fail(error) {
    this.facts.textContent = "";
    this.problem.textContent = error.message;
  }

  #actions(result) {
    const row = element("div", "row actions");
    const copying = element("button", "copy", "Copy");
    copying.addEventListener("click", async () => {
      copying.textContent = (await copy(FORMATS.txt(result))) ? "Copied" : "Not allowed to copy";
    });
    const files = Object.keys(FORMATS).map((kind) => {
      const button = element("button", "download", kind);
      button.setAttribute("aria-label", `Download as ${kind}`);
      button.addEventListener("click", () => download(`${this.name}.${result.model}`, kind, result));
      return button;
    });
    for (const button of [copying, ...files]) button.type = "button";
    row.append(copying, element("span", "facts", "Download"), ...files);
    return row;
  }
}

// Spaces stand between the buttons, so that words that are marked with the mouse are copied as text.
const spaced = (words) => words.flatMap((word) => [wordButton(word), " "]);

// Marks the word that is played, in every column, as often as the screen is drawn.
export function follow(player, place) {
  let spans = []; // times as numbers: reading them from the page for each picture is slow with an hour's words
  const mark = () => {
    for (const span of spans) {
      const inside = !player.paused && span.start <= player.currentTime && player.currentTime < span.end;
      if (inside === span.playing) continue;
      span.playing = inside;
      span.word.classList.toggle("playing", inside);
      if (inside) span.word.scrollIntoView({ block: "nearest" });
    }
    if (!player.paused) requestAnimationFrame(mark);
  };
  player.addEventListener("play", () => {
    const words = [...place.querySelectorAll(".word")];
    spans = words.map((word) => ({ word, start: Number(word.dataset.start), end: Number(word.dataset.end), playing: false }));
    mark();
  });
  for (const kind of ["pause", "ended"]) player.addEventListener(kind, mark);
}
