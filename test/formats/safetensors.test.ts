/**
 * The safetensors format: files against bytes put together by hand, and every kind of damage.
 */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError, DataError } from '../../src/core/errors.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../../src/formats/safetensors.js';
import type { HostTensor } from '../../src/nn/module.js';
import { damageAll } from './damage.js';

/** A file of a header's text (its length unless told otherwise) and the numbers' bytes. */
function fileOf(header: string, body: readonly number[] = [], length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

const roundTrip = (file: SafetensorsFile): SafetensorsFile =>
  decodeSafetensors(joined(encodeSafetensors(file)), 'a.safetensors');

/** 1, -2 as little-endian float32. */
const oneAndMinusTwo = [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0];

test('a file made by hand is read', () => {
  const header = JSON.stringify({
    b: { dtype: 'I32', shape: [1, 1], data_offsets: [8, 12] },
    __metadata__: { made: 'by hand' },
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    bytes: { dtype: 'U8', shape: [3], data_offsets: [12, 15] },
    none: { dtype: 'F64', shape: [0, 4], data_offsets: [15, 15] },
    scalar: { dtype: 'F64', shape: [], data_offsets: [15, 23] },
  });
  // Spaces are allowed at the header's end; the numbers need not be aligned.
  const body = [...oneAndMinusTwo, 0xfe, 0xff, 0xff, 0xff, 1, 2, 255, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
  const file = decodeSafetensors(fileOf(`${header}   `, body), 'a.safetensors');
  assert.equal(file.metadata, { made: 'by hand' });
  const expected: [string, HostTensor][] = [
    ['b', { shape: [1, 1], data: Int32Array.of(-2) }],
    ['a', { shape: [2], data: Float32Array.of(1, -2) }],
    ['bytes', { shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['none', { shape: [0, 4], data: new Float64Array(0) }],
    ['scalar', { shape: [], data: Float64Array.of(1) }],
  ];
  assert.equal([...file.tensors], expected);
});

test('numbers are in memory once where they lie at a multiple of their size', () => {
  const [header, numbers] = encodeSafetensors({
    tensors: new Map([['w', { shape: [2], data: Float32Array.of(1, -2) }]]),
    metadata: {},
  });
  for (const shift of [0, 4, 1]) {
    const memory = Buffer.alloc(shift + header!.length + numbers!.length);
    const bytes = memory.subarray(shift);
    bytes.set(header!);
    bytes.set(numbers!, header!.length);
    const { data } = decodeSafetensors(bytes, 'a.safetensors').tensors.get('w')!;
    bytes.fill(0);
    assert.equal([...data], shift === 1 ? [1, -2] : [0, 0], `shifted by ${shift}`);
  }
});

test('a file is written byte for byte as the format says, numbers at a multiple of 8', () => {
  const data = Float32Array.of(9, 1, -2).subarray(1);
  const pieces = encodeSafetensors({
    tensors: new Map([['w', { shape: [2, 1], data }]]),
    metadata: { k: 'ä' },
  });
  const text = '{"__metadata__":{"k":"ä"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}';
  const bytes = new TextEncoder().encode(text).length;
  const padded = text + ' '.repeat((8 - (bytes % 8)) % 8);
  assert.equal(joined(pieces), fileOf(padded, oneAndMinusTwo));
});

test('each tensor begins at a multiple of its numbers size, whatever the order given', () => {
  const tensors = new Map<string, HostTensor>([
    ['u', { shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ['f', { shape: [1], data: Float32Array.of(1) }],
    ['d', { shape: [1], data: Float64Array.of(1) }],
    ['i', { shape: [3], data: Int32Array.of(1, 2, 3) }],
  ]);
  const pieces = encodeSafetensors({ tensors, metadata: {} });
  const bytes = joined(pieces);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.is(length % 8, 0);
  const header: Record<string, { data_offsets?: number[] }> = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + length)),
  );
  for (const [name, { data }] of tensors) {
    assert.is(header[name]!.data_offsets![0]! % data.BYTES_PER_ELEMENT, 0, name);
  }
  assert.equal(
    new Map([...roundTrip({ tensors, metadata: {} }).tensors].sort()),
    new Map([...tensors].sort()),
  );
});

test('whatever is written is read back: names, shapes, bits and text', () => {
  const array = fc.oneof(
    fc.float32Array({ maxLength: 6 }),
    fc.float64Array({ maxLength: 6 }),
    fc.int32Array({ maxLength: 6 }),
    fc.uint8Array({ maxLength: 6 }),
  );
  const tensor = fc
    .tuple(array, fc.boolean())
    .map(([data, flat]): HostTensor => ({ shape: flat ? [data.length] : [1, data.length, 1], data }));
  const name = fc.oneof(
    fc.constantFrom('conv1.weight', '0', '__proto__', 'constructor', '"', 'a"}{', '\\'),
    fc.string(),
  );
  const text = fc.dictionary(fc.string(), fc.string());
  const file = fc.tuple(fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key }), text);
  fc.assert(
    fc.property(file, ([entries, metadata]) => {
      const kept = entries.filter(([key]) => key !== '__metadata__');
      const read = roundTrip({ tensors: new Map(kept), metadata });
      assert.equal(Object.entries(read.metadata).sort(), Object.entries(metadata).sort());
      assert.is(read.tensors.size, kept.length);
      for (const [key, { shape, data }] of kept) {
        const found = read.tensors.get(key);
        assert.equal(found?.shape, shape);
        assert.is(found?.data.constructor, data.constructor);
        assert.ok(data.every((x, i) => Object.is(x, found?.data[i]) || Number.isNaN(x)));
      }
    }),
    { numRuns: 200 },
  );
});

test('tensors that can not be written are refused', () => {
  const write = (name: string, shape: number[]): unknown =>
    encodeSafetensors({ tensors: new Map([[name, { shape, data: new Float32Array(2) }]]), metadata: {} });
  const refused = (name: string, shape: number[], message: RegExp): void => {
    assert.throws(
      () => write(name, shape),
      (error: unknown) => error instanceof ArgumentError && message.test(error.message),
    );
  };
  refused('__metadata__', [2], /keeps it for text/);
  refused('w', [3], /w has 2 numbers for \[3\], which takes 3/);
});

/** Fails unless reading throws a DataError that names the file and matches. */
function damaged(bytes: Uint8Array, message: RegExp, widen = false): void {
  assert.throws(
    () => decodeSafetensors(bytes, 'run/best.safetensors', { widen }),
    (error: unknown) =>
      error instanceof DataError &&
      error.message.startsWith('run/best.safetensors: ') &&
      message.test(error.message),
    `expected ${message}`,
  );
}

test('a file cut short at any byte, or followed by more, is an error', () => {
  const tensors = new Map<string, HostTensor>([
    ['a', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ['b', { shape: [5], data: Uint8Array.of(1, 2, 3, 4, 5) }],
  ]);
  const whole = joined(encodeSafetensors({ tensors, metadata: { step: '3' } }));
  assert.is(decodeSafetensors(whole, 'whole').tensors.size, 2);
  for (let length = 0; length < whole.length; length++) damaged(whole.subarray(0, length), /./);
  damaged(joined([whole, Uint8Array.of(0)]), /the tensors end at byte 21, the data at 22/);
});

test('a header length beyond the file or the format is an error, before anything is allocated', () => {
  damaged(Uint8Array.of(1, 2, 3), /3 bytes, the header's length alone takes 8/);
  damaged(fileOf('{}', [], 3n), /claims 3 bytes, the file has 10/);
  damaged(fileOf('{}', [], 100_000_001n), /at most 100000000/);
  damaged(fileOf('{}', [], 2n ** 64n - 1n), /at most 100000000/);
});

test('a header that is not one JSON object of tensors is an error', () => {
  damaged(fileOf('{"a":'), /not JSON/);
  damaged(fileOf('', []), /not JSON/);
  damaged(joined([fileOf('{}', [], 4n), Uint8Array.of(0xff, 0xfe)]), /not JSON/);
  damaged(fileOf('[]'), /not an object/);
  damaged(fileOf(' {}'), /not an object/);
  damaged(fileOf('null'), /not an object/);
  damaged(fileOf('{"a":3}'), /a: not an object/);
  assert.equal(decodeSafetensors(fileOf('{"__metadata__":null}'), 'whole').metadata, {});
  damaged(fileOf('{"__metadata__":[]}'), /__metadata__ is not an object of strings/);
  damaged(fileOf('{"__metadata__":{"step":3}}'), /__metadata__ is not an object of strings/);
  assert.is(decodeSafetensors(fileOf('{}'), 'empty').tensors.size, 0);
});

test('an entry that makes no sense is an error that names it', () => {
  const entry = (fields: object, size = 8): Uint8Array =>
    fileOf(
      JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } }),
      new Array<number>(size).fill(0),
    );
  assert.is(decodeSafetensors(entry({}), 'whole').tensors.get('w')?.data.length, 2);
  damaged(entry({ dtype: 'F8_E4M3' }), /w: dtype "F8_E4M3" is not one of F16, BF16, F32, F64, /);
  damaged(entry({ dtype: undefined }), /w: dtype undefined/);
  damaged(entry({ dtype: 'F64' }), /w: 8 bytes, its shape \[2\] takes 16/);
  for (const shape of [[3], [2, 2], [], [0]]) damaged(entry({ shape }), /w: 8 bytes, its shape/);
  for (const shape of [[-2], [0.5, 4], ['2'], 2, null]) damaged(entry({ shape }), /w: shape or data_offsets/);
  for (const offsets of [[-8, 0], ['0', '8'], [0, 1e300], null]) {
    damaged(entry({ data_offsets: offsets }), /w: shape or data_offsets/);
  }
  for (const offsets of [[], [0], [0, 8, 16]]) damaged(entry({ data_offsets: offsets }), /expected 2/);
  damaged(entry({ data_offsets: [8, 0] }), /w: -8 bytes/);
  damaged(entry({}, 7), /w: data up to byte 8, the file ends at 7: was it cut short/);
  damaged(entry({ shape: [2 ** 53 - 1, 2 ** 53 - 1] }), /w: 8 bytes/);
});

