/**
 * The benchmark suite in a browser: the results page, served, runs chosen rows there and fills its table.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launch, longestWait, warnOfNone } from '../../support/chromium.js';
import { serve } from '../../support/serve.js';
import { page } from '../page/html.js';
import { parseReport } from '../rows.js';
import { report, row } from './reports.js';

const test = suite('the suite in a browser');
const browser = await launch();

const shown = report(row('matmul 256', { threads: 1, medianMs: 1 }));

if (typeof browser === 'string') warnOfNone(browser);
else {
  test.after(() => browser.close());

  test('the served page runs quick rows on cpu:0, compares them with its report, and gives a report', async () => {
    const server = await serve({ '/': { html: page(shown, null) } });
    const tab = await browser.newPage();
    const problems: string[] = [];
    tab.on('pageerror', (error) => problems.push(error.message));
    try {
      await tab.goto(server.origin);
      await tab.waitForSelector('#live form', { timeout: longestWait });
      await tab.fill('#live [name=only]', '^(matmul 256|lrn1 forward|upload|op add)');
      await tab.click('#live button');
      await tab.waitForSelector('#save:not([hidden])', { timeout: longestWait });
      const saved = String(await tab.evaluate('fetch(save.href).then((response) => response.text())'));
      const found = parseReport(saved, 'the saved report');
      assert.equal(
        found.rows.map(({ name, device, threads }) => `${name} on ${device}, ${threads}`),
        ['matmul 256', 'lrn1 forward, batch 4', 'op add of 8x8', 'upload 4x3x224x224'].map(
          (name) => `${name} on cpu:0, 1`,
        ),
      );
      for (const { medianMs, shareOfPeak, probe } of found.rows) {
        assert.ok(medianMs > 0 && shareOfPeak > 0 && probe.gflops > 0.1, JSON.stringify(found.rows));
      }
      assert.match(found.devices['cpu:0'] ?? '', /CPU, 1 thread, (relaxed )?SIMD(, 256 bits)?$/);
      const lines = await tab.$$eval('#rows tr', (all) =>
        all.map((line) => [...line.children].map((cell) => cell.textContent)),
      );
      assert.is(lines.length, 5);
      assert.equal(lines[1]?.slice(0, 3), ['matmul 256', 'cpu:0', '1']);
      assert.equal(lines[1]?.slice(9), ['1.00', found.rows[0]?.medianMs.toFixed(2)]);
      assert.equal(lines[2]?.slice(9), ['-', '-'], 'a row that the report lacks');
      assert.equal(problems, []);
    } finally {
      await tab.close();
      server.close();
    }
  });

  test('what is wrong in the form is said, and it can be tried again', async () => {
    const server = await serve({ '/': { html: page(null, null) } });
    const tab = await browser.newPage();
    try {
      await tab.goto(server.origin);
      await tab.waitForSelector('#live form', { timeout: longestWait });
      await tab.fill('#live [name=threads]', 'many');
      await tab.click('#live button');
      await tab.waitForFunction("/whole numbers/.test(document.querySelector('#state').textContent)");
      assert.not.ok(await tab.isDisabled('#live button'));
    } finally {
      await tab.close();
      server.close();
    }
  });

  test('a run is stopped, and what was measured by then is a report', async () => {
    const server = await serve({ '/': { html: page(null, null) } });
    const tab = await browser.newPage();
    try {
      await tab.goto(server.origin);
      await tab.waitForSelector('#live form', { timeout: longestWait });
      await tab.click('#live button');
      await tab.waitForSelector('#rows tr:nth-child(2)', { state: 'attached', timeout: longestWait });
      assert.ok(Number(await tab.getAttribute('#progress', 'max')) > 5, 'many rows to come');
      await tab.click('#stop');
      await tab.waitForSelector('#save:not([hidden])', { timeout: longestWait });
      await tab.waitForSelector('#stop[disabled]');
      const text = String(await tab.evaluate('fetch(save.href).then((response) => response.text())'));
      const found = parseReport(text, 'the saved report').rows.length;
      assert.ok(found >= 1 && found < Number(await tab.getAttribute('#progress', 'max')), `${found} rows`);
      assert.match((await tab.textContent('#state')) ?? '', /^stopped: \d+ rows in/);
      assert.not.ok(await tab.isDisabled('#live button'));
    } finally {
      await tab.close();
      server.close();
    }
  });

  test('on a phone nothing is wider than the page, and in the dark text is light on dark', async () => {
    const server = await serve({ '/': { html: page(shown, null) } });
    const tab = await browser.newPage({ viewport: { width: 375, height: 700 }, colorScheme: 'dark' });
    try {
      await tab.goto(server.origin);
      await tab.waitForSelector('#live form', { timeout: longestWait });
      await tab.evaluate('rows.hidden = false');
      assert.is(await tab.evaluate('document.documentElement.scrollWidth'), 375);
      const light = (property: string, of: string): string =>
        `Math.max(...getComputedStyle(document.querySelector('${of}')).${property}.match(/\\d+/g).map(Number))`;
      for (const of of ['body', '#all td']) {
        assert.ok(Number(await tab.evaluate(light('color', of))) > 200, of);
        assert.ok(Number(await tab.evaluate(light('backgroundColor', of))) < 60, of);
      }
    } finally {
      await tab.close();
      server.close();
    }
  });
}

test.run();
