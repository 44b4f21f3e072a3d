/**
 * Tiles 'shared': a workgroup of 8 x 8 invocations loads blocks of 64 rows, 64 columns and 16 values of k of both
 * operands into workgroup memory, laid out as [k][outer index], zero past the last k; each invocation then multiplies
 * its 8 x 8 tile from there.
 */
import {
  accumulators,
  finish,
  fold,
  lanes,
  multiply,
  type Operand,
  type Plan,
  type Product,
  place,
  range,
} from './tileParts.js';

/** Rows and columns of a workgroup's tile. */
export const blockSize = 64;
/** Values of k in a block. */
export const blockDepth = 16;

/** Declarations of the blocks. */
export const blockVariables = `var<workgroup> blockA: array<vec4f, ${(blockSize / 4) * blockDepth}>;
var<workgroup> blockB: array<vec4f, ${(blockSize / 4) * blockDepth}>;`;

/** The statements of `main`. */
export function sharedBody(p: Product, plan: Plan): string {
  const quads = blockSize / 4;
  return `${place('workgroup')}
let q = local % ${quads}; let quarter = local / ${quads};
${sharedStart('a', p.a, 'tileM', 'u.M')}
${sharedStart('b', p.b, 'tileN', 'u.N')}
let m0 = tileM * ${blockSize} + local / 8 * 8; let n0 = tileN * ${blockSize} + local % 8 * 8;
${accumulators(plan)}
for (var s = firstSegment; s < lastSegment; s++) {
  let depth = min(u.K, u.depth - s * u.K);
  for (var k0 = 0; k0 < depth; k0 += ${blockDepth}) {
${sharedLoads('a', p.a, 'blockA')}
${sharedLoads('b', p.b, 'blockB')}
    workgroupBarrier();
    for (var k = 0; k < ${blockDepth}; k++) {
      let fromA = k * ${quads} + local / 8 * 2; let fromB = k * ${quads} + local % 8 * 2;
      let a0 = blockA[fromA]; let a1 = blockA[fromA + 1];
      let b0 = blockB[fromB]; let b1 = blockB[fromB + 1];
${multiply(
  plan,
  1,
  (_, i) => `a${Math.floor(i / 4)}.${lanes[i % 4]}`,
  (_, h) => `b${h}`,
)}
    }
    workgroupBarrier();
${fold(plan, 4 * blockDepth, String(blockDepth))}
  }
  aBase += u.aSegment; bBase += u.bSegment;
}
if (m0 >= u.M || n0 >= u.N) { return; }
${finish(p, plan)}`;
}

/** An invocation loads the four outer indices from `4 * q` of the block on. */
function sharedStart(name: string, operand: Operand, tile: string, extent: string): string {
  const clamped = (i: number): string => `min(${tile} * ${blockSize} + q * 4 + ${i}, ${extent} - 1)`;
  switch (operand.form) {
    case 'across':
      return `let ${name}O = min(${tile} * ${blockSize / 4} + q, (${extent} - 1) / 4);`;
    case 'along':
      return range(4)
        .map((i) => `let ${name}O${i} = ${clamped(i)} * u.${name}Outer;`)
        .join(' ');
    case 'scattered':
      return range(4)
        .map((i) => `let ${name}O${i} = ${name}OuterAt(${clamped(i)});`)
        .join(' ');
  }
}

/** Fills a block, 16 vec4s for each k; zero past the last k. */
function sharedLoads(name: string, operand: Operand, block: string): string {
  const quads = blockSize / 4;
  const lines: string[] = [];
  if (operand.form === 'along') {
    lines.push(`let ${name}K = min(k0 / 4 + quarter, (depth - 1) / 4);`);
    for (const i of range(4)) lines.push(`let ${name}${i} = ${name}[${name}Base + ${name}O${i} + ${name}K];`);
    for (const t of range(4)) {
      const value = `vec4f(${range(4)
        .map((i) => `${name}${i}.${lanes[t]}`)
        .join(', ')})`;
      lines.push(
        `${block}[(quarter * 4 + ${t}) * ${quads} + q] = select(vec4f(0.0), ${value}, k0 + quarter * 4 + ${t} < depth);`,
      );
    }
    return lines.join('\n');
  }
  for (const t of range(blockDepth / 4)) {
    const k = `${name}K${t}`;
    lines.push(`let ${k} = min(k0 + quarter + ${4 * t}, depth - 1);`);
    if (operand.form === 'across') {
      lines.push(`let ${name}V${t} = ${name}[${name}Base + ${k} * u.${name}Depth + ${name}O];`);
    } else {
      lines.push(`let ${name}D${t} = ${name}Base + ${name}DepthAt(${k});`);
      const values = range(4).map((i) => `${name}[${name}D${t} + ${name}O${i}]`);
      lines.push(`let ${name}V${t} = vec4f(${values.join(', ')});`);
    }
    lines.push(
      `${block}[(quarter + ${4 * t}) * ${quads} + q] = select(vec4f(0.0), ${name}V${t}, k0 + quarter + ${4 * t} < depth);`,
    );
  }
  return lines.join('\n');
}
