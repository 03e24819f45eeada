// Talks to the server: models, recordings and live streams, in Deepgram's shapes.
export const SAMPLE_RATE = 16000;
const KEY = "vizinho-key";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
};

// What the server answers; Refused with its message where it refuses, and with the status 0 where it is not there.
export async function respond(path, options = {}) {
  const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  } catch {
    throw new Refused(0, "The server cannot be reached.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(response.status, body.err_msg ?? body.error?.message ?? `error ${response.status}`);
}

const ask = async (path, options) => (await respond(path, options)).json();

// What can be chosen, and how good each is by its card.
export async function cards() {
  return (await ask("/v1/cards")).models;
}

// `choice` is { model, detect, keyterms }.
function queryOf({ model, detect, keyterms = [] }, more = {}) {
  const query = new URLSearchParams({ ...(detect ? { detect_language: true } : { model }), punctuate: true, ...more });
  for (const term of keyterms) query.append("keyterm", term);
  return query;
}

export async function transcribe(choice, audio) {
  const headers = { "Content-Type": "application/octet-stream" };
  const { metadata, results } = await ask(`/v1/listen?${queryOf(choice)}`, { method: "POST", body: audio, headers });
  const [{ alternatives, detected_language: language, language_confidence: share }] = results.channels;
  return { words: alternatives[0].words, seconds: metadata.duration, model: metadata.models[0], language, share };
}

// Why there is no stream: browsers hide the answer to a handshake, so a tenth of a second of silence is sent to have one.
async function reasonOf(choice) {
  try {
    await transcribe(choice, wav([new Int16Array(SAMPLE_RATE / 10)]));
  } catch (error) {
    return error;
  }
  return new Refused(0, "The server opened no stream. It may have as many as it can take; try again in some seconds.");
}

// A live stream. `show(words, partial)` is called with all words so far, and with those that may still change.
// `ended` is refused as soon as something goes wrong.
export class Stream {
  constructor(choice, show) {
    this.words = [];
    const query = queryOf(choice, { encoding: "linear16", sample_rate: SAMPLE_RATE, interim_results: true });
    const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/listen?${query}`;
    this.socket = key.get() ? new WebSocket(address, ["token", key.get()]) : new WebSocket(address);
    this.waiting = [];
    let opened = false;
    this.socket.onopen = () => {
      opened = true;
      for (const message of this.waiting) this.socket.send(message);
      this.waiting = [];
    };
    this.ended = new Promise((resolve, reject) => {
      this.socket.onmessage = ({ data }) => this.#take(JSON.parse(data), show, resolve, reject);
      this.socket.onclose = async ({ code }) => reject(opened ? new Refused(0, `The stream was closed early (${code}).`) : await reasonOf(choice));
    });
    this.ended.catch(() => {});
  }

  #take(message, show, resolve, reject) {
    if (message.type === "Results") {
      const words = message.channel.alternatives[0].words;
      if (message.is_final) this.words.push(...words);
      show(this.words, message.is_final ? [] : words);
    } else if (message.type === "Metadata") {
      resolve(message);
    } else if (message.type === "Error") {
      reject(new Refused(0, message.description));
    }
  }

  send(message) {
    if (this.socket.readyState === WebSocket.CONNECTING) this.waiting.push(message);
    else if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
  }

  finish() {
    this.send(JSON.stringify({ type: "CloseStream" }));
    return this.ended;
  }
}

// 16-bit samples as a WAV file, so that what was recorded can be heard and transcribed again.
export function wav(chunks) {
  const count = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const bytes = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, letters) => [...letters].forEach((letter, i) => bytes.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, SAMPLE_RATE, true);
  bytes.setUint32(28, 2 * SAMPLE_RATE, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  text(36, "data");
  bytes.setUint32(40, 2 * count, true);
  let at = 44;
  for (const chunk of chunks) for (const sample of chunk) bytes.setInt16((at += 2) - 2, sample, true);
  return new Blob([bytes], { type: "audio/wav" });
}
