/**
 * ONNX's own cases of operators (Debian's libonnx-testdata) through the importer, on the CPU and on software drivers of
 * WebGPU; what doesn't pass is listed with its reason in exceptions.ts, and nothing else is.
 */
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/backends/open.js';
import type { Device } from '../../src/core/device.js';
import { softwareDriver } from '../../support/driver.js';
import { findCases, runCase } from './cases.js';
import * as exceptions from './exceptions.js';

const lavapipe = '/usr/share/vulkan/icd.d/lvp_icd.json';
const found = findCases();

/** Names of a table with their reasons. @throws for one that is named twice */
function reasonsOf(table: exceptions.Reasons): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const [reason, names] of table) {
    for (const name of names.split(/\s+/)) {
      assert.not.ok(reasons.has(name), `${name} is listed twice`);
      reasons.set(name, reason);
    }
  }
  return reasons;
}

/** Operators that a refusal names: "has operators that aren't known here: Loop (..); If (..)". */
function unknownOperators(problem: string): string[] {
  const list = /has operators that aren't known here: (.*)$/s.exec(problem)?.[1];
  return list === undefined ? [] : list.split('; ').map((entry) => entry.replace(/ \(.*/s, ''));
}

/** Cases of ONNX 1.12 (Debian 12), which the list of exceptions is about. */
const listedCases = 1072;

/** What WebGPU says of cases that have float64 numbers. */
const noDoubles = /has no float64 tensors/;

/** Runs all cases; fails unless those that don't pass are those that are listed. */
async function conform(device: Device, listed: ReadonlyMap<string, string>): Promise<void> {
  const operators = reasonsOf(exceptions.operators);
  const unused = new Set([...operators.keys(), ...listed.keys()]);
  const wrong: string[] = [];
  let [passed, doubles] = [0, 0];
  for (const [name, path] of found) {
    const problem = await runCase(name, path, device);
    const unknown = unknownOperators(problem ?? '');
    for (const op of unknown) unused.delete(op);
    if (problem !== null) unused.delete(name);
    if (problem === null) passed++;
    else if (noDoubles.test(problem)) doubles++;
    else if (unknown.length > 0 ? !unknown.every((op) => operators.has(op)) : !listed.has(name))
      wrong.push(`${name}: ${problem}`);
  }
  const others = doubles > 0 ? `, ${doubles} are of float64, which it has not` : '';
  console.log(`${device.name}: ${passed} of ${found.size} cases of ONNX pass${others}`);
  if (found.size !== listedCases) {
    console.warn(
      `THE LIST IS NOT CHECKED: it is that of the ${listedCases} cases of ONNX 1.12, these are others`,
    );
    return;
  }
  assert.equal(wrong, [], 'cases that fail and are not listed');
  assert.equal([...unused], [], 'listed, but no case fails by it');
}

async function onDriver(driver: string): Promise<void> {
  const device = await openDevice('webgpu:0', { driver });
  try {
    await conform(device, reasonsOf([...exceptions.cases, ...exceptions.cpuAlone]));
  } finally {
    await device.close();
  }
}

if (found.size === 0) {
  console.warn(
    "\nONNX'S CASES SKIPPED: libonnx-testdata isn't installed (apt-get install libonnx-testdata, on Debian).\n",
  );
} else {
  test("ONNX's cases pass on the CPU, or are listed with the reason", async () => {
    const device = await openDevice('cpu:0', { threads: 1 });
    try {
      await conform(device, reasonsOf(exceptions.cases));
      assert.is(device.memory().buffers, 0, 'buffers left behind');
    } finally {
      await device.close();
    }
  });

  const driver = await softwareDriver();
  if (driver !== null) test(`and on WebGPU (${driver.replace(/.*\//, '')})`, () => onDriver(driver));
  if (driver !== null && driver !== lavapipe && existsSync(lavapipe))
    test('and on WebGPU (lavapipe)', () => onDriver(lavapipe));
}

test.run();
