/**
 * Queue and threads: order, barriers, uploads, a full ring, growth, two devices at once, and what happens when a
 * kernel or a thread fails.
 */
import type { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { firstPosition, ringSlots } from '../../../src/backends/cpu/runtime/control.js';
import { Team } from '../../../src/backends/cpu/runtime/team.js';
import { DeviceLostError, KernelError } from '../../../src/core/errors.js';
import { e } from '../../../src/core/expr.js';
import type { BufferId, TypedArray, View } from '../../../src/core/shape.js';
import { kernels } from './deviceKernels.js';
import { seededRandom } from './numbers.js';
import { plainSimd } from './planner.js';
import { workersOf } from './workers.js';

const random = seededRandom('device team');
const limit = 256 << 20;

const ints = (buffer: BufferId, count: number): View => ({
  buffer,
  dtype: 'int32',
  shape: [count],
  strides: [1],
  offset: 0,
});

async function withTeam(threads: number, use: (team: Team) => Promise<void>): Promise<void> {
  const options = { device: 'cpu:7', threads, features: plainSimd, memoryLimit: limit };
  const team = await Team.start(options);
  try {
    await use(team);
  } finally {
    await team.close();
  }
}

/** Awaits a promise that must fail, and gives its error. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.unreachable('this should have failed');
}

function assertError(error: unknown, type: typeof KernelError | typeof DeviceLostError, text: RegExp): void {
  assert.instance(error, type);
  assert.match(String(error), text);
}

for (const threads of [1, 2, 3]) {
  test(`commands run in order, each after all threads have finished the one before (${threads} threads)`, async () => {
    await withTeam(threads, async (team) => {
      const count = 1 + random.integer(200);
      const expected = Int32Array.from({ length: count }, () => random.integer(1000));
      let x = team.upload(expected, 'test');
      let y = team.allocator.alloc(count * 4, 'test');
      for (let i = 0; i < 500; i++) {
        const alone = random.integer(3) === 0;
        if (random.integer(2) === 0) {
          const [a, b] = [1 + random.integer(5), random.integer(100)];
          team.run(kernels, 'affine', [x, y, count, a, b], alone);
          expected.forEach((value, k) => {
            expected[k] = Math.imul(value, a) + b;
          });
        } else {
          team.run(kernels, 'rotate', [x, y, count], alone);
          expected.set([...expected.subarray(1), expected[0]!]);
        }
        [x, y] = [y, x];
      }
      assert.equal(await team.read(ints(x, count)), expected);
    });
  });
}

test('a read gives the elements of its own time, whatever is enqueued after it', async () => {
  await withTeam(2, async (team) => {
    const x = team.upload(new Int32Array(5000).fill(1), 'test');
    const reads: Promise<TypedArray>[] = [];
    for (let i = 0; i < 20; i++) {
      reads.push(team.read(ints(x, 5000)));
      team.run(kernels, 'affine', [x, x, 5000, 2, 0]);
    }
    const last = team.read({ ...ints(x, 3), offset: 4997 });
    team.allocator.free(x);
    const next = team.allocator.alloc(20000, 'test');
    team.run(kernels, 'fill', [next, 20000, 0]);
    const values = await Promise.all(reads);
    values.forEach((value, i) => void assert.equal(value, new Int32Array(5000).fill(2 ** i)));
    assert.equal(await last, new Int32Array(3).fill(2 ** 20));
  });
});

test('uploads into freed memory never reach kernels enqueued before them', async () => {
  await withTeam(2, async (team) => {
    const reads: { value: Promise<TypedArray>; expected: Int32Array }[] = [];
    for (let i = 0; i < 400; i++) {
      const count = 1 + random.integer(random.integer(2) === 0 ? 500 : 5000);
      const data = Int32Array.from({ length: count }, () => random.integer(1 << 20));
      const x = team.upload(data, 'test');
      const y = team.allocator.alloc(count * 4, 'test');
      if (random.integer(3) === 0) team.run(kernels, 'delay', [random.integer(30000)]);
      team.run(kernels, 'affine', [x, y, count, 3, i]);
      team.allocator.free(x);
      reads.push({ value: team.read(ints(y, count)), expected: data.map((value) => value * 3 + i) });
      team.allocator.free(y);
      if (random.integer(60) === 0) await team.sync();
    }
    for (const { value, expected } of reads) assert.equal(await value, expected);
    assert.is(team.allocator.live, 0);
  });
});

test('the ring wraps around, and a caller that fills it waits for room', async () => {
  await withTeam(2, async (team) => {
    const x = team.upload(new Int32Array(1), 'test');
    team.run(kernels, 'delay', [20_000_000]);
    const commands = ringSlots;
    for (let i = 0; i < commands; i++) team.run(kernels, 'affine', [x, x, 1, 1, 1], i % 100 !== 0);
    assert.ok(team.queue.enqueued - firstPosition > 2 * ringSlots);
    assert.equal(await team.read(ints(x, 1)), Int32Array.of(commands));
  });
});

test('memory grows while kernels run, seen by every thread and by plain loops', async () => {
  await withTeam(2, async (team) => {
    const before = team.memory.buffer.byteLength;
    const first = team.upload(new Int32Array(4).fill(7), 'test');
    team.run(kernels, 'delay', [3_000_000]);
    const size = 64 << 20;
    const large = team.allocator.alloc(size, 'test');
    assert.ok(team.memory.buffer.byteLength >= before + size);
    team.run(kernels, 'fill', [large, size, 1]);
    const [x, y] = [ints(large + size - 16, 4), ints(first, 4)];
    const exprs = [e.add(e.input(0), e.input(1))];
    team.loop('map', { exprs, shape: [4], inputs: [x, y], outputs: [y], params: [], draw: null });
    team.run(kernels, 'affine', [first, large + size - 16, 4, 1, 0]);
    assert.equal(await team.read(x), new Int32Array(4).fill(0x01010101 + 7));
  });
});

test('plain loops take numbers that JSON lacks', async () => {
  await withTeam(1, async (team) => {
    const x = team.allocator.alloc(32, 'test');
    const out: View = { buffer: x, dtype: 'float64', shape: [4], strides: [1], offset: 0 };
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0].forEach((value, i) => {
      const view = { ...out, shape: [1], offset: i };
      const [exprs, params] = i % 2 === 0 ? [[e.constant(value)], []] : [[e.param(0)], [value]];
      team.loop('map', { exprs, shape: [1], inputs: [], outputs: [view], params, draw: null });
    });
    assert.equal(
      [...(await team.read(out))],
      [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0],
    );
  });
});

test('two devices work at the same time, and the caller goes on meanwhile', async () => {
  await withTeam(1, async (a) => {
    await withTeam(1, async (b) => {
      const teams = [a, b];
      const flags = teams.map((team) => team.upload(new Int32Array(2000), 'test'));
      await Promise.all(teams.map((team) => team.sync()));
      teams.forEach((team, i) => void team.run(kernels, 'waitFor', [flags[i]!]));
      const done = teams.map((team) => team.sync());
      // Each is inside a kernel that only ends when told to; whichever is told first, the other is still at work.
      const order = random.integer(2) === 0 ? [0, 1] : [1, 0];
      for (const i of order) {
        for (const j of order.slice(order.indexOf(i))) {
          assert.ok(teams[j]!.queue.completed() < teams[j]!.queue.enqueued, 'waits in its kernel');
        }
        Atomics.store(new Int32Array(teams[i]!.memory.buffer), flags[i]! / 4, 1);
        await done[i];
      }
    });
  });
});

for (const thread of [0, 1]) {
  test(`a kernel that fails on thread ${thread} is reported once, and the device goes on`, async () => {
    await withTeam(2, async (team) => {
      const x = team.upload(Int32Array.of(20), 'test');
      team.run(kernels, 'fault', [thread]);
      team.run(kernels, 'affine', [x, x, 1, 2, 2]);
      const error = await failure(team.sync());
      assertError(error, KernelError, /cpu:7: fault of module test kernels failed: .*out of bounds/);
      assert.equal(await team.read(ints(x, 1)), Int32Array.of(42));
    });
  });
}

test('a module that is not WebAssembly, and a function that is not in it, are named', async () => {
  await withTeam(2, async (team) => {
    team.run({ key: 'broken', emit: () => Uint8Array.of(1, 2, 3) }, 'f', []);
    assertError(await failure(team.sync()), KernelError, /cpu:7: module broken doesn't compile: .*/);
    team.run(kernels, 'nothing', []);
    assertError(
      await failure(team.sync()),
      KernelError,
      /nothing of module test kernels failed: .*no exported/,
    );
    await team.sync();
  });
});

