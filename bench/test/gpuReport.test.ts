/**
 * The report that a person with a GPU sends in: one file with the machine, the adapter and what each part printed.
 */
import { execFile } from 'node:child_process';
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
    assert.match(text, /## devices: ended with 0 after \d+ s\n\n```\n\{/);
    await rm(folder, { recursive: true });
  });
}

test.run();
