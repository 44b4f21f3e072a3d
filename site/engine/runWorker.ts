/**
 * The thread of a run.
 */
import type { ToRun } from './messages.js';
import { Runner } from './runner.js';

const runner = new Runner((message) => self.postMessage(message));
self.onmessage = ({ data }: MessageEvent<ToRun>) => {
  void runner.take(data);
};
