/**
 * The allocator by itself, with a queue that is as far behind as the test says.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Allocator } from '../../../src/backends/cpu/runtime/allocator.js';
import { heapAt } from '../../../src/backends/cpu/runtime/control.js';
import { DeviceError, OutOfMemoryError } from '../../../src/core/errors.js';
import { seededRandom } from './numbers.js';

const random = seededRandom('device memory');

/** An allocator whose memory always grows, and the queue it looks at. */
function make(limit: number) {
  const queue = {
    enqueued: 0,
    done: 0,
    drains: 0,
    completed: () => queue.done,
    drain(): boolean {
      queue.drains++;
      queue.done = queue.enqueued;
      return true;
    },
  };
  const memory = { bytes: heapAt };
  const allocator = new Allocator('cpu:7', heapAt + limit, queue, (bytes) => {
    memory.bytes = Math.max(memory.bytes, bytes);
    return true;
  });
  return { allocator, queue, memory, used: () => memory.bytes - heapAt };
}

/** A block for the caller, which only a queue that may not be waited for can deny. */
function written(allocator: Allocator, bytes: number, op: string): number {
  const block = allocator.allocForCaller(bytes, op);
  assert.not(block === null, 'a block for the caller');
  return block ?? 0;
}

const rounded = (bytes: number): number => Math.max(64, Math.ceil(bytes / 64) * 64);

test('blocks are aligned, never overlap, and are counted exactly', () => {
  const { allocator, queue, used } = make(1 << 30);
  const held = new Map<number, number>();
  let live = 0;
  let peak = 0;
  for (let i = 0; i < 5000; i++) {
    queue.enqueued++;
    if (random.integer(3) === 0) queue.done = Math.max(queue.done, queue.enqueued - random.integer(20));
    if (held.size > 0 && random.integer(100) < 48) {
      const address = [...held.keys()][random.integer(held.size)]!;
      live -= held.get(address)!;
      held.delete(address);
      allocator.free(address);
    } else {
      const bytes = random.integer(2 ** random.integer(18));
      const address =
        random.integer(4) === 0 ? written(allocator, bytes, 'test') : allocator.alloc(bytes, 'test');
      assert.is(address % 64, 0);
      for (const [start, size] of held) {
        assert.ok(address + rounded(bytes) <= start || address >= start + size, 'blocks overlap');
      }
      held.set(address, rounded(bytes));
      live += rounded(bytes);
      peak = Math.max(peak, live);
    }
    assert.is(allocator.live, live);
    assert.is(allocator.peak, peak);
    assert.is(allocator.buffers, held.size);
    assert.is(allocator.live + allocator.pooled, used());
  }
});

test('freed neighbours join: after any order of frees the whole memory is one block again', () => {
  const { allocator, used } = make(1 << 30);
  const addresses = Array.from({ length: 300 }, () => allocator.alloc(1 + random.integer(10000), 'test'));
  const before = used();
  for (const i of random.permutation(addresses.length)) allocator.free(addresses[i]!);
  assert.is(allocator.alloc(before, 'test'), heapAt);
  assert.is(used(), before);
});

test('what the caller writes never lies where an unfinished command may reach', () => {
  const { allocator, queue } = make(1 << 30);
  const freedAt: { start: number; end: number; position: number }[] = [];
  const held: [number, number][] = [];
  for (let i = 0; i < 3000; i++) {
    queue.enqueued++;
    if (random.integer(10) === 0) queue.done += random.integer(queue.enqueued - queue.done + 1);
    const bytes = 1 + random.integer(5000);
    if (random.integer(2) === 0) {
      held.push([allocator.alloc(bytes, 'test'), bytes]);
    } else {
      const address = written(allocator, bytes, 'test');
      held.push([address, bytes]);
      for (const { start, end, position } of freedAt) {
        if (position > queue.done) assert.ok(address >= end || address + bytes <= start, 'still in use');
      }
    }
    while (held.length > random.integer(20)) {
      const [start, size] = held.splice(random.integer(held.length), 1)[0]!;
      allocator.free(start);
      freedAt.push({ start, end: start + size, position: queue.enqueued });
    }
  }
});

