// Deepgram's JavaScript client: recordings, live streams, turns.

import { createReadStream } from "node:fs";
import { DeepgramClient } from "@deepgram/sdk";
import { HERE, calledBack, check, example, path, pieces, run } from "./harness.mjs";

const http = `http://${HERE.host}`;
const ws = `ws://${HERE.host}`;
const environment = { base: http, production: ws, agent: ws, agentRest: http };
const client = new DeepgramClient({ apiKey: HERE.key, environment });
const media = client.listen.v1.media;
const RAW = { encoding: "linear16", sample_rate: 16000 };
const textOf = (answer) => answer.results.channels[0].alternatives[0].transcript;

example("recording: a file", async () =>
  textOf(await media.transcribeFile(createReadStream(path("speech.wav")), { model: "nova-3" })),
);

example("recording: an address", async () =>
  textOf(await media.transcribeUrl({ url: `${HERE.files}/speech.wav`, model: "nova-3", smart_format: true })),
);

example("recording: answer to a callback", async () => {
  const callback = `${HERE.files}/received/javascript`;
  const accepted = await media.transcribeFile(createReadStream(path("speech.wav")), { model: "nova-3", callback });
  const answer = await calledBack("javascript");
  check(answer.metadata.request_id === accepted.request_id, "another request's answer");
  return textOf(answer);
});

example("recording: utterances, paragraphs, diarize, keyterm", async () => {
  const asked = { model: "nova-3", utterances: true, paragraphs: true, diarize: true, keyterm: ["grande"] };
  const answer = await media.transcribeFile(createReadStream(path("speech.wav")), { ...asked, smart_format: true });
  check(answer.results.channels[0].alternatives[0].words[0].speaker === 0, "no speaker");
  return answer.results.utterances[0].transcript;
});

const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

async function send(connection, file) {
  connection.connect();
  await connection.waitForOpen();
  for (const piece of pieces(file)) {
    connection.sendMedia(piece);
    await pause(1);
  }
  connection.sendCloseStream({ type: "CloseStream" });
}

async function heard(connection, file) {
  const messages = [];
  const ended = new Promise((resume, fail) => {
    connection.on("message", (message) => messages.push(message));
    connection.on("close", resume);
    connection.on("error", fail);
  });
  await send(connection, file);
  await ended;
  return messages;
}

const finals = (messages) =>
  messages
    .filter((m) => m.type === "Results" && m.is_final)
    .map((m) => m.channel.alternatives[0].transcript)
    .filter((text) => text)
    .join(" ");

example("live: raw samples, interim results, events", async () => {
  const asked = { model: "nova-3", interim_results: true, vad_events: true, utterance_end_ms: 1000, ...RAW };
  const messages = await heard(await client.listen.v1.connect(asked), "speech.raw");
  const kinds = new Set(messages.map((m) => m.type));
  check(["SpeechStarted", "UtteranceEnd", "Metadata"].every((kind) => kinds.has(kind)), [...kinds].join(" "));
  return finals(messages);
});

const CONTAINERS = { "Ogg Opus": "ogg", "WebM Opus": "webm", "a FLAC file": "flac", "an MP3 file": "mp3" };
for (const [title, kind] of Object.entries(CONTAINERS)) {
  example(`live: ${title} without an encoding`, async () =>
    finals(await heard(await client.listen.v1.connect({ model: "nova-3" }), `pause.${kind}`)),
  );
}

// The client itself refuses keywords with nova-3.
const FAVOURED = {
  "one keyterm": { keyterm: "grande" },
  "several keyterms": { keyterm: ["grande", "la casa"] },
  "one of keywords": { model: "nova-2", keywords: "grande:2" },
  "several keywords": { model: "nova-2", keywords: ["grande:2", "casa"] },
};
for (const [title, words] of Object.entries(FAVOURED)) {
  example(`recording: ${title}`, async () =>
    textOf(await media.transcribeFile(createReadStream(path("speech.wav")), { model: "nova-3", ...words })),
  );
  example(`live: ${title}`, async () =>
    finals(await heard(await client.listen.v1.connect({ model: "nova-3", ...words, ...RAW }), "speech.raw")),
  );
}

example("live: a WAV file without an encoding, parameters as text", async () =>
  finals(
    await heard(
      await client.listen.v1.connect({ model: "nova-3", language: "es", punctuate: "true", interim_results: "true" }),
      "pause.wav",
    ),
  ),
);

example("live: message by message (for await), one keyterm", async () => {
  const connection = await client.listen.v1.connect({ model: "nova-3", keyterm: "grande", ...RAW });
  const messages = [];
  const sending = send(connection, "speech.raw");
  await connection.waitForOpen();
  for await (const message of connection) {
    messages.push(message);
    if (message.type === "Metadata") break;
  }
  await sending;
  return finals(messages);
});

example("turns (Flux): a conversation", async () => {
  const connection = await client.listen.v2.connect({ model: "flux-general-en", eager_eot_threshold: 0.4, ...RAW });
  const messages = await heard(connection, "speech.raw");
  const turns = messages.filter((m) => m.type === "TurnInfo");
  check(turns[0].event === "StartOfTurn", "no start");
  return turns
    .filter((m) => m.event === "EndOfTurn")
    .map((m) => m.transcript)
    .join(" ");
});

example("account: models, and a token that expires", async () => {
  const models = await client.manage.v1.models.list();
  check(models.stt.some((model) => model.name === "es-demo"), "no es-demo");
  const granted = await client.auth.v1.tokens.grant({ ttl_seconds: 60 });
  const other = new DeepgramClient({ accessToken: granted.access_token, environment });
  return textOf(
    await other.listen.v1.media.transcribeFile(createReadStream(path("speech.wav")), { model: "nova-3" }),
  );
});

await run();
