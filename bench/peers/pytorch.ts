/**
 * PyTorch of the system (Debian's python3-torch), an optional peer: a Python process that `pytorch.py` is the program of.
 * Operands and results go through files of a folder of its own, requests and answers through its standard streams.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { CannotError, type Peer, type Ready } from './peer.js';
import type { Operand, Work } from './work.js';

/** From `dist/bench/peers`, where this is compiled to. */
const program = fileURLToPath(new URL('../../../pytorch.py', import.meta.url));

interface Answer {
  readonly error?: string;
  readonly cpu?: number;
}

/** The Python process. It ends with its standard input, so also when this process is killed. */
class Python {
  private readonly lines: AsyncIterator<string>;

  constructor(private readonly child: ChildProcessByStdio<Writable, Readable, null>) {
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    // A broken pipe shows as the end of its answers.
    child.stdin.on('error', () => {});
    child.on('error', () => {});
  }

  async ask(request: object): Promise<Answer> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.lines.next();
    if (done)
      throw new CannotError("there is no Python with PyTorch (Debian's python3-torch; --python names it)");
    const answer: Answer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  end(): void {
    this.child.stdin.end();
  }
}

/** Opens it in a process of this interpreter. */
export async function openPyTorch(
  interpreter: string,
  threads: number,
  device: 'cpu' | 'cuda',
): Promise<Peer> {
  const environment = { ...process.env, OMP_NUM_THREADS: `${threads}` };
  const python = new Python(
    spawn(interpreter, [program], { stdio: ['pipe', 'pipe', 'ignore'], env: environment }),
  );
  await python.ask({ threads, device });
  const folder = await mkdtemp(join(tmpdir(), 'tandem-torch-'));
  return {
    name: device === 'cpu' ? 'PyTorch' : 'PyTorch cuda',
    prepare: (work) => prepare(python, folder, work),
    async close() {
      python.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function prepare(python: Python, folder: string, work: Work): Promise<Ready> {
  const written: string[] = [];
  const operands: Record<string, object> = {};
  for (const [name, { data, shape }] of operandsOf(work)) {
    const file = join(folder, name);
    await writeFile(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    written.push(file);
    operands[name] = { file, shape, dtype: data instanceof Int32Array ? 'int32' : 'float32' };
  }
  const { kind } = work;
  const settings =
    work.kind === 'conv'
      ? { direction: work.direction, stride: work.stride, padding: work.padding, groups: work.groups }
      : {};
  await python.ask({ work: { kind, ...settings }, operands });
  await Promise.all(written.map((file) => rm(file)));
  let elsewhere = 0;
  return {
    async run() {
      const { cpu = 0 } = await python.ask({ run: true });
      elsewhere += cpu;
    },
    async result() {
      const file = join(folder, 'result');
      await python.ask({ result: file });
      const bytes = await readFile(file);
      await rm(file);
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    },
    elsewhere: () => elsewhere,
    dispose: async () => {},
  };
}

type Named = readonly [name: string, operand: Operand | { data: Int32Array; shape: readonly number[] }];

function operandsOf(work: Work): readonly Named[] {
  switch (work.kind) {
    case 'matmul':
      return [
        ['a', work.a],
        ['b', work.b],
      ];
    case 'conv':
      return [
        ['x', work.x],
        ['weight', work.weight],
        ['grad', work.grad],
      ];
    default:
      return [
        ['images', work.images],
        ['labels', { data: work.labels, shape: [work.labels.length] }],
        ...work.parameters,
      ];
  }
}
