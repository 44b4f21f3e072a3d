/**
 * The results page: what a report holds is on it, and what it lacks leaves no empty section.
 */
import { parseHTML } from 'linkedom';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { page } from '../page/html.js';
import { parsePeers } from '../page/peers.js';
import type { PeersReport } from '../peers/report.js';
import { parseReport, type Row, startName } from '../rows.js';
import { report, row } from './reports.js';

function network(work: string, images: number, threads: number): Row {
  const part = { phase: 'forward', layer: 'conv1', kernel: 'conv2d', milliseconds: 4, share: 1 };
  return row(`AlexNet ${work}, batch ${images}`, {
    threads,
    network: {
      images,
      msPerImage: 30 / threads,
      shareOfRoofline: 0.8,
      busy: [0.9],
      breakdown: [{ ...part, gflops: 40, gbps: 1, shareOfPeak: 0.8 }],
      memory: [],
      memoryFlat: true,
    },
  });
}

const full = report(
  row('matmul <1024>'),
  ...[1, 16].flatMap((images) => [1, 2].map((threads) => network('inference', images, threads))),
  row('op add of 8x8', { medianMs: 0.004 }),
  row('op add of 32x32', { medianMs: 0.005 }),
  row(startName, {
    start: [
      { name: 'start Node', milliseconds: 40 },
      { name: 'infer', milliseconds: 60 },
    ],
  }),
);

const figures = { medianMs: 20, cpuMs: 20, spread: 0.1, gflops: 20, error: 0, ratio: 2 };
const peers: PeersReport = {
  date: '',
  cpu: 'a',
  runtime: 'node 20',
  load: [1, 2],
  threads: 1,
  versions: { quick: '1.2.3' },
  rows: [
    {
      name: 'matmul 512',
      cells: [
        { peer: 'Tandem', figures: { ...figures, medianMs: 10, ratio: 1 } },
        { peer: 'quick', figures },
      ],
    },
    { name: 'conv1 gradient', cells: [{ peer: 'quick', cannot: 'no <gradient>' }] },
    { name: 'conv2 gradient', cells: [{ peer: 'quick', cannot: 'no <gradient>' }] },
  ],
};

const headings = (html: string): string[] =>
  [...parseHTML(html).document.querySelectorAll('h2, h3, h4')].map(({ textContent }) => textContent ?? '');

test('everything a report holds has its place', () => {
  const html = page(full, peers);
  assert.equal(headings(html), [
    'Roofline',
    'cpu:0, 2 threads',
    'AlexNet',
    'Inference: cost of an image',
    'Inference over threads',
    'From the start of a process to the first result',
    'Where the time goes',
    'AlexNet inference, batch 16, cpu:0, 1 thread',
    'AlexNet inference, batch 16, cpu:0, 2 threads',
    'Tiny operations, through the public functions',
    'Other libraries',
    'What they cannot do',
    'In this browser',
    'All rows',
  ]);
  const { document } = parseHTML(html);
  const rows = [...document.querySelectorAll('#all tr')];
  assert.is(rows.length, full.rows.length + 1);
  assert.match(rows[1]?.textContent ?? '', /^matmul <1024>cpu:0210\.01 %-40\.01\.0080 %$/);
  assert.not.match(html, /NaN|undefined|⚠|https?:\/\/(?!www\.w3\.org)/, 'whole, and without a network');
});

test('charts have names, and points say what they are where there is room', () => {
  const crowd = report(
    ...Array.from({ length: 9 }, () => row('conv1 forward')),
    row('pool1 forward', { gflops: 1 }),
  );
  const { document } = parseHTML(page(crowd, null));
  const chart = document.querySelector('svg[aria-label="Roofline of cpu:0, 2 threads"]');
  assert.ok(chart);
  const texts = [...chart.querySelectorAll('text')].map(({ textContent }) => textContent);
  assert.is(texts.filter((text) => text === 'pool1 forward').length, 1);
  assert.is(texts.filter((text) => text === 'conv1 forward').length, 1, 'one for points in one place');
});

test('the page carries its report', () => {
  const text = parseHTML(page(full, null)).document.querySelector('#report')?.textContent ?? '';
  assert.equal(parseReport(text, 'the page'), full);
});

test("bars name what they stand for, and a library's words are told once", () => {
  const html = page(null, peers);
  assert.match(html, /quick: 20\.0 ms, spread 10 %; processor time 20\.0 ms/);
  assert.match(html, /quick 1\.2\.3/);
  assert.match(html, /no &lt;gradient&gt;<\/td><td>conv1 gradient; conv2 gradient</);
});

test('what a report lacks leaves no empty section', () => {
  assert.equal(headings(page(report(row('upload', { gflops: 0 })), null)), ['In this browser', 'All rows']);
  assert.equal(headings(page(null, null)), ['In this browser']);
});

test('a busy machine is warned of', () => {
  assert.not.match(page(full, null), /Other programs/);
  assert.match(page({ ...full, load: [1, 7] }, null), /Other programs were running: load 7 on 2 cores/);
});

test("a file that isn't a report of bench/peers is refused by name", () => {
  for (const text of ['{', '[]', '{"rows": [{}]}', JSON.stringify(full)]) {
    assert.throws(
      () => parsePeers(text, 'other.json'),
      (error: unknown) =>
        error instanceof DataError && /^other\.json, read as what npm start/.test(error.message),
    );
  }
  assert.equal(parsePeers(JSON.stringify(peers), 'peers.json'), peers);
});

test.run();
