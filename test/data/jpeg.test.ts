/**
 * JPEGs beyond the ordinary: what jpeg-js can't decode or gets wrong, EXIF data wherever they stand, codings that are
 * refused by name, and files that claim more than they hold. Right values are arithmetic, or libjpeg's.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage, openImage } from '../../src/data/images/image.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { blockJpeg, withOrientation } from './files.js';
import { jpegFixtures } from './jpegFixtures.js';
import {
  adobe,
  codesOf,
  type JpegPlan,
  jfif,
  quantization,
  segment,
  valueAt,
  writeJpeg,
} from './jpegWriter.js';

/** Values of blocks that differ from one to the next. */
const mixed =
  (seed: number) =>
  (column: number, row: number): number =>
    60 + ((37 * column + 59 * row + 83 * seed) % 128);

/** A component of such blocks. */
const block = (seed: number): { valueAt: (column: number, row: number) => number } => ({
  valueAt: mixed(seed),
});

/** Asserts that a file shows what its plan says, its components being red, green, blue, or grey. */
function assertShows(plan: JpegPlan, bytes: Uint8Array, what: string): void {
  const { width, height, planes } = decodeImage(bytes);
  assert.equal([width, height], [plan.width, plan.height], what);
  let worst = 0;
  for (let c = 0; c < 3; c++) {
    const component = plan.components.length === 1 ? 0 : c;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const found = planes[(c * height + y) * width + x]!;
        worst = Math.max(worst, Math.abs(found - valueAt(plan, component, x, y)));
      }
    }
  }
  assert.ok(worst <= 1, `${what}: off by ${worst}`);
}

test('all coefficients, in every order of scans, with restart markers', () => {
  for (const { name, pixels, mean, base64 } of jpegFixtures) {
    const { width, height, planes } = decodeImage(new Uint8Array(Buffer.from(base64, 'base64')));
    assert.equal([width, height], [21, 13], name);
    for (const [x, y, ...colour] of pixels) {
      for (const [c, expected] of colour.entries()) {
        const found = planes[(c * height + y) * width + x]!;
        assert.ok(Math.abs(found - expected) <= 3, `${name}: (${x}, ${y}) ${found}, expected ${expected}`);
      }
    }
    const found = planes.reduce((sum, value) => sum + value, 0) / planes.length;
    assert.ok(Math.abs(found - mean) < 1, `${name}: mean ${found}, expected ${mean}`);
  }
});

test('sampling factors, scans and restart intervals of any kind', () => {
  const random = seededRandom('jpeg');
  const oneOf = <T>(items: readonly T[]): T => items[random.integer(items.length)]!;
  for (let trial = 0; trial < 150; trial++) {
    const count = oneOf([1, 3, 3]);
    const components = Array.from({ length: count }, (_, i) => ({
      ...block(i),
      h: oneOf([1, 1, 2, 2, 3, 4]),
      v: oneOf([1, 1, 2, 2, 3, 4]),
      divisor: 8,
    }));
    const orders = [[[0, 1, 2]], [[0], [1], [2]], [[1], [0, 2]], [[2, 0], [1]]] as const;
    const plan: JpegPlan = {
      width: 1 + random.integer(70),
      height: 1 + random.integer(70),
      components,
      scans: count === 1 ? [[0]] : oneOf<readonly (readonly number[])[]>(orders),
      restart: oneOf([0, 1 + random.integer(9)]),
      progressive: oneOf([true, false]),
      front: [...adobe(0), ...quantization(0, 8)],
    };
    const { width, height, scans, restart, progressive } = plan;
    const sampling = components.map(({ h, v }) => `${h}x${v}`).join();
    const what = `trial ${trial}: ${JSON.stringify({ width, height, sampling, scans, restart, progressive })}`;
    assertShows(plan, writeJpeg(plan), what);
  }
});

test('quantization tables: each component has those in force at its first scan', () => {
  const divisors = [2, 8, 4];
  for (const progressive of [false, true]) {
    const plan: JpegPlan = {
      width: 20,
      height: 20,
      components: divisors.map((divisor, i) => ({ ...block(i), divisor })),
      scans: [[0], [1], [2]],
      progressive,
      front: adobe(0),
      beforeScan: (scan) => quantization(0, divisors[scan]!),
    };
    assertShows(plan, writeJpeg(plan), `progressive: ${progressive}`);
  }
});

