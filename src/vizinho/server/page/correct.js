// The correction page: one utterance at a time, in a chosen order; everything works from the keyboard.
import { Refused, SAMPLE_RATE, key, respond, wav } from "./client.js";
import { Outbox } from "./outbox.js";
import { scoreTables } from "./scores.js";
import { Wave } from "./wave.js";
import { percent, wordButton } from "./words.js";

const $ = (id) => document.getElementById(id);
const SPEEDS = [1, 0.75, 0.5];
const REPORT_MS = 15_000;
const RETRY_MS = 3_000;
const WHO = "vizinho-who";
const TAB = "vizinho-tab";
const ORDER = "vizinho-order";
// The first letter of a text that has a direction decides, as in dir="auto"; an empty text has its language's.
const RIGHT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}\p{Script=Hanifi_Rohingya}\p{Script=Mandaic}\p{Script=Samaritan}]/u;
const RIGHT_SCRIPTS = ["Arab", "Aran", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg", "Mand", "Samr"];

let outbox = null;
let state = null; // what the server said about the corpus last
let current = null; // the utterance on the page
let begun = 0;
let strokes = 0;
let lastSaved = []; // utterances that this page has decided, for undo
let tab = "";
let busy = false;

// Not crypto.randomUUID: it is there on https and localhost only.
const fresh = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
const who = () => localStorage.getItem(WHO) ?? "";
const post = async (path, body) => (await respond(path, { method: "POST", body: JSON.stringify(body) })).json();
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A tab has its name for as long as it lives, so that it gets its utterance again after a crash. A duplicated tab has
// a copy of the name, which it finds out by asking.
async function ownTab() {
  let name = sessionStorage.getItem(TAB) ?? fresh();
  let settled = false;
  let taken = false;
  const channel = new BroadcastChannel(TAB);
  channel.onmessage = ({ data }) => {
    if (data.asks === name && settled) channel.postMessage({ taken: name });
    if (data.taken === name && !settled) taken = true;
  };
  channel.postMessage({ asks: name });
  await wait(150);
  if (taken) name = fresh();
  settled = true;
  sessionStorage.setItem(TAB, name);
  return name;
}

function direction(text, lang) {
  const letter = text.match(/\p{L}/u)?.[0];
  if (letter) return RIGHT.test(letter) ? "rtl" : "ltr";
  try {
    return RIGHT_SCRIPTS.includes(new Intl.Locale(lang).maximize().script) ? "rtl" : "ltr";
  } catch {
    return "ltr";
  }
}

function complain(error) {
  if (error.status === 401) return enter("That key is not one of this server's.");
  $("problem").textContent = error instanceof Refused ? error.message : `Something went wrong: ${error.message}`;
}

const tell = (text) => ($("status").textContent = text);

function enter(problem = "") {
  $("work").hidden = $("side").hidden = true;
  $("entrance").hidden = false;
  $("key").hidden = $("key-label").hidden = !needsKey;
  $("who").value = who();
  $("entrance-problem").textContent = key.get() ? problem : "";
  (needsKey && !key.get() ? $("key") : $("who")).focus();
}

let needsKey = false;

async function begin() {
  try {
    state = await (await respond("/v1/correct")).json();
  } catch (error) {
    if (error.status !== 401) {
      $("work").hidden = false;
      return complain(error);
    }
    needsKey = true;
    return enter("That key is not one of this server's.");
  }
  if (!who()) return enter();
  tab ||= await ownTab();
  outbox = new Outbox(state.token);
  $("entrance").hidden = true;
  $("work").hidden = $("side").hidden = false;
  showState();
  await send();
  await resume();
}

// Texts that a closed tab or a dead browser left behind come first.
async function resume() {
  for (const draft of outbox.drafts()) {
    try {
      const { utterance } = await post("/v1/correct/claim", { tab, who: who(), utterance: draft.utterance });
      return show(utterance, draft);
    } catch (error) {
      if (error.status === 404) outbox.forget(draft.utterance);
      else if (error.status !== 409) return complain(error);
    }
  }
  await next();
}

async function next() {
  try {
    const { utterance } = await post("/v1/correct/next", { tab, who: who(), order: $("order").value });
    if (utterance) return await show(utterance);
    current = null;
    $("utterance").hidden = true;
    tell(state?.open ? "Others work on all utterances that are left." : "Everything is corrected.");
  } catch (error) {
    complain(error);
  }
}

async function show(utterance, draft = null, focus = () => $("accept")) {
  current = { ...utterance, samples: null };
  begun = performance.now();
  strokes = 0;
  $("problem").textContent = "";
  $("utterance").hidden = false;
  const stored = draft ?? outbox.draft(utterance.id);
  $("text").value = stored ? stored.text : utterance.text;
  $("text").lang = $("words").lang = utterance.lang;
  if (stored) {
    const others = utterance.versions.slice(stored.base);
    tell(others.length ? `Your text was kept in this browser. Meanwhile ${others.at(-1).who} saved another version.` : "Your text was kept in this browser.");
    current.base = stored.base;
  } else {
    tell("");
    current.base = utterance.versions.length;
  }
  showDraft(utterance);
  showVersions(utterance.versions);
  edited();
  focus().focus();
  await sound(utterance);
}

function showDraft(utterance) {
  const place = utterance.recording ? `${utterance.recording} at ${utterance.start.toFixed(1)} s` : utterance.id;
  const sure = utterance.confidence === null ? "not drafted yet" : `confidence ${percent(utterance.confidence)}`;
  const by = utterance.draft ? `draft of ${utterance.draft}` : utterance.text ? "text of the corpus" : "no text";
  const from = utterance.versions.length ? `version ${utterance.versions.length}` : by;
  $("facts").textContent = [place, utterance.speaker, `${utterance.seconds.toFixed(1)} s`, from, sure].filter(Boolean).join(" · ");
  const buttons = utterance.words.map(wordButton);
  if (buttons.length) buttons[0].tabIndex = 0;
  $("words").replaceChildren(...buttons);
  $("words").dir = direction(utterance.text, utterance.lang);
}

async function sound(utterance) {
  URL.revokeObjectURL($("player").src);
  $("player").removeAttribute("src");
  wave.show(new Int16Array(0));
  try {
    const query = new URLSearchParams({ utterance: utterance.id });
    const samples = new Int16Array(await (await respond(`/v1/correct/audio?${query}`)).arrayBuffer());
    if (current?.id !== utterance.id) return;
    current.samples = samples;
    $("player").src = URL.createObjectURL(wav([samples]));
    $("player").playbackRate = speed;
    wave.show(samples);
    play();
  } catch (error) {
    if (current?.id === utterance.id) complain(error);
  }
}

function showVersions(versions) {
  $("versions").hidden = !versions.length;
  const rows = [...versions].reverse().map((version) => {
    const item = document.createElement("li");
    item.value = version.version;
    const text = version.status === "done" ? version.text : version.status === "open" ? "(open again)" : "(unintelligible)";
    item.append(versionText(text), ` ${version.who}, ${new Date(version.when).toLocaleString()} `);
    if (version.version !== versions.length) item.append(useButton(version.version, "Use this"));
    return item;
  });
  const open = versions.length && versions.at(-1).status !== "open" ? [useButton(0, "Open again")] : [];
  $("version-list").replaceChildren(...rows, ...open);
}

function versionText(text) {
  return Object.assign(document.createElement("bdi"), { textContent: text, lang: current?.lang ?? "" });
}

function useButton(version, label) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  button.addEventListener("click", () => decide("restore", { version }));
  return button;
}

