/**
 * The library in a browser, as a page imports it: `dist/` behind a static server and an import map, driven in headless
 * Chromium. CPU devices need shared memory, so the server sends the headers that isolate a page; WebGPU is tried where
 * this Chromium has it.
 */
import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { conv2d, openDevice, tensor } from '../../src/index.js';
import { launch, longestWait, warnOfNone } from '../../support/chromium.js';
import { serve } from '../../support/serve.js';

const page = `<!doctype html><meta charset="utf-8"><title>Tandem</title>
<script type="importmap">
{ "imports": {
  "tandem-ts": "/src/index.js", "tandem-ts/nn": "/src/nn/index.js", "tandem-ts/formats": "/src/formats/index.js",
  "tandem-ts/data": "/src/data/browser.js", "tandem-ts/train": "/src/train/browser.js",
  "tandem-ts/alexnet": "/src/alexnet/browser.js", "pbf": "/node_modules/pbf/index.js"
} }
</script>
<script type="module">
  import * as tandem from 'tandem-ts';
  import * as nn from 'tandem-ts/nn';

  /** Fits x^2 on a device; the losses of the first and the last step. */
  async function train(device) {
    const { mean, mul, sub, randn, scope, manualSeed } = tandem;
    manualSeed(1);
    const model = new nn.Sequential(
      new nn.Linear(1, 16, { device }), new nn.ReLU(), new nn.Linear(16, 1, { device }));
    const optimizer = new nn.SGD([{ params: model.parameters(), learningRate: 0.05, weightDecay: 0 }]);
    const losses = [];
    for (let step = 0; step < 40; step++) {
      losses.push(await scope(() => {
        const x = randn([32, 1], { device });
        const error = sub(model.forward(x), mul(x, x));
        const loss = mean(mul(error, error));
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        return loss.item();
      }));
    }
    return [losses[0], losses.at(-1)];
  }

  async function use(name, options) {
    const device = await tandem.openDevice(name, options);
    const a = tandem.tensor([[1, 2], [3, 4]], { device });
    const product = [...await tandem.matmul(a, a).data()];
    const x = tandem.tensor(Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => (i % 7) - 3), { shape: [2, 3, 8, 8], device });
    const weight = tandem.tensor(Float32Array.from({ length: 4 * 3 * 9 }, (_, i) => (i % 5) - 2), { shape: [4, 3, 3, 3], device });
    const conv = [...await tandem.conv2d(x, weight, { padding: 1 }).data()];
    const losses = await train(device);
    await device.close();
    return { description: device.description, product, conv, losses };
  }

  /** Gradients of w and v after 50 crossings there and back between two CPU devices. */
  async function cross() {
    const { exchange, mul, openDevice, sum, tensor, to } = tandem;
    const devices = [await openDevice('cpu:0', { threads: 1 }), await openDevice('cpu:1', { threads: 2 })];
    const [w, v] = devices.map((device) => tensor([[1, 2]], { device, requiresGrad: true }));
    for (let i = 0; i < 50; i++) {
      const [, joined] = exchange([mul(w, 2), mul(v, 3)]);
      sum(to(joined, devices[0])).backward();
    }
    const gradients = [[...await w.grad.data()], [...await v.grad.data()]];
    for (const device of devices) await device.close();
    return gradients;
  }

  /** What a worker of the page answers that multiplies two matrices. */
  async function inWorker(kind) {
    const script = '/test/browser/product.js';
    if (kind === 'dedicated') {
      const worker = new Worker(script, { type: 'module' });
      return new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); worker.postMessage(null); });
    }
    const channel = new MessageChannel();
    const answer = new Promise((resolve) => { channel.port1.onmessage = ({ data }) => resolve(data); });
    if (kind === 'shared') new SharedWorker(script, { type: 'module' }).port.postMessage(null, [channel.port2]);
    else {
      const registration = await navigator.serviceWorker.register(script, { type: 'module' });
      const worker = registration.installing ?? registration.waiting ?? registration.active;
      worker.postMessage(null, [channel.port2]);
    }
    return answer;
  }

  globalThis.tandem = { use, cross, inWorker, listAdapters: tandem.listAdapters };
</script>`;

const test = suite('browser');
const browser = await launch();