test('bytes that are no part of the picture are passed over', () => {
  const plan: JpegPlan = {
    width: 30,
    height: 20,
    components: [0, 1, 2].map(block),
    front: [...adobe(0), ...quantization(0, 1)],
  };
  const variants: Record<string, Partial<JpegPlan>> = {
    'no end marker': { end: [] },
    'bytes before the end marker': { end: [1, 2, 3, 0xff, 0xd9] },
    'bytes before restart markers': { restart: 2, beforeRestart: [0x12, 0xff, 0x00, 0x34] },
    'fill before restart markers': { restart: 2, beforeRestart: [0xff, 0xff] },
    'a restart marker after the last interval': { restart: 2, end: [0xff, 0xd5, 0xff, 0xd9] },
    'bytes between segments': { front: [...adobe(0), 0x12, 0x34, 0, ...quantization(0, 1)] },
    'fill between segments': { front: [0xff, 0xff, ...adobe(0), ...quantization(0, 1)] },
    'markers without a body': { front: [0xff, 0x01, ...adobe(0), 0xff, 0xd3, ...quantization(0, 1)] },
    'the height after the first scan': { statedHeight: 0, end: [...segment(0xdc, [0, 20]), 0xff, 0xd9] },
    'a second picture behind the end': { end: [0xff, 0xd9, ...blockJpeg([1, 2, 3])] },
  };
  for (const [name, variant] of Object.entries(variants)) {
    assertShows(plan, writeJpeg({ ...plan, ...variant }), name);
  }
  const sameIds = { ...plan, components: plan.components.map((component) => ({ ...component, id: 1 })) };
  assertShows(sameIds, writeJpeg(sameIds), 'components of one id');
});

test('colour models: JFIF goes before Adobe, Adobe before the names of components', () => {
  // YCbCr 128, 128, 228 is about 255, 57, 128.
  const [ycc, rgb] = [
    [255, 57, 128],
    [128, 128, 228],
  ];
  const ids = (names: string): { id: number }[] => codesOf(names).map((id) => ({ id }));
  const models: [string, readonly number[], readonly { id: number }[], number[] | undefined][] = [
    ['none', [], ids('\x01\x02\x03'), ycc],
    ['JFIF', jfif, ids('\x01\x02\x03'), ycc],
    ['Adobe 0', adobe(0), ids('\x01\x02\x03'), rgb],
    ['Adobe 1', adobe(1), ids('RGB'), ycc],
    ['Adobe 2', adobe(2), ids('\x01\x02\x03'), ycc],
    ['JFIF, Adobe 0', [...jfif, ...adobe(0)], ids('\x01\x02\x03'), ycc],
    ['Adobe 0, JFIF', [...adobe(0), ...jfif], ids('\x01\x02\x03'), ycc],
    ['named RGB', [], ids('RGB'), rgb],
    ['JFIF, named RGB', jfif, ids('RGB'), ycc],
    ['other names', [], ids('abc'), ycc],
  ];
  for (const [name, front, names, expected] of models) {
    const components = [128, 128, 228].map((value, i) => ({ ...names[i]!, valueAt: () => value }));
    const { planes } = decodeImage(
      writeJpeg({ width: 8, height: 8, components, front: [...front, ...quantization(0, 1)] }),
    );
    const found = [planes[0]!, planes[64]!, planes[128]!];
    assert.ok(
      Math.max(...found.map((value, c) => Math.abs(value - expected![c]!))) <= 1,
      `${name}: ${found}`,
    );
  }
});

test('CMYK without Adobe marker counts 255 as no ink, as with it', () => {
  const { planes } = decodeImage(blockJpeg([255, 204, 102, 153]));
  assert.equal([planes[0], planes[64], planes[128]], [153, 122, 61]);
  assert.is(openImage(blockJpeg([255, 204, 102, 153])).facts.colours, 'CMYK');
});

test('EXIF orientation: both byte orders, SHORT and LONG, wherever the segment stands', () => {
  const frame = [0xff, 0xc0];
  const plain = writeJpeg({
    width: 16,
    height: 8,
    components: [block(0)],
    front: [...jfif, ...quantization(0, 1)],
  });
  const find = (marker: number): number =>
    plain.findIndex((byte, i) => byte === 0xff && plain[i + 1] === marker);
  const places = {
    front: 2,
    'before the frame': find(frame[1]!),
    'after the frame': find(0xc4),
    'after the scan': plain.length - 2,
  };
  for (const [place, at] of Object.entries(places)) {
    for (const order of ['II', 'MM'] as const) {
      for (const type of ['SHORT', 'LONG'] as const) {
        for (const orientation of [1, 3, 6, 8, 9, 0]) {
          const { facts, decode } = openImage(withOrientation(plain, orientation, { at, order, type }));
          const { width, height, planes } = decode();
          const what = `${place}, ${order}, ${type}, ${orientation}`;
          assert.equal([width, height], orientation === 6 || orientation === 8 ? [8, 16] : [16, 8], what);
          assert.equal([facts.width, facts.height], [width, height], what);
          // The first pixel is of the left block, or where it is turned by 180 or 90 degrees back, of the right one.
          const seen = orientation === 3 || orientation === 8 ? mixed(0)(1, 0) : mixed(0)(0, 0);
          assert.ok(Math.abs(planes[0]! - seen) <= 1, `${what}: ${planes[0]}, expected ${seen}`);
        }
      }
    }
  }
});

