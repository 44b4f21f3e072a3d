/**
 * Choices and loops of emitted functions, of the instructions in instructions.ts.
 */
import {
  type Code,
  codeOf,
  type I32,
  i32,
  type Local,
  type Operand,
  typeCodes,
  Value,
  type ValueType,
} from './instructions.js';

/** `condition ? a : b`; both are computed. */
export function select<T extends ValueType>(condition: I32, a: Value<T>, b: Operand<T>): Value<T> {
  return new Value(a.type, [a.code, codeOf(a.type, b), codeOf('i32', condition), 0x1b]);
}

const branch = (condition: I32, then: Code, otherwise: Code | null, type: number): Code => [
  codeOf('i32', condition),
  [0x04, type],
  then,
  otherwise === null ? [] : [0x05, otherwise],
  0x0b,
];

/** Runs `then` if the condition isn't 0, else `otherwise`. */
export function if_(condition: I32, then: Code, otherwise: Code | null = null): Code {
  return branch(condition, then, otherwise, 0x40);
}

/** `condition ? a : b`; only the one that is needed is computed. */
export function choose<T extends ValueType>(condition: I32, a: Value<T>, b: Operand<T>): Value<T> {
  return new Value(a.type, branch(condition, a.code, codeOf(a.type, b), typeCodes[a.type]));
}

/** Runs the body, and again while the condition isn't 0. */
export function doWhile(body: Code, condition: I32): Code {
  return [[0x03, 0x40], body, codeOf('i32', condition), [0x0d, 0], 0x0b];
}

/** Runs the body as long as the condition isn't 0. */
export function while_(condition: I32, body: Code): Code {
  return if_(condition, doWhile(body, condition));
}

/**
 * `for (i = from; i < to; i += step) body`, compared without sign: for counts and addresses. `to` and `step` are
 * computed anew for each turn.
 */
export function forRange(i: Local<'i32'>, from: I32, to: I32, step: I32, body: Code): Code {
  return [i.set(from), while_(i32.ltU(i, to), [body, i.set(i32.add(i, step))])];
}

/** Leaves the function (of one without a result). */
export const return_: Code = 0x0f;
