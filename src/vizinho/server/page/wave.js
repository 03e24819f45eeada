// The waveform: drawn once for each utterance, with a line where the sound is.
export class Wave {
  constructor(canvas, seek) {
    this.canvas = canvas;
    this.samples = new Int16Array(0);
    canvas.addEventListener("pointerdown", (event) => {
      const box = canvas.getBoundingClientRect();
      seek((event.clientX - box.left) / box.width);
    });
    new ResizeObserver(() => this.show(this.samples)).observe(canvas);
  }

  show(samples) {
    this.samples = samples;
    const width = (this.canvas.width = this.canvas.clientWidth || 600);
    const step = Math.max(1, samples.length / width);
    this.peaks = Array.from({ length: width }, (_, x) => {
      let low = 0;
      let high = 0;
      for (let at = Math.floor(x * step); at < Math.min(samples.length, (x + 1) * step); at += 1) {
        if (samples[at] < low) low = samples[at];
        if (samples[at] > high) high = samples[at];
      }
      return [low, high];
    });
    // Quiet recordings fill the picture too.
    this.loudest = Math.max(1000, ...this.peaks.map(([low, high]) => Math.max(-low, high)));
    this.draw(0);
  }

  draw(share) {
    const { canvas, peaks } = this;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const middle = canvas.height / 2;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const [x, [low, high]] of (peaks ?? []).entries()) {
      context.fillStyle = style.getPropertyValue(x < share * canvas.width ? "--accent" : "--soft");
      const top = (high / this.loudest) * middle * 0.95;
      context.fillRect(x, middle - top, 1, Math.max(1, top - (low / this.loudest) * middle * 0.95));
    }
    context.fillStyle = style.getPropertyValue("--alarm");
    context.fillRect(Math.round(share * canvas.width), 0, 2, canvas.height);
  }
}
