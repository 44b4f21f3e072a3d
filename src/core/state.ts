/**
 * What random generators, optimizers and schedules remember, so that a file can hold it and they can go on from there:
 * numbers of tensors by name, and whatever else JSON can hold.
 */
import { ArgumentError } from './errors.js';
import type { Shape, TypedArray } from './shape.js';

/** Numbers on the host with their shape, row-major. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Named numbers on the host. */
export type StateDict = ReadonlyMap<string, HostTensor>;

/** What something that has a state remembers. */
export interface PartState {
  /** Copies of its tensors by name; absent: it has none. */
  readonly tensors?: StateDict;
  /** A value that JSON can hold (numbers finite); absent: there is nothing else. */
  readonly json?: unknown;
}

/** A thing whose state can be taken and set. */
export interface Stateful {
  /** The state as it is now. */
  state(): PartState | Promise<PartState>;
  /** @throws {ArgumentError} for a state that doesn't fit; changes nothing either way. */
  checkState(state: PartState): void;
  /** Goes back to a state. @throws {ArgumentError} as `checkState` does, before anything is changed. */
  loadState(state: PartState): void;
}

/** A number of a state's JSON; `what`: whose, for messages. @throws {ArgumentError} when there is none of that name */
export function numberOf(what: string, { json }: PartState, name: string): number {
  const value = fieldOf(json, name);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ArgumentError(`${what}: ${name} is ${String(value)} in this state, expected a number`);
}

/** As `numberOf`, of whole numbers from 0 up to 2^53 - 1. */
export function countOf(what: string, state: PartState, name: string): number {
  const value = numberOf(what, state, name);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new ArgumentError(`${what}: ${name} is ${value} in this state, expected a whole number from 0`);
}

/** As `numberOf`, or null. */
export function nullableNumberOf(what: string, state: PartState, name: string): number | null {
  return fieldOf(state.json, name) === null ? null : numberOf(what, state, name);
}

function fieldOf(json: unknown, name: string): unknown {
  if (typeof json !== 'object' || json === null) return undefined;
  return Object.entries(json).find(([key]) => key === name)?.[1];
}
