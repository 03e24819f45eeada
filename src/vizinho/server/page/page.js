// The page: audio in by microphone or file, one column of words for each chosen model.
import { Refused, SAMPLE_RATE, Stream, key, models, transcribe, wav } from "./client.js";
import { percent, wordButton } from "./words.js";

const $ = (id) => document.getElementById(id);
const selects = [0, 1, 2].map((number) => $(`model-${number}`));
let audio = null; // what was recorded or dropped last: a Blob
let recording = null; // what is being recorded now
let turn = 0; // counts up with each new audio, so that late answers to older ones are dropped

async function begin() {
  try {
    fill(await models());
    $("entrance").hidden = true;
    $("controls").hidden = false;
  } catch (error) {
    if (error.status !== 401) return complain(error);
    $("entrance").hidden = false;
    $("entrance-problem").textContent = key.get() ? "That key is not one of this server's." : "";
    $("key").focus();
  }
}

function fill(list) {
  const bare = list.filter((model) => !model.id.includes("@"));
  const versions = list.filter((model) => model.id.includes("@"));
  for (const [number, select] of selects.entries()) {
    if (number) select.append(new Option("none", ""));
    for (const [label, group] of [["Current", bare], ["Versions", versions]]) {
      const options = document.createElement("optgroup");
      options.label = label;
      options.append(...group.map(({ id, language }) => new Option(language ? `${id} (${language})` : id, id)));
      select.append(options);
    }
  }
  if (bare.length > 1) selects[1].value = bare[1].id;
}

const chosen = () => [...new Set(selects.map((select) => select.value).filter(Boolean))];

function complain(error) {
  $("problem").textContent = error instanceof Refused ? error.message : `Something went wrong: ${error.message}`;
  $("status").textContent = "";
}

function column(model) {
  const section = document.createElement("section");
  section.className = "result";
  section.dataset.model = model;
  const title = Object.assign(document.createElement("h2"), { textContent: model });
  const facts = Object.assign(document.createElement("p"), { className: "facts", textContent: "…" });
  const list = Object.assign(document.createElement("div"), { className: "words" });
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", `Words by ${model}`);
  section.append(title, facts, list);
  $("results").append(section);
  return { section, title, facts, list };
}

function show(column, words, partial = []) {
  const buttons = words.map(wordButton);
  const maybe = document.createElement("span");
  maybe.className = "words partial";
  maybe.append(...partial.map(wordButton));
  if (buttons.length) buttons[0].tabIndex = 0;
  column.list.replaceChildren(...buttons, ...(partial.length ? [maybe] : []));
}

function finish(column, words, model, seconds, took) {
  show(column, words);
  column.title.textContent = model;
  const mean = words.reduce((sum, word) => sum + word.confidence, 0) / (words.length || 1);
  const count = words.length === 1 ? "1 word" : `${words.length} words`;
  column.facts.textContent = [
    words.length ? `${count}, mean confidence ${percent(mean)}` : "No words were heard",
    `${seconds.toFixed(1)} s of audio`,
    ...(took === undefined ? [] : [`answered in ${took.toFixed(2)} s`]),
  ].join(" · ");
}

function startOver() {
  turn += 1;
  $("problem").textContent = "";
  $("results").replaceChildren();
  return turn;
}

function keep(blob) {
  audio = blob;
  URL.revokeObjectURL($("player").src);
  $("player").src = URL.createObjectURL(blob);
  $("player").hidden = $("legend").hidden = $("again").hidden = false;
}

async function transcribeAll() {
  const mine = startOver();
  $("status").textContent = "Transcribing…";
  const answers = chosen().map(async (model) => {
    const place = column(model);
    const began = performance.now();
    try {
      const { words, seconds, model: ref } = await transcribe(model, audio);
      if (mine === turn) finish(place, words, ref, seconds, (performance.now() - began) / 1000);
    } catch (error) {
      place.facts.textContent = error.message;
      place.facts.classList.add("problem");
    }
  });
  await Promise.all(answers);
  if (mine === turn) $("status").textContent = "Done.";
}

async function record() {
  let microphone;
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch {
    const reason = window.isSecureContext ? "it was not allowed, or there is none" : "browsers give it to https and localhost only";
    throw new Refused(0, `No microphone: ${reason}.`);
  }
  startOver();
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  await context.audioWorklet.addModule("/page/recorder.js");
  const streams = chosen().map((model) => {
    const place = column(model);
    const stream = new Stream(model, (words, partial) => show(place, words, partial));
    return { place, stream };
  });
  const recorder = new AudioWorkletNode(context, "recorder");
  const chunks = [];
  recorder.port.onmessage = ({ data }) => {
    chunks.push(data);
    for (const { stream } of streams) stream.send(data.buffer);
    $("status").textContent = `Listening… ${(chunks.length / 10).toFixed(1)} s`;
  };
  context.createMediaStreamSource(microphone).connect(recorder);
  recording = { microphone, context, streams, chunks };
  pressed(true);
}

async function stop() {
  const { microphone, context, streams, chunks } = recording;
  recording = null;
  pressed(false);
  microphone.getTracks().forEach((track) => track.stop());
  await context.close();
  $("status").textContent = "Finishing…";
  keep(wav(chunks));
  for (const { place, stream } of streams) {
    try {
      const { duration, models: [ref] } = await stream.finish();
      finish(place, stream.words, ref, duration);
    } catch (error) {
      place.facts.textContent = error.message;
      place.facts.classList.add("problem");
    }
  }
  $("status").textContent = "Done.";
}

function pressed(on) {
  if (on) $("player").hidden = $("again").hidden = true;
  $("record").setAttribute("aria-pressed", on);
  $("record-label").textContent = on ? "Stop" : "Record";
  for (const select of selects) select.disabled = on;
}

async function take(file) {
  if (!file) return;
  if (recording) await stop();
  keep(file);
  await transcribeAll();
}

$("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set($("key").value.trim());
  begin();
});
$("record").addEventListener("click", () => (recording ? stop() : record()).catch(complain));
$("file").addEventListener("change", (event) => {
  take(event.target.files[0]).catch(complain);
  event.target.value = "";
});
$("again").addEventListener("click", () => transcribeAll().catch(complain));
$("details").addEventListener("change", (event) => $("results").classList.toggle("without-details", !event.target.checked));

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]).catch(complain);
  });
}

$("results").addEventListener("click", (event) => {
  const word = event.target.closest(".word");
  if (!word || !audio) return;
  $("player").currentTime = Number(word.dataset.start);
  $("player").play().catch(() => {});
});
$("results").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const word = event.target.closest(".word");
  if (!step || !word) return;
  const all = [...word.closest(".result").querySelectorAll(".word")];
  const next = all[all.indexOf(word) + step];
  if (!next) return;
  word.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
});
$("player").addEventListener("timeupdate", ({ target }) => {
  for (const word of document.querySelectorAll(".word")) {
    const inside = Number(word.dataset.start) <= target.currentTime && target.currentTime < Number(word.dataset.end);
    word.classList.toggle("playing", inside && !target.paused);
  }
});

begin();