// What is written is kept at every key, and compared with what was shown.
function edited() {
  if (!current) return;
  const text = $("text").value;
  const changed = text.trim() !== current.text;
  if (changed) outbox.keep({ utterance: current.id, text, base: current.base });
  else outbox.forget(current.id);
  $("text").dir = direction(text, current.lang);
  $("accept-label").textContent = changed ? "Save" : "Accept";
  showLetters(text);
}

function showLetters(text) {
  if (!state || state.letters === null) return ($("letters").textContent = "");
  const known = new Set(state.letters);
  const unknown = new Set(text.normalize("NFC").toLowerCase().match(/[\p{L}\p{M}]/gu)?.filter((letter) => !known.has(letter)));
  $("letters").textContent = unknown.size ? `${state.model} has no letter ${[...unknown].join(" ")}: saved as it is; the next transfer adds it.` : "";
}

async function decide(action, more = {}) {
  if (!current || busy) return;
  busy = true;
  const utterance = current.id;
  const text = $("text").value.trim();
  const kind = action === "accept" && text !== current.text ? "edit" : action;
  const edit = {
    id: fresh(), tab, who: who(), utterance, action: kind, text: kind === "restore" ? "" : text, base: current.base,
    draft: current.draft, strokes, seconds: Math.round(performance.now() - begun) / 1000, ...more,
  };
  try {
    if (kind === "accept" || kind === "edit") {
      if (!text) throw new Refused(400, "The text is empty: write it, or choose Unintelligible.");
    }
    outbox.put(edit);
    $("player").pause();
    const sent = await send();
    const answer = outbox.answers[edit.id];
    if (!sent || !answer) return;
    if (kind !== "skip") lastSaved.push(utterance);
    await (kind === "restore" ? reopen(utterance) : next());
    if (answer.overtook.length) {
      const other = answer.overtook.at(-1);
      tell(`${other.who} had saved another version of the last utterance meanwhile; yours counts, both are kept. Undo (Z) shows them.`);
    } else if (answer.problem) {
      tell(`Saved. The last text cannot be trained on as it is: ${answer.problem}.`);
    } else {
      tell({ skip: "Skipped.", unintelligible: "Saved as unintelligible.", restore: "Saved as a new version." }[kind] ?? "Saved.");
    }
    await refresh();
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
  }
}

