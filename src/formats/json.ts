/**
 * JSON that is checked as it is read: a schema says what a value must be and gives its TypeScript type, and the first
 * thing that is otherwise is told by its place.
 *
 *     const lineSchema = object<Line>({ epoch: whole(1), error: fraction, ended: optional(oneOf('reached', 'gave up')) });
 *     parseJson('{"epoch":0}', 'log.jsonl', lineSchema)   // log.jsonl: epoch is 0, expected a whole number from 1
 *
 * Numbers are finite (JSON can spell 1e999); fields that a schema doesn't name are left as they are.
 */
import { DataError } from '../core/errors.js';
import { printable } from './printable.js';

/** What a value must be. Made by the functions of this file. */
export interface Schema<T> {
  /** In words, after "expected": "a number from 0". */
  readonly expects: string;
  /** Whether a value is one; if not, `problem` is told. */
  readonly accepts: (value: unknown, problem: Problem) => value is T;
}

/** The first thing found wrong with a value. */
class Problem {
  /** Where in the value, filled from the inside out: `rows[3].name`. */
  place = '';
  /** What is wrong there: "is 0, expected a whole number from 1". */
  what = '';

  /** Notes a value that isn't what was expected. */
  refuse(value: unknown, expected: string): false {
    this.what =
      value === undefined ? `is missing, expected ${expected}` : `is ${shown(value)}, expected ${expected}`;
    return false;
  }

  /** Notes that null would have done as well, unless the problem lies deeper. */
  orNull(): false {
    if (this.place === '') this.what += ', or null';
    return false;
  }

  /** Notes that the problem lies within a field or item. */
  within(step: string): false {
    this.place =
      this.place === '' || this.place.startsWith('[') ? `${step}${this.place}` : `${step}.${this.place}`;
    return false;
  }
}

/**
 * Reads JSON.
 * @param file its name, for messages
 * @throws {DataError} when the text isn't JSON, or isn't what the schema says: names file, place, value and what was expected.
 */
export function parseJson<T>(text: string, file: string, schema: Schema<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's own words quote the text, whatever it holds.
    throw new DataError(`${file}: not JSON: damaged, or cut short`, { cause: error });
  }
  return checkJson(value, file, schema);
}

/**
 * Checks a value that was JSON.
 * @param what whose it is, for messages
 * @throws {DataError} when it isn't what the schema says: names what, place, value and what was expected.
 */
export function checkJson<T>(value: unknown, what: string, schema: Schema<T>): T {
  const problem = new Problem();
  if (schema.accepts(value, problem)) return value;
  const { place, what: wrong } = problem;
  const start = place === '' || place.startsWith('[') ? 'it' : '';
  throw new DataError(`${what}: ${start}${place} ${wrong}`);
}

/**
 * Reads JSON, a value a line; empty lines are passed over.
 * @param file its name, for messages, which also number the lines
 * @throws {DataError} as `parseJson` does.
 */
export function parseJsonLines<T>(text: string, file: string, schema: Schema<T>): T[] {
  return text
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [parseJson(line, `${file}, line ${i + 1}`, schema)]));
}

function schemaOf<T>(expects: string, test: (value: unknown) => value is T): Schema<T> {
  return {
    expects,
    accepts: (value, problem): value is T => test(value) || problem.refuse(value, expects),
  };
}

/** Anything that JSON can hold. */
export const anything: Schema<unknown> = {
  expects: 'anything',
  accepts: (_value): _value is unknown => true,
};

/** Any text. */
export const text: Schema<string> = schemaOf('text', (value) => typeof value === 'string');

/** True or false. */
export const flag: Schema<boolean> = schemaOf('true or false', (value) => typeof value === 'boolean');

/** A finite number in a range, ends included. */
export function number(from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY): Schema<number> {
  return schemaOf(
    `a number${rangeText(from, to)}`,
    (value): value is number =>
      typeof value === 'number' && Number.isFinite(value) && value >= from && value <= to,
  );
}

/** A whole number in a range, ends included; at most 2^53 - 1. */
export function whole(from = 0, to = Number.POSITIVE_INFINITY): Schema<number> {
  return schemaOf(
    `a whole number${rangeText(from, to)}`,
    (value): value is number =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to,
  );
}

/** A number from 0 to 1. */
export const fraction: Schema<number> = number(0, 1);

function rangeText(from: number, to: number): string {
  if (from === Number.NEGATIVE_INFINITY && to === Number.POSITIVE_INFINITY) return '';
  if (to === Number.POSITIVE_INFINITY) return ` from ${from}`;
  return from === Number.NEGATIVE_INFINITY ? ` up to ${to}` : ` from ${from} to ${to}`;
}

