// What a browser keeps until it is saved: texts that are being written, and edits that the server has not confirmed.
import { Refused, respond } from "./client.js";

const LATER = [0, 401, 408, 429, 500, 503, 507]; // the edit is good, the moment is not

export class Outbox {
  constructor(corpus) {
    this.prefix = `vizinho-correct:${corpus}:`;
    this.sending = Promise.resolve();
    this.answers = {};
  }

  #names(kind) {
    const start = `${this.prefix}${kind}:`;
    return Object.keys(localStorage).filter((name) => name.startsWith(start));
  }

  #all(kind) {
    return this.#names(kind).map((name) => JSON.parse(localStorage.getItem(name))).sort((a, b) => a.at - b.at);
  }

  drafts() { return this.#all("draft"); }
  draft(utterance) { return JSON.parse(localStorage.getItem(`${this.prefix}draft:${utterance}`)); }
  keep(draft) { localStorage.setItem(`${this.prefix}draft:${draft.utterance}`, JSON.stringify({ ...draft, at: Date.now() })); }
  forget(utterance) { localStorage.removeItem(`${this.prefix}draft:${utterance}`); }

  waiting() { return this.#all("edit"); }
  refused() { return this.#all("refused"); }
  dismiss(id) { localStorage.removeItem(`${this.prefix}refused:${id}`); }

  put(edit) {
    localStorage.setItem(`${this.prefix}edit:${edit.id}`, JSON.stringify({ ...edit, at: Date.now() }));
    this.forget(edit.utterance);
  }

  // Sends everything that waits, in its order; the answers stand in `answers` by id. Throws what keeps an edit waiting.
  flush() {
    this.sending = this.sending.catch(() => {}).then(() => this.#send());
    return this.sending;
  }

  async #send() {
    for (const edit of this.waiting()) {
      const name = `${this.prefix}edit:${edit.id}`;
      try {
        const body = JSON.stringify(edit);
        this.answers[edit.id] = await (await respond("/v1/correct/edits", { method: "POST", body })).json();
      } catch (error) {
        if (!(error instanceof Refused) || LATER.includes(error.status)) throw error;
        // Nobody's text is thrown away: the page shows it with the reason.
        localStorage.setItem(`${this.prefix}refused:${edit.id}`, JSON.stringify({ ...edit, reason: error.message }));
      }
      localStorage.removeItem(name);
    }
  }
}
