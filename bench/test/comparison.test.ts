import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { compareReports } from '../comparison.js';
import { parseReport, type Row } from '../rows.js';
import { median, quantile, spread } from '../stats.js';
import { report, row } from './reports.js';

const verdict = (before: Partial<Row>, after: Partial<Row>): string | undefined =>
  compareReports(report(row('x', before)), report(row('x', after))).rows[0]?.verdict;

test('a row slower in time and in units of the probe is slower, and the other way round', () => {
  assert.is(verdict({}, { medianMs: 12, shareOfPeak: 0.66 }), 'slower');
  assert.is(verdict({}, { medianMs: 8, shareOfPeak: 1 }), 'faster');
});

test('a machine that is slower as a whole does not make a row slower', () => {
  assert.is(verdict({}, { medianMs: 20, shareOfPeak: 0.8 }), 'same');
});

test('the same change is noise where samples scatter', () => {
  assert.is(verdict({ spread: 0.2 }, { medianMs: 12, shareOfPeak: 0.66, spread: 0.2 }), 'same');
});

test('processor time shields a row on one thread from other programs', () => {
  const alone = { threads: 1, cpuMs: 10 };
  assert.is(verdict(alone, { ...alone, medianMs: 20, shareOfPeak: 0.4 }), 'same');
  assert.is(verdict(alone, { threads: 1, cpuMs: 20, medianMs: 20, shareOfPeak: 0.4 }), 'slower');
});

test('the times shown are those compared', () => {
  const quiet = row('x', { threads: 1, cpuMs: 10 });
  const busy = row('x', { threads: 1, cpuMs: 12, medianMs: 20 });
  const [found] = compareReports(report(quiet), report(busy)).rows;
  assert.equal([found?.before, found?.after, found?.ratio], [10, 12, 1.2]);
});

test('rows that only one report has are named', () => {
  const { rows, missing, added } = compareReports(report(row('old')), report(row('new')));
  assert.is(rows.length, 0);
  assert.equal(missing, ['old on cpu:0, threads: 2']);
  assert.equal(added, ['new on cpu:0, threads: 2']);
});

test('a file that is not a report is refused by name', () => {
  const refuse = (text: string, about: RegExp): void => {
    assert.throws(
      () => parseReport(text, 'old.json'),
      (error: unknown) => error instanceof DataError && about.test(error.message),
    );
  };
  refuse('{', /old\.json, read as what npm run bench -- --json FILE writes: not JSON/);
  refuse('{"rows": [{}]}', /old\.json.*: date is missing, expected text/);
  const odd = (figures: object): string => JSON.stringify(report({ ...row('x'), ...figures }));
  refuse(odd({ medianMs: '3' }), /rows\[0\]\.medianMs is "3", expected a number from 0/);
  refuse(odd({ medianMs: -3 }), /rows\[0\]\.medianMs is -3/);
  refuse(odd({ network: { images: 1, breakdown: 5 } }), /rows\[0\]\.network\.msPerImage is missing/);
  refuse(odd({ start: [{ name: 'x' }] }), /rows\[0\]\.start\[0\]\.milliseconds is missing/);
  assert.equal(parseReport(JSON.stringify(report(row('x'))), 'x').rows[0]?.name, 'x');
});

test('quantiles are interpolated and do not depend on the order', () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 2, 3]), 2.5);
  assert.is(quantile([1, 2, 3, 4, 5], 0.25), 2);
  assert.is(spread([1, 2, 3, 4, 5]), 1 / 3);
});

test.run();
