/**
 * What a command shows, and who may go away meanwhile. On a terminal a bar stands below the lines while work is under
 * way; it leaves the terminal's settings (cursor, wrapping) alone, so that a killed process leaves nothing to mend. Work
 * goes on without readers: results are in files.
 */
import { Presets, SingleBar } from 'cli-progress';
import { reasonOf } from '../data/files.js';
import { printable } from '../formats/printable.js';

/** Bars that are shown. */
const shown = new Set<Bar>();

/** Milliseconds between lines that stand for a bar. */
const betweenLines = 10_000;

/** A bar on a terminal; without one nothing, or a line every ten seconds. */
export class Bar {
  private readonly bar: SingleBar;
  private lastLine = performance.now();

  /** @param format with `{bar}` and names of the payload's fields in braces @param barsize columns of the bar */
  constructor(format: string, barsize = 10) {
    const options = {
      format,
      stream: process.stdout,
      clearOnComplete: true,
      linewrap: true,
      barsize,
      fps: 5,
    };
    this.bar = new SingleBar(options, Presets.legacy);
  }

  /** Shows how much is done, or shows it anew. @param line what stands for the bar without a terminal */
  show(
    done: number,
    of: number,
    payload: Readonly<Record<string, string | number>> = {},
    line?: string,
  ): void {
    if (!process.stdout.isTTY) {
      if (line === undefined || performance.now() - this.lastLine < betweenLines) return;
      this.lastLine = performance.now();
      console.log(line);
    } else if (shown.has(this)) {
      this.bar.update(done, payload);
    } else {
      this.bar.start(of, done, payload);
      shown.add(this);
    }
  }

  /** Clears it. Its clock keeps the process alive until then. */
  stop(): void {
    if (shown.delete(this)) this.bar.stop();
  }
}

/** Clears all bars. */
export function stopBars(): void {
  for (const bar of shown) bar.stop();
}

/** Prints a line on standard output, where bars were; they come back when there is something new to show. */
export function say(text: string): void {
  stopBars();
  console.log(text);
}

/**
 * Spells out what a terminal would obey in all that a command prints: names of files and classes come from anywhere. Lines
 * stay lines.
 */
export function spellOutNames(): void {
  for (const method of ['log', 'error'] as const) {
    const print = console[method].bind(console);
    const shownText = (part: unknown): unknown =>
      typeof part === 'string'
        ? part
            .split('\n')
            .map((line) => printable(line))
            .join('\n')
        : part;
    console[method] = (...parts: unknown[]) => print(...parts.map(shownText));
  }
}

/**
 * Lets work go on when standard output or standard error can't be written any more, because a reader went away, the
 * disk is full or the terminal is gone. The other of the two is told once; what was lost to anything but a reader that
 * had seen enough (| head) ends in exit code 1.
 */
export function outliveReaders(): void {
  for (const [name, stream, other] of [
    ['standard output', process.stdout, process.stderr],
    ['standard error', process.stderr, process.stdout],
  ] as const) {
    let told = false;
    stream.on('error', (error) => {
      if (!('code' in error && error.code === 'EPIPE')) process.exitCode ||= 1;
      if (!told) other.write(`${name} can't be written any more: ${reasonOf(error)}; going on without it\n`);
      told = true;
    });
  }
}
