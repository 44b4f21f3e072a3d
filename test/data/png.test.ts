/**
 * PNGs: every colour type, depth, filter and interlacing against arithmetic; chunks that don't matter may be damaged,
 * those that matter may not; orientation; and small files that unpack to large ones.
 */
import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage, openImage } from '../../src/data/images/image.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { exifOf } from './files.js';
import { codesOf } from './jpegWriter.js';
import { chunk, headerOf, type PngPlan, pngSignature, rowsOf, writePng } from './pngWriter.js';

/** Samples a pixel and depths, by colour type. */
const kinds = [
  { colourType: 0, samples: 1, depths: [1, 2, 4, 8, 16] },
  { colourType: 2, samples: 3, depths: [8, 16] },
  { colourType: 3, samples: 1, depths: [1, 2, 4, 8] },
  { colourType: 4, samples: 2, depths: [8, 16] },
  { colourType: 6, samples: 4, depths: [8, 16] },
];

const onWhite = (value: number, alpha: number): number =>
  Math.floor((value * alpha + 255 * (255 - alpha)) / 255 + 0.5);

/** Two pixels: 200, 10, 20. */
const pair: PngPlan = { width: 2, height: 1, pixelAt: () => [200, 10, 20] };
const pairShown = [200, 200, 10, 10, 20, 20];
const shown = (bytes: Uint8Array): number[] => [...decodeImage(bytes).planes];

test('all colour types, depths, filters and interlacing, with and without tRNS', () => {
  const random = seededRandom('png');
  for (const { colourType, samples, depths } of kinds) {
    for (const depth of depths) {
      for (const interlaced of [false, true]) {
        for (const withTransparency of [false, true]) {
          const [width, height] = [1 + random.integer(20), 1 + random.integer(20)];
          const levels = 2 ** depth;
          const entries = 1 + random.integer(levels);
          const palette = Array.from({ length: 3 * entries }, () => random.integer(256));
          const few = Array.from({ length: 2 }, () => random.integer(colourType === 3 ? entries : levels));
          const pixels = Array.from({ length: width * height }, () =>
            Array.from({ length: samples }, () => few[random.integer(2)]!),
          );
          const plan: PngPlan = {
            ...{ width, height, colourType, depth, interlaced },
            pixelAt: (x, y) => pixels[y * width + x]!,
            filterOf: () => random.integer(5),
          };
          const alphas = Array.from({ length: 1 + random.integer(entries) }, () => random.integer(256));
          const through = pixels[0]!;
          const front = [
            ...(colourType === 3 ? [chunk('PLTE', palette)] : []),
            ...(withTransparency
              ? [
                  chunk(
                    'tRNS',
                    colourType === 3 ? alphas : through.flatMap((level) => [level >> 8, level & 255]),
                  ),
                ]
              : []),
          ];
          const expected = pixels.map((pixel) => {
            if (colourType === 3) {
              const place = pixel[0]!;
              const alpha = withTransparency ? (alphas[place] ?? 255) : 255;
              return palette.slice(3 * place, 3 * place + 3).map((value) => onWhite(value, alpha));
            }
            const values = pixel.map((level) => (depth === 16 ? level >> 8 : (level * 255) / (levels - 1)));
            const colours = samples <= 2 ? [values[0]!, values[0]!, values[0]!] : values.slice(0, 3);
            const isThrough = withTransparency && pixel.every((level, c) => level === through[c]);
            const alpha = samples % 2 === 0 ? values[samples - 1]! : isThrough ? 0 : 255;
            return colours.map((value) => onWhite(value, alpha));
          });
          const image = decodeImage(writePng(plan, { front }));
          assert.equal([image.width, image.height], [width, height]);
          assert.equal(
            [...image.planes],
            [0, 1, 2].flatMap((c) => expected.map((pixel) => pixel[c]!)),
            JSON.stringify({ ...plan, withTransparency }),
          );
        }
      }
    }
  }
});

test('pictures of many rows go to the decoder in bands, which go on where the last ended', () => {
  for (const depth of [8, 16]) {
    const [width, height] = [1500, 1200];
    // Each row is the one above plus 1 (in the upper byte of 16 bits).
    const lineBytes = 1 + (3 * width * depth) / 8;
    const lines = new Uint8Array(height * lineBytes);
    for (let y = 1; y < height; y++) {
      lines[y * lineBytes] = 2;
      for (let i = 1; i < lineBytes; i += depth / 8) lines[y * lineBytes + i] = 1;
    }
    const plan: PngPlan = { width, height, depth, pixelAt: () => [] };
    const { planes } = decodeImage(
      writePng(plan, { data: [chunk('IDAT', deflateSync(lines, { level: 1 }))] }),
    );
    let wrong = 0;
    for (let i = 0; i < planes.length; i++)
      if (planes[i] !== ((Math.floor(i / width) % height) & 255)) wrong++;
    assert.is(wrong, 0, `${depth} bits`);
  }
});

