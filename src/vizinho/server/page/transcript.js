// Recognised words as files: plain text, subtitles (SubRip and WebVTT), JSON.
const PAUSE_SECONDS = 0.8; // a longer pause ends a line, as it ends an utterance of the server
const LINE_LETTERS = 84; // two lines of 42 letters are what a viewer can read in the time of a subtitle

export const written = (word) => word.punctuated_word ?? word.word;
export const text = (words) => words.map(written).join(" ");

function groups(words, isEnd) {
  const parts = [];
  for (const word of words) {
    if (!parts.length || isEnd(parts.at(-1), word)) parts.push([]);
    parts.at(-1).push(word);
  }
  return parts;
}

export const phrases = (words) => groups(words, (part, word) => word.start - part.at(-1).end >= PAUSE_SECONDS);

function cues(words) {
  const short = (phrase) => groups(phrase, (part, word) => text([...part, word]).length > LINE_LETTERS);
  return phrases(words).flatMap(short);
}

function clock(seconds, point) {
  const all = Math.round(seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  const rest = String(all % 1000).padStart(3, "0");
  return `${two(Math.floor(all / 3600000))}:${two(Math.floor(all / 60000) % 60)}:${two(Math.floor(all / 1000) % 60)}${point}${rest}`;
}

const times = (cue, point) => `${clock(cue[0].start, point)} --> ${clock(cue.at(-1).end, point)}`;
const escaped = (line) => line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// Each takes { words, model, language, seconds }.
export const FORMATS = {
  txt: ({ words }) => phrases(words).map((phrase) => `${text(phrase)}\n`).join(""),
  srt: ({ words }) => cues(words).map((cue, number) => `${number + 1}\n${times(cue, ",")}\n${text(cue)}\n`).join("\n"),
  vtt: ({ words }) => ["WEBVTT\n", ...cues(words).map((cue) => `${times(cue, ".")}\n${escaped(text(cue))}\n`)].join("\n"),
  json: ({ words, model, language, seconds }) => `${JSON.stringify({ model, language, duration: seconds, text: text(words), words }, null, 1)}\n`,
};
const TYPES = { txt: "text/plain", srt: "application/x-subrip", vtt: "text/vtt", json: "application/json" };

export function download(name, kind, result) {
  const address = URL.createObjectURL(new Blob([FORMATS[kind](result)], { type: TYPES[kind] }));
  Object.assign(document.createElement("a"), { href: address, download: `${name}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// Whether it is in the clipboard. Browsers give that to https and localhost only; elsewhere the old command is left.
export async function copy(content) {
  if (navigator.clipboard) return navigator.clipboard.writeText(content).then(() => true, () => false);
  const area = Object.assign(document.createElement("textarea"), { value: content });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
