// A recognised word as a button with its times and a bar for its confidence.
export const percent = (share) => `${Math.round(100 * share)} %`;
const level = (share) => (share < 0.6 ? "low" : share < 0.85 ? "middle" : "high");

export function wordButton(word) {
  const button = document.createElement("button");
  const times = `${word.start.toFixed(2)}–${word.end.toFixed(2)} s`;
  button.type = "button";
  button.className = `word ${level(word.confidence)}`;
  button.tabIndex = -1;
  button.style.setProperty("--share", `${100 * word.confidence}%`);
  button.setAttribute("aria-label", `${word.word}, ${times}, confidence ${percent(word.confidence)}`);
  const about = Object.assign(document.createElement("small"), { textContent: `${times} · ${percent(word.confidence)}` });
  about.dir = "ltr"; // beside words that are written from the right too
  button.append(word.punctuated_word ?? word.word, about);
  button.dataset.start = word.start;
  button.dataset.end = word.end;
  return button;
}
