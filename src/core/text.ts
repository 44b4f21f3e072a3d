/**
 * Numbers as text for people, and as nested arrays.
 */
import { type Shape, sizeOf } from './shape.js';

/** Numbers within numbers within ..: a number for a scalar, an array for each axis. */
export type NestedArray = number | NestedArray[];

/** Row-major elements as nested arrays. */
export function nest(data: ArrayLike<number>, shape: Shape, start = 0): NestedArray {
  const [n, ...inner] = shape;
  if (n === undefined) return data[start] ?? Number.NaN;
  const step = sizeOf(inner);
  return Array.from({ length: n }, (_, i) => nest(data, inner, start + i * step));
}

/** Row-major elements as text: `[[7, 10], [15, 22]]`, a line for each row but of vectors, four digits a number. */
export function formatElements(data: ArrayLike<number>, shape: Shape): string {
  const write = (value: NestedArray, depth: number): string => {
    if (typeof value === 'number') return String(Number(value.toPrecision(4)));
    const flat = value.every((item) => typeof item === 'number');
    return `[${value.map((item) => write(item, depth + 1)).join(flat ? ', ' : `,\n${' '.repeat(depth + 1)}`)}]`;
  };
  return write(nest(data, shape), 0);
}

/** 1,234,567 as 1.23 MB; units of a thousand. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}
