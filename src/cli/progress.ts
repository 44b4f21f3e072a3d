/**
 * How a training run looks in the terminal: a bar while an epoch runs, a line when it is done. Without a terminal
 * (a log file, a pipe) the bar becomes a line every few seconds.
 */
import type { RunListener } from '../alexnet/run.js';
import type { EventOf, FitEvent } from '../train/events.js';
import { meansOf } from '../train/metrics.js';
import { columns } from './command.js';
import { Bar, say } from './output.js';

/** Seconds as people read them: 9s, 4:05, 2:03:07. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h > 0) return `${h}:${String(m).padStart(2, '0')}:${String(s).padStart(2, '0')}`;
  return m > 0 ? `${m}:${String(s).padStart(2, '0')}` : `${s}s`;
}

/** A fraction as a percentage. */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

/** Shows a run's progress on standard output. */
export class TerminalProgress implements RunListener {
  private readonly bar = new Bar(
    'epoch {epoch}/{epochs} [{bar}] {done}  loss {loss}  error {error}  {rate} img/s  {left} left',
    5,
  );
  /** When the first step of the epoch was reported, and the images it counted. */
  private started = 0;
  private before = 0;
  /** Seconds of validation and saving after each epoch, as last seen. */
  private overhead = 0;
  private trainedUntil = 0;
  /** Of the epoch before. */
  private rate: number | null | undefined;

  /** @param epochs in all @param epoch the one that begins, from 1 */
  constructor(
    private readonly epochs: number,
    private epochNumber: number,
  ) {}

  note = say;

  event = (event: FitEvent): void => {
    if (event.kind === 'step') this.step(event);
    else if (event.kind === 'validation') this.bar.stop();
    else this.epoch(event);
  };

  private step({ done, of, totals, samples }: EventOf<'step'>): void {
    const now = performance.now();
    if (this.started === 0) {
      this.started = now;
      this.before = samples;
    }
    const seconds = (now - this.started) / 1000;
    const rate = (samples - this.before) / seconds;
    const perBatch = totals.count / Math.max(1, done) / rate;
    const left =
      perBatch * (of - done + (this.epochs - this.epochNumber) * of) +
      this.overhead * (this.epochs - this.epochNumber + 1);
    const { loss = Number.NaN, error = Number.NaN } = meansOf(totals);
    const payload = {
      epoch: this.epochNumber,
      epochs: this.epochs,
      done: `${Math.floor((100 * done) / of)}%`,
      loss: loss.toFixed(3),
      error: percent(error),
      // The clock starts at the first report.
      rate: rate > 0 ? rate.toFixed(0) : '-',
      left: formatDuration(left),
    };
    this.trainedUntil = now;
    const speed = rate > 0 ? `  ${payload.rate} images/s  ${payload.left} left` : '';
    const line = `epoch ${payload.epoch}/${payload.epochs}  ${payload.done}  loss ${payload.loss}  error ${payload.error}${speed}`;
    this.bar.show(done, of, payload, line);
  }

  private epoch({ record, times }: EventOf<'epoch'>): void {
    const { epoch, train, validation, learningRate } = record;
    this.overhead = (performance.now() - this.trainedUntil) / 1000;
    this.started = 0;
    this.epochNumber = epoch + 1;
    const shown = (error = Number.NaN): string => percent(error);
    const top5 = validation?.top5Error === undefined ? '' : ` (top-5 ${percent(validation.top5Error)})`;
    if (this.rate !== undefined && this.rate !== learningRate)
      say(`learning rate ${learningRate?.toPrecision(2)}`);
    this.rate = learningRate;
    const results =
      `epoch ${String(epoch).padStart(String(this.epochs).length)}/${this.epochs}  ` +
      `loss ${train.loss?.toFixed(3)}  error ${shown(train.error)}  ` +
      `validation ${shown(validation?.error)}${top5}`;
    // What is left over of the columns has the times.
    const more = [formatDuration(times.seconds), `${times.samplesPerSecond.toFixed(0)} img/s`];
    say(
      more.reduce(
        (text, time) => (text.length + time.length > columns - 2 ? text : `${text}  ${time}`),
        results,
      ),
    );
  }
}

/** Counts images done, on a terminal; silent without one. */
export class Countdown {
  private readonly bar: Bar;

  /** @param what is being done */
  constructor(what: string) {
    this.bar = new Bar(`${what} [{bar}] {percentage} %  {value}/{total}`);
  }

  show = (done: number, of: number): void => this.bar.show(done, of);

  stop = (): void => this.bar.stop();
}
