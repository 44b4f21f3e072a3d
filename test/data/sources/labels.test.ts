/** Labels of ImageNet's validation photographs: every form of file, and none taken for another. */
import { deflateSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { parseGroundTruth, parseSynsets, type Synset } from '../../../src/data/sources/imagenet/labels.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function refused(run: () => unknown, message: RegExp): void {
  try {
    run();
  } catch (error) {
    assert.instance(error, DataError);
    assert.match(String(error), message);
    return;
  }
  assert.unreachable(String(message));
}

/** ILSVRC2012's first three ids: not in the order of the WNIDs. */
const table: Synset[] = [
  { wnid: 'n02119789', id: 1, words: 'kit fox, Vulpes macrotis' },
  { wnid: 'n02100735', id: 2, words: 'English setter' },
  { wnid: 'n01440764', id: 3, words: 'tench' },
];

/** Writes meta.mat, either order of bytes, plain or compressed, as the format's description has it. */
class MatlabWriter {
  constructor(
    private readonly little: boolean,
    private readonly compressed: boolean,
  ) {}

  file(synsets: readonly (Synset & { children: number })[]): Uint8Array {
    const head = new Uint8Array(128).fill(32);
    head.set(bytesOf('MATLAB 5.0 MAT-file'));
    head.set(this.little ? [0, 1, 73, 77] : [1, 0, 77, 73], 124);
    const other = this.matrix('other', 6, [1, 1], this.element(12, new Uint8Array(8)));
    const whole = [other, this.table(synsets)].map((element) => {
      if (!this.compressed) return element;
      const body = deflateSync(Uint8Array.from(element));
      return [...this.word(15), ...this.word(body.length), ...body];
    });
    return Uint8Array.from([...head, ...whole.flat().flatMap((x) => (typeof x === 'number' ? [x] : [...x]))]);
  }

  private table(synsets: readonly (Synset & { children: number })[]): Uint8Array {
    const names = ['ILSVRC2012_ID', 'WNID', 'words', 'num_children'];
    const width = 32;
    const list = new Uint8Array(width * names.length);
    for (const [i, name] of names.entries()) list.set(bytesOf(name), i * width);
    const cells = synsets.flatMap(({ id = 0, wnid, words, children }) => [
      ...this.matrix('', 6, [1, 1], this.element(9, this.double(id))),
      ...this.matrix('', 4, [1, wnid.length], this.element(16, bytesOf(wnid))),
      ...this.matrix('', 4, [1, words.length], this.element(4, this.units(words))),
      ...this.matrix('', 6, [1, 1], this.element(2, Uint8Array.of(children))),
    ]);
    const content = [...this.short(5, this.word(width)), ...this.element(1, list), ...cells];
    return Uint8Array.from(this.matrix('synsets', 2, [synsets.length, 1], content));
  }

  private matrix(name: string, kind: number, sizes: readonly number[], content: Iterable<number>): number[] {
    const body = [
      ...this.element(6, [...this.word(kind), ...this.word(0)]),
      ...this.element(
        5,
        sizes.flatMap((n) => this.word(n)),
      ),
      ...this.element(1, bytesOf(name)),
      ...content,
    ];
    return [...this.word(14), ...this.word(body.length), ...body];
  }

  private element(type: number, body: Iterable<number>): number[] {
    const bytes = [...body];
    const padding = new Array<number>((8 - (bytes.length % 8)) % 8).fill(0);
    return [...this.word(type), ...this.word(bytes.length), ...bytes, ...padding];
  }

  private short(type: number, body: readonly number[]): number[] {
    return [...this.word((body.length << 16) | type), ...body];
  }

  private word(value: number): number[] {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value, this.little);
    return [...new Uint8Array(view.buffer)];
  }

  private double(value: number): Uint8Array {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value, this.little);
    return new Uint8Array(view.buffer);
  }

  private units(text: string): number[] {
    return Array.from(text, (c) => {
      const view = new DataView(new ArrayBuffer(2));
      view.setUint16(0, c.charCodeAt(0), this.little);
      return [...new Uint8Array(view.buffer)];
    }).flat();
  }
}

const withParent = [
  ...table.map((synset) => ({ ...synset, children: 0 })),
  { wnid: 'n00001740', id: 1001, words: 'entity', children: 2 },
];

