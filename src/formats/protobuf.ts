/**
 * Protocol-buffer messages, read with every length checked: a message is a run of fields, each a varint
 * `number << 3 | wire type` and its value:
 *
 *     type 0  a varint         type 2  a varint length and so many bytes (text, an inner message, packed numbers)
 *     type 1  8 bytes          type 5  4 bytes
 *
 * An inner message is read from its own bytes, so nothing in it reaches beyond them. Repeated numbers may come packed or
 * one by one, and both in turn; fields that nobody asks for are passed over.
 */
import { PbfReader } from 'pbf';
import { DataError, TandemError } from '../core/errors.js';

/** Ends reading with a `DataError` that names the file. */
export type Fail = (problem: string) => never;

/** A function that throws a `DataError` of `file: what: problem`. */
export function failing(file: string, what = ''): Fail {
  const start = what === '' ? file : `${file}: ${what}`;
  return (problem) => {
    throw new DataError(`${start}: ${problem}`);
  };
}

/** Wire types. */
const wire = { varint: 0, eight: 1, bytes: 2, four: 5 } as const;

/** The value of the field that is being read, to be asked for at most once, as what it is. */
class Field {
  /** The field's number. */
  number = 0;

  constructor(
    private readonly pbf: PbfReader,
    private readonly fail: Fail,
  ) {}

  /** Whole number; beyond 2^53 the nearest one there is. */
  int(): number {
    this.require(wire.varint);
    return this.pbf.readVarint(true);
  }

  /** Text in UTF-8. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** Bytes, which share the file's memory: of an inner message, or as they are. */
  bytes(): Uint8Array {
    this.require(wire.bytes);
    const length = this.pbf.readVarint();
    const start = this.pbf.pos;
    if (!(length <= this.pbf.length - start)) {
      this.fail(
        `field ${this.number} takes ${length} bytes, ${Math.max(0, this.pbf.length - start)} are left`,
      );
    }
    this.pbf.pos = start + length;
    return this.pbf.buf.subarray(start, this.pbf.pos);
  }

  /** A float32. */
  float(): number {
    this.require(wire.four);
    this.requireLeft(4);
    return this.pbf.readFloat();
  }

  /** Appends whole numbers, packed or one. */
  intsInto(into: number[]): void {
    if (this.pbf.type !== wire.bytes) {
      into.push(this.int());
      return;
    }
    const packed = this.bytes();
    if (packed.length > 0 && packed[packed.length - 1]! > 127) this.fail(`field ${this.number} is cut short`);
    const reader = new PbfReader(packed);
    while (reader.pos < packed.length) into.push(reader.readVarint(true));
  }

  /** Appends the bytes of float32 or float64 numbers, packed or one. @param size of each in bytes */
  fixedInto(into: GrowingBytes, size: 4 | 8): void {
    if (this.pbf.type === wire.bytes) {
      const packed = this.bytes();
      if (packed.length % size !== 0)
        this.fail(`field ${this.number} has ${packed.length} bytes of numbers of ${size}`);
      into.append(packed);
      return;
    }
    this.require(size === 4 ? wire.four : wire.eight);
    this.requireLeft(size);
    into.append(this.pbf.buf.subarray(this.pbf.pos, this.pbf.pos + size));
    this.pbf.pos += size;
  }

  private require(type: number): void {
    if (this.pbf.type !== type)
      this.fail(`field ${this.number} is of wire type ${this.pbf.type}, expected ${type}`);
  }

  private requireLeft(size: number): void {
    if (this.pbf.pos + size > this.pbf.length) this.fail(`field ${this.number} is cut short`);
  }
}

/** Calls `visit` for each field of a message. @throws {DataError} by `fail`, for anything but a whole message */
export function readMessage(
  bytes: Uint8Array,
  fail: Fail,
  visit: (number: number, field: Field) => void,
): void {
  const pbf = new PbfReader(bytes);
  const field = new Field(pbf, fail);
  try {
    for (let number = pbf.nextField(); number !== 0; number = pbf.nextField()) {
      field.number = number;
      visit(number, field);
    }
  } catch (error) {
    // What the library throws is about bytes; all else has the file's name already.
    if (error instanceof TandemError) throw error;
    fail('no protocol buffer, or a damaged one');
  }
  if (pbf.pos !== bytes.length) fail('no protocol buffer, or one that is cut short');
}

/** Bytes that come in pieces. One piece alone is kept as it is, others are joined in memory that doubles as it fills. */
export class GrowingBytes {
  private memory: Uint8Array = new Uint8Array();
  private used = 0;
  private shared = false;

  append(bytes: Uint8Array): void {
    if (this.used === 0) {
      this.memory = bytes;
      this.shared = true;
    } else {
      const needed = this.used + bytes.length;
      if (this.shared || needed > this.memory.length) {
        const larger = new Uint8Array(Math.max(needed, 2 * this.used));
        larger.set(this.bytes());
        this.memory = larger;
        this.shared = false;
      }
      this.memory.set(bytes, this.used);
    }
    this.used += bytes.length;
  }

  /** All that came. */
  bytes(): Uint8Array {
    return this.memory.subarray(0, this.used);
  }
}
