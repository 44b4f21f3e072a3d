/**
 * The parent's end of a library's process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isReply, type Reply, type Request, type Task } from './messages.js';

const script = fileURLToPath(new URL('./child.js', import.meta.url));

/** Milliseconds for a library to open. */
const startPatience = 60_000;

/** One library. */
export class Seat {
  private child: ChildProcess | null = null;

  /** @param patience milliseconds after which an answer is no longer waited for */
  constructor(
    private readonly task: Task,
    private readonly patience: number,
  ) {}

  get name(): string {
    return this.task.peer;
  }

  /** Asks; a library that was ended, or hasn't been started, is started first. */
  async ask(request: Request): Promise<Reply> {
    if (!this.child) {
      const opened = await this.start();
      if (opened.kind !== 'open') {
        this.close();
        return opened;
      }
    }
    return this.exchange(request);
  }

  /** Ends the process. */
  close(): void {
    this.child?.kill('SIGKILL');
    this.child = null;
  }

  private start(): Promise<Reply> {
    const silent: ['ignore', 'ignore', 'ignore', 'ipc'] = ['ignore', 'ignore', 'ignore', 'ipc'];
    this.child = fork(script, [JSON.stringify(this.task)], { serialization: 'advanced', stdio: silent });
    return this.exchange(null, startPatience);
  }

  private exchange(request: Request | null, patience = this.patience): Promise<Reply> {
    const { child } = this;
    if (!child) throw new Error(`${this.name} isn't running`);
    return new Promise((resolve) => {
      const settle = (reply: Reply): void => {
        clearTimeout(timer);
        child.off('message', receive);
        child.off('exit', died);
        resolve(reply);
      };
      const receive = (value: unknown): void => {
        if (isReply(value)) settle(value);
      };
      const died = (code: number | null, signal: string | null): void => {
        this.child = null;
        settle({ kind: 'cannot', message: `its process ended (${signal ?? `code ${code}`})` });
      };
      const timer = setTimeout(() => {
        child.off('exit', died);
        this.close();
        settle({ kind: 'cannot', message: `gave up: it takes more than ${patience / 1000} s` });
      }, patience);
      child.on('message', receive);
      child.on('exit', died);
      if (request) child.send(request);
    });
  }
}
