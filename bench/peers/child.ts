/**
 * A library's process: opens it, and does what the parent asks, one request at a time.
 */
import { installWebGpu } from './globals.js';
import { openJax } from './jax.js';
import { isRequest, parseTask, type Reply, type Request, type Task } from './messages.js';
import { openOnnxNative, openOnnxWeb } from './onnx.js';
import { CannotError, type Peer, type Ready } from './peer.js';
import { openPyTorch } from './pytorch.js';
import { openTandem } from './tandem.js';
import { openTfjs } from './tfjs.js';
import { type PlannedWork, type Work, works } from './work.js';

/** Milliseconds of a sample at the least. */
const burst = 20;
/** Runs before the samples take so many together, so that the engines have compiled what they will. */
const warmUp = 200;

async function open({ peer, threads, driver, python }: Task): Promise<Peer> {
  if (['tfjs webgpu', 'jax-js webgpu'].includes(peer)) await installWebGpu(driver);
  switch (peer) {
    case 'Tandem':
      return openTandem('cpu:0', { threads });
    case 'Tandem, 128 bits':
      return openTandem('cpu:0', { threads, wide: false });
    case 'Tandem webgpu':
      return openTandem('webgpu:0', driver === '' ? {} : { driver });
    case 'onnxruntime-node':
      return openOnnxNative(threads);
    case 'onnxruntime-web':
      return openOnnxWeb(threads);
    case 'PyTorch':
      return openPyTorch(python, threads, 'cpu');
    case 'PyTorch cuda':
      return openPyTorch(python, threads, 'cuda');
    case 'tfjs wasm':
      return openTfjs('wasm');
    case 'tfjs cpu':
      return openTfjs('cpu');
    case 'tfjs webgpu':
      return openTfjs('webgpu');
    case 'jax-js wasm':
      return openJax('wasm');
    case 'jax-js webgpu':
      return openJax('webgpu');
    default:
      throw new CannotError(`there is no library ${peer}`);
  }
}

/** A row at work. */
class Bench {
  private ready: Ready | null = null;
  private runs = 1;

  constructor(
    private readonly peer: Peer,
    private readonly rows: readonly PlannedWork[],
  ) {}

  async answer(request: Request): Promise<Reply> {
    switch (request.kind) {
      case 'start':
        return this.start(this.rows[request.row]!.make());
      case 'sample':
        return this.sample();
      case 'end':
        await this.ready?.dispose();
        this.ready = null;
        return { kind: 'ended' };
    }
  }

  private async start(work: Work): Promise<Reply> {
    this.ready = await this.peer.prepare(work);
    await this.ready.run();
    const data = await this.ready.result();
    let milliseconds = 0;
    for (let spent = 0; spent < warmUp; spent += milliseconds) {
      const start = performance.now();
      await this.ready.run();
      milliseconds = performance.now() - start;
    }
    this.runs = Math.max(1, Math.round(burst / milliseconds));
    return { kind: 'result', data: Float32Array.from(data), milliseconds };
  }

  private async sample(): Promise<Reply> {
    const before = process.cpuUsage();
    const elsewhere = this.ready?.elsewhere?.() ?? 0;
    const start = performance.now();
    for (let i = 0; i < this.runs; i++) await this.ready?.run();
    const milliseconds = (performance.now() - start) / this.runs;
    const { user, system } = process.cpuUsage(before);
    const cpu = (user + system) / 1000 + (this.ready?.elsewhere?.() ?? 0) - elsewhere;
    return { kind: 'sample', milliseconds, cpu: cpu / this.runs };
  }
}

function describe(error: unknown): Reply {
  const message = error instanceof Error ? error.message : String(error);
  const said = error instanceof CannotError ? message : `"${message.split('\n')[0]}"`;
  return { kind: 'cannot', message: said };
}

const send = (reply: Reply): void => {
  process.send?.(reply);
};
const task = parseTask(process.argv.at(-1) ?? '');
try {
  const bench = new Bench(await open(task), works(task.sizes));
  process.on('message', (request: unknown) => {
    if (isRequest(request)) bench.answer(request).then(send, (error: unknown) => send(describe(error)));
  });
  send({ kind: 'open' });
} catch (error) {
  send(describe(error));
  process.disconnect();
}