// Sends what waits; whether nothing waits any more.
async function send() {
  try {
    await outbox.flush();
    if ($("problem").dataset.waiting) $("problem").textContent = "";
    delete $("problem").dataset.waiting;
    return showRefused();
  } catch (error) {
    complain(error);
    const count = outbox.waiting().length;
    $("problem").dataset.waiting = "1";
    setTimeout(() => again().catch(complain), RETRY_MS);
    $("problem").textContent += ` ${count} ${count === 1 ? "correction is" : "corrections are"} kept in this browser and sent again.`;
    return false;
  }
}

function showRefused() {
  for (const edit of outbox.refused()) {
    tell("");
    $("problem").textContent = `The server refused a correction of ${edit.utterance} (${edit.reason}). Its text: ${edit.text}`;
    outbox.dismiss(edit.id);
    return edit.id !== current?.id;
  }
  return true;
}

async function reopen(utterance) {
  const answer = await post("/v1/correct/claim", { tab, who: who(), utterance });
  await show(answer.utterance, null, () => $("versions").querySelector("button") ?? $("accept"));
}

async function undo() {
  if (current && $("text").value.trim() !== current.text) {
    $("text").value = current.text;
    edited();
    return;
  }
  const utterance = lastSaved.pop();
  if (!utterance) return tell("There is nothing to undo; “Corrected last” lists earlier utterances.");
  try {
    await reopen(utterance);
  } catch (error) {
    complain(error);
  }
}

// Says that this page still has its utterance, and takes its draft when the model has one by now.
async function report() {
  if (!current || busy) return;
  const { id } = current;
  try {
    const { utterance } = await post("/v1/correct/claim", { tab, who: who(), utterance: id });
    if (current?.id === id && !current.drafted && utterance.drafted && $("text").value.trim() === current.text) {
      current = { ...utterance, samples: current.samples, base: utterance.versions.length };
      $("text").value = utterance.text;
      showDraft(utterance);
      edited();
    }
  } catch (error) {
    if (error.status === 409) tell(`${error.message} now; what you save becomes a further version.`);
    else if (error.status !== 0) complain(error);
  }
}