test('chunks that may be left out may be damaged', () => {
  const bodies: [string, readonly number[]][] = [
    ['tEXt', codesOf('Comment\0hello')],
    ['tEXt', codesOf('no zero')],
    ['tEXt', codesOf(`${'k'.repeat(100)}\0text`)],
    ['zTXt', codesOf('Comment\0\0junk')],
    ['iTXt', [1]],
    ['iCCP', codesOf('profile\0\0junk')],
    ['iCCP', codesOf('profile\0\x07junk')],
    ['pHYs', [1, 2, 3]],
    ['gAMA', []],
    ['tIME', [1]],
    ['acTL', [0]],
    ['fdAT', []],
    ['prVt', [1, 2, 3]],
    ['eXIf', codesOf('II*\0')],
    ['tRNS', [1, 2, 3]],
  ];
  for (const [type, body] of bodies) {
    for (const damaged of [false, true]) {
      const extra = [chunk(type, body, damaged)];
      assert.equal(shown(writePng(pair, { front: extra })), pairShown, `${type} in front`);
      assert.equal(shown(writePng(pair, { end: [...extra, chunk('IEND')] })), pairShown, `${type} behind`);
    }
  }
  assert.equal(
    shown(writePng(pair, { front: [chunk('PLTE', [1, 2])] })),
    pairShown,
    'a palette of an RGB picture',
  );
  const wrong = chunk('tRNS', [0, 200, 0, 10, 0, 20], true);
  assert.equal(shown(writePng(pair, { front: [wrong] })), pairShown, 'tRNS of a wrong CRC');
});

test('tRNS beside alpha, of a wrong length or behind the picture is ignored', () => {
  const alpha: PngPlan = { width: 1, height: 1, colourType: 6, pixelAt: () => [200, 10, 20, 255] };
  assert.equal(shown(writePng(alpha, { front: [chunk('tRNS', [0, 200, 0, 10, 0, 20])] })), [200, 10, 20]);
  const late = [chunk('tRNS', [0, 200, 0, 10, 0, 20]), chunk('IEND')];
  assert.equal(shown(writePng(pair, { end: late })), pairShown);
  assert.equal(
    shown(writePng(pair, { front: [late[0]!] })),
    pairShown.map(() => 255),
  );
  const indexed: PngPlan = { width: 2, height: 1, colourType: 3, pixelAt: (x) => [x] };
  const palette = chunk('PLTE', [1, 2, 3]);
  // A place beyond the palette's end is black.
  assert.equal(shown(writePng(indexed, { front: [palette, chunk('tRNS', [0, 0, 0])] })), [1, 0, 2, 0, 3, 0]);
});

