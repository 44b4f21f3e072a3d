/** Zip archives for tests: stored and deflated files, sizes after the bytes, zip64, a comment. */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../src/formats/crc32.js';
import { joined } from './damage.js';

/** A file of an archive. */
export interface ZipFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly deflated?: boolean;
}

/** How an archive is written. */
export interface ZipOptions {
  /** Sizes and places in 64 bits. */
  readonly wide?: boolean;
  readonly comment?: string;
  /** Flags of every file; 8: sizes stand after the bytes, as PyTorch writes them. */
  readonly flags?: number;
}

const numbers = (width: number, ...values: readonly number[]): Buffer =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, width);
    }),
  );

/** An archive's bytes. */
export function zipOf(
  files: readonly ZipFile[],
  { wide = false, comment = '', flags = 8 }: ZipOptions = {},
): Uint8Array {
  const short = (value: number): number => (wide ? 0xffffffff : value);
  let pieces: Uint8Array = new Uint8Array(0);
  let directory: Uint8Array = new Uint8Array(0);
  for (const { name, bytes, deflated } of files) {
    const packed = deflated ? deflateRawSync(bytes) : bytes;
    const key = Buffer.from(name);
    const at = pieces.length;
    const head = [numbers(2, 20, flags, deflated ? 8 : 0, 0, 33), numbers(4, crc32(bytes))];
    const extra = wide ? joined(numbers(2, 1, 24), numbers(8, bytes.length, packed.length, at)) : '';
    directory = joined(
      ...[
        directory,
        'PK\x01\x02',
        numbers(2, 20),
        ...head,
        numbers(4, short(packed.length), short(bytes.length)),
      ],
      ...[numbers(2, key.length, extra.length, 0, 0, 0), numbers(4, 0, short(at)), key, extra],
    );
    // Local sizes of 0, and an extra field that is no business of readers.
    pieces = joined(
      ...[pieces, 'PK\x03\x04', ...head, numbers(4, 0, 0), numbers(2, key.length, 5)],
      key,
      'FB\x01\x00Z',
      packed,
    );
  }
  const [count, size, at] = [files.length, directory.length, pieces.length];
  const wideEnd = joined(
    ...[
      'PK\x06\x06',
      numbers(8, 44),
      numbers(2, 45, 45),
      numbers(4, 0, 0),
      numbers(8, count, count, size, at),
    ],
    ...['PK\x06\x07', numbers(4, 0), numbers(8, at + size), numbers(4, 1)],
  );
  const end = [
    numbers(2, 0, 0, wide ? 0xffff : count, wide ? 0xffff : count),
    numbers(4, short(size), short(at)),
  ];
  return joined(
    pieces,
    directory,
    wide ? wideEnd : '',
    'PK\x05\x06',
    ...end,
    numbers(2, comment.length),
    comment,
  );
}
