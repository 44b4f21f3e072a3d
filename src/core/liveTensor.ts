/**
 * What is known of a live tensor, where a device keeps account of them: the op that made it, and the place.
 */
import { bytesPerElement, type DType, formatShape, type Shape, sizeOf } from './shape.js';
import { trace } from './trace.js';

/** A tensor whose elements a device holds; views of it are the same one. */
export class LiveTensor {
  readonly bytes: number;
  /** The layer it was made in, '' outside layers. */
  readonly layer = trace.layer;
  /** File, line and column of the call into this library that made it. */
  readonly place = callerPlace();

  constructor(
    readonly op: string,
    readonly shape: Shape,
    readonly dtype: DType,
    private readonly named: { readonly name: string },
  ) {
    this.bytes = sizeOf(shape) * bytesPerElement[dtype];
  }

  /** The path of a parameter or buffer, '' for no name. */
  get name(): string {
    return this.named.name;
  }

  toString(): string {
    const name = this.name && ` ${this.name}`;
    const layer = this.layer && ` in ${this.layer}`;
    return `${this.op}${name} ${formatShape(this.shape)} ${this.dtype}, ${this.bytes} bytes${layer}, made at ${this.place}`;
  }
}

/** Where this library's files lie: as compiled, and as a debugger with source maps names them. */
const compiled = import.meta.url.replace(/core\/[^/]*$/, '');
const library = [compiled, compiled.replace(/\/dist\/src\/$/, '/src/')];

/** The innermost place of the call stack outside this library; the innermost of all where there is none. */
function callerPlace(): string {
  const usual = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = usual;
  const places = [...stack.matchAll(/([^\s(@]+:\d+:\d+)\)?$/gm)].map(([, place = '']) => place);
  return places.find((place) => !library.some((root) => place.startsWith(root))) ?? places[0] ?? 'unknown';
}