test('a training loop takes little more than what is live, however far the queue is behind', () => {
  // AlexNet's activations, floats for each image, and weights; a batch is uploaded at each step.
  const image = 3 * 224 * 224;
  const activations = [
    290400, 290400, 69984, 186624, 186624, 43264, 64896, 64896, 43264, 9216, 4096, 4096, 1000,
  ];
  const weights = [34848, 307200, 884736, 663552, 442368, 37748736, 16777216, 4096000];
  for (const [lag, allowed] of [
    [0, 1.1],
    [60, 1.25],
  ] as const) {
    const { allocator, queue, used } = make(2 ** 32 - heapAt);
    const take = (floats: number, forCaller = false): number => {
      queue.enqueued += 4;
      queue.done = Math.max(0, queue.enqueued - lag);
      return forCaller
        ? written(allocator, floats * 4, 'step')
        : allocator.alloc(Math.floor(floats) * 4, 'step');
    };
    const temporary = (): void => allocator.free(take(5e5 * (1 + random.uniform())));
    for (const size of weights) take(2 * size);
    let afterThree = 0;
    for (let step = 0; step < 20; step++) {
      const batch = take(128 * image, true);
      const saved: number[] = [];
      for (const size of activations) {
        temporary();
        saved.push(take(128 * size));
      }
      let grad = take(128 * 1000);
      const weightGrads: number[] = [];
      for (let i = saved.length - 1; i >= 0; i--) {
        temporary();
        if (i < weights.length) weightGrads.push(take(weights[i]!));
        const next = take(128 * (activations[i - 1] ?? 1));
        allocator.free(saved[i]!);
        allocator.free(grad);
        grad = next;
      }
      for (const address of [...weightGrads, grad, batch]) allocator.free(address);
      if (step === 2) afterThree = used();
    }
    assert.ok(used() <= allowed * allocator.peak, `${used()} bytes for a peak of ${allocator.peak}`);
    assert.is(used(), afterThree, 'flat after three steps');
  }
});

test('blocks that the caller writes at every step come from those of the steps before', () => {
  // Two devices that hand each other activations: some uploads a step beside kernels' blocks, freed in another order.
  for (const lag of [0, 7, 30, 100, 300]) {
    const { allocator, queue } = make(2 ** 32 - heapAt);
    const wait = (commands: number): void => {
      queue.enqueued += commands;
      queue.done = Math.max(queue.done, queue.enqueued - random.integer(lag + 1));
    };
    const pooled: number[] = [];
    for (let step = 1; step <= 3000; step++) {
      const held: number[] = [];
      for (const bytes of [24576, 24576, 8256, 1024, 131072, 512]) {
        held.push(written(allocator, bytes, 'upload'));
        wait(5);
        held.push(allocator.alloc(3 * bytes, 'kernel'));
        wait(5);
      }
      for (const i of random.permutation(held.length)) {
        allocator.free(held[i]!);
        wait(2);
      }
      if (step === 300 || step === 3000) pooled.push(allocator.pooled);
    }
    assert.ok(pooled[1]! <= 2 * pooled[0]!, `lag ${lag}: ${pooled[0]} bytes pooled, later ${pooled[1]}`);
  }
});

test('pieces that the queue has not passed still serve kernels when there is no other memory', () => {
  const { allocator, queue } = make(10_240);
  const pieces = Array.from({ length: 10 }, () => written(allocator, 1024, 'upload'));
  queue.enqueued = 5;
  for (const piece of pieces) allocator.free(piece);
  assert.is(allocator.alloc(10_240, 'kernel'), heapAt);
  assert.is(queue.drains, 0);
});

test('an upload waits for the queue before it gives up', () => {
  const { allocator, queue } = make(10000);
  const x = allocator.alloc(9000, 'test');
  queue.enqueued = 5;
  allocator.free(x);
  assert.is(written(allocator, 9000, 'test'), x);
  assert.is(queue.drains, 1);
});

test('running out names op, size, what is in use and the limit, and changes nothing', () => {
  const { allocator } = make(1 << 20);
  const x = allocator.alloc(600_000, 'test');
  const full = { live: allocator.live, pooled: allocator.pooled, buffers: allocator.buffers };
  for (const alloc of ['alloc', 'allocForCaller'] as const) {
    assert.throws(
      () => allocator[alloc](500_000, 'conv2d'),
      (error: unknown) =>
        error instanceof OutOfMemoryError &&
        /^conv2d: cpu:7 can't hold 500.0 kB more: 600.0 kB in use by 1 buffers.*limit 2101.2 kB/.test(
          error.message,
        ),
    );
  }
  assert.equal({ live: allocator.live, pooled: allocator.pooled, buffers: allocator.buffers }, full);
  allocator.free(x);
  allocator.alloc(1_000_000, 'conv2d');
});

test('a buffer freed twice is an error', () => {
  const { allocator } = make(1 << 20);
  const x = allocator.alloc(10, 'test');
  allocator.free(x);
  assert.throws(
    () => allocator.free(x),
    (error: unknown) => error instanceof DeviceError,
  );
});

test.run();
