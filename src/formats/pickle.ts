/**
 * Python's pickle, read without running anything. A pickle is a program for a machine with a stack, a memo and marks:
 * an opcode of one byte, then its argument (little-endian, but for floats), up to STOP. Only the opcodes that build
 * plain values are known here. A class or function is a name (GLOBAL) that the caller has to know, and to call one
 * (REDUCE) is to call what the caller gave for it; every other name and opcode ends the reading.
 *
 * Lists, tuples and sets become arrays, dictionaries maps; None is null; whole numbers past 2^53 are bigints.
 */
import { DataError } from '../core/errors.js';
import { printable } from './printable.js';

/** What a pickle holds. */
export type Pickled = null | boolean | number | bigint | string | Pickled[] | PickledMap | PickledObject;

/** A dictionary. */
type PickledMap = Map<Pickled, Pickled>;

/** What isn't plain: a class or function, bytes, or whatever the caller makes of a call. Callers derive from it. */
export class PickledObject {}

/** A class or function that the caller knows. */
export class PickledFunction extends PickledObject {
  /** @param call gives what a call makes, or undefined for arguments that make no sense; absent: it can't be called */
  constructor(
    readonly name: string,
    readonly call?: (args: readonly Pickled[]) => Pickled | undefined,
  ) {
    super();
  }
}

/** What the caller knows. */
export interface PickleTypes {
  /** A class or function by its full name ("collections.OrderedDict"), undefined for one that isn't known. */
  readonly find: (name: string) => PickledFunction | undefined;
  /** What a persistent id stands for, undefined for one that makes no sense. */
  readonly persistent: (id: Pickled) => PickledObject | undefined;
}

/** A value, and where its pickle ends. */
interface Unpickled {
  readonly value: Pickled;
  readonly end: number;
}

/** Longest whole number that is read, in bytes. */
const maxLong = 32;

/** Stands in the stack where a mark was set. */
const mark = Symbol('mark');
type Slot = Pickled | typeof mark;

/** Opcodes with no argument that push one value. */
const constants: ReadonlyMap<string, () => Pickled> = new Map<string, () => Pickled>([
  ['N', () => null],
  ['\x88', () => true],
  ['\x89', () => false],
  [']', () => []],
  [')', () => []],
  ['}', () => new Map()],
  ['\x8f', () => []],
]);

/** Opcodes of text: bytes that its length takes, and whether it is text rather than bytes. */
const texts: ReadonlyMap<string, readonly [width: number, text: boolean]> = new Map([
  ['X', [4, true]],
  ['\x8c', [1, true]],
  ['\x8d', [8, true]],
  ['T', [4, true]],
  ['U', [1, true]],
  ['B', [4, false]],
  ['C', [1, false]],
  ['\x8e', [8, false]],
]);

/**
 * Reads one pickle.
 * @param start where it begins
 * @param file its name, for messages
 * @throws {DataError} for a damaged pickle, unknown opcodes and names, and calls that make no sense: nothing is run
 */
