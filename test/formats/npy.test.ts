/** .npy files: the header NumPy writes, byte by byte; numbers there and back; damaged files. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeNpy, encodeNpy } from '../../src/formats/npy.js';
import { damageAll } from './damage.js';

const test = suite('npy');
const file = (pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces));

test("the header is NumPy's", () => {
  const bytes = file(encodeNpy({ shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }));
  assert.is(Buffer.from(bytes.subarray(0, 8)).toString('latin1'), '\x93NUMPY\x01\x00');
  const header = Buffer.from(bytes.subarray(10, 128)).toString();
  assert.match(header, /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 3\), \} *\n$/);
  assert.is(bytes.length, 128 + 24);
  assert.match(
    Buffer.from(encodeNpy({ shape: [6], data: new Uint8Array(6) })[0]!).toString('latin1'),
    /\|u1.*\(6,\)/,
  );
});

test('numbers come back', () => {
  for (const tensor of [
    { shape: [2, 3], data: Float32Array.of(1, -2, 3, 4, 5, 6.5) },
    { shape: [4], data: Float64Array.of(0.1, 1e300, -0, 3) },
    { shape: [1, 2, 1], data: Int32Array.of(-7, 8) },
    { shape: [0, 5], data: new Uint8Array(0) },
    { shape: [], data: Float32Array.of(3) },
  ]) {
    assert.equal(decodeNpy(file(encodeNpy(tensor)), 'x.npy'), tensor);
  }
});

/** A file with that dictionary for a header, and the numbers 1 and 2 in float32. */
function withHeader(dictionary: string, version = 1): Uint8Array {
  const text = Buffer.from(`${dictionary}\n`, 'latin1');
  const length = Buffer.alloc(version > 1 ? 4 : 2);
  if (version > 1) length.writeUInt32LE(text.length);
  else length.writeUInt16LE(text.length);
  const numbers = new Uint8Array(Float32Array.of(1, 2).buffer);
  return new Uint8Array(
    Buffer.concat([
      Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0`, 'latin1'),
      length,
      text,
      numbers,
    ]),
  );
}

test("other writers' headers are read: Python 2's sizes, double quotes, any order, no blanks", () => {
  const read = (dictionary: string, version?: number): unknown =>
    decodeNpy(withHeader(dictionary, version), 'x.npy');
  const column = { shape: [2, 1], data: Float32Array.of(1, 2) };
  assert.equal(read("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 1L), }"), column);
  assert.equal(read('{"descr": "<f4", "fortran_order": False, "shape": (2, 1)}'), column);
  assert.equal(read("{'shape':(2,1),'fortran_order':False,'descr':'<f4'}"), column);
  assert.equal(read("  { 'shape' : ( 2 , 1 ) ,'descr':'<f4' , 'fortran_order' : False }   ", 3), column);
});

test('a header that never comes to its point is refused, and a long one unread', () => {
  for (const part of ["'shape': (", "'descr': '", "'shape': ('descr': ", '{', ', ', "'"]) {
    const dictionary = `{${part.repeat(0xfff0 / part.length)}`;
    assert.throws(() => decodeNpy(withHeader(dictionary), 'x.npy'), /x\.npy/);
    assert.throws(() => decodeNpy(withHeader(dictionary.repeat(2), 2), 'x.npy'), /at most 65535 are read/);
  }
});

test('types that tensors do not have are refused, and widened where that is wanted and they fit', () => {
  const read = (descr: string, numbers: ArrayBufferView, options = { widen: true }): unknown => {
    const [header] = encodeNpy({ shape: [2], data: Float32Array.of(1, 2) });
    const text = Buffer.from(header!).toString('latin1').replace('<f4', descr);
    return decodeNpy(
      new Uint8Array(Buffer.concat([Buffer.from(text, 'latin1'), new Uint8Array(numbers.buffer)])),
      'x.npy',
      options,
    );
  };
  assert.equal(read('<f2', Uint16Array.of(0x3c00, 0xc000)), { shape: [2], data: Float32Array.of(1, -2) });
  assert.equal(read('<i8', BigInt64Array.of(-3n, 4n)), { shape: [2], data: Int32Array.of(-3, 4) });
  assert.equal(read('|b1', Uint8Array.of(1, 0)), { shape: [2], data: Uint8Array.of(1, 0) });
  assert.throws(
    () => read('<f2', Uint16Array.of(0, 0), { widen: false }),
    /x\.npy.*its numbers are <f2, expected <f4.*widen: true/,
  );
  assert.throws(() => read('<i8', BigInt64Array.of(0n, 2n ** 40n)), /x\.npy.*number 1 is 1099511627776/);
});

test('files damaged at random are refused by name, or read whole', async () => {
  const whole = file(encodeNpy({ shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }));
  await damageAll('x.npy', whole, 500, decodeNpy, ({ shape, data }) =>
    assert.is(
      data.length,
      shape.reduce((size, n) => size * n, 1),
    ),
  );
});

test('damaged files are refused by name', () => {
  const whole = file(encodeNpy({ shape: [2, 3], data: new Float32Array(6) }));
  const changed = (from: string, to: string): Uint8Array =>
    new Uint8Array(Buffer.from(Buffer.from(whole).toString('latin1').replace(from, to), 'latin1'));
  const cases: [Uint8Array, RegExp][] = [
    [whole.subarray(0, whole.length - 1), /x\.npy.*23 bytes of numbers/],
    [new Uint8Array(20), /NumPy's mark/],
    [whole.subarray(0, 9), /cut short/],
    [changed('False', 'True '), /Fortran order/],
    [changed('<f4', '<c8'), /<c8/],
    [changed('{', ' '), /isn't a dictionary/],
    [changed('}', ' '), /isn't a dictionary/],
    [changed("'descr'", "'desc_'"), /unnamed/],
    [changed("'<f4'", "[('a', '<f4')]"), /\[\('a'|isn't a dictionary/],
    [changed('(2, 3)', '(2, x)'), /\(2, x\)/],
  ];
  for (const [bytes, expected] of cases) assert.throws(() => decodeNpy(bytes, 'x.npy'), expected);
});

test.run();
