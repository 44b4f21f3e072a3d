/**
 * What the page's sliders show is what the package computes; and the visitor's files become the images that are in them.
 */
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readGiven } from '../../site/engine/given.js';
import { sharesOf } from '../../site/sections/explain/dropout.js';
import { normalized } from '../../site/sections/explain/lrn.js';
import { descend } from '../../site/sections/explain/momentum.js';
import { localResponseNorm, mul, openDevice, scope, sub, sum, tensor } from '../../src/index.js';
import { parameter, SGD } from '../../src/nn/index.js';

const close = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length &&
  Array.from(a).every((x, i) => Math.abs(x - b[i]!) <= 1e-4 * Math.max(1, Math.abs(b[i]!)));

test('response normalization', async () => {
  const device = await openDevice('cpu:0', { threads: 1, kernels: 'plain' });
  const a = [12, 60, 24, 150, 40, 8, 90, 30, 110];
  for (const size of [1, 5, 9]) {
    const settings = { k: 2, alpha: 1e-4, beta: 0.75 };
    const x = tensor(Float32Array.from(a), { shape: [1, a.length, 1, 1], device });
    const expected = await localResponseNorm(x, { size, ...settings }).data();
    const shown = normalized(a, { n: size, ...settings, contrast: false });
    assert.ok(close(shown, Array.from(expected, Number)), `${size}: ${shown}, expected ${expected}`);
  }
  await device.close();
});

test('momentum and decay', async () => {
  const device = await openDevice('cpu:0', { threads: 1, kernels: 'plain' });
  const path = descend(0.9, 0.02, 0.1);
  const w = parameter(tensor(Float32Array.from(path[0]!), { device }));
  const [lowest, steepness] = [
    [4, 1],
    [1, 14],
  ].map((numbers) => tensor(Float32Array.from(numbers), { device }));
  const optimizer = new SGD([w], { learningRate: 0.02, momentum: 0.9, weightDecay: 0.1 });
  for (let step = 1; step <= 20; step++) {
    scope(() => {
      const away = sub(w, lowest!);
      optimizer.zeroGrad();
      mul(sum(mul(steepness!, mul(away, away))), 0.5).backward();
      optimizer.step();
    });
    const here = Array.from(await w.data(), Number);
    assert.ok(close(path[step]!, here), `step ${step}: ${path[step]}, expected ${here}`);
  }
  await device.close();
});

test('shares of the work add up to one', () => {
  for (const uneven of [0, 0.3, 1]) {
    assert.ok(Math.abs(sharesOf(uneven).reduce((a, b) => a + b) - 1) < 1e-9);
  }
});

const pixels = 3072;
/** Records of CIFAR-10: label i mod 10, all pixels `value`. */
function records(count: number, value: number): Uint8Array {
  const bytes = new Uint8Array(count * (1 + pixels)).fill(value);
  for (let i = 0; i < count; i++) bytes[i * (1 + pixels)] = i % 10;
  return bytes;
}

function tarEntry(name: string, content: Uint8Array): Uint8Array {
  const padded = new Uint8Array(512 + Math.ceil(content.length / 512) * 512);
  const write = (text: string, at: number): void => padded.set(new TextEncoder().encode(text), at);
  write(name, 0);
  write(content.length.toString(8).padStart(11, '0'), 124);
  write('0', 156);
  padded.set(content, 512);
  return padded;
}

const names = 'airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n';
const given = (path: string, bytes: Uint8Array) => ({ path, file: new File([bytes.slice()], path) });
const noProgress = (): void => {};

test("CIFAR-10's own archive, and the files in it", async () => {
  const parts = {
    'cifar-10-batches-bin/batches.meta.txt': new TextEncoder().encode(names),
    'cifar-10-batches-bin/data_batch_2.bin': records(20, 2),
    'cifar-10-batches-bin/data_batch_1.bin': records(10, 1),
    'cifar-10-batches-bin/test_batch.bin': records(5, 9),
  };
  const entries = Object.entries(parts).map(([name, content]) => tarEntry(name, content));
  const archive = gzipSync(Buffer.concat([...entries, new Uint8Array(1024)]));
  const ways = [
    [given('cifar-10-binary.tar.gz', archive)],
    Object.entries(parts).map(([path, content]) => given(path, content)),
  ];
  for (const files of ways) {
    const { train, validation } = await readGiven(files, noProgress);
    assert.equal(train.classes, names.trim().split('\n'));
    assert.equal([train.labels.length, validation.labels.length], [30, 5]);
    assert.equal([...train.labels.subarray(8, 12)], [8, 9, 0, 1]);
    assert.equal([train.images[0], train.images[10 * pixels], validation.images[0]], [1, 2, 9]);
    assert.is(train.images.length, 30 * pixels);
  }
});

test('what is neither is refused by what was expected', async () => {
  const problem = (files: Parameters<typeof readGiven>[0]): Promise<string> =>
    readGiven(files, noProgress).then(
      () => '',
      (error: Error) => error.message,
    );
  assert.match(
    await problem([given('notes.tar', tarEntry('notes.txt', new Uint8Array(3)))]),
    /data_batch_1\.bin/,
  );
  assert.match(await problem([given('broken.tar', new Uint8Array(2048).fill(65))]), /damaged/);
  assert.match(await problem([given('images/one.png', new Uint8Array(3))]), /two classes or more/);
});

test.run();
