/**
 * WGSL's words for numbers and the types that functions are printed for.
 */

/** `f32` or `vec4f`: functions are printed for either. */
export type FloatType = 'f32' | 'vec4f';

/** `i32` or `vec4i`: what integers are computed in. */
export type IntegerType = 'i32' | 'vec4i';

/** Names of the types that go with a float type. */
export function typesOf(type: FloatType): { unsigned: string; signed: IntegerType; bool: string } {
  return type === 'f32'
    ? { unsigned: 'u32', signed: 'i32', bool: 'bool' }
    : { unsigned: 'vec4u', signed: 'vec4i', bool: 'vec4<bool>' };
}

/** A finite number as a literal of the float32 nearest to it. */
export function literal(value: number): string {
  const rounded = Math.fround(value);
  if (Object.is(rounded, -0)) return '-0.0';
  const text = String(rounded);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** An unsigned 32-bit number as a literal. */
export function word(value: number): string {
  return `0x${value.toString(16)}u`;
}

/** A polynomial of the variable `x`, the coefficient of its highest power first. */
export function polynomial(x: string, coefficients: readonly number[]): string {
  return coefficients.map(literal).reduce((sum, c) => `(${sum} * ${x} + ${c})`);
}

/** What picks the components out of a variable of type T. */
export function lanesOf(T: FloatType): string[] {
  return T === 'f32' ? [''] : ['.x', '.y', '.z', '.w'];
}
