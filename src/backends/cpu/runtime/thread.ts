/**
 * Worker threads, the same in Node (`node:worker_threads`) and in browsers (module workers).
 */
import type { Worker as NodeWorker } from 'node:worker_threads';
import type { PeerMessage, TeamMember, TeamMessage } from './control.js';
import { isNode } from './features.js';

/** What a started thread tells its starter. */
interface ThreadEvents {
  message(message: TeamMessage): void;
  /** The thread ended without being asked to. */
  died(reason: string): void;
}

/** A started thread. */
export interface Thread {
  /** Whether the process must stay alive while the thread does (browsers: no difference). */
  keepAlive(on: boolean): void;
  post(message: PeerMessage): void;
  /** Whether it runs, as far as that can be told without going back to the event loop (browsers: always true). */
  runs(): boolean;
  /** Ends it, wherever it is; resolves when it has ended. */
  terminate(): Promise<void>;
}

/** Starts worker.js as one member of a team. */
export type StartThread = (member: TeamMember, events: ThreadEvents) => Thread;

/** The way to start threads here. */
export async function threadStarter(): Promise<StartThread> {
  if (!isNode()) return startInBrowser;
  const { Worker } = await import('node:worker_threads');
  return (member, events) => startInNode(Worker, member, events);
}

function startInNode(Worker: typeof NodeWorker, member: TeamMember, events: ThreadEvents): Thread {
  // execArgv: what the program's own start needed (an --eval, a loader) doesn't suit this file.
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: member, execArgv: [] });
  let ended = false;
  // Of a thread that has stopped Node gives -1 as the idle time, but only if it was asked once while it ran. Deno and
  // Bun don't tell.
  const { deno, bun } = process.versions;
  const tells = deno === undefined && bun === undefined;
  const runs = (): boolean => !ended && (!tells || worker.performance.eventLoopUtilization().idle >= 0);
  worker.once('message', runs);
  worker.on('message', (message: TeamMessage) => events.message(message));
  worker.on('error', (error: unknown) => {
    if (!ended) events.died(String(error));
    ended = true;
  });
  worker.on('exit', (code) => {
    if (!ended) events.died(`it exited with code ${code}`);
    ended = true;
  });
  return {
    keepAlive(on) {
      if (on) worker.ref();
      else worker.unref();
    },
    post: (message) => worker.postMessage(message),
    runs,
    async terminate() {
      ended = true;
      await worker.terminate();
    },
  };
}

function startInBrowser(member: TeamMember, events: ThreadEvents): Thread {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = (event: MessageEvent<TeamMessage>) => events.message(event.data);
  worker.onerror = (event) => events.died(event.message || 'its script failed to load');
  worker.postMessage(member);
  return {
    keepAlive() {},
    post: (message) => worker.postMessage(message),
    runs: () => true,
    async terminate() {
      worker.terminate();
    },
  };
}

/** What a worker sees of its starter. */
interface Parent {
  readonly member: TeamMember;
  /** The next message about another device. */
  nextPeer(): Promise<PeerMessage>;
  post(message: TeamMessage, transfer?: ArrayBuffer[]): void;
}

/** Called in a worker: what it was started with, and the way back. */
export async function connectToParent(): Promise<Parent> {
  if (isNode()) {
    const { parentPort, workerData } = await import('node:worker_threads');
    if (!parentPort) throw new Error('worker.js was run by itself; openDevice starts it');
    const port = parentPort;
    const [nextPeer, take] = inbox<PeerMessage>();
    port.on('message', take);
    return { member: workerData, nextPeer, post: (message, transfer) => port.postMessage(message, transfer) };
  }
  return new Promise((resolve) => {
    self.onmessage = (event: MessageEvent<TeamMember>) => {
      const [nextPeer, take] = inbox<PeerMessage>();
      self.onmessage = ({ data }: MessageEvent<PeerMessage>) => take(data);
      const post: Parent['post'] = (message, transfer = []) => self.postMessage(message, { transfer });
      resolve({ member: event.data, nextPeer, post });
    };
  });
}

/** Messages in their order: what gives the next one, and what takes one in. */
function inbox<T>(): [next: () => Promise<T>, take: (message: T) => void] {
  const messages: T[] = [];
  let wanted: ((message: T) => void) | null = null;
  const next = (): Promise<T> =>
    new Promise((resolve) => {
      const message = messages.shift();
      if (message === undefined) wanted = resolve;
      else resolve(message);
    });
  const take = (message: T): void => {
    if (wanted) wanted(message);
    else messages.push(message);
    wanted = null;
  };
  return [next, take];
}
