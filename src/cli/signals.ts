/**
 * Signals that ask a command to stop: Ctrl-C, what `kill` and `timeout` send, a terminal that is closed, and SIGUSR2,
 * which launchers of several ranks hand on where they end the ranks at once for the others.
 */
import { constants } from 'node:os';
import { say } from './output.js';

const handled = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const;

/** The exit code of a process that a signal ended. */
const codeOf = (name: (typeof handled)[number]): number => 128 + constants.signals[name];

/** Milliseconds in which signals count as one: `timeout` and some shells send theirs to a process and to its group. */
const atOnce = 300;

/** Watches for signals as long as the process lives. */
interface SignalWatch {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** Lets the process end as ended by that signal, once nothing is left to do. */
  endBySignal(): void;
}

/** The first signal asks the work to stop, another one ends the process. @param text said at the first */
export function watchSignals(text: string): SignalWatch {
  const interrupt = new AbortController();
  let first = 0;
  let came: (typeof handled)[number] = 'SIGINT';
  const onSignal = (name: (typeof handled)[number]): void => {
    if (!interrupt.signal.aborted) {
      first = performance.now();
      came = name;
      say(text);
      interrupt.abort();
    } else if (performance.now() - first > atOnce) {
      process.exit(codeOf(name));
    }
  };
  for (const name of handled) process.on(name, onSignal);
  return {
    signal: interrupt.signal,
    endBySignal() {
      process.exitCode = codeOf(came);
      // Node aborts when it exits from a terminal that is gone, so it's left to the signal itself.
      if (came === 'SIGHUP') process.once('exit', () => endBy(came));
    },
  };
}

/** Ends the process at the first signal, for work that goes on from files it has written. @param text said then */
export function endOnSignals(text: string): void {
  for (const name of handled) {
    process.once(name, () => {
      say(text);
      endBy(name);
    });
  }
}

/** Ends the process by a signal, as if nothing handled it. */
function endBy(name: (typeof handled)[number]): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}
