/**
 * `evaluate` and `classify` on weights from elsewhere: what they take them for, names of classes, and what was exported
 * comes back with the same errors.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeNpz } from '../../src/formats/npz.js';
import { narrowFile } from '../alexnet/weights/narrow.js';
import { command, writeImages } from './commands.js';

const test = suite('weights on the command line');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-weights-'));
  await writeImages(folder);
  for (const kind of ['torchvision', 'caffenet'] as const)
    await writeFile(join(folder, `${kind}.npz`), Buffer.concat(encodeNpz(narrowFile(kind))));
  const names = ['bars', 'noise', 'plain', ...'defghij'];
  await writeFile(join(folder, 'names.txt'), `${names.join('\n')}\n`);
});
test.after(() => rm(folder, { recursive: true, force: true }));

/** What a command prints, blanks and line ends as one blank; it must succeed. */
async function ran(name: string, ...args: string[]): Promise<string> {
  const { code, output } = await command(name, args, folder);
  assert.is(code, 0, `${name} ${args.join(' ')}: ${output}`);
  return output.replace(/\s+/g, ' ');
}

async function refused(name: string, ...args: string[]): Promise<string> {
  const { code, output } = await command(name, args, folder);
  assert.is(code, 1, output);
  return output;
}

const picture = 'images/val/bars/0.png';

test('classify: five classes, by number or by name', async () => {
  const numbered = await ran('classify', picture, '--weights', 'torchvision.npz');
  assert.match(numbered, /weights torchvision\.npz: torchvision, torchvision's AlexNet/);
  assert.match(
    numbered,
    /224 x 224 of the centre, RGB \/ 255, less 0\.485, 0\.456, 0\.406, divided by 0\.229/,
  );
  assert.match(
    numbered,
    /classes 10, by number alone: ImageNet's names don't come with this package; --labels/,
  );
  assert.is(numbered.match(/[\d.]+ % class \d/g)?.length, 5, numbered);
  const named = await ran('classify', picture, '--weights', 'torchvision.npz', '--labels', 'names.txt');
  assert.match(named, /classes 10, named by names\.txt/);
  assert.is(named.match(/[\d.]+ % (bars|noise|plain|[d-j])(?= |$)/g)?.length, 5, named);
});

test('evaluate: images of the classes that the labels name', async () => {
  const output = await ran(
    'evaluate',
    ...['--weights', 'caffenet.npz', '--as', 'caffenet', '--labels', 'names.txt', '--data', 'images'],
  );
  assert.match(output, /weights caffenet\.npz: caffenet, Caffe's reference CaffeNet/);
  assert.match(output, /images .*: 30, 10 classes/);
  assert.match(output, /1 network, 1 crop: top-1 error [\d.]+ % top-5 error/);
});

test('what is missing is asked for', async () => {
  const weights = ['--weights', 'torchvision.npz'];
  assert.match(await refused('evaluate', ...weights), /^error: --weights: give --data FOLDER/m);
  assert.match(await refused('evaluate', ...weights, '--data', 'images'), /3 classes, .* tells 10 by number/);
  assert.match(await refused('evaluate', '--weights', 'caffenet.npz'), /say which of bvlc-alexnet, caffenet/);
  assert.match(await refused('classify', picture), /^error: give --run DIR, or --weights FILE/m);
  const both = await refused('classify', picture, '--run', 'r', '--labels', 'names.txt');
  assert.match(both, /--labels belongs to --weights/);
});

test('what was exported comes back with the same errors', async () => {
  await ran('train', '--data', 'images', '--epochs', '1', '--threads', '1', '--out', 'run');
  const checkpoint = await refused('evaluate', '--weights', 'run/last.safetensors', '--data', 'images');
  assert.match(
    checkpoint,
    /last\.safetensors: the checkpoint of a run, with more than weights: open it as a run/,
  );
  const [before] = /1 network.*/.exec(await ran('evaluate', '--run', 'run')) ?? ['none'];
  for (const name of ['m.safetensors', 'm.npz', 'm.onnx']) {
    await ran('export', '--run', 'run', '--out', name);
    const output = await ran('evaluate', '--weights', name, '--data', 'images');
    assert.match(output, new RegExp(`weights ${name}: exported, small, as m\\.json describes it`));
    assert.is(/1 network.*/.exec(output)?.[0], before);
  }
});

test('train begins with weights that fit, in their network, and goes on from its own checkpoint', async () => {
  const weights = ['--weights', 'torchvision.npz', '--data', 'images'];
  const output = await ran('train', ...weights, '--epochs', '1', '--batch', '45', '--out', 'tuned');
  assert.match(output, /network torchvision: a network of one's own; [\d,]+ parameters/);
  assert.match(output, /14 parameters begin as torchvision\.npz has them; fc8\.weight, fc8\.bias drawn anew/);
  assert.match(await ran('evaluate', '--run', 'tuned', '--no-per-class'), /1 network, 1 crop: top-1 error/);
  const more = await ran('train', '--resume', 'tuned', '--epochs', '2');
  assert.match(more, /resuming after epoch 1/);
  assert.not.match(more, /parameters begin as/);
  assert.match(await refused('train', ...weights, '--net', 'small'), /--net and --weights: the weights have/);
});

test.run();
