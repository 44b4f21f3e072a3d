/**
 * `tandem bench`: the benchmark suite, a program of its own that stands in a clone of the repository, not in the package.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { DataError } from '../core/errors.js';
import { settled } from './command.js';

/** The suite of a clone that is built. */
const suite = fileURLToPath(new URL('../../bench/run.js', import.meta.url));

/** Options are the suite's own: all of them are passed on, `--help` too. */
export const command = settled(new Command())
  .argument('[options...]', "the suite's options; --help lists them")
  .helpOption(false)
  .allowUnknownOption()
  .allowExcessArguments()
  .action(async (options: string[]) => {
    if (!existsSync(suite)) {
      throw new DataError(
        "bench: the suite isn't part of the package; clone the repository, then npm ci and npm run bench there",
      );
    }
    const child = spawn(process.execPath, [suite, ...options], { stdio: 'inherit' });
    const [code]: unknown[] = await once(child, 'exit');
    process.exitCode = typeof code === 'number' ? code : 1;
  });
