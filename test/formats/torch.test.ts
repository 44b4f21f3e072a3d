/**
 * Files of `torch.save`: values of files that PyTorch wrote, views and types opcode by opcode, what must be refused, and
 * damage of every kind.
 */
import { existsSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StateDict } from '../../src/core/state.js';
import { decodeTorch } from '../../src/formats/torch.js';
import { root } from '../../support/root.js';
import { damageAll, joined, refused } from './damage.js';
import { legacyFile, op, torchFile } from './torchWriter.js';

const test = suite('torch');
const six = Float32Array.of(1, 2, 3, 4, 5, 6);
const numbersOf = (tensors: StateDict): [string, readonly number[], number[]][] =>
  [...tensors].map(([name, { shape, data }]) => [name, shape, [...data]]);
const refuses = (bytes: Uint8Array, message: RegExp, under?: string): Promise<void> =>
  refused('a.pt: ', () => decodeTorch(bytes, 'a.pt', under === undefined ? {} : { under }), message);

const folder = `${root}../shared/data/torch-files/`;
test('files that PyTorch wrote: every value', async () => {
  if (!existsSync(folder)) {
    console.log('skipped: no ../shared/data/torch-files');
    return;
  }
  const read = (name: string): StateDict => decodeTorch(readFileSync(`${folder}${name}.pt`), 'a.pt');
  type Values = Record<string, number[]>;
  const expected: Record<string, Values> = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8'));
  const [weights = {}] = Object.entries(expected).flatMap(([key, value]) => (key === 'views' ? [] : [value]));
  for (const [name, precision] of [
    ['state-dict', 0],
    ['checkpoint', 0],
    ['double', 0],
    ['legacy', 0],
    ['half', 2 ** -11],
    ['bfloat16', 2 ** -8],
  ] as const) {
    const tensors =
      name === 'checkpoint'
        ? decodeTorch(readFileSync(`${folder}${name}.pt`), 'a.pt', { under: 'state_dict' })
        : read(name);
    assert.equal([...tensors.keys()], Object.keys(weights), name);
    for (const [key, { data }] of tensors) {
      assert.is(data.length, weights[key]!.length);
      for (const [i, value] of weights[key]!.entries())
        assert.ok(
          Math.abs(data[i]! - value) <= Math.abs(value) * precision + (name === 'half' ? 2 ** -25 : 0),
          `${name} ${key} ${i}`,
        );
    }
  }
  assert.equal(
    Object.fromEntries(
      [...read('views')].filter(([key]) => key !== 'whole').map(([key, { data }]) => [key, [...data]]),
    ),
    expected.views,
  );
  await refuses(readFileSync(`${folder}unsafe.pt`), /posix\.system.*nothing was run/);
  for (const name of ['views', 'legacy', 'checkpoint'])
    await damageAll(name, readFileSync(`${folder}${name}.pt`), 150, decodeTorch);
});

test('views: transposed, strided, from an offset, repeated, of no elements, a scalar', () => {
  const storage = op.storage('FloatStorage', '0', 6);
  const value = op.dict({
    whole: op.tensor(storage, 0, [2, 3], [3, 1]),
    turned: op.tensor(storage, 0, [3, 2], [1, 3]),
    second: op.tensor(storage, 3, [3], [1]),
    every: op.tensor(storage, 1, [3], [2]),
    twice: op.tensor(storage, 4, [2, 2], [0, 1]),
    one: op.tensor(storage, 5, [], []),
    none: op.tensor(storage, 6, [0, 3], [3, 1]),
  });
  const tensors = decodeTorch(torchFile(value, { 0: six }), 'a.pt');
  assert.equal(numbersOf(tensors), [
    ['whole', [2, 3], [1, 2, 3, 4, 5, 6]],
    ['turned', [3, 2], [1, 4, 2, 5, 3, 6]],
    ['second', [3], [4, 5, 6]],
    ['every', [3], [2, 4, 6]],
    ['twice', [2, 2], [5, 6, 5, 6]],
    ['one', [], [6]],
    ['none', [0, 3], []],
  ]);
  // Tied weights stay tied.
  tensors.get('whole')!.data[3] = 9;
  assert.is(tensors.get('second')!.data[0], 9);
});

