/**
 * libjpeg-turbo compiled to WebAssembly, from the optional package `@cornerstonejs/codec-libjpeg-turbo-8bit`: the same
 * bytes on every machine, no native code, a sixth of jpeg-js's time. Its binding throws where libjpeg has a warning,
 * so data that are broken off or damaged count as not decoded, and the decoders of decode.ts have the last word.
 *
 * Colours sampled more coarsely are interpolated, where jpeg-js repeats the nearest: pictures differ a little.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ArgumentError } from '../../../core/errors.js';
import { object, parseJson, text } from '../../../formats/json.js';
import { planesOf } from '../planes.js';
import type { Picture } from '../resize.js';

/** Who decodes ordinary JPEGs. */
export const jpegDecoders = ['jpeg-js', 'libjpeg-turbo'] as const;
export type JpegDecoderName = (typeof jpegDecoders)[number];

/** Decodes an upright JPEG, grey or YCbCr, of a known size; undefined where it can't. */
export type DecodeJpeg = (bytes: Uint8Array, width: number, height: number) => Picture | undefined;

const packageName = '@cornerstonejs/codec-libjpeg-turbo-8bit';
const require = createRequire(import.meta.url);

/** What of the package is used. Decoded are samples, one a pixel where the file has one component, else three. */
interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getFrameInfo(): { readonly width: number; readonly height: number; readonly componentCount: number };
  getDecodedBuffer(): Uint8Array;
}
type MakeModule = (options: {
  readonly wasmBinary: Uint8Array;
}) => PromiseLike<{ readonly JPEGDecoder: new () => Decoder }>;

/**
 * What a decoder of this choice is called where it is recorded, with its version; undefined: jpeg-js, which was there
 * before decoders were recorded.
 * @param choice `auto`: libjpeg-turbo where it is installed
 * @throws {ArgumentError} when it is libjpeg-turbo and its package isn't installed
 */
export function resolveDecoder(choice: JpegDecoderName | 'auto'): {
  readonly name: JpegDecoderName;
  readonly mark: string | undefined;
} {
  const jpegJs = { name: 'jpeg-js', mark: undefined } as const;
  if (choice === 'jpeg-js') return jpegJs;
  let wasm: string;
  try {
    wasm = require.resolve(`${packageName}/decodewasm`);
  } catch (error) {
    if (choice === 'auto') return jpegJs;
    throw new ArgumentError(
      `decoding with libjpeg-turbo takes the package ${packageName}, which isn't installed: ` +
        `npm install ${packageName}, or decode with jpeg-js`,
      { cause: error },
    );
  }
  const manifest = join(dirname(wasm), '..', 'package.json');
  const { version } = parseJson(readFileSync(manifest, 'utf8'), manifest, object({ version: text }));
  return { name: 'libjpeg-turbo', mark: `libjpeg-turbo of ${packageName} ${version}` };
}

/** Loads libjpeg-turbo. @throws what the system says when the package isn't there */
export async function loadTurbo(): Promise<DecodeJpeg> {
  const make: MakeModule = require(`${packageName}/decodewasmjs`);
  const wasmBinary = readFileSync(require.resolve(`${packageName}/decodewasm`));
  const { JPEGDecoder } = await make({ wasmBinary });
  const decoder = new JPEGDecoder();
  return (bytes, width, height) => {
    try {
      decoder.getEncodedBuffer(bytes.length).set(bytes);
      decoder.decode();
      const frame = decoder.getFrameInfo();
      if (frame.width !== width || frame.height !== height) return undefined;
      return { width, height, planes: toPlanes(decoder.getDecodedBuffer(), frame.componentCount) };
    } catch {
      return undefined;
    }
  };
}

/** [H, W, 1 or 3] to [3, H, W]. */
function toPlanes(samples: Uint8Array, components: number): Uint8Array {
  if (components === 3) return planesOf(samples);
  const planes = new Uint8Array(3 * samples.length);
  for (let c = 0; c < 3; c++) planes.set(samples, c * samples.length);
  return planes;
}
