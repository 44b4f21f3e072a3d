/** Budgets of memory: refused before it is taken, shared between threads, given back. */
import { Worker } from 'node:worker_threads';
import { deflateSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { Budget, inflated } from '../../src/data/budget.js';

function refused(run: () => unknown, message: RegExp): void {
  try {
    run();
  } catch (error) {
    assert.instance(error, DataError);
    assert.match(String(error), message);
    return;
  }
  assert.unreachable(String(message));
}

test('what is over the limit is refused and takes nothing', () => {
  const budget = new Budget(1e6);
  budget.take(400_000, 'a.tar');
  refused(() => budget.take(700_000, 'b.tar'), /^DataError: b\.tar: takes 700 kB of memory.*600 kB may be/);
  refused(() => budget.take(Number.NaN, 'c.tar'), /c\.tar/);
  refused(() => budget.takeWhenFree(2e6, 'd.tar'), /d\.tar: takes 2 MB of memory when unpacked, 1 MB may/);
  budget.take(600_000, 'b.tar');
  budget.give(400_000);
  budget.give(600_000);
  budget.take(1e6, 'e.tar');
  assert.is(budget.left, 0);
});

test('unpacked bytes stay taken; bombs are refused, whether the size is known or not', () => {
  const budget = new Budget(50e6);
  const bomb = { gzip: gzipSync(new Uint8Array(60e6)), zlib: deflateSync(new Uint8Array(60e6)) };
  for (const packing of ['gzip', 'zlib'] as const) {
    refused(
      () => inflated(bomb[packing], { packing, budget, what: 'x' }),
      /x: unpacks to more than the 50 MB allowed/,
    );
    refused(
      () => inflated(bomb[packing], { packing, budget, most: 1000, what: 'x' }),
      /x: unpacks to more than the 1 kB/,
    );
    refused(
      () => inflated(bomb[packing].subarray(0, 9000), { packing, budget, what: 'x' }),
      /x: damaged (gzip|zlib) data, or cut short/,
    );
  }
  assert.is(budget.left, 50e6);
  const bytes = Uint8Array.from({ length: 30e6 }, (_, i) => i % 251);
  const options = { packing: 'zlib', budget, what: 'x' } as const;
  assert.equal(inflated(deflateSync(bytes), options), Buffer.from(bytes.buffer));
  assert.ok(Math.abs(budget.left - 20e6) < 1024);
  refused(() => inflated(deflateSync(bytes), options), /x: unpacks to more than the 20 MB/);
});

test('threads share a budget by its cell, and wait for one another', async () => {
  const budget = new Budget(10e6);
  budget.take(6e6, 'first');
  const module = new URL('../../src/data/budget.js', import.meta.url).href;
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(module)}).then(({ Budget }) => {
      const budget = new Budget(10e6, workerData);
      parentPort.postMessage('asks');
      budget.takeWhenFree(5e6, 'second');
      parentPort.postMessage('has');
    });`;
  const worker = new Worker(code, { eval: true, workerData: budget.cell });
  try {
    const said: unknown[] = [];
    const has = new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', (message) => {
        said.push(message);
        if (message === 'has') resolve();
        // The thread stands still by now or soon: giving back wakes it in either case.
        else setTimeout(() => budget.give(6e6), 20);
      });
    });
    await has;
    assert.equal(said, ['asks', 'has']);
    assert.ok(budget.left < 5.1e6);
  } finally {
    await worker.terminate();
  }
});

test.run();
