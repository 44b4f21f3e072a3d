/**
 * docs/interop.md, run: its blocks one after the other in a folder with the files that they name. What a block of
 * TypeScript prints is what stands behind its `console.log`; Python's run where it has PyTorch (and safetensors).
 */
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tablesOf } from '../src/alexnet/description.js';
import { loadClassifier } from '../src/alexnet/evaluation.js';
import { type ExportedDescription, withDropoutForm } from '../src/alexnet/weights/exported.js';
import { fitWeights } from '../src/alexnet/weights/fit.js';
import { openWeights } from '../src/alexnet/weights/open.js';
import { tensor } from '../src/core/ops/create.js';
import { encodeNpy } from '../src/formats/npy.js';
import { decodeNpz, encodeNpz } from '../src/formats/npz.js';
import { encodeSafetensors } from '../src/formats/safetensors.js';
import { decodeTorch } from '../src/formats/torch.js';
import * as nn from '../src/nn/index.js';
import type { HostTensor, StateDict } from '../src/nn/module.js';
import { root } from '../support/root.js';
import { narrowFile, narrowImages, narrowState } from './alexnet/weights/narrow.js';
import { command, writeImages } from './cli/commands.js';
import { field, message } from './formats/protobufWriter.js';
import { stateDictFile } from './formats/torchWriter.js';
import { withDevices } from './support/devices.js';
import { pythonWith, runPython } from './support/python.js';

const test = suite('interop.md');
const text = await readFile(join(root, 'docs/interop.md'), 'utf8');
const python = pythonWith('torch', "interop.md's Python");
const safetensors = python && pythonWith('torch, safetensors', "interop.md's safetensors in PyTorch");

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-interop-'));
  await writeImages(folder);
  await copyFile(join(folder, 'images/val/bars/0.png'), join(folder, 'cat.png'));
  await copyFile(join(root, 'examples/exported.py'), join(folder, 'exported.py'));
  await mkdir(join(root, 'dist/interop'), { recursive: true });
  const files: Record<string, string | Uint8Array | Uint8Array[]> = {
    'names.txt': ['bars', 'noise', 'plain', ...'defghij'].join('\n'),
    'alexnet.pth': stateDictFile(narrowFile('torchvision')),
    'checkpoint.pt': stateDictFile(
      new Map([
        ['0.weight', counting(8, 3, 3, 3)],
        ['0.bias', counting(8)],
        ['4.weight', counting(10, 512)],
        ['4.bias', counting(10)],
      ]),
      'model',
    ),
    'model-1.safetensors': one('conv.weight', counting(2, 2)),
    'model-2.safetensors': one('head.weight', counting(3)),
    'model.safetensors.index.json': JSON.stringify({
      weight_map: { 'conv.weight': 'model-1.safetensors', 'head.weight': 'model-2.safetensors' },
    }),
    ...tensorflowJs,
    'net.caffemodel': caffemodel,
  };
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  const { code, output } = await command(
    'train',
    ['--data', 'images', '--epochs', '1', '--threads', '1', '--out', 'run'],
    folder,
  );
  assert.is(code, 0, output);
});
test.after(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(join(root, 'dist/interop'), { recursive: true, force: true });
});

function counting(...shape: number[]): HostTensor {
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i) };
}

const one = (name: string, tensor: HostTensor): Uint8Array[] =>
  encodeSafetensors({ tensors: new Map([[name, tensor]]), metadata: {} });

