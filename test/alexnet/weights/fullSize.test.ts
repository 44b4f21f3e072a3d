/**
 * At full size, where Python has torchvision: its AlexNet of 61 million random weights gives the same logits here, and
 * the two-tower AlexNet goes to PyTorch and comes back with the same bits.
 */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tablesOf } from '../../../src/alexnet/description.js';
import { loadClassifier } from '../../../src/alexnet/evaluation.js';
import { Network } from '../../../src/alexnet/network.js';
import { nets } from '../../../src/alexnet/recipes.js';
import { type ExportedDescription, withDropoutForm } from '../../../src/alexnet/weights/exported.js';
import { openWeights } from '../../../src/alexnet/weights/open.js';
import { encodeNpy } from '../../../src/formats/npy.js';
import { encodeNpz } from '../../../src/formats/npz.js';
import type { StateDict } from '../../../src/nn/module.js';
import { root } from '../../../support/root.js';
import { withDevices } from '../../support/devices.js';
import { pythonWith, runPython } from '../../support/python.js';
import { narrowImages } from './narrow.js';

const test = suite('weights at full size');
const python = pythonWith('torchvision', 'AlexNet at full size in PyTorch');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-full-'));
  await copyFile(join(root, 'examples/exported.py'), join(folder, 'exported.py'));
  await writeFile(join(folder, 'images.bin'), narrowImages(224));
});
test.after(() => rm(folder, { recursive: true, force: true }));

const run = (python: string, script: string): string =>
  runPython(python, '-c', `import os; os.chdir(${JSON.stringify(folder)})\n${script}`);

test('torchvision: the same logits', async () => {
  if (python === null) return;
  const printed = run(
    python,
    `import json, numpy, torch, torchvision
torch.manual_seed(7)
net = torchvision.models.alexnet().eval()
torch.save(net.state_dict(), "alexnet.pth")
images = torch.from_numpy(numpy.fromfile("images.bin", numpy.uint8)).reshape(2, 3, 224, 224)
normalize = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
with torch.no_grad():
    print(json.dumps(net(normalize(images.float() / 255)).flatten().tolist()))`,
  );
  const theirs: number[] = JSON.parse(printed);
  const opened = await openWeights(join(folder, 'alexnet.pth'));
  assert.is(opened.kind, 'torchvision');
  assert.is(opened.run.classes.length, 1000);
  await withDevices([{}], async (device) => {
    const logits = await loadClassifier(opened, [device])
      .predict({ images: narrowImages(224) })
      .data();
    const largest = Math.max(...theirs.map(Math.abs));
    const off = theirs.map((value, i) => Math.abs(value - logits[i]!) / largest);
    assert.ok(Math.max(...off) < 1e-5, `${Math.max(...off)}`);
  });
});

test('two towers: to PyTorch and back, bits equal', async () => {
  if (python === null) return;
  const { architecture, placement } = nets.alexnet;
  let held: StateDict = new Map();
  await withDevices([{}], async (device) => {
    const network = new Network({ architecture, placement: placement(1000), devices: [device], seed: 4 });
    held = await network.stateDict();
  });
  const side = 256;
  const about: ExportedDescription = {
    ...{ network: 'alexnet', checkpoint: 'none', epochs: 0, dropout: 'inverted' },
    input: { shape: ['N', 3, 224, 224], pixels: '', scale: 1, mean: 'towers.mean.npy', imageSize: side },
    classes: Array.from({ length: 1000 }, (_, i) => `${i}`),
    tables: tablesOf(nets.alexnet, 1000),
  };
  const mean = { shape: [3, side, side], data: new Float32Array(3 * side * side) };
  await writeFile(join(folder, 'towers.json'), JSON.stringify(about));
  await writeFile(join(folder, 'towers.mean.npy'), encodeNpy(mean));
  const sent = withDropoutForm(architecture, held, 'paper', 'inverted');
  await writeFile(join(folder, 'towers.npz'), encodeNpz(sent));
  run(
    python,
    `import torch
from exported import load
net, prepare = load("towers")
torch.save(net.state_dict(), "towers.pt")`,
  );
  const { parameters } = await openWeights(join(folder, 'towers.pt'));
  const back = withDropoutForm(architecture, parameters, 'inverted', 'paper');
  assert.equal([...back.keys()], [...held.keys()]);
  for (const [name, { shape, data }] of held) {
    const returned = back.get(name);
    assert.equal(returned?.shape, shape);
    const bits = [data, returned!.data].map((x) => Buffer.from(x.buffer, x.byteOffset, x.byteLength));
    assert.ok(bits[0]!.equals(bits[1]!), name);
  }
});

test.run();
