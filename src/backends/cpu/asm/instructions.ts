/**
 * WebAssembly instructions as functions: `f32x4.mul(x, y)` gives the code that leaves the product on the stack.
 *
 * A `Value` is code that leaves one value of a known type, so a mix-up of types is a compile error in TypeScript; a
 * plain number stands for a constant. Code is nested arrays of bytes, flattened when the module is finished.
 * Statements (stores, `set`, control flow) are `Code`. Names follow the WebAssembly text format in camelCase:
 * `i32.shr_u` is `i32.shrU`. Memory accesses take an address and a constant byte offset. Addresses are unsigned: a
 * memory holds up to 4 GiB, so compare them with the `U` instructions.
 */

/** Bytes, nested as they were put together. */
export type Code = number | readonly Code[];

/** Types of WebAssembly values, by their code in the binary format. */
export const typeCodes = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof typeCodes;

/** Code that leaves one value of type T on the stack. */
export class Value<T extends ValueType> {
  constructor(
    readonly type: T,
    readonly code: Code,
  ) {}
}

/** A parameter or variable of a function; used as a value it is read. */
export class Local<T extends ValueType> extends Value<T> {
  constructor(
    type: T,
    readonly index: number,
  ) {
    super(type, [0x20, unsigned(index)]);
  }

  /** Assigns the value. */
  set(value: Operand<T>): Code {
    return [codeOf(this.type, value), 0x21, unsigned(this.index)];
  }

  /** Assigns the value and leaves it on the stack. */
  tee(value: Operand<T>): Value<T> {
    return new Value(this.type, [codeOf(this.type, value), 0x22, unsigned(this.index)]);
  }
}

/** What an instruction takes: a value, or a number standing for a constant (vectors: `f32x4.const`). */
export type Operand<T extends ValueType> = Value<T> | (T extends 'v128' ? never : number);

export type I32 = Operand<'i32'>;
type F32 = Operand<'f32'>;
export type V128 = Value<'v128'>;

