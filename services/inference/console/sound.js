// Audible alarms, off until somebody turns them on: pulses in bursts, more and closer the more urgent, after the idea
// of IEC 60601-1-8. Unacknowledged physiological alarms sound, and a lost connection, or silence would mean both.

const BURSTS = {
  high: { every: 8, pulses: [0, 0.25, 0.5, 1.0, 1.25, 1.9, 2.15, 2.4, 2.9, 3.15], pitch: 659, last: 0.15 },
  medium: { every: 16, pulses: [0, 0.35, 0.7], pitch: 523, last: 0.2 },
  low: { every: 32, pulses: [0], pitch: 440, last: 0.25 },
  lost: { every: 20, pulses: [0, 0.5], pitch: 330, last: 0.35 }, // nobody knows how the patients are
};

export class Sound {
  constructor() {
    this.on = false;
    this.next = 0;
    this.priority = null;
  }

  // To be called from a click or a key, or the browser stays silent. Gives "on" (and a pulse to prove it), "off", or
  // "blocked" where this browser makes no sound: nobody shall rely on what cannot be heard.
  async toggle() {
    if (this.on) {
      this.on = false;
      return "off";
    }
    this.context ??= new AudioContext();
    await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    if (this.context.state !== "running") return "blocked";
    this.on = true;
    this.next = 0;
    this.#pulse(this.context.currentTime + 0.05, 523, 0.12);
    return "on";
  }

  // The most urgent unanswered priority, "lost", or null; called once a second. While it is on, gives "on" or "blocked":
  // a browser may take away what it gave, and is asked for it again.
  want(priority) {
    if (priority !== this.priority) this.next = 0;
    this.priority = priority;
    if (!this.on) return null;
    if (this.context.state !== "running") {
      this.context.resume().catch(() => {});
      this.next = 0;
      return "blocked";
    }
    if (priority && Date.now() >= this.next) this.#burst(priority);
    return "on";
  }

  #burst(priority) {
    const burst = BURSTS[priority];
    if (!burst) return;
    const start = this.context.currentTime + 0.05;
    for (const at of burst.pulses) this.#pulse(start + at, burst.pitch, burst.last);
    this.next = Date.now() + burst.every * 1000;
  }

  // A fundamental and harmonics, faded in and out, so that it can be located and does not click.
  #pulse(at, pitch, seconds) {
    const gain = this.context.createGain();
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.12, at + 0.02);
    gain.gain.setValueAtTime(0.12, at + seconds - 0.03);
    gain.gain.linearRampToValueAtTime(0, at + seconds);
    gain.connect(this.context.destination);
    for (const [harmonic, level] of [[1, 1], [2, 0.5], [3, 0.3], [4, 0.2]]) {
      const tone = this.context.createOscillator();
      const share = this.context.createGain();
      tone.frequency.value = pitch * harmonic;
      share.gain.value = level;
      tone.connect(share).connect(gain);
      tone.start(at);
      tone.stop(at + seconds);
    }
  }
}
