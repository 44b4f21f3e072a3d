/**
 * The page as it is built, in headless Chromium: it trains, draws kernels, goes on after a reload with the bits that Node
 * gets, runs a second net beside the first; it needs no network the second time, and no host that sends headers; nothing
 * is wrong with it for people who use a keyboard or a screen reader, and it stays small.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { BrowserContext, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { buildSite, siteFolder } from '../../site/build.js';
import { fingerprints } from '../../site/engine/reproduce.js';
import { launch, longestWait, warnOfNone } from '../../support/chromium.js';
import { serveFolder } from '../../support/serve.js';

/** Compressed bytes of everything that the page may load. */
const mostBytes = 300_000;
/** Few enough images that an epoch takes a second. */
const counts = { train: 256, validation: 100 };
const query = `?images=${counts.train}`;

const files = await buildSite();
const test = suite('site');

test('is small', async () => {
  const sizes = await Promise.all(
    files.map(async (name) => gzipSync(await readFile(join(siteFolder, name))).length),
  );
  const total = sizes.reduce((a, b) => a + b, 0);
  assert.ok(total < mostBytes, `${total} bytes compressed`);
});

const browser = await launch();
if (typeof browser === 'string') warnOfNone(browser);
else {
  const server = await serveFolder(siteFolder);
  const bare = await serveFolder(siteFolder, { isolate: false });
  test.after(async () => {
    await browser.close();
    server.close();
    bare.close();
  });

  /** Opens the page; what goes wrong in it fails the test. */
  const open = async (
    context: BrowserContext,
    address: string,
  ): Promise<{ page: Page; problems: string[] }> => {
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.setDefaultTimeout(longestWait);
    await page.goto(address);
    await page.waitForSelector('#go:enabled');
    return { page, problems };
  };
  const seen = (page: Page): Promise<number> =>
    page.textContent('#stat-seen').then((text) => Number((text ?? '').replaceAll(',', '')));
  const state = (page: Page, label: string): Promise<unknown> =>
    page.waitForFunction(`document.querySelector("#go")?.textContent === "${label}"`);

  /** What axe finds wrong for people who use a keyboard or a screen reader. */
  const violations = async (page: Page): Promise<unknown> => {
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
    return page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]))',
    );
  };

  test('trains, draws kernels, goes on after a reload, and gets the bits that Node gets', async () => {
    // First, as the page goes on with its few epochs once it is started.
    const expected = await fingerprints({ seed: 0, epochs: 1, counts });
    const context = await browser.newContext();
    const { page, problems } = await open(context, `${server.origin}/${query}`);
    const drawn = (): Promise<string> =>
      page.$eval('#kernels-1', (canvas) => (canvas instanceof HTMLCanvasElement ? canvas.toDataURL() : ''));
    const blank = await drawn();
    await page.click('#go');
    const print = await page.waitForFunction(
      '/epoch 1: ([0-9a-f]{64})/.exec(document.querySelector("#fingerprint")?.textContent ?? "")?.[1]',
    );
    assert.equal([await print.jsonValue()], expected);
    assert.is.not(await drawn(), blank);
    assert.match((await page.textContent('#stat-crossed')) ?? '', /[1-9].* [kM]B/);
    await page.click('#go');
    await state(page, 'Go on');
    const before = await seen(page);
    assert.ok(before >= counts.train);
    await page.reload();
    await state(page, 'Go on');
    assert.is(await seen(page), before);
    await page.click('#go');
    await page.waitForFunction(
      `Number(document.querySelector("#stat-seen").textContent.replaceAll(",", "")) > ${before}`,
    );
    // A drawing is named while it is drawn, by hand and by keys.
    await page.focus('#draw');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('#draw-answers meter');
    // A switch starts a second run, which the first waits for.
    await page.click('#switch-activation');
    await page.waitForFunction(
      '/^[0-9.]+ % → [0-9.]+ %/.test(document.querySelector("#result-activation")?.textContent ?? "")',
    );
    assert.is(await page.getAttribute('#switch-activation', 'aria-pressed'), 'true');
    await page.click('#switch-activation');
    // What is explained below draws itself as it comes near.
    for (const id of ['lrn-chart', 'momentum-chart', 'loss-bars', 'crop-number']) {
      await page.locator(`#${id}`).scrollIntoViewIfNeeded();
      await page.waitForFunction(`document.querySelector("#${id}")?.childNodes.length > 0`);
    }
    assert.equal(await violations(page), []);
    assert.equal(problems, []);
    await context.close();
  });

  test('works without a network once it was loaded, and on hosts that send no headers', async () => {
    const context = await browser.newContext();
    const { page } = await open(context, `${bare.origin}/${query}`);
    await page.waitForFunction('crossOriginIsolated');
    await context.setOffline(true);
    await page.reload();
    await page.waitForSelector('#go:enabled');
    await page.click('#go');
    await page.waitForFunction('document.querySelector("#stat-seen")?.textContent !== "0"');
    await context.close();
  });

  test('trains on one thread where nothing isolates it, and says so', async () => {
    const context = await browser.newContext({ serviceWorkers: 'block' });
    const { page, problems } = await open(context, `${bare.origin}/${query}`);
    await page.click('#go');
    await page.waitForFunction('document.querySelector("#stat-error")?.textContent.endsWith("%")');
    assert.match((await page.textContent('#status')) ?? '', /cpu:0: CPU, the calling thread alone/);
    assert.match((await page.textContent('#placement-note')) ?? '', /kB would cross/);
    assert.equal(problems, []);
    await context.close();
  });

  for (const [name, width, colorScheme] of [
    ['index.html', 390, 'dark'],
    ['ko.html', 1200, 'light'],
  ] as const) {
    test(`${name}: nothing that axe would complain about, and nothing wider than ${width} pixels`, async () => {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
      const page = await context.newPage();
      await page.goto(`${server.origin}/${name}`);
      await page.waitForSelector('#go:enabled');
      assert.equal(await violations(page), []);
      assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width);
      const before = [await page.title(), await page.textContent('h1'), await page.textContent('#go')];
      await page.click('#language');
      await page.waitForFunction(`document.title !== ${JSON.stringify(before[0])}`);
      const after = [await page.title(), await page.textContent('h1'), await page.textContent('#go')];
      assert.ok(
        after.every((text, i) => text !== before[i]),
        `${before} is ${after} in the other language`,
      );
      await context.close();
    });
  }
}

test.run();
