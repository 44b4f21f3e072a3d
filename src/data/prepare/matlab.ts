/**
 * The development kit's meta.mat: a MATLAB 5 file whose struct array `synsets` has the fields ILSVRC2012_ID, WNID,
 * words and num_children; classes to tell apart are those without children.
 *
 * The format (MathWorks, "MAT-File Format", level 5): a header of 128 bytes whose last two are "IM" (little-endian) or
 * "MI"; then elements, each a tag of type and byte count, u32 each, and a body padded to 8 bytes. A short element
 * packs the count (upper half) and type (lower) of at most 4 bytes into the first word, the body into the second.
 * Type 15 is a zlib stream holding an element, 14 a matrix: elements for flags (its class in the lowest byte),
 * dimensions, name and content. A struct array (class 2) has the length of its field names, the names, and a matrix
 * for each field of each element, fields running fastest; chars are class 4, numbers 6 to 15.
 */
import { inflateSync } from 'node:zlib';
import { DataError } from '../../core/errors.js';
import { reasonOf } from '../files.js';
import type { Synset } from './labels.js';

const [matrixType, compressedType] = [14, 15];
/** Types of text: bytes that are UTF-8 (as int8 and uint8 are taken too) and 16-bit units. */
const [int8Type, uint8Type, utf8Type, utf16Type] = [1, 2, 16, 17];
const [structClass, charClass] = [2, 4];

/** Largest inflated element that is believed, in bytes. */
const maxInflated = 1 << 28;

interface Element {
  readonly type: number;
  readonly body: Uint8Array;
}

type Value = string | number[] | Map<string, Value>[];

/**
 * Reads the classes of meta.mat.
 * @throws {DataError} when it's another kind of MATLAB file, or has no such table.
 */
export function readSynsets(path: string, bytes: Uint8Array): Synset[] {
  const order = new TextDecoder('latin1').decode(bytes.subarray(126, 128));
  if (order !== 'IM' && order !== 'MI') {
    throw new DataError(
      `${path}: not a MATLAB 5 file; save it with -v7, or give a text file of lines \`ID WNID\``,
    );
  }
  const reader = new Reader(order === 'IM');
  try {
    for (const element of reader.elements(bytes.subarray(128))) {
      const matrix = reader.matrix(element);
      const rows = matrix?.name === 'synsets' ? matrix.value() : undefined;
      if (Array.isArray(rows)) return leaves(path, rows);
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: damaged MATLAB file: ${reasonOf(error)}`, { cause: error });
  }
  throw new DataError(`${path}: no struct array called synsets in it: is it the development kit's meta.mat?`);
}

function leaves(path: string, rows: readonly (number | Map<string, Value>)[]): Synset[] {
  return rows.flatMap((row, i) => {
    if (typeof row === 'number') throw new DataError(`${path}: synsets aren't a struct array`);
    const number = (field: string): number | undefined => {
      const value = row.get(field);
      return Array.isArray(value) && typeof value[0] === 'number' ? value[0] : undefined;
    };
    const [id, children] = [number('ILSVRC2012_ID'), number('num_children')];
    const [wnid, words] = [row.get('WNID'), row.get('words')];
    if (id === undefined || children === undefined || typeof wnid !== 'string') {
      throw new DataError(`${path}: synset ${i + 1} lacks ILSVRC2012_ID, WNID or num_children`);
    }
    return children > 0 ? [] : [{ wnid, id, words: typeof words === 'string' ? words : '' }];
  });
}

class Reader {
  constructor(private readonly little: boolean) {}

  /** The elements that follow each other in a body. */
  *elements(bytes: Uint8Array): Generator<Element> {
    const view = viewOf(bytes);
    for (let at = 0; at + 8 <= bytes.length; ) {
      const word = view.getUint32(at, this.little);
      const short = word >>> 16;
      const type = short > 0 ? word & 0xffff : word;
      const length = short > 0 ? short : view.getUint32(at + 4, this.little);
      const start = at + (short > 0 ? 4 : 8);
      if (start + length > bytes.length)
        throw new Error(`${start + length - bytes.length} bytes are missing`);
      const body = bytes.subarray(start, start + length);
      if (type === compressedType) {
        yield* this.elements(inflateSync(body, { maxOutputLength: maxInflated }));
        at = start + length; // Compressed elements aren't padded.
      } else {
        yield { type, body };
        at = short > 0 ? at + 8 : start + Math.ceil(length / 8) * 8;
      }
    }
  }

  /** A matrix: its name, and what reads its content. Undefined for other elements. */
  matrix({ type, body }: Element): { name: string; value: () => Value } | undefined {
    if (type !== matrixType) return undefined;
    if (body.length === 0) return { name: '', value: () => [] };
    const [flags, dimensions, name, ...content] = this.elements(body);
    if (!flags || !dimensions || !name) throw new Error('a matrix without flags, dimensions and name');
    const kind = viewOf(flags.body).getUint32(0, this.little) & 0xff;
    const count = this.numbers(dimensions).reduce((product, n) => product * n, 1);
    return { name: latin(name.body), value: () => this.content(kind, count, content) };
  }

  private content(kind: number, count: number, content: readonly Element[]): Value {
    const [first, second] = content;
    if (!first) return [];
    if (kind === charClass) return this.characters(first);
    if (kind !== structClass) return kind >= 6 && kind <= 15 ? this.numbers(first) : [];
    const [width = 1] = this.numbers(first);
    const names: string[] = [];
    for (let at = 0; second && at < second.body.length; at += width) {
      names.push(latin(second.body.subarray(at, at + width)));
    }
    return Array.from({ length: count }, (_, row) => {
      const cells = content.slice(2 + row * names.length, 2 + (row + 1) * names.length);
      return new Map(names.map((name, i) => [name, cells[i] ? (this.matrix(cells[i])?.value() ?? []) : []]));
    });
  }

  private characters({ type, body }: Element): string {
    if ([utf8Type, int8Type, uint8Type].includes(type)) return new TextDecoder().decode(body);
    return String.fromCharCode(...this.numbers({ type, body }));
  }

  private numbers({ type, body }: Element): number[] {
    const view = viewOf(body);
    const { little } = this;
    const readers: Record<number, [bytes: number, read: (at: number) => number]> = {
      [int8Type]: [1, (at) => view.getInt8(at)],
      [uint8Type]: [1, (at) => view.getUint8(at)],
      3: [2, (at) => view.getInt16(at, little)],
      4: [2, (at) => view.getUint16(at, little)],
      5: [4, (at) => view.getInt32(at, little)],
      6: [4, (at) => view.getUint32(at, little)],
      7: [4, (at) => view.getFloat32(at, little)],
      9: [8, (at) => view.getFloat64(at, little)],
      12: [8, (at) => Number(view.getBigInt64(at, little))],
      13: [8, (at) => Number(view.getBigUint64(at, little))],
      [utf16Type]: [2, (at) => view.getUint16(at, little)],
    };
    const reader = readers[type];
    if (!reader) throw new Error(`numbers of type ${type}`);
    const [bytes, read] = reader;
    return Array.from({ length: Math.floor(body.length / bytes) }, (_, i) => read(i * bytes));
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Text up to the first zero byte. */
function latin(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder('latin1').decode(end < 0 ? bytes : bytes.subarray(0, end));
}
