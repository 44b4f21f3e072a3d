/**
 * How a training run looks in the terminal: a bar while an epoch runs, a line when it is done. Without a terminal
 * (a log file, a pipe) the bar becomes a line every few seconds.
 */
import type { LogLine } from '../alexnet/log.js';
import type { RunListener } from '../alexnet/run.js';
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
  private lastLine = 0;
  /** Seconds of validation and saving after each epoch, as last seen. */
  private overhead = 0;
  private trainedUntil = 0;
  /** Of the epoch before. */
  private rate: number | undefined;

  /** @param epochs in all @param epoch the one that begins, from 1 */
  constructor(
    private readonly epochs: number,
    private epochNumber: number,
  ) {}

  note = say;

  step: RunListener['step'] = ({ done, of, totals, images }) => {
    const now = performance.now();
    if (this.started === 0) {
      this.started = now;
      this.before = images;
    }
    const seconds = (now - this.started) / 1000;
    const rate = (images - this.before) / seconds;
    const perBatch = totals.images / Math.max(1, done) / rate;
    const left =
      perBatch * (of - done + (this.epochs - this.epochNumber) * of) +
      this.overhead * (this.epochs - this.epochNumber + 1);
    const payload = {
      epoch: this.epochNumber,
      epochs: this.epochs,
      done: `${Math.floor((100 * done) / of)}%`,
      loss: (totals.loss / totals.images).toFixed(3),
      error: percent(totals.wrong / totals.images),
      // The clock starts at the first report.
      rate: rate > 0 ? rate.toFixed(0) : '-',
      left: formatDuration(left),
    };
    this.trainedUntil = now;
    if (process.stdout.isTTY) {
      this.bar.show(done, of, payload);
    } else if (now - this.lastLine > 10_000) {
      this.lastLine = now;
      const { epoch, epochs, loss, error } = payload;
      const speed = rate > 0 ? `  ${payload.rate} images/s  ${payload.left} left` : '';
      console.log(`epoch ${epoch}/${epochs}  ${payload.done}  loss ${loss}  error ${error}${speed}`);
    }
  };

  validating = (): void => {
    this.bar.stop();
  };

  epoch = (line: LogLine): void => {
    this.overhead = (performance.now() - this.trainedUntil) / 1000;
    this.started = 0;
    this.epochNumber = line.epoch + 1;
    const top5 = line.valTop5Error === null ? '' : ` (top-5 ${percent(line.valTop5Error)})`;
    if (this.rate !== undefined && this.rate !== line.learningRate)
      say(`learning rate ${line.learningRate.toPrecision(2)}`);
    this.rate = line.learningRate;
    const results =
      `epoch ${String(line.epoch).padStart(String(this.epochs).length)}/${this.epochs}  ` +
      `loss ${line.trainLoss.toFixed(3)}  error ${percent(line.trainError)}  ` +
      `validation ${percent(line.valError)}${top5}`;
    // What is left over of the columns has the times.
    const times = [formatDuration(line.seconds), `${line.imagesPerSecond.toFixed(0)} img/s`];
    say(
      times.reduce(
        (text, time) => (text.length + time.length > columns - 2 ? text : `${text}  ${time}`),
        results,
      ),
    );
  };
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
