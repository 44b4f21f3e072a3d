/**
 * Teams that copy from each other: the caller never waits, nobody waits for ever, and what was promised is what comes.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ringSlots } from '../../../src/backends/cpu/runtime/control.js';
import { Team } from '../../../src/backends/cpu/runtime/team.js';
import { KernelError } from '../../../src/core/errors.js';
import type { BufferId, TypedArray, View } from '../../../src/core/shape.js';
import { rejection } from '../../support/errors.js';
import { kernels } from './deviceKernels.js';
import { plainSimd } from './planner.js';
import { workersOf } from './workers.js';

const ints = (buffer: BufferId, count: number): View => ({
  buffer,
  dtype: 'int32',
  shape: [count],
  strides: [1],
  offset: 0,
});

const unheard = (): void => {};

/** Opens cpu:0, cpu:1, .. of so many threads each, and closes them after `use`. */
async function withTeams(
  threads: readonly number[],
  use: (...teams: Team[]) => Promise<void>,
  memoryLimit = 64 << 20,
): Promise<void> {
  const teams: Team[] = [];
  try {
    for (const [i, count] of threads.entries()) {
      const features = plainSimd;
      teams.push(await Team.start({ device: `cpu:${i}`, threads: count, features, memoryLimit }));
    }
    await use(...teams);
  } finally {
    await Promise.allSettled(teams.map((team) => team.close()));
  }
}

/** Sets a flag that a `waitFor` kernel looks at. */
function raise(team: Team, flag: BufferId): void {
  Atomics.store(new Int32Array(team.memory.buffer), flag / 4, 1);
}

/** A promise and what resolves it. */
function promised<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

test('what crosses is what was there when it was asked for, though both sides go on at once', async () => {
  await withTeams([1, 2], async (a, b) => {
    const flag = a.upload(new Int32Array(1), 'test');
    await a.sync();
    const count = 3000;
    const x = a.upload(new Int32Array(count).fill(5), 'test');
    a.run(kernels, 'waitFor', [flag]);
    const crossed = b.receive(a, ints(x, count), 'test', unheard);
    b.run(kernels, 'affine', [crossed, crossed, count, 10, 1]);
    // The block is written over, given back, and given out again, all before the copy could be made.
    a.overwrite(x);
    a.run(kernels, 'affine', [x, x, count, 0, 7]);
    const again = b.receive(a, ints(x, count), 'test', unheard);
    a.free(x);
    const y = a.allocator.alloc(count * 4, 'test');
    assert.is(y, x, 'the same block');
    a.run(kernels, 'fill', [y, count * 4, 0]);
    const values = [b.read(ints(crossed, count)), b.read(ints(again, count))];
    assert.ok(a.queue.completed() < a.queue.enqueued, 'the source is still at work');
    raise(a, flag);
    assert.equal(await values[0], new Int32Array(count).fill(51));
    assert.equal(await values[1], new Int32Array(count).fill(7));
  });
});

test('the times of copies are told, also when only the source is awaited', async () => {
  await withTeams([1, 1], async (a, b) => {
    const x = a.upload(new Int32Array(1000), 'test');
    const times: number[][] = [];
    const begun = performance.now();
    const many = 300;
    for (let i = 0; i < many; i++) {
      b.free(b.receive(a, ints(x, 1000), 'test', (start, milliseconds) => times.push([start, milliseconds])));
    }
    while (times.length < 200) await a.sync();
    await b.sync();
    assert.is(times.length, many);
    for (const [start = 0, milliseconds = -1] of times) {
      assert.ok(start > begun - 5 && start + milliseconds < performance.now() + 5 && milliseconds >= 0);
    }
  });
});

test('while bytes are on their way through the host, nobody waits for room in a ring', async () => {
  for (const order of ['destination first', 'bystander first']) {
    await withTeams([2, 1, 1], async (a, b, c) => {
      const { promise, resolve } = promised<TypedArray>();
      const x = a.uploadLater(promise, 4, 'test');
      // b waits for a, c for b; the host has all the commands that don't fit.
      const y = b.receive(a, ints(x, 1), 'test', unheard);
      const z = c.receive(b, ints(y, 1), 'test', unheard);
      const own = c.upload(Int32Array.of(0), 'test');
      const commands = ringSlots;
      const work = [
        () => a.run(kernels, 'affine', [x, x, 1, 1, 1], true),
        () => b.run(kernels, 'affine', [y, y, 1, 1, 2], true),
        () => c.run(kernels, 'affine', [own, own, 1, 1, 3], true),
      ];
      a.overwrite(x);
      b.overwrite(y);
      if (order === 'bystander first') work.reverse();
      for (const enqueue of work) for (let i = 0; i < commands; i++) enqueue();
      const later = b.receive(a, ints(x, 1), 'test', unheard);
      b.free(y);
      a.overwrite(x);
      a.run(kernels, 'affine', [x, x, 1, 0, 0]);
      const values = [b.read(ints(later, 1)), c.read(ints(own, 1)), c.read(ints(z, 1)), a.read(ints(x, 1))];
      resolve(Int32Array.of(1000));
      const [there, counted, first, over] = await Promise.all(values);
      assert.equal(there, Int32Array.of(1000 + commands));
      assert.equal(counted, Int32Array.of(3 * commands));
      assert.equal(first, Int32Array.of(1000));
      assert.equal(over, Int32Array.of(0));
    });
  }
});

