/** The library names none of the command's options, in messages or comments: only src/cli knows them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../../support/root.js';

const names =
  'train evaluate classify export prepare machine figures race ablations specialize features retrieve codes';

test('no option and no script is named outside of src/cli', async () => {
  const flags = new Set<string>(['--help', 'npm run', 'npx tandem']);
  for (const name of names.split(' ')) {
    const { command }: { command: Command } = await import(`../../src/cli/${name}.js`);
    for (const each of [command, ...command.commands])
      for (const { long } of each.options) if (long) flags.add(long);
  }
  assert.ok(flags.size > 60, `${flags.size} options`);
  const source = join(root, 'src');
  const found: string[] = [];
  for (const path of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts') || /^cli[/\\]/.test(path)) continue;
    const text = readFileSync(join(source, path), 'utf8');
    for (const flag of flags) if (new RegExp(`${flag}(?![\\w-])`).test(text)) found.push(`${path}: ${flag}`);
  }
  assert.equal(found, []);
});

test.run();