test('types: exact where a wider one holds them, refused by name where none does', async () => {
  const read = (storage: string, data: ArrayBufferView, n: number): StateDict =>
    decodeTorch(torchFile(op.tensor(op.storage(storage, '0', n), 0, [n], [1]), { 0: data }), 'a.pt');
  const cases: [string, ArrayBufferView, number[]][] = [
    ['DoubleStorage', Float64Array.of(0.1, -1e300), [0.1, -1e300]],
    [
      'HalfStorage',
      Uint16Array.of(0x3c00, 0xc000, 1, 0x7bff, 0x7c00, 0x8000),
      [1, -2, 2 ** -24, 65504, Infinity, -0],
    ],
    ['BFloat16Storage', Uint16Array.of(0x3f80, 0xc040, 0xff80), [1, -3, -Infinity]],
    ['LongStorage', BigInt64Array.of(-1n, 2n ** 31n - 1n, -(2n ** 31n)), [-1, 2 ** 31 - 1, -(2 ** 31)]],
    ['IntStorage', Int32Array.of(-5), [-5]],
    ['ShortStorage', Int16Array.of(-5, 7), [-5, 7]],
    ['CharStorage', Int8Array.of(-128), [-128]],
    ['ByteStorage', Uint8Array.of(255), [255]],
    ['BoolStorage', Uint8Array.of(0, 1), [0, 1]],
  ];
  for (const [storage, data, expected] of cases)
    assert.equal(
      numbersOf(read(storage, data, expected.length)),
      [['tensor', [expected.length], expected]],
      storage,
    );
  const many = BigInt64Array.of(0n, 2n ** 53n + 1n);
  await refused(
    'a.pt: tensor: ',
    () => read('LongStorage', many, 2),
    /number 1 is 9007199254740993 \(int64\)/,
  );
  await refused('a.pt: tensor: ', () => read('BoolStorage', Uint8Array.of(2), 1), /a bool of 2/);
  await refused(
    'a.pt: ',
    () => read('ComplexFloatStorage', six, 3),
    /torch\.ComplexFloatStorage.*nothing was run/,
  );
});

test('checkpoints: tensors by path, parameters, ordered dictionaries with attributes, other values passed over', () => {
  const weight = op.tensor(op.storage('FloatStorage', '0', 6), 0, [6], [1]);
  const step = op.tensor(op.storage('LongStorage', '1', 1), 0, [], []);
  const ordered = `${op.ordered}(${op.text('w')}${op.call(op.name('torch._utils', '_rebuild_parameter'), weight, '\x88', op.ordered)}u${op.dict({ _metadata: op.ordered })}b`;
  const value = op.dict({
    epoch: op.whole(3),
    model: op.dict({ layers: op.list(ordered, ordered) }),
    optimizer: op.dict({
      state: `}${op.whole(0)}${op.dict({ step })}s`,
      lr: `G${'\0'.repeat(8)}`,
      shape: op.call(op.name('torch', 'Size'), op.tuple(op.whole(6))),
    }),
    precision: op.name('torch', 'float16'),
  });
  const file = torchFile(value, { 0: six, 1: BigInt64Array.of(7n) }, { wide: true, comment: 'zip64' });
  const paths = (under?: string): string[] => [
    ...decodeTorch(file, 'a.pt', under === undefined ? {} : { under }).keys(),
  ];
  assert.equal(paths(), ['model.layers.0.w', 'model.layers.1.w', 'optimizer.state.0.step']);
  assert.equal(paths('model.layers.1'), ['w']);
  assert.equal(
    [...decodeTorch(file, 'a.pt', { under: 'optimizer' }).values()],
    [{ shape: [], data: Int32Array.of(7) }],
  );
});

test('the opcodes of protocols 3 to 5: frames, short texts, names from the stack, notes without a number, sets, bytes', () => {
  const short = (text: string): string => `\x8c${String.fromCharCode(text.length)}${text}\x94`;
  const storage = op.storage('FloatStorage', '0', 6);
  const rebuild = `${short('torch._utils')}${short('_rebuild_tensor_v2')}\x93\x94`;
  const tensor = `${rebuild}(${storage}K\x02K\x03\x85K\x01\x85\x89}t\x94R\x94`;
  const others = `${short('set')}\x8f\x94(K\x01K\x02\x90${short('bytes')}C\x02ab`;
  const value = `\x80\x04\x95\0\0\0\0\0\0\0\0}\x94(${others}${short('w')}${tensor}${short('again')}h\x09u`;
  assert.equal(numbersOf(decodeTorch(torchFile(value, { 0: six }), 'a.pt')), [
    ['w', [3], [3, 4, 5]],
    ['again', [3], [3, 4, 5]],
  ]);
});

