/**
 * The commands that follow training, end to end as child processes on a run of three epochs: evaluate, figures, features,
 * retrieve, codes, ablations and figure1; what they write is read back, and mistakes are one clear line.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { namesFile, readFeatures } from '../../src/alexnet/features.js';
import { command, writeImages } from '../cli/commands.js';
import type { Ended } from '../support/programs.js';

const test = suite('after training');
let folder = '';

/** Runs a command that should succeed; returns what it printed. */
async function ran(name: string, ...args: string[]): Promise<string> {
  const { code, output } = await command(name, [...args, '--threads', '1'], folder);
  assert.is(code, 0, `${name} ${args.join(' ')}: ${output}`);
  return output;
}

const small = ['--data', 'images', '--epochs', '3', '--batch', '10', '--learning-rate', '0.002'];

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-after-'));
  await writeImages(folder);
  await ran('train', ...small, '--out', 'a');
  await ran('train', ...small, '--out', 'b', '--seed', '1', '--activation', 'tanh', '--towers', '1');
});
test.after(() => rm(folder, { recursive: true, force: true }));

test("evaluate: the last epoch's validation error, classes, and JSON", async () => {
  const output = await ran('evaluate', '--run', 'a/last.safetensors', '--json', 'a.json');
  const log = (await readFile(join(folder, 'a/log.jsonl'), 'utf8')).trim().split('\n');
  const { valError, valLoss } = JSON.parse(log.at(-1)!);
  const report = JSON.parse(await readFile(join(folder, 'a.json'), 'utf8'));
  assert.is(report.images, 30);
  assert.ok(Math.abs(report.top1Error - valError) < 1e-9, `${report.top1Error} is not ${valError}`);
  assert.ok(Math.abs(report.loss - valLoss) < 1e-4, `${report.loss} is not ${valLoss}`);
  assert.equal(
    report.perClass.map(({ name, images }: { name: string; images: number }) => [name, images]),
    [
      ['bars', 10],
      ['noise', 10],
      ['plain', 10],
    ],
  );
  for (const word of ['bars', 'noise', 'plain', 'top-1 error']) assert.match(output, word);
});

test('evaluate: several networks of other variants, ten crops', async () => {
  const output = await ran('evaluate', '--checkpoints', 'a,b', '--crops', '10', '--no-per-class');
  assert.match(output, /average of 2, 10 crops: top-1 error/);
  assert.is(output.match(/1 network, 10 crops/g)?.length, 2);
});