test('what is not decoded is named', () => {
  const plain = blockJpeg([50]);
  const frame = plain.findIndex((byte, i) => byte === 0xff && plain[i + 1] === 0xc0);
  const kinds: [number, RegExp][] = [
    [0xc3, /JPEG of lossless coding/],
    [0xc5, /JPEG of hierarchical coding/],
    [0xc7, /hierarchical lossless/],
    [0xc9, /JPEG of arithmetic coding/],
    [0xca, /progressive arithmetic/],
    [0xcb, /lossless arithmetic/],
    [0xce, /hierarchical arithmetic/],
    [0xf7, /JPEG-LS/],
  ];
  for (const [marker, message] of kinds) {
    const bytes = plain.slice();
    bytes[frame + 1] = marker;
    assert.throws(() => decodeImage(bytes), message);
  }
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = plain.slice();
    bytes[frame + at] = value;
    return bytes;
  };
  assert.throws(() => decodeImage(changed(4, 12)), /JPEG of 12 bits a sample/);
  assert.throws(() => decodeImage(blockJpeg([1, 2])), /JPEG of 2 components/);
  assert.throws(() => decodeImage(changed(11, 0x51)), /sampling factors 5x1/);
  const hierarchical = writeJpeg({
    width: 8,
    height: 8,
    components: [block(0)],
    front: [...segment(0xde, [8, 0, 8, 0, 8, 1, 1, 0x11, 0]), ...quantization(0, 1)],
  });
  assert.throws(() => decodeImage(hierarchical), /hierarchical/);
});

test('damage is named: where the data end, markers that are missing, tables that are', () => {
  const plan: JpegPlan = { width: 64, height: 64, components: [block(0)], restart: 8 };
  const whole = writeJpeg(plan);
  const restart = whole.findIndex((byte, i) => byte === 0xff && whole[i + 1] === 0xd1);
  const without = Uint8Array.from([...whole.slice(0, restart), ...whole.slice(restart + 2)]);
  assert.throws(() => decodeImage(without), /damaged JPEG: (its data end|restart marker 2 where 1 belongs)/);
  assert.throws(
    () => decodeImage(whole.subarray(0, whole.length - 12)),
    /damaged JPEG: its data end at unit \d+ of 64/,
  );
  const noTables = writeJpeg({ ...plan, front: [] });
  assert.throws(() => decodeImage(noTables), /quantization table 0 is missing/);
  const colour: JpegPlan = { width: 8, height: 8, components: [0, 1, 2].map(block), scans: [[0], [1]] };
  assert.throws(() => decodeImage(writeJpeg(colour)), /the data of component 3 of 3 are missing/);
});

test('small files can claim no more than they hold', () => {
  const claim = (bytes: Uint8Array, width: number, height: number): Uint8Array => {
    const frame = bytes.findIndex(
      (byte, i) => byte === 0xff && (bytes[i + 1] === 0xc0 || bytes[i + 1] === 0xc2),
    );
    bytes.set([height >> 8, height & 255, width >> 8, width & 255], frame + 5);
    return bytes;
  };
  const grey: JpegPlan = { width: 64, height: 64, components: [block(0)] };
  assert.throws(
    () => decodeImage(claim(writeJpeg(grey), 7900, 7900)),
    /damaged JPEG: claims 7900x7900 pixels, which take at least 244036 bytes of coded data/,
  );
  assert.throws(
    () => decodeImage(claim(writeJpeg({ ...grey, progressive: true }), 7900, 7900)),
    /claims 7900x7900 pixels, which take at least 122018 bytes/,
  );
  const one = writeJpeg(grey);
  const frame = one.findIndex((byte, i) => byte === 0xff && one[i + 1] === 0xc0);
  const twice = Uint8Array.from([
    ...one.slice(0, frame),
    ...one.slice(frame, frame + 13),
    ...one.slice(frame),
  ]);
  assert.throws(() => decodeImage(twice), /JPEG with two frames/);
  const scans = Array.from({ length: 3001 }, () => [0]);
  assert.throws(
    () => decodeImage(writeJpeg({ width: 8, height: 8, components: [block(0)], scans })),
    /more than 3000 scans/,
  );
});

test.run();