if (typeof browser === 'string') {
  warnOfNone(browser);
} else {
  const cdn = await serve({});
  const elsewhere = page.replaceAll('"/src/', `"${cdn.origin}/src/`);
  const server = await serve({
    '/': { html: page },
    '/plain': { html: page, isolated: false },
    '/elsewhere': { html: elsewhere },
  });
  test.after(async () => {
    await browser.close();
    server.close();
    cdn.close();
  });

  /** Opens a path, and evaluates an expression there once its module has run. */
  const inPage = async (path: string, expression: string): Promise<unknown> => {
    const tab = await browser.newPage();
    const problems: string[] = [];
    tab.on('pageerror', (error) => problems.push(error.message));
    try {
      await tab.goto(server.origin + path);
      await tab.waitForFunction('globalThis.tandem !== undefined', undefined, { timeout: longestWait });
      return await tab.evaluate(expression);
    } catch (error) {
      throw new Error(`${problems.join('; ')} ${error}`);
    } finally {
      await tab.close();
    }
  };

  interface Used {
    readonly description: string;
    readonly product: number[];
    readonly conv: number[];
    readonly losses: [first: number, last: number];
  }

  const use = async (name: string, options: object, path = '/'): Promise<Used> =>
    JSON.parse(
      String(
        await inPage(
          path,
          `tandem.use('${name}', ${JSON.stringify(options)}).then((used) => JSON.stringify(used))`,
        ),
      ),
    );

  function check({ product, conv, losses }: Used, expected: readonly number[]): void {
    assert.equal(product, [7, 10, 15, 22]);
    assert.is(conv.length, expected.length);
    for (const [i, value] of conv.entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-4, `element ${i}`);
    assert.ok(losses[1] < 0.5 * losses[0], `losses ${losses}`);
  }

  /** The same convolution here. */
  async function expectedConv(): Promise<number[]> {
    const device = await openDevice('cpu:0', { threads: 1, kernels: 'plain' });
    const numbers = (size: number, period: number): Float32Array =>
      Float32Array.from({ length: size }, (_, i) => (i % period) - Math.floor(period / 2));
    const x = tensor(numbers(2 * 3 * 64, 7), { shape: [2, 3, 8, 8], device });
    const weight = tensor(numbers(4 * 3 * 9, 5), { shape: [4, 3, 3, 3], device });
    const values = await conv2d(x, weight, { padding: 1 }).data();
    await device.close();
    return [...values];
  }

  test('a CPU device of two threads: products and training', async () => {
    const used = await use('cpu:0', { threads: 2 });
    assert.match(used.description, /2 threads, (relaxed )?SIMD/);
    check(used, await expectedConv());
  });

  test('two CPU devices copy from each other', async () => {
    const gradients = await inPage('/', 'tandem.cross()');
    assert.equal(gradients, [
      [100, 100],
      [150, 150],
    ]);
  });

  test('without the isolating headers the page computes by itself, with the same bits, and says which are missing', async () => {
    const [threaded, alone] = [await use('cpu:0', { threads: 1 }), await use('cpu:0', {}, '/plain')];
    assert.match(
      alone.description,
      /the calling thread alone.*Cross-Origin-Opener-Policy.*Cross-Origin-Embedder-Policy/,
    );
    assert.equal({ ...alone, description: threaded.description }, threaded);
    assert.equal(await inPage('/plain', 'tandem.cross()'), [
      [100, 100],
      [150, 150],
    ]);
  });

  test('by plain http from another machine it says that https is needed', async () => {
    const tab = await browser.newPage();
    const name = 'http://tandem.test';
    await tab.route(`${name}/**`, async (route) => {
      const url = route.request().url().replace(name, server.origin);
      await route.fulfill({ response: await tab.request.get(url) });
    });
    await tab.goto(`${name}/`);
    await tab.waitForFunction('globalThis.tandem !== undefined');
    const description = await tab.evaluate("tandem.use('cpu:0').then((used) => used.description)");
    assert.match(String(description), /the calling thread alone.*https and localhost/);
    await tab.close();
  });

  test('a worker whose script is missing is one error that names the way out', async () => {
    const open = "tandem.use('cpu:0', { worker: () => new Worker('/nowhere.js', { type: 'module' }) })";
    const message = await inPage('/', `${open}.catch((error) => error.message)`);
    assert.match(
      String(message),
      /^cpu:0: thread 0 died: its script didn't load.*option worker.*tandem-ts\/worker/,
    );
  });

  test('the library of another origin, as of a CDN, starts its workers', async () => {
    const description = await inPage(
      '/elsewhere',
      "tandem.use('cpu:0', { threads: 2 }).then((used) => used.description)",
    );
    assert.match(String(description), /2 threads/);
  });

  test('an import map is enough for all that browsers have of the package', async () => {
    const names = {
      nn: 'Linear',
      formats: 'importOnnx',
      data: 'batches',
      train: 'takeStep',
      alexnet: 'Network',
    };
    for (const [entry, name] of Object.entries(names)) {
      const kind = await inPage('/', `import('tandem-ts/${entry}').then(({ ${name} }) => typeof ${name})`);
      assert.is(kind, 'function', `${entry}: ${name}`);
    }
  });

  test("under the content security policy that the README names, and not without WebAssembly's word in it", async () => {
    const answers: string[] = [];
    for (const word of ["'wasm-unsafe-eval'", '']) {
      const policy = `default-src 'none'; script-src 'self' 'unsafe-inline' ${word}; worker-src 'self'`;
      const strict = await serve({ '/': { html: page } }, 0, { 'Content-Security-Policy': policy });
      const tab = await browser.newPage();
      await tab.goto(strict.origin);
      await tab.waitForFunction('globalThis.tandem !== undefined', undefined, { timeout: longestWait });
      const open = "tandem.use('cpu:0', { threads: 2 }).then(({ product }) => 'product ' + product, String)";
      answers.push(String(await tab.evaluate(open)));
      await tab.close();
      strict.close();
    }
    assert.is(answers[0], 'product 7,10,15,22');
    assert.match(answers[1] ?? '', /Error/);
  });

  for (const kind of ['dedicated', 'shared', 'service'] as const) {
    test(`in ${kind} workers`, async () => {
      const answer = await inPage('/', `tandem.inWorker('${kind}')`);
      assert.match(
        String(answer),
        kind === 'dedicated' ? /^CPU, 2 threads.* 7,10,15,22$/ : /^CPU, the calling thread.* 7,10,15,22$/,
      );
    });
  }

  test('a WebGPU device, where this browser has an adapter', async () => {
    const found = await inPage(
      '/',
      'navigator.gpu ? tandem.listAdapters().then(([first]) => first?.name ?? null) : null',
    );
    if (typeof found !== 'string') {
      console.warn('\nBROWSER WEBGPU TEST SKIPPED: this Chromium offers no adapter.\n');
      return;
    }
    const used = await use('webgpu:0', { adapter: found });
    assert.match(used.description, /WebGPU/);
    check(used, await expectedConv());
  });
}

