/**
 * Pieces of WGSL that several kernels share.
 *
 * WGSL leaves infinities and NaN to the driver: it may assume there are none, fold `x != x`, and give anything for
 * `min`, `max` or `tanh` of them. What the contract says about NaN is therefore spelled in integer operations on the
 * bits, and functions are called only where they are well defined.
 */

/** `f32` or `vec4f`: the functions below are printed for either. */
export type FloatType = 'f32' | 'vec4f';

/** Names of the types that go with a float type. */
export function typesOf(type: FloatType): { unsigned: string; signed: string; bool: string } {
  return type === 'f32'
    ? { unsigned: 'u32', signed: 'i32', bool: 'bool' }
    : { unsigned: 'vec4u', signed: 'vec4i', bool: 'vec4<bool>' };
}

/** Functions on floats by the name they are called with in WGSL. */
export type MathName =
  | 'isNan'
  | 'minimum'
  | 'maximum'
  | 'expOf'
  | 'logOf'
  | 'tanhOf'
  | 'powOf'
  | 'sinOf'
  | 'cosOf';

/** Each function calls only the ones before it. */
const functions: { readonly [K in MathName]: (T: FloatType) => string } = {
  isNan: (T) => {
    const { unsigned: U, bool: B } = typesOf(T);
    return `fn isNan(x: ${T}) -> ${B} { return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u); }`;
  },
  minimum: (T) =>
    `fn minimum(a: ${T}, b: ${T}) -> ${T} { return select(select(a, b, (b < a) | isNan(b)), a, isNan(a)); }`,
  maximum: (T) =>
    `fn maximum(a: ${T}, b: ${T}) -> ${T} { return select(select(a, b, (b > a) | isNan(b)), a, isNan(a)); }`,
  expOf: (T) =>
    `fn expOf(x: ${T}) -> ${T} { return select(exp(clamp(x, ${T}(-104.0), ${T}(89.0))), x, isNan(x)); }`,
  // -infinity is the bits of a zero with sign and exponent set; NaN likewise.
  logOf: (T) => {
    const { unsigned: U } = typesOf(T);
    return `fn logOf(x: ${T}) -> ${T} {
  let bits = bitcast<${U}>(x);
  let finite = select(log(x), x, bits >= ${U}(0x7f800000u));
  let negative = select(finite, bitcast<${T}>(bits | ${U}(0x7fc00000u)), x < ${T}(0.0));
  return select(negative, bitcast<${T}>(bits | ${U}(0xff800000u)), x == ${T}(0.0));
}`;
  },
  // Near 0 by its series (through x^9), elsewhere 1 - 2 / (exp(2x) + 1): both within a few units of the last place.
  tanhOf: (T) => `fn tanhOf(x: ${T}) -> ${T} {
  let s = x * x;
  let near = x * (1.0 + s * (-0.33333333 + s * (0.13333333 + s * (-0.053968254 + s * 0.021869489))));
  let size = min(abs(x), ${T}(15.0));
  let far = sign(x) * (1.0 - 2.0 / (exp(2.0 * size) + 1.0));
  return select(select(far, near, size < ${T}(0.3)), x, isNan(x));
}`,
  powOf: (T) => {
    const { unsigned: U } = typesOf(T);
    return `fn powOf(a: ${T}, b: ${T}) -> ${T} {
  let size = expOf(b * logOf(abs(a)));
  let whole = floor(b) == b;
  let odd = whole & (b - 2.0 * floor(0.5 * b) == ${T}(1.0));
  let unreal = bitcast<${T}>(bitcast<${U}>(a) | ${U}(0x7fc00000u));
  let result = select(size, select(unreal, select(size, -size, odd), whole), a < ${T}(0.0));
  return select(result, ${T}(1.0), (b == ${T}(0.0)) | (a == ${T}(1.0)));
}`;
  },
  // By quarter turns: x = q * pi/2 + r with |r| <= pi/4 (pi/2 in three parts, Cody and Waite), then the minimax
  // polynomials of Cephes' sinf and cosf.
  sinOf: (T) => `${quarter(T)}
fn sinOf(x: ${T}) -> ${T} { return sinQuarter(x, ${typesOf(T).signed}(0)); }`,
  cosOf: (T) => `fn cosOf(x: ${T}) -> ${T} { return sinQuarter(x, ${typesOf(T).signed}(1)); }`,
};

/** `sinQuarter(x, n)` is sin(x + n * pi/2). */
function quarter(T: FloatType): string {
  const { signed: I } = typesOf(T);
  return `fn sinQuarter(x: ${T}, turn: ${I}) -> ${T} {
  let q = floor(x * 0.63661977 + 0.5);
  let r = ((x - q * 1.5703125) - q * 4.8375129699707031e-4) - q * 7.5497899548918821e-8;
  let s = r * r;
  let sine = r + r * s * (-1.6666654611e-1 + s * (8.3321608736e-3 - s * 1.9515295891e-4));
  let cosine = 1.0 - 0.5 * s + s * s * (4.166664568298827e-2 + s * (-1.388731625493765e-3 + s * 2.443315711809948e-5));
  let n = ${I}(q) + turn;
  let value = select(sine, cosine, (n & ${I}(1)) != ${I}(0));
  return select(value, -value, (n & ${I}(2)) != ${I}(0));
}`;
}

const needs: Readonly<Partial<Record<MathName, readonly MathName[]>>> = {
  minimum: ['isNan'],
  maximum: ['isNan'],
  expOf: ['isNan'],
  tanhOf: ['isNan'],
  powOf: ['isNan', 'expOf', 'logOf'],
  cosOf: ['sinOf'],
};

/** The functions named, those they call, in order, printed for a float type. */
export function mathFunctions(T: FloatType, names: Iterable<MathName>): string {
  const wanted = new Set<string>();
  for (const name of names) {
    wanted.add(name);
    for (const other of needs[name] ?? []) wanted.add(other);
  }
  return Object.entries(functions)
    .filter(([name]) => wanted.has(name))
    .map(([, print]) => print(T))
    .join('\n');
}

/**
 * Statements that split `from` into indices `${prefix}0`, ... over the sizes `u.${sizes}0`, ... (row-major). The
 * first takes what is left. One division for each axis: they are dear, on software adapters above all.
 */
export function splitIndex(from: string, prefix: string, sizes: string, rank: number): string {
  const lines: string[] = [];
  let rest = from;
  for (let axis = rank - 1; axis > 0; axis--) {
    const [size, quotient] = [`u.${sizes}${axis}`, `${prefix}Rest${axis}`];
    lines.push(
      `let ${quotient} = ${rest} / ${size}; let ${prefix}${axis} = ${rest} - ${quotient} * ${size};`,
    );
    rest = quotient;
  }
  if (rank > 0) lines.push(`let ${prefix}0 = ${rest};`);
  return lines.join('\n');
}

/** Numbers as uniforms named `${name}0`, `${name}1`, ... */
export function numbered(name: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${name}${i}`, value]));
}

/** Axes of size 1 dropped, and neighbours merged that every view walks as one. */
export function mergeAxes(
  shape: readonly number[],
  views: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const merged: number[] = [];
  const strides: number[][] = views.map(() => []);
  shape.forEach((n, axis) => {
    if (n === 1) return;
    const last = merged.length - 1;
    const joins = last >= 0 && views.every((view, v) => strides[v]![last] === view[axis]! * n);
    if (joins) merged[last]! *= n;
    else merged.push(n);
    views.forEach((view, v) => {
      if (joins) strides[v]![last] = view[axis]!;
      else strides[v]!.push(view[axis]!);
    });
  });
  return { shape: merged, strides };
}
