/**
 * Running programs as child processes, with all that they print.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  /** Standard output and standard error. */
  readonly output: string;
}

/** What may be said of how a program is run. */
export interface RunSettings {
  /** Variables of the environment besides this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Sees the output so far each time it grows, and the process. */
  readonly watch?: ((output: string, child: ChildProcess) => void) | undefined;
  /** Milliseconds after which it is ended; its code is null then. */
  readonly timeout?: number;
}

/** Runs a program in a folder. */
export function runFile(
  file: string,
  args: readonly string[],
  folder: string,
  { env = {}, watch = () => {}, timeout }: RunSettings = {},
): Promise<Ended> {
  const child = spawn(file, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      watch(output, child);
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
