// OpenAI's JavaScript client: transcriptions in every format, and realtime transcription, which it does over TLS alone.

import { createReadStream } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { HERE, check, example, path, pieces, run } from "./harness.mjs";

const client = new OpenAI({ apiKey: HERE.key, baseURL: `http://${HERE.host}/v1` });
const transcribed = (asked = {}) =>
  client.audio.transcriptions.create({
    file: createReadStream(path("speech.wav")),
    model: "gpt-4o-transcribe",
    ...asked,
  });

example("transcription: json", async () => (await transcribed()).text);
example("transcription: text", async () => await transcribed({ response_format: "text" }));
example("transcription: verbose_json with times of words and segments", async () => {
  const answer = await transcribed({
    model: "whisper-1",
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
  });
  check(answer.language === "spanish" && answer.segments.length === 1, "language or segments");
  return answer.words.map((word) => word.word).join(" ");
});
example("transcription: srt", async () => (await transcribed({ response_format: "srt" })).split("\n")[2]);
example("transcription: vtt", async () => (await transcribed({ response_format: "vtt" })).trim().split("\n").at(-1));
example("transcription: stream=true", async () => {
  let text = "";
  for await (const event of await transcribed({ stream: true })) {
    if (event.type === "transcript.text.delta") text += event.delta;
    if (event.type === "transcript.text.done") check(text === event.text, "deltas and text differ");
  }
  return text;
});
example("transcription: include logprobs", async () =>
  (await transcribed({ include: ["logprobs"] })).logprobs.map((logprob) => logprob.token).join(""),
);
example("transcription: diarized_json", async () =>
  (await transcribed({ model: "gpt-4o-transcribe-diarize", response_format: "diarized_json" })).segments
    .map((segment) => segment.text)
    .join(" "),
);

example("realtime transcription: server_vad, over TLS", async () => {
  const secure = new OpenAI({ apiKey: HERE.key, baseURL: `https://${HERE.tls}/v1` });
  const realtime = new OpenAIRealtimeWS({ intent: "transcription" }, secure);
  const completed = new Promise((resume, fail) => {
    realtime.on("error", fail);
    realtime.on("conversation.item.input_audio_transcription.completed", (event) => resume(event.transcript));
  });
  await new Promise((resume) => realtime.socket.on("open", resume));
  realtime.send({
    type: "session.update",
    session: {
      type: "transcription",
      audio: { input: { transcription: { model: "gpt-4o-transcribe" }, turn_detection: { type: "server_vad" } } },
    },
  });
  for (const piece of pieces("speech-24k.raw", 4800)) {
    realtime.send({ type: "input_audio_buffer.append", audio: piece.toString("base64") });
  }
  const text = await completed;
  realtime.close();
  return text;
});
example("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  check(names.includes("es-demo"), names.join(" "));
});

await run();