async function refresh() {
  try {
    state = await (await respond("/v1/correct")).json();
    showState();
  } catch (error) {
    if (error.status === 401) complain(error);
  }
}

function showState() {
  const done = state.done + state.unintelligible;
  $("corpus").textContent = state.corpus;
  $("progress").max = state.utterances;
  $("progress").value = done;
  const lost = state.unintelligible ? `, ${state.unintelligible} unintelligible` : "";
  $("counts").textContent = `${state.done} of ${state.utterances} corrected (${state.minutes.toFixed(1)} min)${lost}, ${state.open} open`;
  const drafting = state.drafted < state.utterances && state.open ? `, drafting: ${state.drafted} of ${state.utterances}` : "";
  $("drafts").textContent = state.model ? `Drafts of ${state.model}${drafting}` : "The model is being loaded.";
  $("people").textContent = state.people.length ? `Here: ${state.people.join(", ")}` : "";
  const letters = Object.entries(state.missing).map(([letter, count]) => `${letter} (${count})`);
  $("missing").textContent = letters.length ? `Letters that ${state.model} lacks, with the texts that have them: ${letters.join(", ")}` : "";
  const problems = state.problems.map(({ utterance, problem }) => `${utterance}: ${problem}`);
  if (state.damaged) problems.push(`${state.damaged} lines of ${state.edits} cannot be read; the others count`);
  if (state.unknown) problems.push(`${state.unknown} utterances have edits and are no longer in ${state.corpus}`);
  const count = state.problem_count + (state.damaged ? 1 : 0) + (state.unknown ? 1 : 0);
  $("problems").hidden = !count;
  $("problems").firstElementChild.textContent = `${count} ${count === 1 ? "problem" : "problems"}`;
  $("problems").lastElementChild.replaceChildren(...problems.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("scores").replaceChildren(...scoreTables(state.scores, state.lang));
  const from = state.model ? `vizinho transfer ${state.model} --to ${state.lang} --corpus ${state.corrected}` : "";
  $("train").replaceChildren(`Beside the corpus: ${state.corrected}, ${state.edits}. The next version: `, Object.assign(document.createElement("code"), { textContent: from }));
  if (current) edited();
}

async function showRecent() {
  if (!$("recent").open) return;
  try {
    const { recent } = await (await respond("/v1/correct/recent")).json();
    $("recent-list").replaceChildren(...recent.map((edit) => {
      const item = document.createElement("li");
      const text = edit.status === "done" ? edit.text : `(${edit.status === "open" ? "open again" : edit.status})`;
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(versionText(text), ` ${edit.who}`);
      button.addEventListener("click", () => reopen(edit.utterance).catch(complain));
      item.append(button);
      return item;
    }));
  } catch (error) {
    complain(error);
  }
}

const player = $("player");
let speed = 1;
let until = null; // where a chosen word ends
const wave = new Wave($("wave"), (share) => {
  until = null;
  if (player.duration) player.currentTime = share * player.duration;
});

function play() {
  until = null;
  if (!player.src) return;
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}

function slower() {
  speed = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length];
  player.playbackRate = speed;
  $("speed").textContent = speed === 1 ? "" : `at ${percent(speed)} of the speed`;
  if (player.paused) play();
}

function back() {
  player.currentTime = Math.max(0, player.currentTime - 2);
  if (player.paused) play();
}

function edit() {
  $("text").focus();
  $("text").setSelectionRange($("text").value.length, $("text").value.length);
}

function follow() {
  if (until !== null && player.currentTime >= until) player.pause();
  wave.draw(player.duration ? player.currentTime / player.duration : 0);
  for (const word of $("words").children) {
    const inside = Number(word.dataset.start) <= player.currentTime && player.currentTime < Number(word.dataset.end);
    word.classList.toggle("playing", inside && !player.paused);
  }
  if (!player.paused) requestAnimationFrame(follow);
}
player.addEventListener("play", follow);
for (const kind of ["pause", "seeked", "ended"]) player.addEventListener(kind, follow);

