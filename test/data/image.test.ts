/** Decoding: every kind of JPEG and PNG that people's folders hold, and what is refused, by name. */
import { encode } from 'fast-png';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { decodeImage } from '../../src/data/images/image.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { blockJpeg, jpegOf, plainPng, withOrientation } from './files.js';
import { jpegFixtures } from './jpegFixtures.js';

/** The red, green and blue of a pixel. */
function pixel(bytes: Uint8Array, x = 0, y = 0): number[] {
  const { width, height, planes } = decodeImage(bytes);
  return [0, 1, 2].map((c) => planes[(c * height + y) * width + x]!);
}

function close(found: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  const off = found.map((value, i) => Math.abs(value - expected[i]!));
  assert.ok(Math.max(...off) <= tolerance, `${what}: found ${found}, expected ${expected}`);
}

test('a JPEG comes out as planes within its own loss', () => {
  const bytes = jpegOf(16, 8, (x) => (x < 8 ? [250, 20, 30] : [10, 200, 90]));
  close(pixel(bytes, 2, 3), [250, 20, 30], 6, 'left');
  close(pixel(bytes, 13, 7), [10, 200, 90], 6, 'right');
});

test('JPEG colour models: grey, YCbCr, RGB, CMYK, YCCK', () => {
  close(pixel(blockJpeg([77])), [77, 77, 77], 0, 'grey');
  close(pixel(blockJpeg([128, 128, 228])), [255, 57, 128], 1, 'YCbCr');
  close(pixel(blockJpeg([200, 100, 50], 0)), [200, 100, 50], 0, 'RGB, so marked');
  // Adobe stores ink inverted: 255 is none. 40 % black over cyan 0, magenta 0.2, yellow 0.6.
  close(pixel(blockJpeg([255, 204, 102, 153], 0)), [153, 122, 61], 1, 'CMYK');
  // Y = 128 with no colour stands for half of each ink.
  close(pixel(blockJpeg([128, 128, 128, 255], 2)), [127, 127, 127], 1, 'YCCK');
});

test('EXIF orientation turns the picture upright', () => {
  // Dark at the top left of an upright picture 8 high and 16 wide; stored as each orientation says.
  const upright = (x: number, y: number): boolean => x < 8 && y < 4;
  const stored: Record<number, (x: number, y: number) => boolean> = {
    1: (x, y) => upright(x, y),
    2: (x, y) => upright(15 - x, y),
    3: (x, y) => upright(15 - x, 7 - y),
    4: (x, y) => upright(x, 7 - y),
    5: (x, y) => upright(y, x),
    6: (x, y) => upright(15 - y, x),
    7: (x, y) => upright(15 - y, 7 - x),
    8: (x, y) => upright(y, 7 - x),
  };
  for (const [name, dark] of Object.entries(stored)) {
    const orientation = Number(name);
    const [width, height] = orientation < 5 ? [16, 8] : [8, 16];
    const bytes = jpegOf(width, height, (x, y) => (dark(x, y) ? [0, 0, 0] : [255, 255, 255]));
    const turned = withOrientation(bytes, orientation);
    const { width: w, height: h } = decodeImage(turned);
    assert.equal([w, h], [16, 8], `orientation ${orientation}`);
    close(pixel(turned, 1, 1), [0, 0, 0], 60, `orientation ${orientation}, top left`);
    for (const [x, y] of [
      [14, 1],
      [1, 6],
      [14, 6],
    ]) {
      close(pixel(turned, x, y), [255, 255, 255], 60, `orientation ${orientation}, (${x}, ${y})`);
    }
  }
});

