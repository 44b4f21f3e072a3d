/**
 * A CPU device as its users meet it: options, results, memory, profiles, closing, and the end of the process.
 */
import { spawn } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type CpuOptions, openCpu } from '../../../src/backends/cpu/runtime/device.js';
import type { Backend } from '../../../src/core/backend.js';
import { ArgumentError, DeviceError, OutOfMemoryError } from '../../../src/core/errors.js';
import { type Expr, e } from '../../../src/core/expr.js';
import { type BufferId, dtypeOf, type TypedArray, type View } from '../../../src/core/shape.js';
import { inLayer } from '../../../src/core/trace.js';

const view = (buffer: BufferId, dtype: View['dtype'], length: number): View => ({
  buffer,
  dtype,
  shape: [length],
  strides: [1],
  offset: 0,
});

/** Enqueues `out = expr(x)` into a new buffer. */
function map(backend: Backend, expr: Expr, x: View): View {
  const out = { ...x, buffer: backend.alloc(x.shape[0]! * 8, 'map') };
  backend.kernels.map({
    exprs: [expr],
    shape: x.shape,
    inputs: [x],
    outputs: [out],
    params: [],
    draw: null,
  });
  return out;
}

async function withDevice(options: CpuOptions, use: (backend: Backend) => Promise<void>): Promise<void> {
  const backend = await openCpu(options, 'cpu:1');
  try {
    await use(backend);
  } finally {
    await backend.close();
  }
}

test('all dtypes go up, through a kernel, and back', async () => {
  for (const kernels of ['fast', 'plain'] as const) {
    await withDevice({ threads: 2, kernels }, async (backend) => {
      const arrays: TypedArray[] = [
        Float32Array.of(0.5, -2, 1e30),
        Float64Array.of(0.1, -2, 1e300),
        Int32Array.of(1, -2, 1 << 20),
        Uint8Array.of(0, 1, 200),
      ];
      for (const data of arrays) {
        const x = view(backend.upload(data, 'test'), dtypeOf(data), data.length);
        assert.equal(await backend.read(map(backend, e.input(0), x)), data);
        assert.equal(await backend.read({ ...x, shape: [1], offset: 2 }), data.slice(2));
        assert.equal(await backend.read({ ...x, shape: [0] }), data.slice(3));
      }
    });
  }
});

test('live bytes and buffers come back to where they were', async () => {
  await withDevice({ threads: 1 }, async (backend) => {
    const buffers: BufferId[] = [];
    for (let round = 0; round < 5; round++) {
      const x = view(backend.upload(new Float32Array(1000), 'test'), 'float32', 1000);
      const y = map(backend, e.exp(e.input(0)), x);
      assert.equal(backend.memory().buffers, 2);
      assert.is(backend.memory().live, 4032 + 8000);
      buffers.push(x.buffer, y.buffer);
      await backend.read(y);
      backend.free(x.buffer);
      backend.free(y.buffer);
    }
    const { live, peak, buffers: count } = backend.memory();
    assert.equal({ live, peak, count }, { live: 0, peak: 12032, count: 0 });
    assert.is(new Set(buffers).size, 2, 'freed memory is used again');
  });
});

test('a device that runs out of memory says so and goes on', async () => {
  await withDevice({ threads: 1, memoryLimit: 4 << 20 }, async (backend) => {
    const x = backend.alloc(2_000_000, 'test');
    assert.throws(
      () => backend.alloc(2_000_000, 'conv2d'),
      (error: unknown) => error instanceof OutOfMemoryError && /conv2d: cpu:1 can't hold/.test(error.message),
    );
    backend.free(x);
    const y = view(backend.upload(new Float32Array(500_000).fill(3), 'test'), 'float32', 500_000);
    assert.equal(await backend.read({ ...y, shape: [2] }), Float32Array.of(3, 3));
  });
});

test('options are checked, and the error says what is possible', async () => {
  const wrong: [object, RegExp][] = [
    [{ threads: 0 }, /cpu:1: threads is 0, expected an integer from 1 to 256/],
    [{ threads: 1.5 }, /threads is 1.5/],
    [{ memoryLimit: 1000 }, /memoryLimit is 1000, expected bytes from/],
    [{ memoryLimit: 2 ** 33 }, /memoryLimit is 8589934592/],
    [{ kernels: 'slow' }, /kernels is 'slow', expected 'fast' or 'direct' or 'plain'/],
    [{ deterministic: 1 }, /deterministic is 1, expected true or false/],
    [
      { thread: 2 },
      /there is no option thread \(did you mean threads\?\), only threads, deterministic, wide, memoryLimit, kernels/,
    ],
  ];
  for (const [options, message] of wrong) {
    try {
      await openCpu(options, 'cpu:1');
    } catch (error) {
      assert.instance(error, ArgumentError);
      assert.match(String(error), message);
      continue;
    }
    assert.unreachable(JSON.stringify(options));
  }
});