test('what browsers have of the package imports nothing of Node', async () => {
  const files = new Map<string, string>();
  const visit = async (url: URL): Promise<void> => {
    if (files.has(url.href)) return;
    const text = await readFile(url, 'utf8');
    files.set(url.href, text);
    for (const [, name = ''] of text.matchAll(
      /^(?:import|export|\}) ?(?:[^;'"]* from )?['"]([^'"]+)['"];/gm,
    )) {
      // A package for protocol buffers that is made for browsers too.
      if (name === 'pbf') continue;
      assert.match(name, /^\.\.?\//, `${url.pathname} imports ${name}`);
      await visit(new URL(name, url));
    }
    // What is loaded later. Names in variables are Node's (nodeModule.ts), and asked for there alone.
    for (const [, name = ''] of text.matchAll(/import\(['"]([^'"]+)['"]\)/g)) {
      await visit(new URL(name, url));
    }
  };
  await visit(new URL('../../src/index.js', import.meta.url));
  for (const door of [
    'nn/index',
    'formats/index',
    'data/browser',
    'train/browser',
    'alexnet/browser',
    'backends/cpuAlone',
  ])
    await visit(new URL(`../../src/${door}.js`, import.meta.url));
  await visit(new URL('../../src/backends/cpu/runtime/worker.js', import.meta.url));
  const has = (name: string): boolean => [...files.keys()].some((href) => href.endsWith(name));
  for (const name of ['cpu/runtime/device.js', 'webgpu/runtime/device.js', 'core/tensor.js', 'nn/sgd.js']) {
    assert.ok(has(name), `${name} wasn't looked at`);
  }
});

test.run();