export function unpickle(bytes: Uint8Array, start: number, file: string, types: PickleTypes): Unpickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: Slot[] = [];
  const memo = new Map<number, Pickled>();
  let at = start;
  let given = 0;

  const fail: (problem: string) => never = (problem) => {
    throw new DataError(`${file}: not a pickle that can be read: ${problem}`);
  };
  /** Passes over bytes of an argument; gives their place. */
  const take = (length: number): number => {
    if (length > bytes.length - at) fail('it is cut short');
    at += length;
    return at - length;
  };
  const unsigned = (width: number): number => {
    const place = take(width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[place + i]!;
    return value;
  };
  const textAt = (place: number, length: number): string =>
    new TextDecoder().decode(bytes.subarray(place, place + length));
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) fail('it is cut short');
    const place = take(end + 1 - at);
    return textAt(place, end - place);
  };
  const long = (length: number): number | bigint => {
    if (length > maxLong) fail(`a whole number of ${length} bytes`);
    const place = take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[place + i]!);
    const signed = BigInt.asIntN(8 * length, value);
    const short = Number(signed);
    return Number.isSafeInteger(short) ? short : signed;
  };
  const pop = (): Pickled => {
    const value = stack.pop();
    return value === undefined || value === mark ? fail('its stack is empty') : value;
  };
  const top = (): Pickled => {
    const value = pop();
    stack.push(value);
    return value;
  };
  /** What was pushed since the last mark. */
  const popToMark = (): Pickled[] => {
    const from = stack.lastIndexOf(mark);
    if (from < 0) fail('it has no mark');
    return stack.splice(from).filter((value) => value !== mark);
  };
  const append = (items: readonly Pickled[]): void => {
    const list = top();
    if (!Array.isArray(list)) fail('it appends to what is no list');
    for (const item of items) list.push(item);
  };
  const setItems = (items: readonly Pickled[]): void => {
    const map = top();
    if (!(map instanceof Map) || items.length % 2 !== 0) fail('it sets items of what is no dictionary');
    for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
  };
  const global = (name: string): void => {
    const known = types.find(name);
    if (!known)
      fail(
        `it names ${printable(name, 80)}, which isn't on the list of names that are read: nothing was run. Save plain values and tensors, as a state dict is`,
      );
    else stack.push(known);
  };
  const reduce = (): void => {
    const args = pop();
    const called = pop();
    if (!(called instanceof PickledFunction)) fail('it calls what is no function');
    const [first] = Array.isArray(args) ? args : [];
    // A list of the file can be given to any number of calls, which copy it.
    given += Array.isArray(first) ? first.length : 0;
    if (given > bytes.length) fail('its calls are given more than it holds');
    const made = Array.isArray(args) ? called.call?.(args) : undefined;
    if (made === undefined) fail(`it calls ${called.name} with arguments that make no sense`);
    stack.push(made);
  };

  for (;;) {
    const code = String.fromCharCode(bytes[take(1)]!);
    const constant = constants.get(code);
    const text = texts.get(code);
    if (constant) {
      stack.push(constant());
      continue;
    }
    if (text) {
      const length = unsigned(text[0]);
      const place = take(length);
      // Bytes are of no use to anybody who reads tensors.
      stack.push(text[1] ? textAt(place, length) : new PickledObject());
      continue;
    }
    switch (code) {
      case '.':
        return { value: pop(), end: at };
      case '\x80': {
        const protocol = unsigned(1);
        if (protocol < 2 || protocol > 5) fail(`protocol ${protocol}, expected 2 to 5`);
        break;
      }
      case '\x95':
        unsigned(8);
        break;
      case '(':
        stack.push(mark);
        break;
      case '0':
        pop();
        break;
      case '2':
        stack.push(top());
        break;
      case 'K':
        stack.push(unsigned(1));
        break;
      case 'M':
        stack.push(unsigned(2));
        break;
      case 'J':
        stack.push(view.getInt32(take(4), true));
        break;
      case 'G':
        stack.push(view.getFloat64(take(8)));
        break;
      case '\x8a':
        stack.push(long(unsigned(1)));
        break;
      case '\x8b':
        stack.push(long(unsigned(4)));
        break;
      case '\x85':
      case '\x86':
      case '\x87': {
        const items: Pickled[] = [];
        for (let i = code.charCodeAt(0) - 0x84; i > 0; i--) items.unshift(pop());
        stack.push(items);
        break;
      }
      case 't':
      case 'l':
        stack.push(popToMark());
        break;
      case 'd': {
        const items = popToMark();
        stack.push(new Map());
        setItems(items);
        break;
      }
      case 'a':
        append([pop()]);
        break;
      case 'e':
      case '\x90':
        append(popToMark());
        break;
      case 's': {
        const value = pop();
        setItems([pop(), value]);
        break;
      }
      case 'u':
        setItems(popToMark());
        break;
      case 'q':
        memo.set(unsigned(1), top());
        break;
      case 'r':
        memo.set(unsigned(4), top());
        break;
      case '\x94':
        memo.set(memo.size, top());
        break;
      case 'h':
      case 'j': {
        const value = memo.get(unsigned(code === 'h' ? 1 : 4));
        stack.push(value === undefined ? fail('it recalls what it never noted') : value);
        break;
      }
      case 'c': {
        const module = line();
        global(`${module}.${line()}`);
        break;
      }
      case '\x93': {
        const name = pop();
        const module = pop();
        if (typeof name !== 'string' || typeof module !== 'string') fail('it names what is no text');
        global(`${module}.${name}`);
        break;
      }
      case 'R':
        reduce();
        break;
      case 'b':
        // Attributes of a dictionary, as the `_metadata` of a state dict: no entries of it.
        pop();
        if (!(top() instanceof Map)) fail('it sets attributes of what is no dictionary');
        break;
      case 'Q': {
        const object = types.persistent(pop());
        stack.push(object ?? fail('it refers to a storage in words that make no sense'));
        break;
      }
      default:
        fail(
          `opcode 0x${code.charCodeAt(0).toString(16)} at byte ${at - 1} isn't on the list of what is read`,
        );
    }
  }
}