test('a read that fails is reported by its own promise', async () => {
  await withTeam(2, async (team) => {
    const error = await failure(team.read(ints(team.memory.buffer.byteLength, 4)));
    assertError(error, KernelError, /cpu:7: reading a tensor failed: RangeError/);
    await team.sync();
  });
});

test('a module larger than the ring takes runs all the same', async () => {
  await withTeam(2, async (team) => {
    const emit = (): Uint8Array<ArrayBuffer> => {
      const code = kernels.emit(plainSimd);
      const padding = 400_000; // a custom section: id 0, size, an empty name, anything
      const size = [(padding & 127) | 128, ((padding >> 7) & 127) | 128, padding >> 14];
      const module = new Uint8Array(code.length + 4 + padding);
      module.set(code);
      module.set([0, ...size], code.length);
      return module;
    };
    const x = team.upload(Int32Array.of(1), 'test');
    team.run({ key: 'large', emit }, 'affine', [x, x, 1, 5, 5]);
    assert.equal(await team.read(ints(x, 1)), Int32Array.of(10));
  });
});

/** A team and its worker threads. */
async function withWorkers(use: (team: Team, workers: readonly Worker[]) => Promise<void>): Promise<void> {
  const { workers, done } = workersOf();
  try {
    await withTeam(2, (team) => use(team, workers));
  } finally {
    done();
  }
}

test('a thread that dies fails every await, then and later, and does not hang close', async () => {
  await withWorkers(async (team, workers) => {
    const flag = team.upload(new Int32Array(1), 'test');
    team.run(kernels, 'waitFor', [flag]);
    const [read, sync] = [team.read(ints(flag, 1)), team.sync()];
    await workers[1]!.terminate();
    for (const promise of [read, sync, team.sync()]) {
      assertError(await failure(promise), DeviceLostError, /cpu:7: thread \d died: it exited with code 1;/);
    }
    assert.throws(() => team.requireAlive(), /thread \d died/);
  });
});

test('a thread that dies while the caller waits for room ends the wait', async () => {
  await withWorkers(async (team, workers) => {
    const flag = team.upload(new Int32Array(1), 'test');
    team.run(kernels, 'waitFor', [flag]);
    const read = team.read(ints(flag, 1));
    void workers[1]!.terminate(); // its event can't be heard until this function awaits something
    assert.throws(() => {
      for (let i = 0; i < ringSlots; i++) team.run(kernels, 'fill', [flag, 4, 0]);
    }, /cpu:7: thread 1 died; what it held is gone/);
    assertError(await failure(read), DeviceLostError, /thread 1 died/);
  });
});

test.run();
