/**
 * A user's page built by each bundler, unconfigured or with what the README says, and opened in headless Chromium: two
 * towers train a step, to the bits that Node gets. The bundlers are a package of their own: `npm --prefix test/bundlers ci`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launch, longestWait, warnOfNone } from '../../support/chromium.js';
import { root } from '../../support/root.js';
import { serveFolder } from '../../support/serve.js';

const home = join(root, 'test/bundlers');
const modules = join(home, 'node_modules');
const bin = (name: string): string => join(modules, '.bin', name);

/** What a project gives its bundler: the program and arguments, from a folder that holds the page, to `out`. */
const bundlers: Readonly<Record<string, (out: string) => readonly string[]>> = {
  vite: (out) => [bin('vite'), 'build', '.', '--outDir', out, '--base', './'],
  'vite 5': (out) => [
    process.execPath,
    join(modules, 'vite5/bin/vite.js'),
    'build',
    '.',
    '--outDir',
    out,
    '--base',
    './',
  ],
  webpack: (out) => [bin('webpack'), '--mode', 'production', '--entry', './page.js', '-o', out],
  esbuild: (out) => [
    bin('esbuild'),
    'pageWithWorker.js',
    'worker.js',
    ...['--bundle', '--format=esm', '--splitting', `--outdir=${out}`],
  ],
  rollup: (out) => [
    bin('rollup'),
    ...['-i', 'pageWithWorker.js', '-i', 'worker.js', '-d', out, '-f', 'es'],
    ...['-p', 'node-resolve={browser:true}', '-p', 'commonjs'],
  ],
};

/** The page's script, where a bundler writes no page. */
const scripts: Readonly<Record<string, string>> = {
  webpack: 'main.js',
  esbuild: 'pageWithWorker.js',
  rollup: 'pageWithWorker.js',
};

const test = suite('bundlers');
const browser = existsSync(modules) ? await launch() : null;
if (browser === null) {
  console.warn('\nBUNDLERS SKIPPED: they are not installed; npm --prefix test/bundlers ci installs them.\n');
} else if (typeof browser === 'string') warnOfNone(browser);
else {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-bundlers-'));
  test.after(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  // A project with the package in its node_modules, as npm links one.
  const project = join(folder, 'project');
  await mkdir(join(project, 'node_modules'), { recursive: true });
  await symlink(root, join(project, 'node_modules/tandem-ts'));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  for (const name of ['index.html', 'main.js', 'page.js', 'pageWithWorker.js', 'worker.js'])
    await copyFile(join(home, 'program', name), join(project, name));

  /** What the program says in Node: the losses of its steps. */
  const inNode = await run([
    process.execPath,
    '-e',
    "import('./main.js').then(({ run }) => run({ wide: false, deterministic: true })).then(console.log)",
  ]);

  function run([command = '', ...args]: readonly string[]): Promise<string> {
    const child = spawn(command, args, { cwd: project });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    return new Promise((resolve, reject) => {
      child.on('exit', (code) =>
        code === 0 ? resolve(text) : reject(new Error(`${command} ${args.join(' ')}: ${text}`)),
      );
    });
  }

  for (const [name, argsOf] of Object.entries(bundlers)) {
    test(`${name}: two towers train in the page that it builds`, async () => {
      const out = join(folder, name.replace(' ', ''));
      const printed = await run(argsOf(out));
      assert.not.match(printed, /node:/, `${name} met modules of Node`);
      const script = scripts[name];
      if (script)
        await writeFile(
          join(out, 'index.html'),
          `<title>waiting</title><script type="module" src="./${script}"></script>`,
        );
      const server = await serveFolder(out);
      const tab = await browser.newPage();
      await tab.goto(`${server.origin}/index.html`);
      await tab.waitForFunction('document.title.length > 0 && document.title !== "waiting"', undefined, {
        timeout: longestWait,
      });
      const title = await tab.title();
      await tab.close();
      server.close();
      assert.match(title, /^CPU, 1 thread, /);
      assert.is(lossesOf(title), lossesOf(inNode));
    });
  }
}

const lossesOf = (text: string): string | undefined => text.split('; ')[1];

test.run();
