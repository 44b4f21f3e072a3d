/**
 * The settings of one layer of a Keras topology, asked for by name and checked as they are.
 */
import { DataError } from '../core/errors.js';
import { isObject, shown } from './json.js';
import { printable } from './printable.js';

/** A pair of whole numbers. */
type Two = readonly [number, number];

/** Largest size or count that a layer may have. */
const most = 2 ** 24;

const isCount = (value: unknown, least: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

const isPair = (value: unknown, least: number): value is Two =>
  Array.isArray(value) && value.length === 2 && value.every((n) => isCount(n, least));

/** A layer's settings. Whatever is there and isn't what it should be is a `DataError` that names the layer. */
export class Settings {
  private readonly values: Readonly<Record<string, unknown>>;
  /** The layer's own name. */
  readonly name: string;

  /** @param kind the layer's class */
  constructor(
    private readonly file: string,
    readonly kind: string,
    config: unknown,
  ) {
    this.values = isObject(config) ? config : {};
    this.name = typeof this.values.name === 'string' ? this.values.name : '';
  }

  /** @throws {DataError} naming file and layer */
  fail(problem: string): never {
    throw new DataError(`${this.file}: ${printable(this.name || this.kind, 80)}: ${problem}`);
  }

  private of(key: string): unknown {
    const value = this.values[key];
    return value === null ? undefined : value;
  }

  private wrong(key: string, expected: string): never {
    return this.fail(`${key} is ${shown(this.values[key])}, expected ${expected}`);
  }

  text(key: string, otherwise: string): string {
    const value = this.of(key) ?? otherwise;
    return typeof value === 'string' ? value : this.wrong(key, 'text');
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.of(key) ?? otherwise;
    return typeof value === 'boolean' ? value : this.wrong(key, 'true or false');
  }

  number(key: string, otherwise: number): number {
    const value = this.of(key) ?? otherwise;
    return typeof value === 'number' && Number.isFinite(value) ? value : this.wrong(key, 'a number');
  }

  /** A whole number from 1. */
  whole(key: string, otherwise: number): number {
    const value = this.of(key) ?? otherwise;
    return isCount(value, 1) ? value : this.wrong(key, 'a whole number from 1');
  }

  /** Two whole numbers from 1, or one for both. */
  pair(key: string, otherwise: Two): Two {
    const value = this.of(key) ?? otherwise;
    if (isCount(value, 1)) return [value, value];
    return isPair(value, 1) ? value : this.wrong(key, 'one or two whole numbers from 1');
  }

  /** `[top, bottom]` and `[left, right]`, from one number, two, or two pairs. */
  sides(key: string): readonly [Two, Two] {
    const value = this.of(key);
    if (isCount(value, 0))
      return [
        [value, value],
        [value, value],
      ];
    if (isPair(value, 0))
      return [
        [value[0], value[0]],
        [value[1], value[1]],
      ];
    if (Array.isArray(value) && value.length === 2) {
      const [rows, columns]: unknown[] = value;
      if (isPair(rows, 0) && isPair(columns, 0)) return [rows, columns];
    }
    return this.wrong(key, 'whole numbers from 0 for the sides');
  }

  /** The shape of an input without the batch axis. */
  inputShape(): readonly number[] {
    const value = this.of('batch_input_shape') ?? this.of('batch_shape');
    const sizes: unknown[] = Array.isArray(value) ? value.slice(1) : [];
    if ((sizes.length === 1 || sizes.length === 3) && sizes.every((n) => isCount(n, 1))) return sizes;
    return this.fail('the input has no fixed shape [H, W, C] or [features]');
  }
}