test('PNG: grey, alpha on white, 16 bits, palettes, single bits', () => {
  const one = { width: 1, height: 1 };
  assert.equal(pixel(plainPng(3, 2, [1, 2, 3]), 2, 1), [1, 2, 3]);
  assert.equal(pixel(encode({ ...one, channels: 1, data: Uint8Array.of(90) })), [90, 90, 90]);
  assert.equal(pixel(encode({ ...one, channels: 2, data: Uint8Array.of(90, 0) })), [255, 255, 255]);
  assert.equal(pixel(encode({ ...one, channels: 4, data: Uint8Array.of(0, 100, 200, 51) })), [204, 224, 244]);
  const wide = Uint16Array.of(0x1234, 0xffff, 0x00ff);
  assert.equal(pixel(encode({ ...one, channels: 3, depth: 16, data: wide })), [0x12, 0xff, 0]);
  const palette = [
    [10, 20, 30],
    [200, 100, 50],
  ];
  const indexed = { width: 2, height: 1, channels: 1, depth: 8 as const, data: Uint8Array.of(1, 0), palette };
  assert.equal(pixel(encode(indexed)), [200, 100, 50]);
  assert.equal(pixel(encode(indexed), 1), [10, 20, 30]);
  const bits = encode({
    width: 3,
    height: 2,
    channels: 1,
    depth: 1,
    data: Uint8Array.of(0b10100000, 0b01000000),
  });
  assert.equal([...decodeImage(bits).planes.subarray(0, 6)], [255, 0, 255, 0, 255, 0]);
});

test('what is no image, damaged or cut short is refused with its reason', () => {
  const photo = jpegOf(64, 64, (x, y) => [(x * 37) % 256, (y * 91) % 256, (x * y) % 256]);
  assert.throws(() => decodeImage(new Uint8Array(0)), /empty file/);
  assert.throws(
    () => decodeImage(new TextEncoder().encode('hello there')),
    /neither a JPEG nor a PNG.*"hello th"/,
  );
  assert.throws(() => decodeImage(Uint8Array.of(0, 1, 2)), /neither.*00 01 02/);
  for (const length of [2, 10, 200, photo.length >> 1]) {
    assert.throws(() => decodeImage(photo.subarray(0, length)), /JPEG/, `cut at ${length}`);
  }
  const png = plainPng(40, 40, [1, 2, 3]);
  for (const length of [8, 20, 50, png.length - 14]) {
    assert.throws(() => decodeImage(png.subarray(0, length)), /PNG/, `cut at ${length}`);
  }
  const flipped = png.slice();
  flipped[60]! ^= 0xff;
  assert.throws(() => decodeImage(flipped), /damaged PNG/);
});

test('absurd sizes are refused before memory is taken', () => {
  const huge = blockJpeg([1, 2, 3]);
  const frame = huge.findIndex((byte, i) => byte === 0xff && huge[i + 1] === 0xc0);
  huge.set([0xff, 0xff, 0xff, 0xff], frame + 5);
  assert.throws(() => decodeImage(huge), /JPEG claims 65535x65535 pixels, more than the 64 million/);
  const png = plainPng(4, 4, [0, 0, 0]);
  new DataView(png.buffer, png.byteOffset).setUint32(16, 100_000);
  new DataView(png.buffer, png.byteOffset).setUint32(20, 100_000);
  assert.throws(() => decodeImage(png), /PNG claims 100000x100000 pixels/);
  new DataView(png.buffer, png.byteOffset).setUint32(16, 1_000_001);
  new DataView(png.buffer, png.byteOffset).setUint32(20, 1);
  assert.throws(() => decodeImage(png), /PNG claims 1000001x1 pixels, longer than the 1 million allowed/);
});

test('files with random bytes changed, left out or put in give a picture, or an error that is meant', () => {
  const random = seededRandom('image');
  const photo = jpegOf(40, 24, (x, y) => [(x * 37) % 256, (y * 91) % 256, (x * y) % 256]);
  const fixtures = jpegFixtures.map(({ base64 }) => new Uint8Array(Buffer.from(base64, 'base64')));
  const originals = [photo, plainPng(20, 20, [1, 2, 3]), ...fixtures];
  for (let trial = 0; trial < 400; trial++) {
    const original = originals[trial % originals.length]!;
    const at = random.integer(original.length);
    const [without, within] = [random.integer(4), random.integer(4)];
    const put = Array.from({ length: within }, () => random.integer(256));
    const bytes = Uint8Array.from([...original.slice(0, at), ...put, ...original.slice(at + without)]);
    try {
      const { width, height, planes } = decodeImage(bytes);
      assert.is(planes.length, 3 * width * height);
    } catch (error) {
      assert.instance(error, DataError, `trial ${trial}: ${error}`);
    }
  }
});

test.run();
