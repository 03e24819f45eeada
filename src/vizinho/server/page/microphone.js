// The microphone: opened, passed on in tenths of a second with how loud each is, and closed.
import { Refused, SAMPLE_RATE } from "./client.js";

export class Microphone {
  // `take(samples, peak)` gets 16-bit samples and the largest of them, 0 to 1; `lost()` is called when the device is gone.
  static async open(take, lost) {
    let source;
    try {
      source = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch {
      const reason = window.isSecureContext ? "it was not allowed, or there is none" : "browsers give it to https and localhost only";
      throw new Refused(0, `No microphone: ${reason}.`);
    }
    const context = new AudioContext({ sampleRate: SAMPLE_RATE });
    await context.audioWorklet.addModule("/page/recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder");
    recorder.port.onmessage = ({ data }) => take(data, data.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0) / 32768);
    context.createMediaStreamSource(source).connect(recorder);
    for (const track of source.getTracks()) track.onended = lost;
    return new Microphone(source, context);
  }

  constructor(source, context) {
    Object.assign(this, { source, context });
  }

  close() {
    for (const track of this.source.getTracks()) track.stop();
    return this.context.close();
  }
}

// Shows the loudness on a <meter> in decibels, and says what is wrong with it.
export class Level {
  constructor(meter, note) {
    Object.assign(this, { meter, note, quiet: 0, loud: 0 });
  }

  show(peak) {
    this.meter.value = Math.max(this.meter.min, 20 * Math.log10(peak || 1e-6));
    this.quiet = peak < 0.01 ? this.quiet + 1 : 0;
    this.loud = peak > 0.98 ? 10 : Math.max(0, this.loud - 1);
    const note = this.quiet > 30 ? "Nothing is heard. Is the microphone muted?" : this.loud ? "Too loud: it is cut off." : "";
    if (this.note.textContent !== note) this.note.textContent = note;
  }
}
