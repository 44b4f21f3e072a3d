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
