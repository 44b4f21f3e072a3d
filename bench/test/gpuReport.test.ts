/**
 * The report that a person with a GPU sends in: one file with the machine, the adapter and what each part printed.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { adapterName, softwareDriver } from '../../support/driver.js';
import { root } from '../../support/root.js';

const driver = await softwareDriver();

if (driver !== null) {
  test('holds what the parts asked for printed, and how they ended', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-report-'));
    const out = join(folder, 'report.md');
    const program = join(root, 'dist/bench/gpuReport.js');
    const args = [program, '--driver', driver, '--only', '^devices$', '--out', out];
    await promisify(execFile)(process.execPath, args);
    const text = await readFile(out, 'utf8');
    const name = await adapterName(driver);
    assert.ok(text.startsWith('# Tandem ') && text.includes(name), text.slice(0, 200));
    assert.match(text, /- commit ([0-9a-f]{12}\+?|unknown), \d{4}-/);
    assert.match(text, /- driver of webgpu:0: .+; webgpu \(Dawn\) \d/);
    assert.match(text, /## devices: done after \d+ s\n\n```\n\{/);
    // The clone's folder stands nowhere, though the driver's file is named by it.
    assert.not.ok(text.includes(root.replace(/\/$/, '')), text);
    const warnings = text.split('\n').filter((line) => line.startsWith('Warning: '));
    assert.is(new Set(warnings).size, warnings.length, 'a warning stands there twice');
    await rm(folder, { recursive: true });
  });

  test('a part that is late or fails leaves the others theirs, and an interruption what was done', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-report-'));
    const out = join(folder, 'report.md');
    const program = join(root, 'dist/bench/gpuReport.js');
    const args = [program, '--driver', driver, '--out', out];
    await promisify(execFile)(process.execPath, [
      ...args,
      '--only',
      '^(devices|bench)$',
      '--minutes',
      '0.02',
    ]);
    assert.match(
      await readFile(out, 'utf8'),
      /## devices: [\s\S]+## bench: stopped at its limit of 0.02 minutes/,
    );
    const child = spawn(process.execPath, [...args, '--only', '^(devices|bench|host)$'], { stdio: 'pipe' });
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      if (piece.includes('bench')) setTimeout(() => child.kill('SIGINT'), 500);
    });
    await once(child, 'close');
    const text = await readFile(out, 'utf8');
    assert.match(text, /## devices: done [\s\S]+## bench: interrupted after/);
    assert.not.match(text, /## host/);
    await rm(folder, { recursive: true });
  });
}

test.run();