test('the form before zip files', async () => {
  const storage = op.storage('FloatStorage', '77', 6, 'N');
  const value = op.dict({ w: op.tensor(storage, 0, [3, 2], [1, 3]) });
  const file = legacyFile(value, { 77: six });
  assert.equal(numbersOf(decodeTorch(file, 'a.pt')), [['w', [3, 2], [1, 4, 2, 5, 3, 6]]]);
  await refuses(file.subarray(0, -1), /storage 77 hasn't its 6 elements: was the file cut short/);
  await refuses(joined(file, '\0'), /1 bytes too many/);
  await refuses(legacyFile(value, {}), /storage 77 is missing/);
  await refuses(legacyFile(value, { 77: six, 78: six }), /list of storages/);
  await refuses(joined('ustar, of PyTorch 0.1'), /not a file of torch\.save/);
  await damageAll('a.pt', file, 400, decodeTorch);
});

test('nothing is run: names and opcodes beyond the list end the reading', async () => {
  const echo = op.tuple(op.text('echo pwned'));
  await refuses(torchFile(`${op.name('os', 'system')}${echo}R`), /names os\.system/);
  await refuses(torchFile(`${op.text('builtins')}${op.text('eval')}\x93${echo}R`), /names builtins\.eval/);
  await refuses(torchFile(`${op.name('torch', 'Tensor')})R`), /calls torch\.Tensor/);
  await refuses(torchFile(`${op.name('collections', 'OrderedDict')})\x81`), /opcode 0x81/);
  await refuses(torchFile(`(${echo}i__builtin__\neval\n`), /opcode 0x69/);
  await refuses(torchFile(op.name('__main__', 'Net\x1b[31m')), /__main__\.Net\\u001b/);
  await refuses(
    torchFile(op.call(op.name('torch._tensor', '_rebuild_from_type_v2'), op.name('os', 'system'))),
    /os\.system/,
  );
});

test('claims beyond the file are refused before memory is taken', async () => {
  const storage = op.storage('FloatStorage', '0', 6);
  const read = (offset: number, shape: number[], strides: number[], message: RegExp): Promise<void> =>
    refuses(torchFile(op.dict({ w: op.tensor(storage, offset, shape, strides) }), { 0: six }), message);
  await read(0, [7], [1], /w: \[7\] reaches to element 6 of a storage of 6/);
  await read(1, [2, 3], [3, 1], /reaches to element 6/);
  await read(0, [2 ** 31 - 1, 2 ** 20], [0, 0], /repeats the elements/);
  await read(0, [2 ** 31 - 1, 2 ** 31 - 1], [0, 0], /arguments that make no sense/);
  await read(0, [2, 3], [1], /arguments that make no sense/);
  await read(-1, [2], [1], /arguments that make no sense/);
  await refuses(
    torchFile(op.tensor(storage, 0, [6], [1]), { 0: six.subarray(1) }),
    /20 bytes, 24 are expected/,
  );
  await refuses(torchFile(op.tensor(storage, 0, [6], [1])), /net\/data\/0 is missing/);
  // A list that holds itself, and lists that hold the next one ten times each.
  await refuses(torchFile(']q\x00h\x00a'), /hold themselves/);
  const laughs = Array.from(
    { length: 30 },
    (_, i) => `](${`h${String.fromCharCode(i)}`.repeat(10)}eq${String.fromCharCode(i + 1)}`,
  );
  await refuses(
    torchFile(`${op.tensor(storage, 0, [6], [1])}q\x00${laughs.join('')}`, { 0: six }),
    /each other too often/,
  );
  await refuses(
    torchFile(`]q\x00(${'N'.repeat(2000)}e0${`ctorch\nSize\n(h\x00tR0`.repeat(100)}N`),
    /given more than it holds|make no sense/,
  );
});

test('files with nothing to give say so', async () => {
  const value = op.dict({
    model: op.dict({ w: op.tensor(op.storage('FloatStorage', '0', 6), 0, [6], [1]) }),
  });
  await refuses(
    torchFile(value, { 0: six }),
    /no tensors under state_dict; it has some under model/,
    'state_dict',
  );
  await refuses(torchFile(op.dict({ epoch: op.whole(3) })), /no tensors$/);
  const two = op.dict({
    'a.b': op.tensor(op.storage('FloatStorage', '0', 6), 0, [6], [1]),
    a: op.dict({ b: op.tensor(op.storage('FloatStorage', '0', 6), 0, [6], [1]) }),
  });
  await refuses(torchFile(two, { 0: six }), /two tensors have the path a\.b/);
});

test('damaged files end in a named error, or in the right numbers', async () => {
  const storage = op.storage('FloatStorage', '0', 6);
  const value = op.dict({
    turned: op.tensor(storage, 0, [3, 2], [1, 3]),
    w: op.tensor(storage, 1, [5], [1]),
  });
  await damageAll('a.pt', torchFile(value, { 0: six }), 500, decodeTorch, (tensors) => {
    // Checksums keep the numbers; names are in the pickle, which they keep as well.
    assert.equal(numbersOf(tensors), [
      ['turned', [3, 2], [1, 4, 2, 5, 3, 6]],
      ['w', [5], [2, 3, 4, 5, 6]],
    ]);
  });
  // The same in the pickle alone, where no checksum helps.
  const pickle = joined(value);
  await damageAll('b.pt', pickle, 500, (bytes, file) =>
    decodeTorch(torchFile(Buffer.from(bytes).toString('latin1'), { 0: six }), file),
  );
});

test.run();