test('the end may be missing, the picture may not', () => {
  const zlib = deflateSync(Uint8Array.from(rowsOf(pair)));
  const ends: [string, readonly Uint8Array[]][] = [
    ['none', []],
    ['cut', [chunk('IEND').subarray(0, 6)]],
    ['wrong CRC', [chunk('IEND', [], true)]],
    ['rubbish', [Uint8Array.from({ length: 40 }, () => 0)]],
    ['text cut short', [chunk('tEXt', codesOf('a\0long text')).subarray(0, 14)]],
    ['something after the end', [chunk('IEND'), Uint8Array.from({ length: 40 }, (_, i) => i)]],
  ];
  for (const [name, end] of ends) assert.equal(shown(writePng(pair, { end })), pairShown, name);
  const pieces = [chunk('IDAT', zlib.subarray(0, 3)), chunk('IDAT'), chunk('IDAT', zlib.subarray(3))];
  assert.equal(shown(writePng(pair, { data: pieces })), pairShown, 'in pieces');
  const withMore = chunk('IDAT', deflateSync(Uint8Array.from([...rowsOf(pair), 1, 2, 3])));
  assert.equal(shown(writePng(pair, { data: [withMore] })), pairShown, 'some bytes too many');

  const refused: [Uint8Array, RegExp][] = [
    [writePng(pair, { data: [chunk('IDAT', zlib, true)] }), /CRC of its chunk "IDAT" is wrong/],
    [
      writePng(pair, { data: [chunk('IDAT', zlib).subarray(0, 14)], end: [] }),
      /broken off in its chunk "IDAT"/,
    ],
    [writePng(pair, { data: [] }), /broken off before its image data/],
    [writePng(pair, { data: [chunk('IDAT', zlib.subarray(0, 4))] }), /image data end after \d of 7 bytes/],
    [writePng(pair, { data: [chunk('IDAT', [1, 2, 3])] }), /not packed by zlib/],
    [
      writePng(
        { ...pair, filterOf: () => 0 },
        { data: [chunk('IDAT', deflateSync(Uint8Array.of(7, 1, 1, 1, 1, 1, 1)))] },
      ),
      /damaged PNG: a row of filter 7, expected 0 to 4/,
    ],
    [writePng(pair, { front: [chunk('ABCD')] }), /chunk "ABCD" that it can't be shown without/],
    [writePng({ ...pair, colourType: 3, pixelAt: () => [0] }), /palette \(PLTE\) is missing/],
    [
      writePng({ ...pair, colourType: 3, pixelAt: () => [0] }, { front: [chunk('PLTE', [1, 2])] }),
      /a palette of 2 bytes/,
    ],
    [
      writePng({ ...pair, colourType: 3, pixelAt: () => [0] }, { front: [chunk('PLTE', [1, 2, 3], true)] }),
      /CRC of its chunk "PLTE"/,
    ],
  ];
  for (const [bytes, message] of refused) assert.throws(() => decodeImage(bytes), message);
});

test('headers that can not be are refused by name', () => {
  const allowed = new Set(
    kinds.flatMap(({ colourType, depths }) => depths.map((depth) => `${colourType} ${depth}`)),
  );
  for (let colourType = 0; colourType <= 7; colourType++) {
    for (const depth of [0, 1, 2, 3, 4, 8, 12, 16, 32]) {
      if (allowed.has(`${colourType} ${depth}`)) continue;
      const bytes = new Uint8Array(
        Buffer.concat([pngSignature, chunk('IHDR', headerOf({ ...pair, colourType, depth }))]),
      );
      assert.throws(() => decodeImage(bytes), /damaged PNG: (colour type \d|\D+ of \d+ bits a sample)/);
    }
  }
  const withHeader = (...chunks: Uint8Array[]): Uint8Array =>
    new Uint8Array(Buffer.concat([pngSignature, ...chunks]));
  const header = (at: number, value: number): Uint8Array => {
    const body = headerOf(pair);
    body[at] = value;
    return withHeader(chunk('IHDR', body));
  };
  assert.throws(() => decodeImage(header(10, 1)), /compression 1/);
  assert.throws(() => decodeImage(header(12, 2)), /interlacing 2/);
  assert.throws(() => decodeImage(header(3, 0)), /PNG claims 0x1 pixels/);
  assert.throws(
    () => decodeImage(withHeader(chunk('IHDR', headerOf(pair), true))),
    /CRC of its chunk "IHDR"/,
  );
  assert.throws(() => decodeImage(withHeader(chunk('tEXt', []))), /starts with a chunk "tEXt"/);
  assert.throws(
    () => decodeImage(withHeader(chunk('CgBI', [0x50, 0, 0x20, 2]), chunk('IHDR', headerOf(pair)))),
    /CgBI.*pngcrush/,
  );
});

test('EXIF orientation turns the picture, wherever the chunk stands', () => {
  for (const orientation of [1, 3, 6, 8]) {
    for (const form of [{ order: 'II' }, { order: 'MM' }, { order: 'MM', type: 'LONG' }] as const) {
      const exif = exifOf(orientation, form);
      for (const body of [exif, [...codesOf('Exif\0\0'), ...exif]]) {
        const plan: PngPlan = { width: 2, height: 1, colourType: 0, pixelAt: (x) => [x] };
        for (const parts of [
          { front: [chunk('eXIf', body)] },
          { end: [chunk('eXIf', body), chunk('IEND')] },
        ]) {
          const { facts, decode } = openImage(writePng(plan, parts));
          const { width, height, planes } = decode();
          assert.equal([width, height], orientation >= 5 ? [1, 2] : [2, 1]);
          assert.equal([facts.width, facts.height, facts.orientation], [width, height, orientation]);
          assert.equal([planes[0], planes[1]], orientation === 3 || orientation === 8 ? [1, 0] : [0, 1]);
        }
      }
    }
  }
});

test('small files that unpack to large ones take no more memory than their picture', () => {
  // 2 GB of zeros: 200 times the same 10 MB.
  const part = deflateRawSync(new Uint8Array(1e7), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const bomb = Buffer.concat([Uint8Array.of(0x78, 0x9c), ...Array.from({ length: 200 }, () => part)]);
  const before = process.resourceUsage().maxRSS;
  const profile = chunk('iCCP', Buffer.concat([Uint8Array.of(0x61, 0, 0), bomb]));
  const text = chunk('zTXt', Buffer.concat([Uint8Array.of(0x61, 0, 0), bomb]));
  assert.equal(shown(writePng(pair, { front: [profile, text] })), pairShown);
  assert.throws(
    () => decodeImage(writePng(pair, { data: [chunk('IDAT', bomb)] })),
    /unpack to far more than the 7 bytes/,
  );
  const large = chunk('IHDR', headerOf({ ...pair, width: 60000, height: 60000 }));
  for (const parts of [{ front: [large] }, { end: [large, chunk('IEND')] }]) {
    assert.throws(() => decodeImage(writePng(pair, parts)), /a second header/);
  }
  const claims = { width: 7900, height: 7900 };
  const data = [chunk('IDAT', deflateSync(Uint8Array.from(rowsOf(pair))))];
  assert.throws(
    () => decodeImage(writePng({ ...pair, ...claims }, { data })),
    /damaged PNG: claims 7900x7900 pixels, which take at least 181433 bytes/,
  );
  const taken = (process.resourceUsage().maxRSS - before) / 1024;
  assert.ok(taken < 200, `${taken} MB`);
});

test.run();
