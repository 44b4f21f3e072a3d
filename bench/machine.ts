/**
 * The machine a report was measured on (Node).
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { root } from '../support/root.js';
import type { Machine } from './rows.js';

/** What is known of it. */
export async function describeMachine(): Promise<Machine> {
  const text = await readFile(`${root}package.json`, 'utf8');
  const version = /"version": "([^"]+)"/.exec(text)?.[1] ?? 'unknown';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    runtime: `node ${process.versions.node}`,
    tandem: version,
  };
}

/** Processes that wanted to run over the last minute, on average. */
export function load(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}
