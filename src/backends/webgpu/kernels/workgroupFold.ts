/**
 * Folds over a workgroup: numbers of which each invocation has its own become one that all have.
 *
 * The order is that of a tree: invocation i takes in what i + 32 has, then what i + 16 has, and so on to i + 1. Without
 * subgroups all of it goes through workgroup memory, with a barrier for each step. Invocations of a subgroup see each
 * other's registers: only the steps wider than a subgroup go through memory then, in one turn, each invocation folding for
 * itself what the subgroups' invocations of its own number have. The order being the same, so are the bits, whatever a
 * subgroup's size. A subgroup of a workgroup's size or more (AMD's 64) takes no memory and no barrier.
 */
import { type Subgroups, workgroupSize } from '../runtime/recorder.js';

/** A variable of each invocation, and WGSL that folds two of its values, the same whichever comes first. */
interface Folded {
  readonly name: string;
  fold(a: string, b: string): string;
}

/** A device's subgroups, as its recorder tells them. */
interface Kind {
  readonly subgroups: Subgroups | null;
}

/** Declarations for folds of up to `count` numbers together. */
export function foldMemory({ subgroups }: Kind, count: number): string {
  return count === 0 || (subgroups !== null && subgroups.min >= workgroupSize)
    ? ''
    : `var<workgroup> parts: array<f32, ${count * workgroupSize}>;`;
}

/**
 * Statements that fold some numbers over the workgroup, all together. Every invocation must come by. Programs with them
 * declare `foldMemory` and are dispatched with `folds`.
 */
export function workgroupFold({ subgroups }: Kind, numbers: readonly Folded[]): string {
  const part = (k: number, at: string): string => `parts[${at} + ${k * workgroupSize}]`;
  const each = (print: (number: Folded, k: number) => string): string => numbers.map(print).join(' ');
  const store = each(({ name }, k) => `${part(k, 'local')} = ${name};`);
  if (subgroups === null) {
    return `${store}
workgroupBarrier();
for (var half = ${workgroupSize / 2}; half > 0; half /= 2) {
  if (local < half) { ${each(({ fold }, k) => `${part(k, 'local')} = ${fold(part(k, 'local'), part(k, 'local + half'))};`)} }
  workgroupBarrier();
}
${each(({ name }, k) => `${name} = ${part(k, '0')};`)}
workgroupBarrier();`;
  }
  const { min, max } = subgroups;
  /** What number k comes to over the invocations `lane + first`, one of each `step`. */
  const across = (k: number, first: number, step: number): string =>
    step === workgroupSize
      ? part(k, `lane + ${first}`)
      : numbers[k]!.fold(across(k, first, 2 * step), across(k, first + step, 2 * step));
  const powers = (from: number, to: number): number[] => (from > to ? [] : [from, ...powers(2 * from, to)]);
  const cases = powers(min, Math.min(max, workgroupSize / 2)).map(
    (size) => `case ${size} { ${each(({ name }, k) => `${name} = ${across(k, 0, size)};`)} }`,
  );
  const throughMemory =
    cases.length === 0
      ? ''
      : `if (subgroupSize < ${workgroupSize}) {
${store}
workgroupBarrier();
switch (subgroupSize) { ${cases.join(' ')} default {} }
workgroupBarrier();
}`;
  const within = powers(1, Math.min(max, workgroupSize) / 2).reverse();
  return [
    throughMemory,
    ...within.map((step) => {
      const taken = each(
        ({ name, fold }) => `${name} = ${fold(name, `subgroupShuffleXor(${name}, ${step}u)`)};`,
      );
      return step < min ? taken : `if (subgroupSize > ${step}) { ${taken} }`;
    }),
  ].join('\n');
}