/** A layers model: two 4x4 kernels, of ones and of twos less in one place, and their biases. */
const tensorflowJs = ((): Record<string, string | Uint8Array> => {
  const kernel = Float32Array.from({ length: 96 }, (_, i) => (i % 2 === 0 ? 1 : 1.5));
  const numbers = Float32Array.of(...kernel, -4, -2);
  const layers = [
    { class_name: 'InputLayer', config: { name: 'in', batch_input_shape: [null, 4, 4, 3] } },
    { class_name: 'Conv2D', config: { name: 'conv', filters: 2, kernel_size: [4, 4], activation: 'relu' } },
    { class_name: 'Flatten', config: { name: 'flat' } },
  ];
  const weights = [
    { name: 'conv/kernel', shape: [4, 4, 3, 2], dtype: 'float32' },
    { name: 'conv/bias', shape: [2], dtype: 'float32' },
  ];
  const model = {
    format: 'layers-model',
    modelTopology: { class_name: 'Sequential', config: { name: 'net', layers } },
    weightsManifest: [{ paths: ['group1-shard1of1.bin'], weights }],
  };
  return { 'model.json': JSON.stringify(model), 'group1-shard1of1.bin': new Uint8Array(numbers.buffer) };
})();

const caffemodel = ((): Uint8Array => {
  const blob = (...shape: number[]): number[] => {
    const { data } = counting(...shape);
    return field.message(7, field.message(7, field.packedInts(1, shape)), field.packedFloats(5, [...data]));
  };
  return message(
    field.message(100, field.text(1, 'conv1'), field.text(2, 'Convolution'), blob(2, 3, 1, 1), blob(2)),
    field.message(100, field.text(1, 'fc2'), field.text(2, 'InnerProduct'), blob(2, 2), blob(2)),
  );
})();

/** A block of the document, and those of its language before it in its section. */
interface Block {
  readonly section: string;
  readonly language: string;
  readonly code: string;
  readonly before: string;
}

const blocks = text.split(/^## /m).flatMap((part): Block[] => {
  const section = part.slice(0, part.indexOf('\n'));
  const found = [...part.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  return found.map(([, language = '', code = ''], i) => {
    const before = found
      .slice(0, i)
      .flatMap(([, other, earlier = '']) => (other === language ? [earlier] : []));
    return { section, language, code, before: before.join('\n') };
  });
});

for (const [number, { section, language, code, before }] of blocks.entries()) {
  test(`${section}: block ${number + 1}, ${language}`, async () => {
    if (language === 'sh') return runCommands(code);
    if (language === 'python') return runBlock(code, before);
    const script = join(root, 'dist/interop', `${number}.mjs`);
    await writeFile(script, code);
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, FORCE_COLOR: '0' },
    });
    assert.is(status, 0, stderr);
    const expected = [...code.matchAll(/^.*console\.log\(.*\); \/\/ (.*)$/gm)].map(([, printed]) => printed);
    assert.equal(stdout.trimEnd().split('\n'), expected);
  });
}

async function runCommands(code: string): Promise<void> {
  for (const line of code.trimEnd().split('\n')) {
    const [, name = '', rest = ''] = /^npx tandem (\w+) (.*)$/.exec(line) ?? [];
    if (rest.includes('net.pt') && python === null) continue;
    const { code: ended, output } = await command(name, rest.split(' '), folder);
    assert.is(ended, 0, `${line}: ${output}`);
  }
}

function runBlock(code: string, before: string): void {
  const chosen = code.includes('safetensors') ? safetensors : python;
  if (chosen === null) return;
  runPython(chosen, '-c', `import os; os.chdir(${JSON.stringify(folder)})\n${before}\n${code}`);
}

test('what went to PyTorch and came back is the same to the bit', async () => {
  if (python === null) return;
  const sent = await decodeNpz(await readFile(join(folder, 'net.npz')), 'net.npz');
  const back = decodeTorch(await readFile(join(folder, 'net.pt')), 'net.pt');
  assert.equal(sorted(back), sorted(sent));
});

