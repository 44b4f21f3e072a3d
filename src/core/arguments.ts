/**
 * Arguments as programs without types give them: options objects whose keys are known, and values of the kind that
 * was asked for. Whatever is wrong becomes one `ArgumentError` that names the op and what was given.
 */
import { ArgumentError } from './errors.js';

/** Options with a default for each: null or undefined where an option left out means something of its own. */
type Defaults<O> = { readonly [K in keyof O]-?: O[K] | null | undefined };

/** Options as given, and the default of each that wasn't. */
type Spelled<O, D> = {
  readonly [K in keyof O]-?: K extends keyof D ? Exclude<O[K], undefined> | D[K] : never;
};

/**
 * The options given, with `defaults` for what is left out or undefined.
 * @throws {ArgumentError} for an option without a default, naming the nearest, and for anything but an object of options
 */
export function readOptions<O extends object, D extends Defaults<O>>(
  op: string,
  given: O | undefined,
  defaults: D,
): Spelled<O, D>;
export function readOptions(op: string, given: unknown, defaults: object): object {
  return spelledOut(op, given, defaults);
}

/** As `readOptions`, where every default stands for its kind: numbers, booleans, texts, arrays. */
export function readSettings<D extends object>(op: string, given: unknown, defaults: D): D;
export function readSettings(op: string, given: unknown, defaults: object): object {
  const settings = spelledOut(op, given, defaults);
  for (const [name, usual] of Object.entries(defaults)) {
    const value = settings[name];
    if (Array.isArray(usual)) requireArray(op, name, value, 'an array');
    else if (typeof usual === 'number') requireNumber(op, name, value);
    else if (typeof usual === 'boolean') requireBoolean(op, name, value);
    else if (typeof usual === 'string') requireText(op, name, value);
  }
  return settings;
}

function spelledOut(op: string, given: unknown, defaults: object): Record<string, unknown> {
  const options: Record<string, unknown> = { ...defaults };
  if (given === undefined) return options;
  const known = Object.keys(defaults);
  if (!isPlainObject(given))
    throw wrongArgument(op, 'the argument for options', given, `an object of ${known.join(', ')}`);
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, key)) {
      const nearest = nearestName(key, known);
      const meant = nearest === null ? '' : ` (did you mean ${nearest}?)`;
      throw new ArgumentError(`${op}: there is no option ${key}${meant}, only ${known.join(', ')}`);
    }
    if (value !== undefined) options[key] = value;
  }
  return options;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The error that argument `name` of `op` isn't `expected`: 'a Tensor'; `way`: how to get one. */
export function wrongArgument(op: string, name: string, value: unknown, expected: string, way = '') {
  const out = isPromise(value) ? 'await it' : way;
  return new ArgumentError(`${op}: ${name} is ${given(value)}, expected ${expected}${out && `: ${out}`}`);
}

/** A value as messages name it: `3`, `'text'`, `a Promise`, `an Int32Array`. */
function given(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  const maker: unknown = Reflect.get(value, 'constructor');
  const kind = isPromise(value) ? 'Promise' : typeof maker === 'function' ? maker.name : '';
  if (kind === '' || kind === 'Object') return 'an object';
  return `${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** A check of an argument. @throws {ArgumentError} that names the op, the argument, and what was given */
type Check<T> = (op: string, name: string, value: unknown) => asserts value is T;

const check =
  <T>(expected: string, holds: (value: unknown) => boolean): Check<T> =>
  (op, name, value) => {
    if (!holds(value)) throw wrongArgument(op, name, value, expected);
  };

/** Unless the value is a number (NaN is one), an error. */
export const requireNumber: Check<number> = check('a number', (value) => typeof value === 'number');

/** @throws {ArgumentError} unless the value is a whole number from `least`. */
export function requireWhole(op: string, name: string, value: unknown, least: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least) return;
  throw wrongArgument(op, name, value, `a whole number from ${least}`);
}

/** Unless the value is true or false, an error. */
export const requireBoolean: Check<boolean> = check('true or false', (value) => typeof value === 'boolean');
/** Unless the value is a text, an error. */
export const requireText: Check<string> = check('a text', (value) => typeof value === 'string');
/** Unless the value is a function, an error. */
export const requireFunction: Check<unknown> = check('a function', (value) => typeof value === 'function');

/** @throws {ArgumentError} unless the value is one of the choices. */
export function requireChoice(op: string, name: string, value: unknown, choices: readonly string[]): void {
  if (typeof value === 'string' && choices.includes(value)) return;
  throw wrongArgument(op, name, value, choices.map((choice) => `'${choice}'`).join(' or '));
}

/** @throws {ArgumentError} unless the value is an array; `expected` with its article: 'an array of Tensors' */
export function requireArray(op: string, name: string, value: unknown, expected: string): void {
  if (!Array.isArray(value)) throw wrongArgument(op, name, value, expected);
}

/** Edits of a name of this many letters or fewer that leave it recognizable. */
const lettersAnEdit = 3;

/**
 * The known name that one who wrote `given` most likely meant, or null: the same letters in another spelling
 * (`keep_dim`), initials (`lr`), a name that begins the other (`kernelSize`), or one of few other letters.
 */
export function nearestName(given: string, known: readonly string[]): string | null {
  const wanted = lettersOf(given);
  let nearest: string | null = null;
  let least = Math.max(1, Math.floor(wanted.length / lettersAnEdit)) + 1;
  for (const name of known) {
    const letters = lettersOf(name);
    const shorter = Math.min(letters.length, wanted.length);
    const begins = shorter > 2 && letters.slice(0, shorter) === wanted.slice(0, shorter);
    const same = letters === wanted || initialsOf(name) === wanted;
    const distance = same ? 0 : begins ? 1 : editsBetween(wanted, letters, least);
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}

function lettersOf(name: string): string {
  return name.replace(/[^a-z0-9]/gi, '').toLowerCase();
}

/** `lr` of `learningRate` and of `learning-rate`. */
function initialsOf(name: string): string {
  const words = name.match(/[A-Z]?[a-z0-9]+/g) ?? [];
  return words.map((word) => word[0]!.toLowerCase()).join('');
}

/** How many letters to put in, take out, change, or swap with the next to make one name of the other; up to `most`. */
function editsBetween(a: string, b: string, most: number): number {
  if (a === b) return 0;
  if (a === '' || b === '' || most <= 1) return Math.max(1, Math.abs(a.length - b.length));
  if (a[0] === b[0]) return editsBetween(a.slice(1), b.slice(1), most);
  const [rest, left, right] = [most - 1, a.slice(1), b.slice(1)];
  const isSwapped = a[0] === b[1] && a[1] === b[0];
  const swapped = isSwapped ? editsBetween(a.slice(2), b.slice(2), rest) : Number.POSITIVE_INFINITY;
  const changed = editsBetween(left, right, rest);
  return 1 + Math.min(swapped, changed, editsBetween(left, b, rest), editsBetween(a, right, rest));
}