/** An unsigned integer in LEB128. */
export function unsigned(value: number): Code {
  const bytes = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): Code {
  const bytes = [];
  for (let rest = value | 0; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const bytesOf = (array: Float32Array | Float64Array | Int32Array): Code => [...new Uint8Array(array.buffer)];

const simd = (opcode: number): Code => [0xfd, unsigned(opcode)];

/** The code of an operand of the given type. */
export function codeOf(type: ValueType, value: Value<ValueType> | number): Code {
  if (typeof value !== 'number') return value.code;
  switch (type) {
    case 'i32':
      return [0x41, signed(value)];
    case 'f32':
      return [0x43, bytesOf(Float32Array.of(value))];
    case 'f64':
      return [0x44, bytesOf(Float64Array.of(value))];
    case 'v128':
      return [simd(0x0c), bytesOf(new Float32Array(4).fill(value))]; // only f32x4.const comes here
  }
}

// Instructions of one shape: they differ in opcode and types alone.
type V = ValueType;
const unary =
  <A extends V, R extends V>(operand: A, result: R, opcode: Code) =>
  (a: Operand<A>): Value<R> =>
    new Value(result, [codeOf(operand, a), opcode]);
const binary =
  <A extends V, B extends V, R extends V>(left: A, right: B, result: R, opcode: Code) =>
  (a: Operand<A>, b: Operand<B>): Value<R> =>
    new Value(result, [codeOf(left, a), codeOf(right, b), opcode]);
const ternary =
  <R extends V>(type: R, opcode: Code) =>
  (a: Operand<R>, b: Operand<R>, c: Operand<R>): Value<R> =>
    new Value(type, [codeOf(type, a), codeOf(type, b), codeOf(type, c), opcode]);
// The alignment hint is always 1 byte: that hint is always true, and costs nothing.
const load =
  <R extends V>(result: R, opcode: Code) =>
  (address: I32, offset = 0): Value<R> =>
    new Value(result, [codeOf('i32', address), opcode, 0, unsigned(offset)]);
const store =
  <A extends V>(type: A, opcode: Code) =>
  (address: I32, value: Operand<A>, offset = 0): Code => [
    codeOf('i32', address),
    codeOf(type, value),
    opcode,
    0,
    unsigned(offset),
  ];

const i32Binary = (opcode: number) => binary('i32', 'i32', 'i32', opcode);
/** 32-bit integers; comparisons give 1 or 0. */
export const i32 = {
  const: (value: number): Value<'i32'> => new Value('i32', codeOf('i32', value)),
  load: load('i32', 0x28),
  load8U: load('i32', 0x2d),
  store: store('i32', 0x36),
  store8: store('i32', 0x3a),
  eqz: unary('i32', 'i32', 0x45),
  eq: i32Binary(0x46),
  ne: i32Binary(0x47),
  ltS: i32Binary(0x48),
  ltU: i32Binary(0x49),
  gtS: i32Binary(0x4a),
  gtU: i32Binary(0x4b),
  leS: i32Binary(0x4c),
  leU: i32Binary(0x4d),
  geS: i32Binary(0x4e),
  geU: i32Binary(0x4f),
  add: i32Binary(0x6a),
  sub: i32Binary(0x6b),
  mul: i32Binary(0x6c),
  divS: i32Binary(0x6d),
  divU: i32Binary(0x6e),
  remS: i32Binary(0x6f),
  remU: i32Binary(0x70),
  and: i32Binary(0x71),
  or: i32Binary(0x72),
  xor: i32Binary(0x73),
  shl: i32Binary(0x74),
  shrS: i32Binary(0x75),
  shrU: i32Binary(0x76),
  /** Toward zero; saturates, NaN gives 0. */
  truncSatF32S: unary('f32', 'i32', [0xfc, 0]),
  truncSatF64S: unary('f64', 'i32', [0xfc, 2]),
  reinterpretF32: unary('f32', 'i32', 0xbc),
};

const f32Binary = (opcode: number) => binary('f32', 'f32', 'f32', opcode);
const f32Compare = (opcode: number) => binary('f32', 'f32', 'i32', opcode);
export const f32 = {
  const: (value: number): Value<'f32'> => new Value('f32', codeOf('f32', value)),
  load: load('f32', 0x2a),
  store: store('f32', 0x38),
  eq: f32Compare(0x5b),
  ne: f32Compare(0x5c),
  lt: f32Compare(0x5d),
  gt: f32Compare(0x5e),
  le: f32Compare(0x5f),
  ge: f32Compare(0x60),
  abs: unary('f32', 'f32', 0x8b),
  neg: unary('f32', 'f32', 0x8c),
  ceil: unary('f32', 'f32', 0x8d),
  floor: unary('f32', 'f32', 0x8e),
  trunc: unary('f32', 'f32', 0x8f),
  /** To the nearest integer, ties to even. */
  nearest: unary('f32', 'f32', 0x90),
  sqrt: unary('f32', 'f32', 0x91),
  add: f32Binary(0x92),
  sub: f32Binary(0x93),
  mul: f32Binary(0x94),
  div: f32Binary(0x95),
  /** NaN if either is. */
  min: f32Binary(0x96),
  /** NaN if either is. */
  max: f32Binary(0x97),
  copysign: f32Binary(0x98),
  convertI32S: unary('i32', 'f32', 0xb2),
  convertI32U: unary('i32', 'f32', 0xb3),
  demoteF64: unary('f64', 'f32', 0xb6),
  reinterpretI32: unary('i32', 'f32', 0xbe),
};

const f64Binary = (opcode: number) => binary('f64', 'f64', 'f64', opcode);
const f64Compare = (opcode: number) => binary('f64', 'f64', 'i32', opcode);
export const f64 = {
  const: (value: number): Value<'f64'> => new Value('f64', codeOf('f64', value)),
  load: load('f64', 0x2b),
  store: store('f64', 0x39),
  eq: f64Compare(0x61),
  lt: f64Compare(0x63),
  gt: f64Compare(0x64),
  sqrt: unary('f64', 'f64', 0x9f),
  add: f64Binary(0xa0),
  sub: f64Binary(0xa1),
  mul: f64Binary(0xa2),
  div: f64Binary(0xa3),
  min: f64Binary(0xa4),
  max: f64Binary(0xa5),
  convertI32S: unary('i32', 'f64', 0xb7),
  promoteF32: unary('f32', 'f64', 0xbb),
};

const v128Unary = (opcode: number) => unary('v128', 'v128', simd(opcode));
const v128Binary = (opcode: number) => binary('v128', 'v128', 'v128', simd(opcode));
const v128Shift = (opcode: number) => binary('v128', 'i32', 'v128', simd(opcode));
/** 128 bits, whatever they hold. */
export const v128 = {
  load: load('v128', simd(0x00)),
  load8Splat: load('v128', simd(0x07)),
  load32Splat: load('v128', simd(0x09)),
  /** The low lane from memory, zeros above. */
  load32Zero: load('v128', simd(0x5c)),
  load64Zero: load('v128', simd(0x5d)),
  /** `vector` with 32-bit lane `lane` from memory. */
  load32Lane: (address: I32, vector: V128, lane: number, offset = 0): V128 =>
    new Value('v128', [codeOf('i32', address), vector.code, simd(0x56), 0, unsigned(offset), lane]),
  store: store('v128', simd(0x0b)),
  /** Stores 32-bit lane `lane`. */
  store32Lane: (address: I32, value: V128, lane: number, offset = 0): Code => [
    store('v128', simd(0x5a))(address, value, offset),
    lane,
  ],
  /** Stores 64-bit lane `lane`. */
  store64Lane: (address: I32, value: V128, lane: number, offset = 0): Code => [
    store('v128', simd(0x5b))(address, value, offset),
    lane,
  ],
  not: v128Unary(0x4d),
  and: v128Binary(0x4e),
  /** `a & ~b` */
  andnot: v128Binary(0x4f),
  or: v128Binary(0x50),
  xor: v128Binary(0x51),
  /** `(a & mask) | (b & ~mask)`, mask last. */
  bitselect: ternary('v128', simd(0x52)),
  /** As `bitselect`, of masks that are all ones or all zeros in each of four lanes (relaxed SIMD). */
  relaxedSelect32: ternary('v128', simd(0x10b)),
  anyTrue: unary('v128', 'i32', simd(0x53)),
  /** 32-bit lanes by number: 0-3 from a, 4-7 from b. */
  shuffle32: (a: V128, b: V128, ...lanes: [number, number, number, number]): V128 =>
    new Value('v128', [
      a.code,
      b.code,
      simd(0x0d),
      lanes.map((lane) => [0, 1, 2, 3].map((i) => lane * 4 + i)),
    ]),
  /** Bytes by number: 0-15 from a, 16-31 from b. */
  shuffle8: (a: V128, b: V128, bytes: readonly number[]): V128 =>
    new Value('v128', [a.code, b.code, simd(0x0d), bytes]),
};

/** Four float32 lanes; comparisons give all ones or all zeros in a lane. */
export const f32x4 = {
  /** The number in each lane. */
  const: (value: number): V128 => new Value('v128', codeOf('v128', value)),
  splat: unary('f32', 'v128', simd(0x13)),
  extractLane: (a: V128, lane: number): Value<'f32'> => new Value('f32', [a.code, simd(0x1f), lane]),
  replaceLane: (a: V128, lane: number, value: F32): V128 =>
    new Value('v128', [a.code, codeOf('f32', value), simd(0x20), lane]),
  eq: v128Binary(0x41),
  ne: v128Binary(0x42),
  lt: v128Binary(0x43),
  gt: v128Binary(0x44),
  le: v128Binary(0x45),
  ge: v128Binary(0x46),
  ceil: v128Unary(0x67),
  floor: v128Unary(0x68),
  trunc: v128Unary(0x69),
  nearest: v128Unary(0x6a),
  abs: v128Unary(0xe0),
  neg: v128Unary(0xe1),
  sqrt: v128Unary(0xe3),
  add: v128Binary(0xe4),
  sub: v128Binary(0xe5),
  mul: v128Binary(0xe6),
  div: v128Binary(0xe7),
  /** NaN if either is. */
  min: v128Binary(0xe8),
  /** NaN if either is. */
  max: v128Binary(0xe9),
  /** `b < a ? b : a`, one instruction on x86. */
  pmin: v128Binary(0xea),
  /** `a < b ? b : a`, one instruction on x86. */
  pmax: v128Binary(0xeb),
  convertI32x4S: v128Unary(0xfa),
  convertI32x4U: v128Unary(0xfb),
  /** The two float64 lanes, rounded, in the low half; zeros above. */
  demoteF64x2Zero: v128Unary(0x5e),
  /** `a * b + c`, rounded once or twice, as the machine likes (relaxed SIMD). */
  relaxedMadd: ternary('v128', simd(0x105)),
  /** `c - a * b`, rounded once or twice (relaxed SIMD). */
  relaxedNmadd: ternary('v128', simd(0x106)),
};

/** Four int32 lanes; comparisons give all ones or all zeros in a lane. */
export const i32x4 = {
  /** One number for all lanes, or one for each. */
  const: (...lanes: [number] | [number, number, number, number]): V128 =>
    new Value('v128', [simd(0x0c), bytesOf(Int32Array.from({ length: 4 }, (_, i) => lanes[i] ?? lanes[0]))]),
  splat: unary('i32', 'v128', simd(0x11)),
  extractLane: (a: V128, lane: number): Value<'i32'> => new Value('i32', [a.code, simd(0x1b), lane]),
  replaceLane: (a: V128, lane: number, value: I32): V128 =>
    new Value('v128', [a.code, codeOf('i32', value), simd(0x1c), lane]),
  eq: v128Binary(0x37),
  ne: v128Binary(0x38),
  ltS: v128Binary(0x39),
  ltU: v128Binary(0x3a),
  gtS: v128Binary(0x3b),
  gtU: v128Binary(0x3c),
  leS: v128Binary(0x3d),
  geS: v128Binary(0x3f),
  abs: v128Unary(0xa0),
  neg: v128Unary(0xa1),
  /** One bit for each lane: its sign. */
  bitmask: unary('v128', 'i32', simd(0xa4)),
  shl: v128Shift(0xab),
  shrS: v128Shift(0xac),
  shrU: v128Shift(0xad),
  add: v128Binary(0xae),
  sub: v128Binary(0xb1),
  mul: v128Binary(0xb5),
  minS: v128Binary(0xb6),
  maxS: v128Binary(0xb8),
  /** Toward zero; saturates, NaN gives 0. */
  truncSatF32x4S: v128Unary(0xf8),
  truncSatF32x4U: v128Unary(0xf9),
  /** The low four 16-bit lanes, widened. */
  extendLowI16x8U: v128Unary(0xa9),
  /** The high four 16-bit lanes, widened. */
  extendHighI16x8U: v128Unary(0xaa),
  /** Products of neighbouring int16 lanes, two and two added. */
  dotI16x8S: v128Binary(0xba),
};

/** Eight 16-bit lanes: a stop on the way between bytes and int32. */
export const i16x8 = {
  extendLowI8x16U: v128Unary(0x89),
  extendHighI8x16U: v128Unary(0x8a),
  /** int32 lanes of a, then b, saturated to int16. */
  narrowI32x4S: v128Binary(0x85),
  add: v128Binary(0x8e),
};

/** Sixteen bytes. */
export const i8x16 = {
  /** int16 lanes of a, then b, saturated to uint8. */
  narrowI16x8U: v128Binary(0x66),
};

/** Two float64 lanes. */
export const f64x2 = {
  splat: unary('f64', 'v128', simd(0x14)),
  extractLane: (a: V128, lane: number): Value<'f64'> => new Value('f64', [a.code, simd(0x21), lane]),
  add: v128Binary(0xf0),
  sub: v128Binary(0xf1),
  mul: v128Binary(0xf2),
  div: v128Binary(0xf3),
  /** To the nearest integer, ties to even. */
  nearest: v128Unary(0x94),
  /** `b < a ? b : a` */
  pmin: v128Binary(0xf6),
  /** `a < b ? b : a` */
  pmax: v128Binary(0xf7),
  /** The low two float32 lanes, widened. */
  promoteLowF32x4: v128Unary(0x5f),
  /** The low two int32 lanes. */
  convertLowI32x4S: v128Unary(0xfe),
};

/** Bytes to and from memory in bulk. */
export const memory = {
  /** Sets `bytes` bytes to `value`. */
  fill: (address: I32, value: I32, bytes: I32): Code => [
    codeOf('i32', address),
    codeOf('i32', value),
    codeOf('i32', bytes),
    [0xfc, 11, 0],
  ],
  /** Copies `bytes` bytes; the two may overlap. */
  copy: (to: I32, from: I32, bytes: I32): Code => [
    codeOf('i32', to),
    codeOf('i32', from),
    codeOf('i32', bytes),
    [0xfc, 10, 0, 0],
  ],
};