test("the two-tower AlexNet, narrow, trained in the paper's form: PyTorch's logits, and the same bits back", async () => {
  const held = narrowState('alexnet');
  const { net, mean } = fitWeights({ file: 'w', tensors: held }, { kind: 'alexnet' });
  const { architecture } = net;
  const about: ExportedDescription = {
    network: 'alexnet',
    checkpoint: 'none',
    epochs: 0,
    dropout: 'inverted',
    input: {
      shape: ['N', 3, 224, 224],
      pixels: '',
      scale: [1, 0.5, 0.25],
      mean: 'towers.mean.npy',
      imageSize: 256,
    },
    classes: [...'abcdefghij'],
    tables: tablesOf(net, 10),
  };
  const images = narrowImages(224);
  const written: Record<string, string | Uint8Array | Uint8Array[]> = {
    'towers.json': JSON.stringify(about),
    'towers.npz': encodeNpz(withDropoutForm(architecture, held, 'paper', 'inverted')),
    'towers.mean.npy': encodeNpy({ shape: [3, 256, 256], data: mean }),
    'images.bin': images,
  };
  for (const [name, bytes] of Object.entries(written)) await writeFile(join(folder, name), bytes);
  const opened = await openWeights(join(folder, 'towers.npz'));
  let logits = new Float32Array();
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    logits = Float32Array.from(await loadClassifier(opened, devices).predict({ images }).data());
  });
  if (python === null) return;
  const printed = runPython(
    python,
    '-c',
    `import os; os.chdir(${JSON.stringify(folder)})
import json, numpy, torch
from exported import load
net, prepare = load("towers")
images = torch.from_numpy(numpy.fromfile("images.bin", numpy.uint8)).reshape(2, 3, 224, 224)
print(json.dumps(net(prepare(images)).flatten().tolist()))
torch.save(net.state_dict(), "towers.pt")`,
  );
  const theirs: number[] = JSON.parse(printed);
  const largest = Math.max(...theirs.map(Math.abs));
  for (const [i, value] of theirs.entries())
    assert.ok(Math.abs(value - logits[i]!) < 1e-5 * largest, `${i}: ${logits[i]} for ${value}`);
  const back = await openWeights(join(folder, 'towers.pt'));
  assert.is(back.kind, 'exported');
  assert.equal(sorted(withDropoutForm(architecture, back.parameters, 'inverted', 'paper')), sorted(held));
});

test('modules of all kinds go to PyTorch under its names, running statistics too, and compute the same there', async () => {
  if (python === null) return;
  await withDevices([{ threads: 1 }], async (device) => {
    const net = new nn.Sequential(
      new nn.Conv2d(3, 4, 3, { device }),
      new nn.BatchNorm2d(4, { device }),
      new nn.ReLU(),
      new nn.GroupNorm(2, 4, { device }),
      new nn.ConvTranspose2d(4, 2, 2, { device }),
      new nn.Flatten(),
      new nn.Linear(98, 6, { device }),
      new nn.LayerNorm(6, { device }),
    );
    const x = tensor(
      Float32Array.from({ length: 192 }, (_, i) => (i % 17) / 17),
      { shape: [1, 3, 8, 8], device },
    );
    net.forward(x); // in training: its statistics move
    const ours = await net.eval().forward(x).data();
    await writeFile(join(folder, 'modules.npz'), encodeNpz(await net.stateDict()));
    const printed = runPython(
      python,
      '-c',
      `import os; os.chdir(${JSON.stringify(folder)})
import json, numpy, torch
from torch import nn
net = nn.Sequential(
    nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.GroupNorm(2, 4), nn.ConvTranspose2d(4, 2, 2),
    nn.Flatten(), nn.Linear(98, 6), nn.LayerNorm(6),
)
net.load_state_dict({name: torch.from_numpy(array) for name, array in numpy.load("modules.npz").items()})
x = (torch.arange(192) % 17 / 17).reshape(1, 3, 8, 8)
print(json.dumps(net.eval()(x).flatten().tolist()))`,
    );
    const theirs: number[] = JSON.parse(printed);
    for (const [i, value] of theirs.entries())
      assert.ok(Math.abs(value - ours[i]!) < 1e-4, `${value} ${ours[i]}`);
  });
});

const sorted = (state: StateDict): [string, HostTensor][] =>
  [...state]
    .map(([name, { shape, data }]): [string, HostTensor] => [name, { shape: [...shape], data }])
    .sort(([a], [b]) => (a < b ? -1 : 1));

test.run();
