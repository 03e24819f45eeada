// Runs a script's examples one by one and prints what came of each: a JSON object a line.

import { readFileSync } from "node:fs";

const LIMIT = 60_000;
export const HERE = JSON.parse(process.env.VIZINHO_EXAMPLES);
export const path = (name) => `${HERE.folder}/${name}`;

const examples = [];
export const example = (name, run) => examples.push([name, run]);

export function* pieces(name, size = 3200) {
  const data = readFileSync(path(name));
  for (let start = 0; start < data.length; start += size) yield data.subarray(start, start + size);
}

// What the server sent to files/NAME.
export async function calledBack(name) {
  for (let tries = 0; tries < 600; tries++) {
    const body = await (await fetch(`${HERE.files}/received/${name}`)).text();
    if (body) return JSON.parse(body);
    await new Promise((resume) => setTimeout(resume, 100));
  }
  throw new Error(`nothing came to ${name}`);
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

export async function run() {
  const wanted = process.argv[2] ?? "";
  for (const [name, one] of examples.filter(([name]) => name.includes(wanted))) {
    let timer;
    const late = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error("it took too long")), LIMIT);
    });
    let outcome;
    try {
      outcome = { text: (await Promise.race([one(), late])) ?? null };
    } catch (error) {
      console.error(error);
      outcome = { error: `${error.name}: ${error.message}` };
    }
    clearTimeout(timer);
    console.log(JSON.stringify({ example: name, ...outcome }));
  }
  process.exit(0);
}