test('uploads behind bytes on their way reach no command before them, also when memory is short', async () => {
  const limit = 4 << 20;
  await withTeams(
    [1],
    async (a) => {
      const size = 300_000;
      const { promise, resolve } = promised<TypedArray>();
      const results: Promise<TypedArray>[] = [];
      const old = a.upload(new Int32Array(size).fill(1), 'test');
      const late = a.uploadLater(promise, size * 4, 'test');
      results.push(a.read(ints(old, size)));
      a.free(old);
      for (let i = 0; i < 20; i++) {
        const x = a.upload(new Int32Array(size).fill(i), 'test');
        results.push(a.read(ints(x, size)));
        a.free(x);
      }
      results.push(a.read(ints(late, size)));
      resolve(new Int32Array(size).fill(99));
      const values = await Promise.all(results);
      const expected = [1, ...Array.from({ length: 20 }, (_, i) => i), 99];
      for (const [i, value] of values.entries()) assert.equal(value, new Int32Array(size).fill(expected[i]!));
    },
    limit,
  );
});

test('bytes that never come are an error of the next await, and the device goes on', async () => {
  await withTeams([1], async (a) => {
    const { promise, reject } = promised<TypedArray>();
    const x = a.uploadLater(promise, 4, 'test');
    a.run(kernels, 'fill', [x, 4, 1]);
    const sync = a.sync();
    reject(new RangeError('nothing came'));
    assert.is((await rejection(sync)).message, 'nothing came');
    assert.equal(await a.read(ints(x, 1)), Int32Array.of(0x01010101));
  });
});

test('a kernel that fails is an error of its own device and of all that received from it since', async () => {
  await withTeams([1, 2, 1], async (a, b, c) => {
    const x = a.upload(Int32Array.of(1), 'test');
    a.run(kernels, 'fault', [0]);
    const y = b.receive(a, ints(x, 1), 'test', unheard);
    c.receive(b, ints(y, 1), 'test', unheard);
    for (const team of [c, b, a]) {
      const error = await rejection(team.sync());
      assert.instance(error, KernelError);
      assert.match(error.message, /^cpu:0: fault of module test kernels failed: /);
      await team.sync();
    }
  });
});

test('a source that dies is an error of who waits for it; the caller may be waiting for room meanwhile', async () => {
  for (const full of [false, true]) {
    const { workers, done } = workersOf();
    try {
      await withTeams([2, 1], async (a, b) => {
        const flag = a.upload(new Int32Array(1), 'test');
        a.run(kernels, 'waitFor', [flag]);
        const x = b.receive(a, ints(flag, 1), 'test', unheard);
        void workers[full ? 1 : 0]!.terminate();
        if (full) for (let i = 0; i < ringSlots; i++) b.run(kernels, 'fill', [x, 4, 1]);
        const error = await rejection(b.sync());
        assert.instance(error, KernelError);
        assert.match(error.message, /^cpu:1: receiving from cpu:0 failed: Error: that device was lost/);
        b.run(kernels, 'fill', [x, 4, 2]);
        assert.equal(await b.read(ints(x, 1)), Int32Array.of(0x02020202));
        assert.throws(() => a.requireAlive(), /thread \d died/);
      });
    } finally {
      done();
    }
  }
});

test('a destination that dies keeps nobody waiting', async () => {
  const { workers, done } = workersOf();
  try {
    await withTeams([1, 1], async (a, b) => {
      const flag = b.upload(new Int32Array(1), 'test');
      b.run(kernels, 'waitFor', [flag]);
      const x = a.upload(Int32Array.of(8), 'test');
      b.receive(a, ints(x, 1), 'test', unheard);
      a.overwrite(x);
      a.run(kernels, 'affine', [x, x, 1, 2, 0]);
      const value = a.read(ints(x, 1));
      await workers[1]!.terminate();
      assert.equal(await value, Int32Array.of(16));
    });
  } finally {
    done();
  }
});

test('what a closed device sent still comes', async () => {
  await withTeams([1], async (b) => {
    const flag = b.upload(new Int32Array(1), 'test');
    await b.sync();
    b.run(kernels, 'waitFor', [flag]);
    const values: Promise<TypedArray>[] = [];
    for (let i = 0; i < 3; i++) {
      await withTeams([1], async (a) => {
        const x = a.upload(Int32Array.of(i), 'test');
        const y = b.receive(a, ints(x, 1), 'test', unheard);
        values.push(b.read(ints(y, 1)));
        if (i === 1) a.free(x);
        if (i === 1) raise(b, flag); // its block is given back once b has the copy
      });
    }
    assert.equal(
      (await Promise.all(values)).map((value) => value[0]),
      [0, 1, 2],
    );
  });
});

test.run();