test('figures: files and a page that needs no network', async () => {
  await ran('figures', '--run', 'a', '--images', '3', '--queries', '2');
  const files = await readdir(join(folder, 'a/figures'));
  for (const name of [
    'errors.svg',
    'losses.svg',
    'figure2.svg',
    'figure3.svg',
    'figure3-colour.svg',
    'figure4-left.svg',
    'figure4-right.svg',
    'timeline.svg',
  ]) {
    assert.ok(files.includes(name), name);
    const svg = await readFile(join(folder, 'a/figures', name), 'utf8');
    assert.match(svg, /^<svg [^>]*xmlns=/, name);
    assert.not.match(svg, /NaN|undefined|Infinity/, name);
  }
  const placement = await readFile(join(folder, 'a/figures/figure2.svg'), 'utf8');
  for (const word of ['conv3', '32 kernels', 'neurons', 'kB']) assert.match(placement, word);
  const timeline = await readFile(join(folder, 'a/figures/timeline.svg'), 'utf8');
  for (const word of ['cpu:0', 'cpu:1', 'conv2 forward', 'conv2 backward']) assert.match(timeline, word);
  const page = await readFile(join(folder, 'a/figures/report.html'), 'utf8');
  assert.not.match(page, /(src|href)="(?!data:)/, 'the page loads something');
  for (const word of ['Figure 2', 'Figure 3', 'Figure 4', 'One training step']) assert.match(page, word);
});

test('figures: validation images that were trained on are told', async () => {
  await ran('figures', '--run', 'a', '--data', 'images/train', '--queries', '2', '--out', 'copies');
  const page = await readFile(join(folder, 'copies/report.html'), 'utf8');
  assert.match(page, /2 of the queries are training images themselves/);
  assert.match(page, />itself</);
});

test('figures: the errors of another run beside, each by its name; a folder without a log is named', async () => {
  const drawn = ['--run', 'a', '--images', '1', '--queries', '1', '--among', '3', '--out', 'compared'];
  await ran('figures', ...drawn, '--beside', 'b');
  const svg = await readFile(join(folder, 'compared/compared.svg'), 'utf8');
  assert.is(svg.match(/>[ab]<\/text>/g)?.length, 2, svg);
  assert.not.match(svg, /NaN|undefined|Infinity/);
  const page = await readFile(join(folder, 'compared/report.html'), 'utf8');
  const { valError } = JSON.parse(
    (await readFile(join(folder, 'b/log.jsonl'), 'utf8')).trim().split('\n').at(-1)!,
  );
  assert.match(page, new RegExp(`<td>b</td><td>3</td><td>${(100 * valError).toFixed(1)} %</td>`));
  const { code, output } = await command(
    'figures',
    ['--run', 'a', '--out', 'none', '--beside', 'images'],
    folder,
  );
  assert.is(code, 1);
  assert.match(output, /^[^\n]*images: no log of a run \(log\.jsonl\) in this folder: nothing to draw\n$/);
  assert.not.ok((await readdir(folder)).includes('none'), 'an empty folder was left');
});

test('features, retrieve and codes', async () => {
  const output = await ran('features', '--run', 'a', '--images', 'images/train', '--out', 'f.npy');
  assert.match(output, /left out: 1 unreadable image \(.*broken\.jpg/);
  await ran('features', '--run', 'a', '--images', 'images/train', '--out', 'f.safetensors');
  const [npy, safe] = [
    await readFeatures(join(folder, 'f.npy')),
    await readFeatures(join(folder, 'f.safetensors')),
  ];
  assert.equal(npy, safe);
  assert.is(npy.names.length, 90);
  assert.is(npy.width, 128);
  assert.match(await readFile(namesFile(join(folder, 'f.npy')), 'utf8'), /noise\/7\.png\n/);

  const query = 'images/train/noise/7.png';
  const found = await ran(
    'retrieve',
    '--run',
    'a',
    '--features',
    'f.npy',
    '--query',
    query,
    '--images',
    'images/train',
    '--out',
    'near.svg',
  );
  assert.match(found.split('\n')[0]!, /noise\/7\.png/);
  const near = await readFile(join(folder, 'near.svg'), 'utf8');
  assert.match(near, /<image /);
  for (const word of ['noise', '7', '(query)'])
    assert.ok(near.includes(`>${word}<`), `${word} below a picture`);

  const trained = await ran(
    'codes',
    'train',
    '--features',
    'f.npy',
    '--bits',
    '16',
    '--hidden',
    '32',
    '--epochs',
    '40',
    '--out',
    'c.safetensors',
  );
  assert.match(trained, /10 candidates {2}\d/);
  const byCode = await ran(
    'codes',
    'search',
    '--codes',
    'c.safetensors',
    '--run',
    'a',
    '--query',
    query,
    '--count',
    '40',
  );
  assert.match(byCode, /^ +0 bits /);
  await ran(
    'codes',
    'encode',
    '--codes',
    'c.safetensors',
    '--features',
    'f.safetensors',
    '--out',
    'd.safetensors',
  );
  const [c, d] = await Promise.all(['c', 'd'].map((name) => readFile(join(folder, `${name}.safetensors`))));
  assert.ok(c!.equals(d!), 'codes of the same vectors differ');
});

test('ablations: a run each, a table, and nothing trained twice', async () => {
  const args = ['--set', 'base,one-crop,no-lrn', ...small, '--epochs', '1', '--out', 'abl'];
  const output = await ran('ablations', ...args);
  assert.match(output, /no-lrn .*\+1\.4 \/ \+1\.2 \(section 3\.3\), \+1\.4 \/ \+1\.2 \(log 148\)/);
  assert.match(await readFile(join(folder, 'abl/ablations.svg'), 'utf8'), /<svg.*no-lrn/s);
  assert.is(output.match(/epoch 1\/1 {2}loss/g)?.length, 2, 'one-crop shares the run of the base');
  const again = await ran('ablations', ...args);
  assert.not.match(again, /epoch 1\/1 {2}loss/);
  assert.match(again, /^one-crop, seed 0: [\d.]+ % of the images wrong by the centre$/m);
  assert.equal(JSON.parse(await readFile(join(folder, 'abl/table.json'), 'utf8')).rows.length, 3);
  const noLrn = JSON.parse(await readFile(join(folder, 'abl/no-lrn/run.json'), 'utf8'));
  assert.equal(noLrn.variant, { lrn: 'off' });
});

test('ablations with several seeds: a folder for each, error bars, and what is more than chance', async () => {
  const args = ['--set', 'base,one-crop', ...small, '--epochs', '1', '--seeds', '0,3', '--out', 'seeds'];
  const output = await ran('ablations', ...args);
  assert.match(output, /seeds 0, 3;/);
  assert.match(output, /^base +[\d.]+ % \+-[\d.]+ .*\+0\.0 \+-0\.0/m);
  const { rows } = JSON.parse(await readFile(join(folder, 'seeds/table.json'), 'utf8'));
  assert.is(rows[1].reports.length, 2);
  for (const seed of [0, 3]) {
    const run = JSON.parse(await readFile(join(folder, `seeds/seed-${seed}/base/run.json`), 'utf8'));
    assert.is(run.seed, seed);
  }
  assert.not.match(await ran('ablations', ...args), /epoch 1\/1 {2}loss/, 'all are trained already');
});

test("ablations: a seed's images are divided as evaluate divides them", async () => {
  const few = ['--limit', '60', '--epochs', '1', '--batch', '10'];
  await ran('ablations', '--set', 'one-crop', ...few, '--seeds', '3', '--out', 'divided');
  await ran('evaluate', '--run', 'divided/seed-3/base', '--json', 'divided.json');
  const { rows } = JSON.parse(await readFile(join(folder, 'divided/table.json'), 'utf8'));
  const { images, loss } = JSON.parse(await readFile(join(folder, 'divided.json'), 'utf8'));
  assert.equal([rows[0].reports[0].images, rows[0].reports[0].loss], [images, loss]);
});

test('figure1: races to the target, goes on from its log, plots', async () => {
  const args = ['--data', 'images', '--seeds', '0', '--epochs', '2', '--target', '0.01', '--out', 'race'];
  const listed = (await ran('race', ...args, '--dry-run')).replaceAll(/\n +/g, ' ');
  assert.match(listed, /relu, tanh, abs-tanh x seed 0, \d+ images/);
  assert.match(listed, /time .* ms an image here; at most \d/);
  assert.not.match(await readdir(folder).then(String), /race/);
  assert.match(await ran('race', ...args), /abs-tanh +rate 0.02 +seed 0 +epoch +2/);
  const again = await ran('race', ...args);
  assert.not.match(again, /seed 0 +epoch/);
  assert.match(again, /times as many/);
  assert.match(await readFile(join(folder, 'race/figure1.svg'), 'utf8'), /\|tanh\| at 0.02/);
});

test('figure1: a search over starts, and the races of the start that it finds', async () => {
  const grid = [
    '--std',
    'fan-in,0.0001/0.01',
    '--input-scale',
    '1/64',
    '--bias',
    '0',
    '--activations',
    'relu,tanh',
  ];
  const few = ['--data', 'images', '--batch', '10', '--epochs', '1', '--target', '0.001', '--seeds', '4'];
  const args = [...few, ...grid, '--search', '5', '--search-limit', '20', '--out', 'grid'];
  assert.match(
    await ran('race', ...args, '--dry-run'),
    /2 starts x relu, tanh, 5 to 5 rates each, at most 20 races/,
  );
  const output = await ran('race', ...args);
  assert.match(output, /search +2 of 2: deviation 0.0001\/0.01, bias 0, pixels x 1\/64; 20 images/);
  const { races, search, start } = JSON.parse(await readFile(join(folder, 'grid/table.json'), 'utf8'));
  assert.equal(
    search.starts.map(({ tried }: { tried: Record<string, unknown[]> }) => [
      tried.relu!.length,
      tried.tanh!.length,
    ]),
    [
      [5, 5],
      [5, 5],
    ],
  );
  const chosen = search.starts.find(({ std }: { std: unknown }) => String(std) === String(start.std));
  assert.equal(
    races.map(({ rate }: { rate: number }) => rate),
    ['relu', 'tanh'].map((name) => chosen.tried[name][0].rate),
  );
  assert.not.match(await ran('race', ...args), /seed 4 +epoch/);
});

test('mistakes are one clear line and exit code 1', async () => {
  const cases: [string, string[], RegExp][] = [
    ['evaluate', [], /--run DIR/],
    ['evaluate', ['--run', 'nowhere'], /nowhere.*no such file/],
    ['evaluate', ['--run', 'a', '--crops', '5'], /Allowed choices are 1, 10/],
    ['figures', ['--run', 'images'], /images.*no checkpoint/],
    ['features', ['--run', 'a', '--images', 'images', '--out', 'f.txt'], /f\.txt.*\.npy or \.safetensors/],
    [
      'retrieve',
      ['--run', 'a', '--features', 'a/last.safetensors', '--query', 'x.png'],
      /no table of features/,
    ],
    [
      'retrieve',
      ['--run', 'a', '--features', 'f.npy', '--query', 'images/train/bars/broken.jpg'],
      /broken\.jpg.*neither a JPEG nor a PNG/,
    ],
    ['codes', ['train', '--features', 'f.npy', '--bits', '12', '--out', 'x'], /12 bits/],
    ['ablations', ['--set', 'lrn'], /lrn.*no-lrn/],
    ['ablations', ['--seeds', '0,1,0'], /^error: --seeds 0,1,0: 0 is there twice/],
    ['ablations', ['--net', '80sec', '--set', 'base,no-dropout'], /no dropout/],
    ['ablations', ['--set', 'base,no-colour'], /^error: no-colour: .*--colour-noise/],
    ['train', ['--preset', 'paper', '--net', '80sec'], /80sec.*eight layers/],
    ['race', ['--std', '0.01,fan-in'], /^error: 2 starts: a grid goes with --search/],
    ['race', ['--search', '4'], /expected a whole number from 5/],
    ['race', ['--search-limit', '10'], /--search-limit goes with --search/],
    ['race', ['--seeds', '1,1'], /^error: --seeds 1,1: 1 is there twice/],
    ['race', ['--activations', 'relu,elu'], /expected some of relu, tanh, abs-tanh/],
    ['race', ['--std', '1/2/3'], /expected fan-in, a number, or conv1's\/the others'/],
    ['race', ['--input-scale', '1/0'], /expected a number above 0, or a fraction such as 1\/64/],
  ];
  for (const [name, args, expected] of cases) {
    const { code, output }: Ended = await command(name, args, folder);
    assert.is(code, 1, `${name} ${args.join(' ')}: ${output}`);
    assert.match(output, expected, `${name} ${args.join(' ')}`);
    assert.not.match(output, /\n\s+at /, `${name} printed a stack trace`);
  }
});

test.run();