test("meta.mat's classes are those without children, in either order of bytes, compressed or not", () => {
  for (const little of [true, false]) {
    for (const compressed of [true, false]) {
      const file = new MatlabWriter(little, compressed).file(withParent);
      assert.equal(parseSynsets('meta.mat', file), table, `little ${little}, compressed ${compressed}`);
    }
  }
});

test('a damaged meta.mat is refused, wherever it is cut', () => {
  const file = new MatlabWriter(true, false).file(withParent);
  for (const length of [60, 127, 128, 300, 400, 700, file.length - 8]) {
    refused(() => parseSynsets('meta.mat', file.subarray(0, length)), /meta\.mat: /);
  }
});

/** A file that holds `synsets` with that many structs claimed, of one field whose names have that many characters. */
function claiming(count: number, width: number): Uint8Array {
  const word = (value: number): number[] => [...new Uint8Array(Int32Array.of(value).buffer)];
  const element = (type: number, body: readonly number[]): number[] => [
    ...word(type),
    ...word(body.length),
    ...body,
    ...new Array<number>((8 - (body.length % 8)) % 8).fill(0),
  ];
  const matrix = [
    ...element(6, [...word(2), ...word(0)]),
    ...element(5, [...word(count), ...word(1)]),
    ...element(1, [...bytesOf('synsets')]),
    ...element(5, word(width)),
    ...element(1, [...bytesOf('WNID')]),
  ];
  const head = new Uint8Array(128).fill(32);
  head.set(bytesOf('MATLAB 5.0'));
  head.set([0, 1, 73, 77], 124);
  return Uint8Array.from([...head, ...element(14, matrix)]);
}

/** A file of one compressed element that holds `inside`, compressed `times` over. */
function packed(inside: Uint8Array, times: number): Uint8Array {
  let body = inside;
  for (let i = 0; i < times; i++) {
    const stream = deflateSync(body);
    body = new Uint8Array(8 + stream.length);
    body.set([15, 0, 0, 0, ...new Uint8Array(Uint32Array.of(stream.length).buffer)]);
    body.set(stream, 8);
  }
  return Uint8Array.from([...claiming(1, 4).subarray(0, 128), ...body]);
}

test('a small meta.mat that claims to be huge is refused at once', () => {
  const read = (file: Uint8Array) => () => parseSynsets('meta.mat', file);
  refused(read(claiming(1, 0)), /names of 0 characters/);
  refused(read(claiming(1, -1)), /names of -1 characters/);
  refused(read(claiming(100_000_000, 4)), /100000000 structs of 1 fields, but 0 values/);
  refused(read(claiming(-3, 4)), /-3 structs/);
  refused(read(packed(new Uint8Array(80e6), 1)), /meta\.mat: unpacks to more than the 67\.1 MB/);
  refused(read(packed(new Uint8Array(30e6), 1)), /more than 1000000 elements/);
  refused(read(packed(claiming(1, 4), 40)), /nested more than 16 deep/);
});

test('tables of synsets as text: ids first or last, or none', () => {
  const texts = [
    'n02119789 1 kit_fox\nn02100735 2 English_setter\nn01440764 3 tench\n',
    '1 n02119789 kit_fox\r\n2 n02100735 English_setter\r\n3 n01440764 tench',
  ];
  for (const text of texts) {
    assert.equal(
      parseSynsets('x', bytesOf(text)).map(({ wnid, id, words }) => [wnid, id, words.split(',')[0]]),
      [
        ['n02119789', 1, 'kit fox'],
        ['n02100735', 2, 'English setter'],
        ['n01440764', 3, 'tench'],
      ],
    );
  }
  const kaggle = parseSynsets('x', bytesOf('n01440764 tench, Tinca tinca\nn01443537 goldfish\n'));
  assert.equal(kaggle[0], { wnid: 'n01440764', id: undefined, words: 'tench, Tinca tinca' });
  refused(
    () => parseSynsets('x', bytesOf('n01440764 1\nn01440764 2')),
    /two classes have the wnid n01440764/,
  );
  refused(() => parseSynsets('x', bytesOf('n01440764 1\nn01440765 1')), /two classes have the id 1/);
  refused(() => parseSynsets('x', bytesOf('fish\n')), /line 1 is "fish"/);
  refused(() => parseSynsets('x', bytesOf('\n')), /no classes/);
});

