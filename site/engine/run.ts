/**
 * A run as the page sees it: a thread that is told what to do, and whoever wants to hear what it tells.
 */
import type { Answer, FromRun, ImageChoice, Question, RunFacts, RunName, ToRun } from './messages.js';
import type { Settings } from './settings.js';

/** How a run stands. */
export type RunState = 'looking' | 'none' | 'preparing' | 'paused' | 'training' | 'done' | 'failed';

type Listener = (message: FromRun) => void;

/** A run in a thread of its own. */
export class Run {
  facts: RunFacts | null = null;
  state: RunState = 'looking';
  private readonly worker: Worker;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private readonly refused = new Map<number, (problem: Error) => void>();
  private asked = 0;

  constructor(
    readonly name: RunName,
    private readonly listener: Listener,
  ) {
    this.worker = new Worker(new URL('./runWorker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }: MessageEvent<FromRun>) => this.hear(data);
    this.worker.onerror = (event) => {
      this.hear({ kind: 'failed', problem: event.message || 'the thread of the run failed to load' });
    };
  }

  /** Goes on with the stored run, if there is one, or begins one. Once in a thread's life, or again where there was none. */
  open(fresh: { readonly settings: Settings; readonly images: ImageChoice } | null): void {
    this.state = fresh ? 'preparing' : 'looking';
    this.send({ kind: 'open', name: this.name, fresh });
  }

  train(): void {
    this.send({ kind: 'train' });
  }

  pause(): void {
    this.send({ kind: 'pause' });
  }

  /** @throws {Error} when the run can't answer */
  ask(question: Question): Promise<Answer> {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, resolve);
      this.refused.set(id, reject);
      this.send({ kind: 'ask', id, question });
    });
  }

  /** Ends it, whatever it does. */
  close(): void {
    this.worker.terminate();
  }

  private send(message: ToRun): void {
    this.worker.postMessage(message);
  }

  private hear(message: FromRun): void {
    if (message.kind === 'answer') {
      const { id, answer, problem } = message;
      if (answer) this.waiting.get(id)?.(answer);
      else this.refused.get(id)?.(new Error(problem));
      this.waiting.delete(id);
      this.refused.delete(id);
      return;
    }
    if (message.kind === 'ready') this.facts = message.facts;
    if (message.kind === 'none') this.state = 'none';
    if (message.kind === 'state') this.state = message.state;
    if (message.kind === 'failed') this.state = 'failed';
    this.listener(message);
  }
}