/** One of some texts, numbers or flags. */
export function oneOf<const T extends string | number | boolean>(...values: readonly T[]): Schema<T> {
  return schemaOf(
    values.length === 1 ? shown(values[0]) : `one of ${values.map(shown).join(', ')}`,
    (value): value is T => values.some((known) => known === value),
  );
}

/** What a schema takes, or null. */
export function nullable<T>({ expects, accepts }: Schema<T>): Schema<T | null> {
  return {
    expects: `${expects}, or null`,
    accepts: (value, problem): value is T | null =>
      value === null || accepts(value, problem) || problem.orNull(),
  };
}

/** A field of an object that may be absent. */
export function optional<T>({ expects, accepts }: Schema<T>): Schema<T | undefined> {
  return {
    expects,
    accepts: (value, problem): value is T | undefined => value === undefined || accepts(value, problem),
  };
}

/** A list of what a schema takes. @param length of it, if it must have one */
export function list<T>(item: Schema<T>, length?: number): Schema<readonly T[]> {
  const expects = length === undefined ? 'a list' : `a list of ${length}`;
  return {
    expects,
    accepts: (value, problem): value is readonly T[] => {
      if (!Array.isArray(value) || value.length !== (length ?? value.length))
        return problem.refuse(value, expects);
      return value.every((entry: unknown, i) => item.accepts(entry, problem) || problem.within(`[${i}]`));
    },
  };
}

/** A list of which each item has its own schema. */
export function tuple<const T extends readonly unknown[]>(
  ...items: { readonly [I in keyof T]: Schema<T[I]> }
): Schema<T> {
  const expects = `a list of ${items.length}`;
  return {
    expects,
    accepts: (value, problem): value is T => {
      if (!Array.isArray(value) || value.length !== items.length) return problem.refuse(value, expects);
      return items.every((item, i) => item.accepts(value[i], problem) || problem.within(`[${i}]`));
    },
  };
}

/** An object with any keys, whose values are what a schema takes. */
export function record<T>(item: Schema<T>): Schema<Readonly<Record<string, T>>> {
  const expects = 'an object';
  return {
    expects,
    accepts: (value, problem): value is Readonly<Record<string, T>> => {
      if (!isObject(value)) return problem.refuse(value, expects);
      return Object.entries(value).every(
        ([key, entry]) => item.accepts(entry, problem) || problem.within(`[${shown(key)}]`),
      );
    },
  };
}

/** The schema of each field; a field that may be absent has an `optional` one. */
export type Fields<T> = { readonly [K in keyof T]-?: Schema<T[K]> };

/** An object of known fields. */
export function object<T extends object>(fields: Fields<T>): Schema<T> {
  const expects = 'an object';
  const entries = Object.entries<Schema<unknown>>(fields);
  return {
    expects,
    accepts: (value, problem): value is T => {
      if (!isObject(value)) return problem.refuse(value, expects);
      return entries.every(([key, field]) => field.accepts(value[key], problem) || problem.within(key));
    },
  };
}

/** Objects of several kinds, told apart by what the field `key` holds. */
export function tagged<K extends string, T extends { readonly [key in K]: string }>(
  key: K,
  kinds: { readonly [V in T[K]]: Schema<Extract<T, { readonly [key in K]: V }>> },
): Schema<T> {
  const byTag = new Map<unknown, Schema<T>>(Object.entries<Schema<T>>(kinds));
  const tags = oneOf(...Object.keys(kinds));
  return {
    expects: 'an object',
    accepts: (value, problem): value is T => {
      if (!isObject(value)) return problem.refuse(value, 'an object');
      const kind = byTag.get(value[key]);
      return kind ? kind.accepts(value, problem) : tags.accepts(value[key], problem) || problem.within(key);
    },
  };
}

/** What any of some schemas takes. */
export function anyOf<T>(...schemas: readonly Schema<T>[]): Schema<T> {
  const expects = schemas.map((schema) => schema.expects).join(', or ');
  return {
    expects,
    accepts: (value, problem): value is T =>
      schemas.some((schema) => schema.accepts(value, new Problem())) || problem.refuse(value, expects),
  };
}

/** What a schema takes, if it also passes a test. @param expects what the test asks for, after "expected" */
export function where<T>(schema: Schema<T>, expects: string, test: (value: T) => boolean): Schema<T> {
  return {
    expects,
    accepts: (value, problem): value is T =>
      schema.accepts(value, problem) && (test(value) || problem.refuse(value, expects)),
  };
}

/** Whether a value is an object with fields. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a message may show it: short, on one line. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? `"${printable(value, 40)}"` : String(value);
}
