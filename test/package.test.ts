/** The package as its users get it: what `exports` names is there, and its types ask for nothing of theirs. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest: Manifest = JSON.parse(read('package.json'));

test('every entry has its code and its types', () => {
  for (const [name, { types, default: code }] of Object.entries(manifest.exports)) {
    for (const file of [types, code]) assert.ok(existsSync(new URL(file, root)), `${name}: ${file}`);
  }
});

/** Declaration files reachable from one, itself included. */
function reachable(file: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(file.href)) return seen;
  seen.add(file.href);
  const text = readFileSync(file, 'utf8');
  for (const [, path = ''] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.js['"]/g)) {
    reachable(new URL(`${path}.d.ts`, file), seen);
  }
  return seen;
}

test("the types of core and nn use no types of WebGPU's or Node's, which a project needn't have", () => {
  for (const entry of ['.', './nn']) {
    const files = reachable(new URL(manifest.exports[entry]!.types, root));
    assert.ok(files.size > 10, `${entry}: ${files.size} files`);
    for (const href of files) {
      const code = readFileSync(new URL(href), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
      assert.not.match(code, /\bGPU[A-Z]\w+|\bBuffer\b|'node:/, fileURLToPath(href));
    }
  }
});

test('the types of Tensor and Device show what users may call, and no internals', () => {
  const members = (name: string): string[] => {
    const text = read(`dist/src/core/${name}.d.ts`).replace(/\/\*[\s\S]*?\*\//g, '');
    return [...text.matchAll(/^ {4}(?:static |readonly |get |set )*(\w+)[(<:]/gm)].map(
      ([, member = '']) => member,
    );
  };
  const [tensor, device] = [[...members('handle'), ...members('tensor')], members('device')];
  const open =
    'detach dispose data array item backward onGradient toString requiresGrad isLeaf name shape size grad';
  for (const name of open.split(' ')) assert.ok(tensor.includes(name), name);
  const internal =
    'empty from receive view overwrite version requireVersion requireAlive alias exclusive gradEdge attach';
  for (const name of [...internal.split(' '), 'held', 'release']) assert.not.ok(tensor.includes(name), name);
  for (const name of ['memory', 'sync', 'close', 'liveTensors']) assert.ok(device.includes(name), name);
  for (const name of 'run alloc upload receive free read lend takeBack note'.split(' '))
    assert.not.ok(device.includes(name), name);
});

/** As a project without types of Node or WebGPU has it. */
const program = `import { customOp, e, gradcheck, mul, noLeaks, openDevice, tensor, update } from 'tandem-ts';
import type { Expr, Tensor } from 'tandem-ts';
import { Module } from 'tandem-ts/nn';
const device = await openDevice('cpu:0');
const square = customOp({ op: 'square', value: (x: Expr) => e.mul(x, x), gradients: [(g, _y, x) => e.mul(g, e.mul(2, x))] });
const y: Tensor = square(tensor([1], { device }));
// @ts-expect-error two operands where one belongs
square(y, y);
// @ts-expect-error for kernels
y.view('x');
// @ts-expect-error for ops
device.run('map', {});
const pair = customOp({
  op: 'pair',
  forward: (x: Tensor) => ({ result: { twice: mul(x, 2), same: x }, saved: { x } }),
  gradient: ({ twice, same }, { x }) => [twice && same ? mul(twice, x) : null],
});
const { twice, same }: { twice: Tensor; same: Tensor } = pair(y);
update([twice, same], [1, 2], []);
await gradcheck(square, [y]);
await noLeaks(device, () => new (class extends Module {})().namedBuffers());
`;

test("a user's program compiles with the published types alone, and not where it calls internals", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-user-'));
  try {
    await mkdir(join(folder, 'node_modules'));
    await symlink(fileURLToPath(root), join(folder, 'node_modules', 'tandem-ts'));
    const options = {
      ...{ target: 'es2023', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', types: [] },
      ...{ strict: true, noEmit: true, skipLibCheck: false, preserveSymlinks: true },
    };
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'program.ts'), program);
    const config = JSON.stringify({ compilerOptions: options, files: ['program.ts'] });
    await writeFile(join(folder, 'tsconfig.json'), config);
    const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root));
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' });
    assert.is(status, 0, stdout);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('peers are optional, and tested here in the versions that users may have', () => {
  for (const [name, versions] of Object.entries(manifest.peerDependencies)) {
    assert.is(manifest.peerDependenciesMeta[name]?.optional, true, name);
    assert.is(manifest.devDependencies[name], versions, name);
  }
});

test('nothing has to be run to install it', () => {
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
    assert.not.ok(script in manifest.scripts);
});

test.run();
