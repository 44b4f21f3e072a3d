/**
 * Struct arrays in MATLAB 5 files, such as the development kit's meta.mat.
 *
 * The format (MathWorks, "MAT-File Format", level 5): a header of 128 bytes whose last two are "IM" (little-endian) or
 * "MI"; then elements, each a tag of type and byte count, u32 each, and a body padded to 8 bytes. A short element
 * packs the count (upper half) and type (lower) of at most 4 bytes into the first word, the body into the second.
 * Type 15 is a zlib stream holding an element, 14 a matrix: elements for flags (its class in the lowest byte),
 * dimensions, name and content. A struct array (class 2) has the length of its field names, the names, and a matrix
 * for each field of each element, fields running fastest; chars are class 4, numbers 6 to 15.
 */
import { DataError } from '../../../core/errors.js';
import { Budget, inflated } from '../../budget.js';
import { reasonOf } from '../../files.js';

const [matrixType, compressedType] = [14, 15];
/** Types of text: bytes that are UTF-8 (as int8 and uint8 are taken too) and 16-bit units. */
const [int8Type, uint8Type, utf8Type, utf16Type] = [1, 2, 16, 17];
const [structClass, charClass] = [2, 4];

/** What is read of a file at most: meta.mat has 500 kB, 75,000 elements and structs in nothing. */
const most = { inflated: 1 << 26, elements: 1_000_000, depth: 16 } as const;

interface Element {
  readonly type: number;
  readonly body: Uint8Array;
}

/** Text, numbers, or an array of structs: what a matrix holds. */
type Value = string | number[] | Map<string, Value>[];

/**
 * Reads the struct array of a name.
 * @throws {DataError} when it's another kind of MATLAB file, is damaged or too large, or has no such array.
 */
export function readStructs(path: string, bytes: Uint8Array, name: string): Map<string, Value>[] {
  const order = new TextDecoder('latin1').decode(bytes.subarray(126, 128));
  if (order !== 'IM' && order !== 'MI') {
    throw new DataError(
      `${path}: not a MATLAB 5 file; save it with -v7, or give a text file of lines \`ID WNID\``,
    );
  }
  const reader = new Reader(path, order === 'IM');
  try {
    for (const element of reader.elements(bytes.subarray(128))) {
      const matrix = reader.matrix(element);
      const value = matrix?.name === name ? matrix.value() : undefined;
      if (Array.isArray(value) && value.every((row) => row instanceof Map)) return value;
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: damaged MATLAB file: ${reasonOf(error)}`, { cause: error });
  }
  throw new DataError(`${path}: no struct array called ${name} in it: is it the development kit's meta.mat?`);
}

class Reader {
  private readonly budget = new Budget(most.inflated);
  private count = 0;
  private depth = 0;

  constructor(
    private readonly path: string,
    private readonly little: boolean,
  ) {}

  /** The elements that follow each other in a body. */
  *elements(bytes: Uint8Array): Generator<Element> {
    const view = viewOf(bytes);
    for (let at = 0; at + 8 <= bytes.length; ) {
      if (++this.count > most.elements) throw new Error(`it has more than ${most.elements} elements`);
      const word = view.getUint32(at, this.little);
      const short = word >>> 16;
      const type = short > 0 ? word & 0xffff : word;
      const length = short > 0 ? short : view.getUint32(at + 4, this.little);
      const start = at + (short > 0 ? 4 : 8);
      if (start + length > bytes.length)
        throw new Error(`${start + length - bytes.length} bytes are missing`);
      const body = bytes.subarray(start, start + length);
      if (type === compressedType) {
        const inside = inflated(body, { packing: 'zlib', budget: this.budget, what: this.path });
        this.goDown();
        yield* this.elements(inside);
        this.depth--;
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

  private goDown(): void {
    if (++this.depth > most.depth) throw new Error(`it is nested more than ${most.depth} deep`);
  }

  private content(kind: number, count: number, content: readonly Element[]): Value {
    const [first, second] = content;
    if (!first) return [];
    if (kind === charClass) return this.characters(first);
    if (kind !== structClass) return kind >= 6 && kind <= 15 ? this.numbers(first) : [];
    const [width = 0] = this.numbers(first);
    if (!second || second.body.length === 0) return [];
    if (width < 1) throw new Error(`names of ${width} characters`);
    const names: string[] = [];
    for (let at = 0; at < second.body.length; at += width) {
      names.push(latin(second.body.subarray(at, at + width)));
    }
    const cells = content.length - 2;
    if (!(count >= 0 && count * names.length <= cells)) {
      throw new Error(`${count} structs of ${names.length} fields, but ${cells} values`);
    }
    this.goDown();
    const structs = Array.from({ length: count }, (_, row) => {
      const values = names.map((name, i): [string, Value] => {
        const cell = content[2 + row * names.length + i]!;
        return [name, this.matrix(cell)?.value() ?? []];
      });
      return new Map(values);
    });
    this.depth--;
    return structs;
  }

  private characters({ type, body }: Element): string {
    if ([utf8Type, int8Type, uint8Type].includes(type)) return new TextDecoder().decode(body);
    return this.numbers({ type, body })
      .map((unit) => String.fromCharCode(unit))
      .join('');
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
