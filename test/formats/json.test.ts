/**
 * JSON that is checked as it is read: what fits is taken as it is, and the first thing that doesn't is told by its
 * place, on one line.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import {
  flag,
  fraction,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  parseJson,
  parseJsonLines,
  record,
  type Schema,
  tagged,
  text,
  tuple,
  where,
  whole,
} from '../../src/formats/json.js';

const test = suite('json');

/** Fails unless reading throws a DataError of this message. */
function refused<T>(schema: Schema<T>, json: string, message: string): void {
  assert.throws(
    () => parseJson(json, 'a.json', schema),
    (error: unknown) => {
      assert.instance(error, DataError);
      assert.is(error instanceof Error && error.message, `a.json: ${message}`);
      return true;
    },
    `expected ${message} of ${json}`,
  );
}

type Shape =
  | { readonly kind: 'circle'; readonly radius: number }
  | { readonly kind: 'text'; readonly words: readonly string[] };

interface Everything {
  readonly name: string;
  readonly share: number;
  readonly count: number;
  readonly on: boolean;
  readonly ended?: 'reached' | 'gave up';
  readonly best: number | null;
  readonly pair: readonly [string, number];
  readonly named: Readonly<Record<string, number>>;
  readonly shapes: readonly Shape[];
}

const everything = object<Everything>({
  name: text,
  share: fraction,
  count: whole(1, 9),
  on: flag,
  ended: optional(oneOf('reached', 'gave up')),
  best: nullable(number()),
  pair: tuple(text, whole()),
  named: record(number(0)),
  shapes: list(
    tagged<'kind', Shape>('kind', {
      circle: object({ kind: oneOf('circle'), radius: number() }),
      text: object({ kind: oneOf('text'), words: list(text) }),
    }),
  ),
});

const good = {
  name: 'a',
  share: 0.5,
  count: 9,
  on: false,
  best: null,
  pair: ['x', 0],
  named: { y: 1.5 },
  shapes: [
    { kind: 'circle', radius: -1e300 },
    { kind: 'text', words: [] },
  ],
};

test('what fits is taken as it is, with fields that nobody asked for', () => {
  const extended = { ...good, ended: 'gave up', more: [1] };
  assert.equal(parseJson(JSON.stringify(extended), 'a', everything), extended);
  assert.equal(parseJson(JSON.stringify(good), 'a', everything).ended, undefined);
});

test('the first thing that does not fit is told by its place', () => {
  const cases: [string, unknown, string][] = [
    ['name', undefined, 'name is missing, expected text'],
    ['name', 5, 'name is 5, expected text'],
    ['share', 1.01, 'share is 1.01, expected a number from 0 to 1'],
    ['share', '0.5', 'share is "0.5", expected a number from 0 to 1'],
    ['count', 0, 'count is 0, expected a whole number from 1 to 9'],
    ['count', 2.5, 'count is 2.5, expected a whole number from 1 to 9'],
    ['on', 1, 'on is 1, expected true or false'],
    ['on', null, 'on is null, expected true or false'],
    ['ended', 'won', 'ended is "won", expected one of "reached", "gave up"'],
    ['ended', null, 'ended is null, expected one of "reached", "gave up"'],
    ['best', 'x', 'best is "x", expected a number, or null'],
    ['pair', ['x'], 'pair is a list of 1, expected a list of 2'],
    ['pair', ['x', -1], 'pair[1] is -1, expected a whole number from 0'],
    ['named', { 'a b': 1, z: -1 }, 'named["z"] is -1, expected a number from 0'],
    ['named', [], 'named is a list of 0, expected an object'],
    ['shapes', {}, 'shapes is an object, expected a list'],
    [
      'shapes',
      [good.shapes[0], { kind: 'text', words: ['', {}] }],
      'shapes[1].words[1] is an object, expected text',
    ],
    ['shapes', [{ kind: 'box' }], 'shapes[0].kind is "box", expected one of "circle", "text"'],
    ['shapes', [null], 'shapes[0] is null, expected an object'],
  ];
  for (const [field, value, message] of cases) {
    refused(everything, JSON.stringify({ ...good, [field]: value }), message);
  }
  refused(everything, '[]', 'it is a list of 0, expected an object');
  refused(list(whole(), 2), '[1,2,3]', 'it is a list of 3, expected a list of 2');
  refused(
    where(list(whole()), 'rising numbers', ([a = 0, b = 0]) => a < b),
    '[2,1]',
    'it is a list of 2, expected rising numbers',
  );
});

test('numbers that are not finite or not exact are refused', () => {
  refused(number(), '1e999', 'it is Infinity, expected a number');
  refused(number(0), '-1e999', 'it is -Infinity, expected a number from 0');
  refused(whole(), '9007199254740993', 'it is 9007199254740992, expected a whole number from 0');
});

test('text that is no JSON, however cut, is one line that names the file', () => {
  const json = JSON.stringify(good);
  for (let length = 0; length < json.length; length++) {
    refused(everything, json.slice(0, length), 'not JSON: damaged, or cut short');
  }
  assert.throws(
    () => parseJsonLines('{"a":1}\n\n{"a":2\n', 'log', object({ a: number() })),
    /^log, line 3: not JSON/,
  );
  assert.throws(
    () => parseJsonLines('{"a":1}\n5\n', 'log', object({ a: number() })),
    /^log, line 2: it is 5/,
  );
  assert.equal(parseJsonLines('{"a":1}\n\n{"a":2}', 'log', object({ a: number() })), [{ a: 1 }, { a: 2 }]);
});

test('values of any depth and length, and what a terminal would obey, are shown short', () => {
  refused(text, `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'it is a list of 1, expected text');
  refused(
    whole(),
    JSON.stringify('x'.repeat(1e6)),
    `it is "${'x'.repeat(40)}..", expected a whole number from 0`,
  );
  refused(
    whole(),
    '"\\u001b[31m\\u009b\\u202e\\n"',
    'it is "\\u001b[31m\\u009b\\u202e\\u000a", expected a whole number from 0',
  );
  refused(record(flag), '{"__proto__":1}', 'it["__proto__"] is 1, expected true or false');
});

test.run();
