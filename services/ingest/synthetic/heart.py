"""A heart and the electrodes that watch it: beats laid onto a time axis, and what the skin adds to them."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from services.ingest.synthetic import anatomy as body
from services.ingest.synthetic import mimics
from services.ingest.synthetic.beats import DEPOLARISATION, REPOLARISATION, Component, Grid, Origin, table
from services.ingest.synthetic.draws import Draws, Floats, normals, white
from services.ingest.synthetic.injury import infarction
from services.ingest.synthetic.leads import CHANNELS
from services.ingest.synthetic.noise import Additive, ClockDrift, Signal, Span, added, knots, slow_noise, spline
from services.ingest.synthetic.rhythm import Beats, draw_rhythm
from services.ingest.synthetic.spec import PatientSpec
from shared.labels import MI_CODES

# Direction and size (mV) of the fibrillating atria.
_F_WAVE = np.array([0.010, 0.032, -0.038])


class Heart:
    """The part of a patient that all leads share: body, beats, and what a beat consists of at any moment."""

    def __init__(self, spec: PatientSpec) -> None:
        self.spec = spec
        person = Draws(spec.seed, spec.patient)
        today = Draws(spec.seed, spec.patient, spec.recording)
        a = body.draw_anatomy(person, age=spec.age, sex=spec.sex)
        # Electrodes never go back to exactly the same place.
        again = 1 + np.stack([today.vector(f"placed.{c}", 0.04) for c in CHANNELS])
        a = dataclasses.replace(a, leads=a.leads * again)
        self.anatomy = a
        self.today = today
        drift = sum(e.ppm for e in spec.effects if isinstance(e, ClockDrift))
        self.rate_hz = spec.rate_mhz / 1000
        self.true_rate_hz = self.rate_hz * (1 + drift * 1e-6)
        self.onset_s = spec.onset_s / (1 + drift * 1e-6)
        heart_rate = spec.heart_rate or min(max(a.heart_rate + today.normal("rate.today", 0, 3), 45), 98)
        self.rhythm = draw_rhythm(
            spec.kind, a, today, onset_s=self.onset_s, severity=spec.severity, heart_rate=heart_rate
        )
        components = self._components(person)
        self.depolarisation = tuple(c for c in components if c.part == "depolarisation")
        self.repolarisation = tuple(c for c in components if c.part == "repolarisation")
        blur = 0.33 / self.rate_hz  # a device's anti-aliasing filter: -3 dB at 0.4 of its rate
        self.depolarisation_table = table(self.depolarisation, DEPOLARISATION, blur)
        self.repolarisation_table = table(self.repolarisation, REPOLARISATION, blur)
        self.breath_hz = a.breaths_per_min / 60
        self.breath_phase = today.uniform("breath.phase", 0, 2 * np.pi)

    def _components(self, person: Draws) -> tuple[Component, ...]:
        a, spec = self.anatomy, self.spec
        if spec.kind in MI_CODES:
            return *body.healthy(a), *infarction(spec.kind, a, person, spec.severity)
        return mimics.components(spec.kind, a, person, spec.severity)

    def breath(self, t: npt.NDArray[np.floating]) -> Floats:
        """Lungs: +1 full, -1 empty."""
        return np.asarray(np.sin(2 * np.pi * self.breath_hz * t + self.breath_phase), np.float64)

    def weights(self, beats: Beats, components: tuple[Component, ...]) -> Floats:
        """How much of each component each beat has (beats × components)."""
        hours = (beats.at_s - self.onset_s) * (self.spec.speed / 3600)
        out = np.empty((len(beats), len(components)))
        for i, component in enumerate(components):
            out[:, i] = component.course(hours)
            if len(component.origins) < len(Origin):
                out[:, i] *= np.array([o in component.origins for o in Origin])[beats.origin]
        # No two beats are quite alike.
        return np.asarray(out * (1 + 0.012 * beats.jitter)[:, None], np.float64)


class Electrode:
    """One measured channel, or a sum of them: how the heart looks from there, and the noise picked up there."""

    def __init__(self, heart: Heart, channel_weights: Floats) -> None:
        a, spec = heart.anatomy, heart.spec
        vector = channel_weights @ a.leads
        # Breathing in tilts the heart (a rotation about the z and y axes, to first order) and weakens the voltage.
        tilt = a.breath_depth * np.array([[-0.03, 0.055, 0.0], [-0.055, -0.03, 0.02], [0.0, -0.02, -0.03]])
        swayed = vector @ tilt
        self.heart = heart
        self.channels = [(float(w), CHANNELS[i]) for i, w in enumerate(channel_weights) if w]
        self._shapes = [
            np.concatenate([vector @ t, swayed @ t]).astype(np.float32)
            for t in (heart.depolarisation_table, heart.repolarisation_table)
        ]
        self._flutter = float(vector @ _F_WAVE) * heart.today.factor("f_wave", 0.35)
        self._additive = tuple(e for e in spec.effects if isinstance(e, Additive))

    def heartbeat(self, out: Signal, first: int, beats: Beats) -> None:
        """Add the beats to ``out``, whose sample 0 is the device's sample ``first``."""
        heart = self.heart
        breath = heart.breath(beats.at_s)[:, None]
        ones = np.ones(len(beats))
        stretch = np.cbrt(beats.cycle_s)
        for components, shapes, grid, start, scale in (
            (heart.depolarisation, self._shapes[0], DEPOLARISATION, beats.at_s, ones),
            (heart.repolarisation, self._shapes[1], REPOLARISATION, beats.at_s + heart.anatomy.j_s, stretch),
        ):
            weights = heart.weights(beats, components)
            rows = np.concatenate([weights, weights * breath], axis=1).astype(np.float32) @ shapes
            _lay(out, first, rows, grid, start_s=start, stretch=scale, rate_hz=heart.true_rate_hz)

    def flutter(self, t: Floats, stream: int, first: int) -> Floats:
        """Fibrillating atria: an unsteady wave of 5-8 per second from onset on."""
        heart = self.heart
        sway = slow_noise(stream, first, t.size, max(round(heart.rate_hz * 0.5), 1))
        angle = 2 * np.pi * heart.today.uniform("f_wave.hz", 5.2, 7.6) * t + 1.1 * sway
        f = (np.sin(angle) + 0.35 * np.sin(2 * angle + 0.6)) * (1 + 0.35 * sway) * self._flutter
        return np.asarray(np.where(t >= heart.onset_s, f, 0.0), np.float64)

    def background(self, first: int, count: int) -> Floats:
        """Baseline wander, breathing and a little muscle noise, as in any recording at rest; then the effects."""
        heart, spec = self.heart, self.heart.spec
        total = np.zeros(count)
        for weight, channel in self.channels:
            stream = heart.today.key(channel)
            if spec.noise:
                total += weight * spec.noise * self._at_rest(channel, stream, first, count)
            extra = added(self._additive, stream, Span(first, count, heart.rate_hz))
            if extra is not None:
                total += weight * extra
        return total

    def _at_rest(self, channel: str, stream: int, first: int, count: int) -> Floats:
        heart, draws = self.heart, self.heart.today
        steps = max(round(heart.rate_hz * 0.3), 1)
        number = knots(first, count, steps)
        # Slow drift has one value for four knots, breathing its own at each: both below 1 Hz.
        drift = normals(stream, np.arange(number[0] // 4, number[-1] // 4 + 1))
        values = 0.045 * draws.factor(f"wander.{channel}", 0.5) * drift[number // 4 - number[0] // 4]
        depth = 0.020 * draws.factor(f"breathing.{channel}", 0.6) * heart.anatomy.breath_depth
        values += depth * heart.breath(number * (steps / heart.true_rate_hz))
        wander = spline(values, first, count, steps)
        muscle = 0.008 * draws.factor("muscle", 0.5)
        noise = white(stream ^ 0x3C3C, first - 1, count + 1)
        return np.asarray(wander + (0.8 * muscle) * (noise[1:] - 0.6 * noise[:-1]), np.float64)


def _lay(
    out: Signal, first: int, rows: Signal, grid: Grid, *, start_s: Floats, stretch: Floats, rate_hz: float
) -> None:
    """Add row ``k`` of a table, stretched in time by ``stretch[k]`` about ``start_s[k]``, to its samples."""
    cells = rows.shape[1]
    begin = start_s + grid.first_s * stretch
    index = np.ceil(begin * rate_hz).astype(np.int64)
    width = math.ceil((grid.last_s - grid.first_s) * float(stretch.max(initial=1.0)) * rate_hz)
    step = grid.rate_hz / (rate_hz * stretch)
    offset = (index / rate_hz - begin) * grid.rate_hz / stretch
    # Cells are counted in hundreds, so single precision places a sample to a ten-thousandth of a cell.
    place = np.multiply.outer(step.astype(np.float32), np.arange(width, dtype=np.float32))
    place += offset.astype(np.float32)[:, None]
    np.minimum(place, np.float32(cells - 2), out=place)
    cell = place.astype(np.int32)
    place -= cell
    cell += (np.arange(rows.shape[0], dtype=np.int32) * cells)[:, None]
    flat = rows.ravel()
    value = flat.take(cell)
    cell += 1
    step_up = flat.take(cell)
    step_up -= value
    step_up *= place
    value += step_up
    for low, row in zip((index - first).tolist(), value, strict=True):
        a, b = max(low, 0), min(low + width, out.size)
        if a < b:
            out[a:b] += row[a - low : b - low]
