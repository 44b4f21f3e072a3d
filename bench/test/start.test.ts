/**
 * Settings, and starts measured in processes of their own.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors.js';
import { openingsOf, parseSettings, threadCounts } from '../settings.js';
import { Starter } from '../start.js';

test('settings are devices by numbers of threads, which two devices share', () => {
  const settings = parseSettings('cpu:0,cpu:0+cpu:1,webgpu:0', '1,2');
  assert.equal(
    settings.map(({ device, threads }) => `${device} x ${threads}`),
    ['cpu:0 x 1', 'cpu:0 x 2', 'cpu:0+cpu:1 x 2', 'webgpu:0 x null'],
  );
  const options = { adapter: 'a' };
  assert.equal(openingsOf(settings[2]!, options), [
    ['cpu:0', { threads: 1 }],
    ['cpu:1', { threads: 1 }],
  ]);
  assert.equal(openingsOf(settings[3]!, options), [['webgpu:0', options]]);
});

test('settings that make no sense are refused with what would', () => {
  for (const [devices, threads, about] of [
    ['cpu:0', 'many', /many.*like 1,2/],
    ['gpu', '1', /'gpu'.*write cpu:0/],
    ['cpu:0+cpu:0', '1', /two different ones/],
  ] as const) {
    assert.throws(
      () => parseSettings(devices, threads),
      (error: unknown) => error instanceof ArgumentError && about.test(error.message),
    );
  }
});

test('threads of a curve are powers of two and all', () => {
  assert.equal(threadCounts(6, true), [1, 2, 4, 6]);
  assert.equal(threadCounts(8, true), [1, 2, 4, 8]);
  assert.equal(threadCounts(8, false), [1, 8]);
  assert.equal(threadCounts(1, true), [1]);
});

test('a start is measured from outside, and its steps add up', async () => {
  const starter = await Starter.create('small', 1);
  try {
    const [setting] = parseSettings('cpu:0+cpu:1', '2');
    const probe = { measure: async () => ({ flops: 50e9, bytes: 20e9 }), close: async () => {} };
    const row = await starter.measure(setting!, probe, 1, {});
    assert.is(row.samples, 1);
    const steps = row.start ?? [];
    assert.equal(
      steps.map(({ name }) => name),
      [
        'start Node',
        'load modules',
        'open devices',
        'read the file',
        'bring weights to the devices',
        'compile, infer',
      ],
    );
    const sum = steps.reduce((total, { milliseconds }) => total + milliseconds, 0);
    assert.ok(sum > 0.95 * row.medianMs && sum <= row.medianMs, `${sum} of ${row.medianMs} ms`);
    assert.ok(steps.every(({ milliseconds }) => milliseconds >= 0));
    assert.ok((row.cpuMs ?? 0) > 1);
  } finally {
    await starter.close();
  }
});

test.run();