test('ILSVRC2012_IDs become WNIDs by the table, never by their order', () => {
  const label = parseGroundTruth('gt.txt', bytesOf('3\n1\n2\n1\n'), table);
  assert.equal(label([1, 2, 4, 3].map((n) => `ILSVRC2012_val_0000000${n}.JPEG`)), [
    'n01440764',
    'n02119789',
    'n02119789',
    'n02100735',
  ]);
  refused(
    () => label(['ILSVRC2012_val_00000005.JPEG']),
    /00000005\.JPEG has no line in gt\.txt, which has 4/,
  );
  refused(() => label(['ILSVRC2012_val_00000000.JPEG']), /has no line/);
  refused(() => label(['photo.JPEG']), /its number in gt\.txt is unknown/);
});

test('a line too many is refused, as it would shift the labels after it; the whole set serves some of it', () => {
  const photographs = [1, 2, 3].map((n) => `ILSVRC2012_val_0000000${n}.JPEG`);
  const read = (lines: readonly string[]): readonly string[] =>
    parseGroundTruth('gt', bytesOf(lines.join('\n')), table)(photographs);
  assert.equal(read(['3', '1', '2']), ['n01440764', 'n02119789', 'n02100735']);
  refused(
    () => read(['3', '1', '1', '2']),
    /gt: has 4 lines, which fit neither the 50000 photographs.*up to number 3/,
  );
  refused(() => read(['n01440764', 'n00000009', 'n02119789', 'n02100735']), /gt: has 4 lines/);
  refused(() => read(['3', '1']), /has no line in gt, which has 2/);
  assert.equal(read([...['2', '1', '3'], ...new Array<string>(49_997).fill('1')]), [
    'n02100735',
    'n02119789',
    'n01440764',
  ]);
});

test('ids without a table that has them are refused, saying what to give', () => {
  refused(
    () => parseGroundTruth('gt.txt', bytesOf('1\n2'), []),
    /nothing says which class.*meta\.mat, or a text file of lines/,
  );
  const unnumbered = table.map((synset) => ({ ...synset, id: undefined }));
  refused(() => parseGroundTruth('gt.txt', bytesOf('1\n2'), unnumbered), /nothing says which class/);
  refused(() => parseGroundTruth('gt.txt', bytesOf('1\n7'), table), /line 2 has the ILSVRC2012_ID 7/);
});

test("a list of WNIDs and Kaggle's solutions need no table", () => {
  const list = parseGroundTruth('x', bytesOf('n01440764\nn02119789\n'), []);
  assert.equal(list(['ILSVRC2012_val_00000002.JPEG']), ['n02119789']);
  const csv =
    'ImageId,PredictionString\nILSVRC2012_val_00048981,n03995372 85 1 499 272 \nILSVRC2012_val_1,n03481172 1 2\n';
  const solution = parseGroundTruth('x', bytesOf(csv), []);
  assert.equal(solution(['ILSVRC2012_val_00048981.JPEG']), ['n03995372']);
  refused(() => solution(['ILSVRC2012_val_00000001.JPEG']), /has no line/);
  refused(() => parseGroundTruth('x', bytesOf('ImageId,PredictionString\na,b'), []), /line 2 is "a,b"/);
  refused(
    () => parseGroundTruth('x', bytesOf(`${csv}ILSVRC2012_val_1,n01440764 1 2\n`), []),
    /line 4: ILSVRC2012_val_1 has a line before: which of the two holds/,
  );
});

test('other files are not taken for labels', () => {
  refused(
    () => parseGroundTruth('x', bytesOf('ILSVRC2012_val_00000001.JPEG 65\n'), table),
    /line 1 is "ILSVRC2012_val/,
  );
  refused(() => parseGroundTruth('x', bytesOf('1\n2\nhello\n'), table), /line 3 is "hello"/);
  // An empty line would shift all that follow by one.
  refused(() => parseGroundTruth('x', bytesOf('1\n\n2\n'), table), /line 2 is ""/);
  refused(() => parseGroundTruth('x', bytesOf(''), table), /expected on each line/);
});

test.run();
