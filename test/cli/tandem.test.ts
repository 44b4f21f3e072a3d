/**
 * The command as the package has it: packed, unpacked into a project that has its dependencies alone, and run there.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeNpy, decodeSafetensors } from '../../src/formats/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const manifest: {
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
} = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

const test = suite('tandem');
let folder = '';

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-packed-'));
  // The build is there already: no script has to run.
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, 'tandem-ts'), { recursive: true });
  execFileSync('tar', [
    'xzf',
    join(folder, packed.trim()),
    '--strip-components=1',
    '-C',
    join(modules, 'tandem-ts'),
  ]);
  for (const name of Object.keys(manifest.dependencies)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  // As npm links what `bin` names.
  await mkdir(join(modules, '.bin'));
  const program = join(modules, 'tandem-ts', manifest.bin.tandem ?? '');
  await chmod(program, 0o755);
  await symlink(program, join(modules, '.bin', 'tandem'));
});
test.after(() => rm(folder, { recursive: true, force: true }));

function tandem(args: readonly string[], script = 'npx'): { code: number | null; output: string } {
  const env = { ...process.env, npm_lifecycle_event: script };
  const { status, stdout, stderr } = spawnSync(join(folder, 'node_modules', '.bin', 'tandem'), args, {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  return { code: status, output: stdout + stderr };
}

function ran(...args: string[]): string {
  const { code, output } = tandem(args);
  assert.is(code, 0, `${args.join(' ')}: ${output}`);
  return output;
}

const subcommands =
  'train evaluate classify export prepare devices figures race ablations specialize features retrieve codes'.split(
    ' ',
  );

test('--help of each subcommand: how it is typed, examples, within 80 columns', () => {
  const overview = ran('--help');
  assert.is(tandem([]).output, overview);
  for (const name of subcommands) {
    assert.match(overview, new RegExp(`^  ${name} `, 'm'));
    const help = ran(name, '--help');
    assert.match(help, new RegExp(`^Usage: npx tandem ${name} `));
    assert.match(help, new RegExp(`\nExamples:\n  npx tandem ${name}`));
    for (const line of help.split('\n')) assert.ok(line.length <= 80, line);
  }
  assert.match(ran('codes', 'search', '--help'), /^Usage: npx tandem codes search /);
  assert.is(ran('help', 'train'), ran('train', '--help'));
  assert.is(ran('train', '--', '--help'), ran('train', '--help'));
  assert.match(ran('codes', 'encode', '--help'), /\nExamples:\n {2}npx tandem codes encode --codes/);
  assert.match(tandem(['train', '--help'], 'train').output, /^Usage: npm run train -- \[options\]/);
});

test('mistyped names get a hint', () => {
  for (const [args, message] of [
    [['trian'], /unknown command 'trian' \(did you mean train\?\)/],
    [['clasify', 'x.png'], /unknown command 'clasify' \(did you mean classify\?\)/],
    [['train', '--epoch', '3'], /unknown option '--epoch' \(did you mean --epochs\?\)/],
    [['codes', 'serch'], /unknown command 'serch' \(did you mean search\?\)/],
  ] as const) {
    const { code, output } = tandem(args);
    assert.is(code, 1);
    assert.match(output, message);
  }
});

test('devices lists the CPU', () => {
  assert.match(ran('devices'), /cpu:0, cpu:1, \.\.\n {2}.* threads/);
});

test('trains, classifies and exports', async () => {
  ran('train', '--epochs', '1', '--limit', '100', '--threads', '1', '--out', 'run');

  const data = Uint8Array.from({ length: 48 * 40 * 3 }, (_, i) => (i % 7) * 30);
  await writeFile(join(folder, 'a.png'), encode({ width: 48, height: 40, data, channels: 3, depth: 8 }));
  const output = ran('classify', 'a.png', 'a.png', '--run', 'run', '--out', 'answers.svg');
  const shares = Array.from(output.matchAll(/^ +([\d.]+) % {2}[a-z]+$/gm), ([, share]) => Number(share));
  assert.is(shares.length, 10, output);
  assert.equal(
    shares.slice(0, 5),
    shares.slice(0, 5).toSorted((a, b) => b - a),
  );
  assert.equal(shares.slice(5), shares.slice(0, 5));
  assert.match(await readFile(join(folder, 'answers.svg'), 'utf8'), /<svg.*data:image.*>a<.*%</s);

  await writeFile(join(folder, 'b.png'), 'no picture');
  const refused = tandem(['classify', 'b.png', '--run', 'run']);
  assert.is(refused.code, 1);
  assert.match(refused.output, /^error: b\.png: 1 unreadable image/);

  for (const name of ['m.onnx', 'm.safetensors', 'm.npz']) ran('export', '--run', 'run', '--out', name);
  const weights = decodeSafetensors(await readFile(join(folder, 'm.safetensors')), 'm').tensors;
  assert.equal(weights.get('conv2.weight')?.shape, [48, 12, 5, 5]);
  assert.equal(decodeNpy(await readFile(join(folder, 'm.mean.npy')), 'mean').shape, [3, 32, 32]);
  const about = JSON.parse(await readFile(join(folder, 'm.json'), 'utf8'));
  assert.equal(about.input.shape, ['N', 3, 32, 32]);
  assert.is(about.classes.length, 10);
  assert.match(tandem(['export', '--run', 'run', '--out', 'm.pt']).output, /\.onnx, \.safetensors, \.npz/);
});

test('what the package lacks is named with the way to it', () => {
  for (const [args, message] of [
    [['figures', '--run', 'run'], /npm install @observablehq\/plot linkedom/],
    [['race', '--limit', '20'], /npm install @observablehq\/plot linkedom/],
    [['bench', '--quick'], /clone the repository/],
  ] as const) {
    const { code, output } = tandem(args);
    assert.is(code, 1, output);
    assert.match(output, /^error: .*\n$/);
    assert.match(output, message);
  }
});

test.run();