test('tensors that overlap, or leave bytes that belong to none, are an error', () => {
  const two = (a: readonly number[], b: readonly number[], size: number): Uint8Array => {
    const entry = ([start = 0, end = 0]: readonly number[]): object => ({
      dtype: 'U8',
      shape: [end - start],
      data_offsets: [start, end],
    });
    return fileOf(JSON.stringify({ a: entry(a), b: entry(b) }), new Array<number>(size).fill(0));
  };
  assert.is(decodeSafetensors(two([4, 8], [0, 4], 8), 'whole').tensors.size, 2);
  damaged(two([0, 4], [3, 8], 8), /b overlaps a/);
  damaged(two([0, 8], [2, 4], 8), /b overlaps a/);
  damaged(two([0, 4], [0, 4], 4), /b overlaps a/);
  damaged(two([0, 3], [4, 8], 8), /bytes 3 to 4 of the data, before b, belong to no tensor/);
  damaged(two([1, 4], [4, 8], 8), /bytes 0 to 1 of the data, before a/);
  damaged(two([0, 4], [4, 7], 8), /the tensors end at byte 7, the data at 8/);
});

test('a header of any length and depth is read or refused in words', () => {
  const names = JSON.stringify(Array.from({ length: 600_000 }, (_, i) => `n01440764/n01440764_"${i}".JPEG`));
  const tensors = new Map([['features', { shape: [1], data: Float32Array.of(1) }]]);
  assert.is(roundTrip({ tensors, metadata: { names } }).metadata.names, names);
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  damaged(
    fileOf(`{"w":{"dtype":${deep},"shape":[0],"data_offsets":[0,0]}}`),
    /w: dtype a list of 1 is not one of/,
  );
  damaged(
    fileOf(`{"w":{"dtype":"U8","shape":${deep},"data_offsets":[0,0]}}`),
    /w: shape or data_offsets are not/,
  );
  damaged(fileOf(`{"w":${'{"w":'.repeat(50_000)}1${'}'.repeat(50_000)}}`), /w: dtype undefined/);
  damaged(fileOf(`{"__metadata__":{"w":${deep}}}`), /not an object of strings/);
  damaged(fileOf(`{"${'\\\\'.repeat(1e6)}\\u001b[31m":0}`), /: [\\]{80}\.\.: not an object$/);
  damaged(fileOf('{"\\u001b[31m\\n":0}'), /: \\u001b\[31m\\u000a: not an object$/);
});

test('names with escapes are what the file says, whatever was parsed before', () => {
  // What makes V8 of Node 24 take the second name of the next object for this one's.
  for (const first of ['\\r', '\\n', 'h']) JSON.parse(`{"${first}":[],"\\\\":0}`);
  const tensor = { shape: [0], data: new Float32Array(0) };
  for (const [first, second] of [
    ['\r', '\n'],
    ['\n', '\t'],
    ['h', '"'],
  ] as const) {
    const tensors = new Map([
      [first, tensor],
      [second, tensor],
    ]);
    const read = roundTrip({ tensors, metadata: { [first]: '1', [second]: '2' } });
    assert.equal([...read.tensors.keys()].sort(), [first, second].sort());
    assert.equal(Object.entries(read.metadata), [
      [first, '1'],
      [second, '2'],
    ]);
  }
});

test('a name given twice is an error, wherever JSON hides it; the same word elsewhere is not', () => {
  const entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
  damaged(fileOf(`{"a":${entry},"a":${entry}}`), /names a twice/);
  damaged(fileOf(`{"a" : ${entry}, "\\u0061"\n:${entry}}`), /names a twice/);
  damaged(fileOf(`{"__metadata__":{},"__metadata__":{}}`), /names __metadata__ twice/);
  damaged(fileOf('{"__metadata__":{"a":"1","\\u0061":"2"}}'), /its __metadata__ names a twice/);
  const text = `{"__metadata__":{"a":"{\\"a\\":","dtype":"x"},"a":${entry},"dtype":${entry},"b}":${entry}}`;
  assert.is(decodeSafetensors(fileOf(text), 'whole').tensors.size, 3);
});

test('types that tensors do not have are widened exactly, or refused by the first number that does not fit', () => {
  const read = (dtype: string, { buffer, byteLength }: ArrayBufferView, n: number): Uint8Array =>
    fileOf(JSON.stringify({ w: { dtype, shape: [n], data_offsets: [0, byteLength] } }), [
      ...new Uint8Array(buffer),
    ]);
  const cases: [string, ArrayBufferView, HostTensor['data']][] = [
    ['F16', Uint16Array.of(0x3c00, 0xfbff, 0x8001, 0), Float32Array.of(1, -65504, -(2 ** -24), 0)],
    ['BF16', Uint16Array.of(0x3fc0, 0xc000), Float32Array.of(1.5, -2)],
    ['BOOL', Uint8Array.of(1, 0), Uint8Array.of(1, 0)],
    ['I8', Int8Array.of(-1, 127), Int32Array.of(-1, 127)],
    ['I16', Int16Array.of(-2, 300), Int32Array.of(-2, 300)],
    ['U16', Uint16Array.of(65535), Int32Array.of(65535)],
    ['U32', Uint32Array.of(7, 2 ** 31 - 1), Int32Array.of(7, 2 ** 31 - 1)],
    ['I64', BigInt64Array.of(-5n, 6n), Int32Array.of(-5, 6)],
    ['U64', BigUint64Array.of(5n), Int32Array.of(5)],
  ];
  for (const [dtype, given, expected] of cases) {
    const bytes = read(dtype, given, expected.length);
    damaged(bytes, /w: dtype "\w+" is none of tensors; widen: true/);
    const { tensors } = decodeSafetensors(bytes, 'a.safetensors', { widen: true });
    assert.equal(tensors.get('w')?.data, expected, dtype);
  }
  damaged(read('U32', Uint32Array.of(1, 2 ** 31), 2), /w: its number 1 is 2147483648 \(uint32\)/, true);
  damaged(
    read('I64', BigInt64Array.of(-(2n ** 62n)), 1),
    /w: its number 0 is -4611686018427387904 \(int64\)/,
    true,
  );
  damaged(read('U64', BigUint64Array.of(2n ** 64n - 1n), 1), /is 18446744073709551615 \(uint64\)/, true);
  damaged(read('BOOL', Uint8Array.of(1, 3), 2), /w: a bool of 3/, true);
});

test('floats are written as float16 where asked, whole numbers as they are', () => {
  const tensors = new Map<string, HostTensor>([
    ['b', { shape: [1], data: Uint8Array.of(3) }],
    ['w', { shape: [3], data: Float32Array.of(1 + 2 ** -12, Number.NEGATIVE_INFINITY, 65519) }],
    ['d', { shape: [1], data: Float64Array.of(2 ** -25 * 1.1) }],
    ['i', { shape: [1], data: Int32Array.of(70000) }],
  ]);
  const bytes = joined(encodeSafetensors({ tensors, metadata: {} }, { floats: 'float16' }));
  assert.equal([...decodeSafetensors(bytes, 'a', { widen: true }).tensors].sort(), [
    ['b', { shape: [1], data: Uint8Array.of(3) }],
    ['d', { shape: [1], data: Float32Array.of(2 ** -24) }],
    ['i', { shape: [1], data: Int32Array.of(70000) }],
    ['w', { shape: [3], data: Float32Array.of(1, Number.NEGATIVE_INFINITY, 65504) }],
  ]);
  const past = new Map([['w', { shape: [2], data: Float32Array.of(1, -65520) }]]);
  assert.throws(
    () => encodeSafetensors({ tensors: past, metadata: {} }, { floats: 'float16' }),
    (error: unknown) => error instanceof ArgumentError && /w holds -65520, float16 ends/.test(error.message),
  );
});

test('files damaged at random end in a named error or a whole result', async () => {
  const tensors = new Map<string, HostTensor>([
    ['a', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ['h', { shape: [2], data: Float64Array.of(1, 2) }],
  ]);
  const whole = joined(encodeSafetensors({ tensors, metadata: { step: '3' } }, { floats: 'float16' }));
  await damageAll('a.safetensors', whole, 500, decodeSafetensors, (file) => {
    for (const { shape, data } of file.tensors.values())
      assert.is(
        shape.reduce((a, b) => a * b, 1),
        data.length,
      );
  });
});

test.run();
