/**
 * `npm run prepare`: builds, then prepares a data set (src/cli/prepare.ts).
 *
 * npm also runs a script of this name by itself at the end of `npm install` and `npm ci`, and before packing. It gives
 * no arguments then, and names another command than `run`: there is nothing to do.
 */
import { spawnSync } from 'node:child_process';

const asked = process.argv.length > 2 || process.env.npm_command?.startsWith('run');
if (asked) {
  const { status } = spawnSync('npm run --silent build', { stdio: 'inherit', shell: true });
  if (status !== 0) process.exit(status ?? 1);
  await import('../dist/src/cli/prepare.js');
}
