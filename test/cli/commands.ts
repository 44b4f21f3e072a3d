/**
 * What tests of the commands share: running one as a child process, and a small folder of images to work on.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { type Ended, type RunSettings, runFile } from '../support/programs.js';

/** The file of the command. */
export const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/**
 * Runs a subcommand in a folder.
 * @param name 'train'
 * @param watch sees the output so far each time it grows
 */
export function command(
  name: string,
  args: readonly string[],
  folder: string,
  watch?: RunSettings['watch'],
): Promise<Ended> {
  return runFile(process.execPath, [program, name, ...args], folder, { watch });
}

/** A command on a pseudo-terminal. */
export interface OnTerminal {
  /** Presses keys: `\x03` is Ctrl-C. */
  readonly press: (keys: string) => void;
  /** Closes the terminal's window, as the command sees it. */
  readonly hangUp: () => void;
}

/**
 * Runs a command on a pseudo-terminal of 80 columns; null where there is no binary to make one with.
 * @param watch sees the output so far each time it grows
 */
export async function onTerminal(
  name: string,
  args: readonly string[],
  folder: string,
  watch: (output: string, terminal: OnTerminal) => void = () => {},
): Promise<(Ended & { readonly signal: number | undefined }) | null> {
  const pty = await import('@lydell/node-pty').catch(() => null);
  if (!pty) return null;
  const child = pty.spawn(process.execPath, [program, name, ...args], { cwd: folder, cols: 80, rows: 24 });
  const terminal: OnTerminal = {
    press: (keys) => child.write(keys),
    hangUp: () => {
      if ('destroy' in child && typeof child.destroy === 'function') child.destroy();
    },
  };
  let output = '';
  child.onData((piece) => {
    output += piece;
    watch(output, terminal);
  });
  return new Promise((resolve) =>
    child.onExit(({ exitCode, signal }) => resolve({ code: signal ? null : exitCode, signal, output })),
  );
}

/** Writes `images/train` and `images/val` of three classes, 30 and 10 a class, and a file that is no picture. */
export async function writeImages(folder: string): Promise<void> {
  for (const [part, count] of [
    ['train', 30],
    ['val', 10],
  ] as const) {
    for (const [label, name] of ['bars', 'noise', 'plain'].entries()) {
      await mkdir(join(folder, 'images', part, name), { recursive: true });
      for (let i = 0; i < count; i++)
        await writeFile(join(folder, 'images', part, name, `${i}.png`), picture(label, i));
    }
  }
  await writeFile(join(folder, 'images', 'train', 'bars', 'broken.jpg'), 'no picture');
}

/** A 32x32 PNG: bars, noise, or one colour. */
function picture(label: number, i: number): Uint8Array {
  const data = Uint8Array.from({ length: 32 * 32 * 3 }, (_, at) => {
    const x = Math.floor(at / 3) % 32;
    if (label === 0) return (x + i) % 8 < 4 ? 220 : 30;
    return label === 1 ? (at * 2654435761 * (i + 1)) >>> 24 : 10 + 7 * i;
  });
  return encode({ width: 32, height: 32, data, channels: 3, depth: 8 });
}
