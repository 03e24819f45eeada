// Runs beside the page in the browser's audio thread: passes on the microphone's samples as 16-bit integers.
const SAMPLES_AT_ONCE = 1600; // a tenth of a second at 16 kHz

class Recorder extends AudioWorkletProcessor {
  held = new Int16Array(SAMPLES_AT_ONCE);
  count = 0;

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.held[this.count++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.count === SAMPLES_AT_ONCE) {
        this.port.postMessage(this.held.slice());
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
