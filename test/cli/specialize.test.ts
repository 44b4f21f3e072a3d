/** `tandem specialize` end to end on few drawn images: table, picture, going on, and mistakes in one line. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { command } from './commands.js';

const test = suite('specialize');
let folder = '';

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-specialize-'));
});
test.after(() => rm(folder, { recursive: true, force: true }));

const few = [
  '--limit',
  '100',
  '--epochs',
  '1',
  '--stride',
  '4',
  '--kernels',
  '4',
  '--threads',
  '1',
  '--out',
  'out',
];

test('a row for each seed and condition, a picture, and nothing trained twice', async () => {
  const args = ['--set', 'base,no-lrn', '--seeds', '0,3', ...few];
  const first = await command('specialize', args, folder);
  assert.is(first.code, 0, first.output);
  assert.match(first.output, /no-lrn, seed 3: .*\(run 4 of 4, about .* left\)/);
  assert.match(first.output, /^base +3 +[\d.]+ % +0\.\d+ +0\.\d+ +[+-]0\.\d+ +[\d.]+ % +[01]\.\d+ +0/m);
  assert.match(first.output, /^no-lrn: [0-2] of 2 specialized, chance of all together/m);
  const table = await readFile(join(folder, 'out/table.json'), 'utf8');
  const { rows } = JSON.parse(table);
  assert.equal(
    rows.map(({ condition, seed }: { condition: string; seed: number }) => `${condition} ${seed}`),
    ['base 0', 'no-lrn 0', 'base 3', 'no-lrn 3'],
  );
  // Barely trained weights are random still, and kernels of both towers are in the table.
  const [{ found }] = rows;
  assert.equal(
    [found.towers[0].kernels.length, found.towers[1].kernels.length, found.specialized],
    [4, 4, false],
  );
  assert.ok(Math.abs(found.towers[0].mean - 2 / 3) < 0.15, `${found.towers[0].mean}`);
  const picture = await readFile(join(folder, 'out/figure3.svg'), 'utf8');
  assert.match(picture, /^<svg [^>]*xmlns=/);
  assert.is(picture.match(/<image /g)?.length, 8, 'two towers of four runs');
  assert.not.match(picture, /NaN|undefined/);
  const run = JSON.parse(await readFile(join(folder, 'out/no-lrn/seed-3/run.json'), 'utf8'));
  assert.equal(run.variant, { lrn: 'off' });
  assert.is(run.tables.architecture.layers[0].conv.kernel, 7);

  const again = await command('specialize', args, folder);
  assert.is(again.code, 0, again.output);
  assert.not.match(again.output, /epoch 1\/1/);
  assert.is(await readFile(join(folder, 'out/table.json'), 'utf8'), table);
});

test('a run with another first layer is refused', async () => {
  const args = ['--set', 'base', '--seeds', '7', ...few];
  assert.is((await command('specialize', args, folder)).code, 0);
  const other = await command('specialize', [...args, '--deviation', '0.01'], folder);
  assert.is(other.code, 1);
  assert.match(other.output, /^error: out.base.seed-7: holds a run with another tables/m);
});

test('mistakes are one clear line and exit code 1', async () => {
  for (const [args, expected] of [
    [['--set', 'no-pooling'], /^error: --set no-pooling: .*base, no-lrn, no-communication/m],
    [['--seeds', '1,1'], /^error: --seeds 1,1: 1 is there twice/m],
    [['--kernel', '6'], /^error: .*6x6 have no middle pixel; expected an odd size/m],
    [['--net', '18pct', '--set', 'base'], /^error: 18pct: has one tower; specialization is of two/m],
    [['--deviation', 'x'], /expected a number from 0/],
  ] as const) {
    const { code, output } = await command('specialize', [...args, '--out', 'none'], folder);
    assert.is(code, 1, output);
    assert.match(output, expected);
    assert.not.match(output, /\n\s+at /, 'a stack trace');
  }
});

test.run();
