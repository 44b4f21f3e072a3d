/**
 * The worker threads behind teams, for tests that end them.
 */
import { Worker } from 'node:worker_threads';

/** The workers of teams started from now on, in their order; call `done` at the end. */
export function workersOf(): { readonly workers: readonly Worker[]; done(): void } {
  const workers: Worker[] = [];
  const { unref } = Worker.prototype;
  Worker.prototype.unref = function (this: Worker) {
    if (!workers.includes(this)) workers.push(this);
    unref.call(this);
  };
  return {
    workers,
    done() {
      Worker.prototype.unref = unref;
    },
  };
}