const COMMANDS = {
  p: play, s: slower, b: back, e: edit, z: undo,
  k: () => decide("skip"), u: () => decide("unintelligible"), enter: () => decide("accept"),
};
// Latin letters as they are printed on the keys; on other keyboards the keys at their places.
const letterOf = ({ key, code }) => (/^[a-z]$/i.test(key) ? key.toLowerCase() : code.startsWith("Key") ? code.slice(3).toLowerCase() : key);

document.addEventListener("keydown", (event) => {
  if ($("work").hidden || !current || event.isComposing || event.ctrlKey || event.metaKey) return;
  const writing = event.target === $("text");
  if (writing) strokes += 1;
  if (writing && event.key === "Escape") {
    $("accept").focus();
    return event.preventDefault();
  }
  const field = event.target.closest("input, select, textarea, summary");
  if (field && !writing) return;
  const button = event.target.closest("button");
  let command = null;
  if (event.key === "Enter" && !event.shiftKey && (writing || !button || button.id === "accept")) command = COMMANDS.enter;
  else if (event.key === " " && !writing && (!button || button.id === "accept")) command = play;
  else if (event.altKey === writing && event.key !== "Enter") command = COMMANDS[letterOf(event)];
  if (!command) return;
  event.preventDefault();
  if (event.repeat) return; // a key that is held down must not accept utterances that nobody has heard
  if (!writing) strokes += 1;
  command();
});

for (const [id, command] of Object.entries({ play, slower, back, edit, undo })) $(id).addEventListener("click", command);
for (const id of ["accept", "skip", "unintelligible"]) $(id).addEventListener("click", () => decide(id));
$("text").addEventListener("input", edited);
$("words").addEventListener("click", (event) => {
  const word = event.target.closest(".word");
  if (!word || !player.src) return;
  player.currentTime = Number(word.dataset.start);
  until = Number(word.dataset.end) > Number(word.dataset.start) ? Number(word.dataset.end) : null;
  player.play().catch(() => {});
});
$("words").addEventListener("keydown", (event) => {
  const onward = $("words").dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const word = event.target.closest(".word");
  if (!step || !word) return;
  const other = event.key === onward ? word.nextElementSibling : word.previousElementSibling;
  if (!other) return;
  word.tabIndex = -1;
  other.tabIndex = 0;
  other.focus();
  event.preventDefault();
});
$("order").value = localStorage.getItem(ORDER) ?? "least sure";
if (!$("order").value) $("order").value = "least sure"; // an order that another version stored
$("order").addEventListener("change", () => localStorage.setItem(ORDER, $("order").value));
$("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("who").value.trim();
  if (!name) return;
  localStorage.setItem(WHO, name);
  if ($("key").value.trim()) key.set($("key").value.trim());
  begin().catch(complain);
});
$("export").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const query = new URLSearchParams({ kind: $("kind").value, rest: $("rest").checked });
    const answer = await respond(`/v1/correct/export?${query}`);
    const name = decodeURIComponent(answer.headers.get("content-disposition").split("''")[1]);
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name });
    link.click();
  } catch (error) {
    complain(error);
  }
});
$("recent").addEventListener("toggle", showRecent);
window.addEventListener("pagehide", () => {
  if (!tab) return;
  const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  fetch("/v1/correct/leave", { method: "POST", keepalive: true, headers, body: JSON.stringify({ tab }) }).catch(() => {});
});
window.addEventListener("pageshow", (event) => event.persisted && report());

// Sends again what waits; the page goes on where it waited.
async function again() {
  if (busy || !outbox.waiting().length) return;
  const decided = outbox.waiting().some((edit) => edit.utterance === current?.id);
  if ((await send()) && decided) await next();
}

async function tick() {
  if (!outbox || $("work").hidden) return;
  await again();
  await report();
  await refresh();
  if (!current && state?.open) await next();
}
setInterval(() => tick().catch(complain), REPORT_MS);

begin().catch(complain);
