// The last seconds of one patient's waveform, placed by sample time; repeats and overlaps fall on themselves.

const KEPT_S = 14;

export class Samples {
  constructor() {
    this.session = null;
    this.rate = 0;
    this.stamp = 0; // when something last came, by the page's clock
  }

  // A strip as the API gives it. A new session or rate begins anew.
  put(strip, stamp) {
    if (!strip.samples.length) return;
    if (strip.session !== this.session || strip.rate_hz !== this.rate) {
      this.session = strip.session;
      this.rate = strip.rate_hz;
      this.baseUs = strip.start_us;
      this.cells = new Float32Array(Math.ceil(KEPT_S * this.rate)).fill(NaN);
      this.first = 0;
      this.end = 0;
    }
    const from = Math.round(((strip.start_us - this.baseUs) * this.rate) / 1e6);
    const until = from + strip.samples.length;
    const size = this.cells.length;
    for (let k = Math.max(this.end, from - size); k < from && this.end; k += 1) this.cells[wrap(k, size)] = NaN; // a hole
    const scale = strip.uv_per_lsb / 1000;
    let news = false;
    for (let i = Math.max(0, this.end - size - from); i < strip.samples.length; i += 1) {
      const value = strip.samples[i];
      if (value !== null) {
        this.cells[wrap(from + i, size)] = value * scale;
        news = true;
      } else if (from + i >= this.end) {
        this.cells[wrap(from + i, size)] = NaN;
      }
    }
    this.first = this.end === 0 ? from : Math.min(this.first, from);
    this.end = Math.max(this.end, until);
    this.first = Math.max(this.first, this.end - size);
    if (news) this.stamp = stamp;
  }

  // Millivolts at index k; NaN where nothing came.
  at(k) {
    return k < this.first || k >= this.end ? NaN : this.cells[wrap(k, this.cells.length)];
  }

  // Time of sample k in seconds since 1970.
  timeS(k) {
    return this.baseUs / 1e6 + k / this.rate;
  }
}

const wrap = (k, size) => ((k % size) + size) % size;
