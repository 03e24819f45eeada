// The page: audio in by microphone or file, one column of words for each chosen model.
import { Refused, Stream, cards, key, transcribe, wav } from "./client.js";
import { Level, Microphone } from "./microphone.js";
import { Column, follow } from "./results.js";

const $ = (id) => document.getElementById(id);
const DETECT = ":detect"; // no model can be called so
const slots = [0, 1, 2].map((number) => ({ select: $(`model-${number}`), quality: $(`quality-${number}`) }));
let known = []; // cards of all models
let audio = null; // what was recorded or dropped last: a Blob
let name = "recording"; // of the files that are downloaded
let recording = null; // what is being recorded now
let turn = 0; // counts up with each new audio, so that late answers to older ones are dropped

async function begin() {
  try {
    fill(await cards());
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
  known = list;
  const bare = list.filter((model) => !model.id.includes("@"));
  const versions = list.filter((model) => model.id.includes("@"));
  const languages = [...new Set(bare.map((model) => model.language).filter(Boolean))];
  for (const [number, { select, quality }] of slots.entries()) {
    if (number) select.append(new Option("none", ""));
    if (languages.length > 1) select.append(new Option(`Detect the language (${languages.join(", ")})`, DETECT));
    for (const [label, group] of [["Current", bare], ["Versions", versions]]) {
      const options = document.createElement("optgroup");
      options.label = label;
      options.append(...group.map(({ id, language }) => new Option(language ? `${id} (${language})` : id, id)));
      select.append(options);
    }
    select.addEventListener("change", () => describe(select, quality));
  }
  slots[0].select.value = bare[0]?.id ?? versions[0].id;
  if (bare.length > 1) slots[1].select.value = bare[1].id;
  for (const { select, quality } of slots) describe(select, quality);
}

function describe(select, quality) {
  const card = known.find((model) => model.id === select.value);
  quality.textContent = card ? [card.warning, card.quality].filter(Boolean).join(" ") : "";
  quality.classList.toggle("bad", Boolean(card?.warning));
}

function chosen() {
  const keyterms = $("keyterms").value.split(/[,\n]/).map((term) => term.trim()).filter(Boolean);
  return [...new Set(slots.map(({ select }) => select.value).filter(Boolean))].map((model) => {
    if (model === DETECT) return { detect: true, keyterms, label: "Language detected" };
    return { model, keyterms, label: model, warning: known.find((card) => card.id === model)?.warning };
  });
}

function complain(error) {
  $("problem").textContent = error instanceof Refused ? error.message : `Something went wrong: ${error.message}`;
  $("status").textContent = "";
}

function startOver() {
  turn += 1;
  $("problem").textContent = "";
  $("legend").hidden = true; // until there are words for it to explain
  $("results").replaceChildren();
  return turn;
}

function keep(blob) {
  audio = blob;
  name = blob.name?.replace(/\.[^.]*$/, "") || "recording";
  URL.revokeObjectURL($("player").src);
  $("player").src = URL.createObjectURL(blob);
  $("player").hidden = $("again").hidden = false;
}

// Waits for all columns. "Done." is said where every one has its text.
async function settle(mine, work) {
  const outcomes = await Promise.all(work);
  if (mine !== turn) return;
  const good = outcomes.filter(Boolean).length;
  const some = good ? `${good} of ${outcomes.length} models answered.` : "Nothing was transcribed.";
  $("status").textContent = good === outcomes.length ? "Done." : some;
  $("legend").hidden = !good;
}

async function into(column, choice, blob) {
  const began = performance.now();
  try {
    const result = await transcribe(choice, blob);
    column.finish({ ...result, took: (performance.now() - began) / 1000 });
    return true;
  } catch (error) {
    column.fail(error);
    return false;
  }
}

async function transcribeAll() {
  const mine = startOver();
  $("status").textContent = "Transcribing…";
  await settle(mine, chosen().map((choice) => into(new Column($("results"), choice, name), choice, audio)));
}

async function record() {
  const chunks = [];
  const level = new Level($("level"), $("level-note"));
  let streams = [];
  const microphone = await Microphone.open((samples, peak) => {
    chunks.push(samples);
    level.show(peak);
    for (const { stream } of streams) stream?.send(samples.buffer);
    // Sound that comes after the end must not write over what is said then.
    if (recording?.chunks === chunks) $("status").textContent = `Listening… ${(chunks.length / 10).toFixed(1)} s`;
  }, () => stop().catch(complain));
  startOver();
  name = "recording";
  streams = chosen().map(live);
  recording = { microphone, streams, chunks };
  pressed(true);
}

// A model's stream, with its column. Languages are detected of whole recordings, so there is no stream for that.
function live(choice) {
  const column = new Column($("results"), choice, "recording");
  if (choice.detect) {
    column.facts.textContent = "The language is detected when you stop.";
    return { column, choice };
  }
  const stream = new Stream(choice, (words, partial) => column.show(words, partial));
  const state = { column, choice, stream };
  stream.ended.catch((error) => {
    column.fail(error);
    state.failed = true;
    if (recording?.streams.includes(state) && recording.streams.every(({ failed }) => failed)) stop().catch(complain);
  });
  return state;
}

async function stop() {
  if (!recording) return;
  const { microphone, streams, chunks } = recording;
  recording = null;
  const mine = turn;
  pressed(false);
  $("status").textContent = "Finishing…";
  await microphone.close();
  const blob = wav(chunks);
  if (chunks.length) keep(blob);
  await settle(mine, streams.map(({ column, choice, stream }) => (stream ? finished(column, stream) : into(column, choice, blob))));
}

async function finished(column, stream) {
  try {
    const { duration, models: [model] } = await stream.finish();
    column.finish({ words: stream.words, model, seconds: duration });
    return true;
  } catch {
    return false; // the column has said why
  }
}

function pressed(on) {
  if (on) $("player").hidden = $("again").hidden = true;
  $("loudness").hidden = !on;
  $("record").setAttribute("aria-pressed", on);
  $("record-label").textContent = on ? "Stop" : "Record";
  for (const { select } of slots) select.disabled = on;
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
$("details").addEventListener("change", (event) => $("results").classList.toggle("with-details", event.target.checked));

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
follow($("player"), $("results"));

begin();
