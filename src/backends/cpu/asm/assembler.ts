/**
 * Puts functions together to a WebAssembly module.
 *
 *     const module = new ModuleBuilder();
 *     const f = module.func('scale');
 *     const { x, n } = f.params('i32', 'x', 'n');
 *     const { i } = f.locals('i32', 'i');
 *     f.body(forRange(i, x, i32.add(x, n), 4, f32.store(i, f32.mul(f32.load(i), 2))));
 *     const bytes = module.finish();
 *
 * Functions are exported under their names and call each other by `f.call(...)`. Every module imports its memory as
 * `env.memory`: shared, up to 65536 pages of 64 KiB (4 GiB).
 */
import { type Code, codeOf, Local, typeCodes, unsigned, Value, type ValueType } from './instructions.js';

/** Pages of 64 KiB that the memory of a module may have: the most there can be. */
export const maximumPages = 65536;

type Named<T extends ValueType, N extends string> = { readonly [name in N]: Local<T> };

/** One function of a module: parameters first, then locals, then the body. */
export class FuncBuilder<R extends ValueType | null = ValueType | null> {
  private readonly variables: ValueType[] = [];
  private parameters = 0;
  private code: Code = [];

  constructor(
    readonly name: string,
    readonly index: number,
    readonly result: R,
  ) {}

  /** Declares parameters of one type; call it again for further ones. */
  params<T extends ValueType, N extends string>(type: T, ...names: N[]): Named<T, N> {
    if (this.variables.length > this.parameters)
      throw new Error(`${this.name}: parameters come before locals`);
    this.parameters += names.length;
    return this.declare(type, names);
  }

  /** Declares variables of one type; they start at zero. */
  locals<T extends ValueType, N extends string>(type: T, ...names: N[]): Named<T, N> {
    return this.declare(type, names);
  }

  /** Declares `count` variables of one type. */
  array<T extends ValueType>(type: T, count: number): Local<T>[] {
    return Array.from({ length: count }, () => this.variable(type));
  }

  /** Sets the statements; the code of a function with a result ends with that value's `code`. */
  body(...code: Code[]): this {
    this.code = code;
    return this;
  }

  /** A call, as a statement; of a function with a result use `value`. */
  call(...args: (Value<ValueType> | number)[]): Code {
    if (args.length !== this.parameters) {
      throw new Error(`${this.name} takes ${this.parameters} arguments, got ${args.length}`);
    }
    return [args.map((arg, i) => codeOf(this.variables[i]!, arg)), 0x10, unsigned(this.index)];
  }

  /** A call, as the value it returns. */
  value<T extends ValueType>(this: FuncBuilder<T>, ...args: (Value<ValueType> | number)[]): Value<T> {
    return new Value(this.result, this.call(...args));
  }

  /** The function's type, as it stands in the type section. */
  get signature(): Code {
    const types = this.variables.slice(0, this.parameters).map((type) => typeCodes[type]);
    return [0x60, vector(types), vector(this.result === null ? [] : [typeCodes[this.result]])];
  }

  /** The function's entry in the code section. */
  get entry(): Code {
    const locals = this.variables.slice(this.parameters).map((type) => [1, typeCodes[type]]);
    return sized([vector(locals), this.code, 0x0b]);
  }

  private variable<T extends ValueType>(type: T): Local<T> {
    return new Local(type, this.variables.push(type) - 1);
  }

  private declare<T extends ValueType, N extends string>(type: T, names: N[]): Named<T, N>;
  private declare<T extends ValueType>(type: T, names: string[]): Named<T, string> {
    return Object.fromEntries(names.map((name) => [name, this.variable(type)]));
  }
}

/** A module under construction. */
export class ModuleBuilder {
  private readonly functions: FuncBuilder[] = [];

  /** Adds a function without a result; fill it with `params`, `locals` and `body`. */
  func(name: string): FuncBuilder<null>;
  func<R extends ValueType>(name: string, result: R): FuncBuilder<R>;
  func(name: string, result: ValueType | null = null): FuncBuilder {
    const func = new FuncBuilder(name, this.functions.length, result);
    this.functions.push(func);
    return func;
  }

  /** The module's bytes. */
  finish(): Uint8Array<ArrayBuffer> {
    const { functions } = this;
    const exports = functions.map((f) => [text(f.name), 0, unsigned(f.index)]);
    return flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
      section(1, vector(functions.map((f) => f.signature))),
      section(2, vector([[memoryImport(), shared, unsigned(1), unsigned(maximumPages)]])),
      section(3, vector(functions.map((f) => unsigned(f.index)))),
      section(7, vector(exports)),
      section(10, vector(functions.map((f) => f.entry))),
    ]);
  }
}

/** The import of a memory, up to its kind: with a maximum, shared between threads or not. */
const memoryImport = (): Code => [text('env'), text('memory'), 2];
const shared = 3;
const ownMemory = 1;

/** A module for a memory that isn't shared, of one for a shared memory. */
export function unshared(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const before = flatten(memoryImport());
  const at = module.findIndex((_, i) => before.every((byte, k) => module[i + k] === byte));
  const own = module.slice();
  own[at + before.length] = ownMemory;
  return own;
}

const vector = (items: readonly Code[]): Code => [unsigned(items.length), items];
const sized = (code: Code): Code => [unsigned(flatten(code).length), code];
const section = (id: number, code: Code): Code => [id, sized(code)];
const text = (string: string): Code => vector([...new TextEncoder().encode(string)]);

function flatten(code: Code): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const append = (part: Code): void => {
    if (typeof part === 'number') bytes.push(part);
    else for (const inner of part) append(inner);
  };
  append(code);
  return Uint8Array.from(bytes);
}