test('the description tells threads and instructions', async () => {
  await withDevice({ threads: 1, deterministic: true, wide: false }, async ({ description }) => {
    assert.is(description, 'CPU, 1 thread, SIMD');
  });
  await withDevice({ threads: 2, kernels: 'plain' }, async ({ description }) => {
    assert.is(description, 'CPU, 2 threads, plain loops');
  });
  await withDevice({ threads: 1, kernels: 'direct' }, async ({ description }) => {
    assert.match(description, /, direct convolutions$/);
  });
  await withDevice({}, async ({ description }) => {
    assert.match(description, /^CPU, \d+ threads?, relaxed SIMD(, 256 bits)?$/);
  });
});

test('a profile lists the kernels in order, with layer, cost and times within the whole', async () => {
  await withDevice({ threads: 2 }, async (backend) => {
    const x = view(backend.upload(new Float32Array(1000), 'test'), 'float32', 1000);
    map(backend, e.input(0), x);
    const started = performance.now();
    backend.startProfile();
    assert.throws(() => backend.startProfile(), /cpu:1 is being profiled/);
    inLayer('conv1', () => map(backend, e.exp(e.input(0)), x));
    inLayer('conv2', () => map(backend, e.mul(e.input(0), e.add(e.input(0), 1)), x));
    const times = await backend.stopProfile();
    const elapsed = performance.now() - started;
    assert.equal(
      times.map(({ kernel, layer, phase, flops, bytes }) => ({ kernel, layer, phase, flops, bytes })),
      [
        { kernel: 'map', layer: 'conv1', phase: 'forward', flops: 1000, bytes: 8000 },
        { kernel: 'map', layer: 'conv2', phase: 'forward', flops: 2000, bytes: 8000 },
      ],
    );
    const [first, second] = [times[0]!, times[1]!];
    assert.ok(first.start >= 0 && first.milliseconds > 0 && second.milliseconds > 0);
    assert.ok(second.start >= first.start + first.milliseconds);
    assert.ok(second.start + second.milliseconds <= elapsed);
    map(backend, e.input(0), x);
    backend.startProfile();
    assert.equal(await backend.stopProfile(), []);
  });
});

test('an idle device takes no processor time', async () => {
  await withDevice({ threads: 3 }, async (backend) => {
    const x = view(backend.upload(new Float32Array(1000), 'test'), 'float32', 1000);
    await backend.read(map(backend, e.exp(e.input(0)), x));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 100_000, `${user + system} us in 300 ms`);
  });
});

test('a closed device refuses work by a named error, and lets go of what is freed late', async () => {
  const backend = await openCpu({ threads: 2 }, 'cpu:1');
  const x = view(backend.upload(new Float32Array(1000), 'test'), 'float32', 1000);
  for (let i = 0; i < 100; i++) map(backend, e.exp(e.input(0)), x);
  await backend.close();
  await backend.close();
  backend.free(x.buffer);
  assert.equal(backend.memory(), { live: 0, pooled: 0, peak: 0, buffers: 0 });
  const closed = (error: unknown): boolean =>
    error instanceof DeviceError && /\w+: device cpu:1 was closed; open it again/.test(error.message);
  assert.throws(() => backend.alloc(4, 'relu'), closed);
  assert.throws(() => backend.upload(new Float32Array(1), 'tensor'), closed);
  assert.throws(() => map(backend, e.input(0), x), closed);
  for (const use of [() => backend.read(x), () => backend.sync(), () => backend.stopProfile()]) {
    const error = await use().then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.ok(closed(error), String(error));
  }
});

/** Runs a module that has `backend` open, in a process of its own; gives its exit code and output. */
async function runScript(body: string): Promise<{ code: number | null; output: string }> {
  const url = new URL('../../../src/backends/cpu/runtime/device.js', import.meta.url).href;
  const script = `import { openCpu } from ${JSON.stringify(url)};
    const backend = await openCpu({ threads: 2 });
    const buffer = backend.upload(new Float32Array(5000), 'test');
    const view = { buffer, dtype: 'float32', shape: [5000], strides: [1], offset: 0 };
    const expr = { kind: 'unary', op: 'exp', a: { kind: 'input', index: 0 } };
    const args = { exprs: [expr], shape: [5000], inputs: [view], outputs: [view], params: [], draw: null };
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve));
  clearTimeout(timer);
  return { code, output };
}

test('the process ends by itself without close, idle or with work enqueued', async () => {
  assert.equal(await runScript(''), { code: 0, output: '' });
  assert.equal(await runScript('for (let i = 0; i < 300; i++) backend.kernels.map(args);'), {
    code: 0,
    output: '',
  });
});

test('the process stays while something is awaited', async () => {
  const { code, output } = await runScript(
    'for (let i = 0; i < 300; i++) backend.kernels.map(args); backend.read(view).then((x) => console.log(String(x.length)));',
  );
  assert.equal({ code, output }, { code: 0, output: '5000\n' });
});

test('the process ends after an uncaught exception, with work enqueued', async () => {
  const { code, output } = await runScript(
    'for (let i = 0; i < 300; i++) backend.kernels.map(args); throw new Error("mistake of the user");',
  );
  assert.is(code, 1);
  assert.match(output, /mistake of the user/);
});

test.run();
