/**
 * WGSL of indices and shapes that several kernels share. (Functions on floats are in math/.)
 */
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

/** Sums within one another in which `count` terms should be added up. */
export function levelsOf(count: number): 1 | 2 | 3 {
  return count <= 32 ? 1 : count <= 512 ? 2 : 3;
}

/**
 * Statements that add up terms into a new variable `sum`, for `i` from `from` on, below `to`, by `step`. `statements`
 * run before each term. With 2 levels sums of 16 are added up, with 3 sums of 16 such, and so on: one sum over n equal numbers
 * would be off by up to n 2^-26.
 */
export function sumOf(
  { sum, zero, i, from, to, step }: Readonly<Record<'sum' | 'zero' | 'i' | 'from' | 'to' | 'step', string>>,
  levels: 1 | 2 | 3 | 4,
  statements: string,
  term: string,
): string {
  const inner = (name: string, level: number, end: string): string => {
    if (level === 1) return `for (; ${i} < ${end}; ${i} += ${step}) {\n${statements}\n${name} += ${term};\n}`;
    const [part, partEnd] = [`${sum}${level}`, `${i}End${level}`];
    return `while (${i} < ${end}) {
let ${partEnd} = min(${end}, ${i} + ${16 ** (level - 1)} * ${step});
var ${part} = ${zero};
${inner(part, level - 1, partEnd)}
${name} += ${part};
}`;
  };
  return `var ${sum} = ${zero};\nvar ${i} = ${from};\n${inner(sum, levels, to)}`;
}

/** Numbers as uniforms named `${name}0`, `${name}1`, ..., added to those there are. */
export function numbered(
  name: string,
  values: readonly number[],
  numbers: Record<string, number> = {},
): Record<string, number> {
  const names = namesOf(name, values.length);
  for (let i = 0; i < values.length; i++) numbers[names[i]!] = values[i]!;
  return numbers;
}

/** Names are made once: kernels are recorded by the hundred in a step. */
const knownNames = new Map<string, string[]>();

/** `${name}0`, `${name}1`, .., at least so many. */
export function namesOf(name: string, count: number): readonly string[] {
  const names = knownNames.get(name) ?? [];
  knownNames.set(name, names);
  for (let i = names.length; i < count; i++) names.push(`${name}${i}`);
  return names;
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
