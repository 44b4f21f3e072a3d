/**
 * Worker threads, the same in Node (`node:worker_threads`) and in browsers (module workers).
 */
import type { Worker as NodeWorker } from 'node:worker_threads';
import { wrongArgument } from '../../../core/arguments.js';
import { isNode, nodeModule } from '../../nodeModule.js';
import type { PeerMessage, TeamMember, TeamMessage } from './control.js';

/** What a started thread tells its starter. */
export interface ThreadEvents {
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

/**
 * The way to start threads here.
 * @param make in browsers makes the worker, in place of the file beside this one
 */
export async function threadStarter(make?: () => object): Promise<StartThread> {
  if (!isNode()) return (member, events) => startInBrowser(member, events, make ?? ownWorker);
  const { Worker } = await nodeModule('node:worker_threads');
  return (member, events) => startInNode(Worker, member, events);
}

/** By a name, so that bundlers for browsers don't take it for a worker of theirs. */
const script = './worker.js';

function startInNode(ThreadWorker: typeof NodeWorker, member: TeamMember, events: ThreadEvents): Thread {
  // execArgv: what the program's own start needed (an --eval, a loader) doesn't suit this file.
  const worker = new ThreadWorker(new URL(script, import.meta.url), { workerData: member, execArgv: [] });
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

/** The worker beside this file. */
function ownWorker(): Worker {
  try {
    // In this form bundlers find the file, all but those that look for no workers (esbuild, rollup).
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch {
    // Of another origin, a CDN's, a script can't be a worker, but it can be imported by one.
    const here = import.meta.url;
    const script = `import '${here.slice(0, here.lastIndexOf('/'))}/worker.js';`;
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    return new Worker(url, { type: 'module' });
  }
}

const notLoaded =
  "its script didn't load: it isn't where the library expects it, as after some bundlers, or the page's policy forbids it; " +
  "pass the option worker, () => new Worker(url, { type: 'module' }), with the URL of tandem-ts/worker";

function startInBrowser(member: TeamMember, events: ThreadEvents, make: () => object): Thread {
  const worker = make();
  if (!(worker instanceof Worker))
    throw wrongArgument('openDevice', 'what worker makes', worker, 'a Worker of tandem-ts/worker');
  worker.onmessage = (event: MessageEvent<TeamMessage>) => events.message(event.data);
  worker.onerror = (event) => events.died(event.message || notLoaded);
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
    const { parentPort, workerData } = await nodeModule('node:worker_threads');
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
