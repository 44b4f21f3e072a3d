/**
 * Tiles 'direct': an invocation loads the rows and columns of its own tile from memory, four values of k at a time. Where the
 * lanes of a subgroup share rows, their tiles lie side by side: each lane loads some vec4s of the rows, and gets the others' from
 * their registers. Sums are the same.
 */
import {
  accumulators,
  lanes as components,
  finish,
  fold,
  multiply,
  type Operand,
  type Plan,
  type Product,
  place,
  range,
} from './tileParts.js';

/** Products that a sum takes before it is added to the next level's. */
export const blockLength = 128;

/** The statements of `main`. */
export function directBody(p: Product, plan: Plan): string {
  const width = 4 * plan.halves;
  const steps = (end: string): string => `for (; k + 4 <= ${end}; k += 4) {
${directStep(p, plan, 4)}
  }
  for (; k < ${end}; k++) {
${directStep(p, plan, 1)}
  }`;
  const inBlocks = `  while (k < depth) {
  let end = min(k + ${blockLength}, depth);
${steps('end')}
${fold(plan)}
  }`;
  const shares = plan.lanes > 1;
  const first = shares
    ? `min((tileN * ${plan.lanes} + lane) * ${width}, (u.N - 1) / ${width} * ${width})`
    : `tileN * ${width}`;
  return `${place(shares ? 'workgroup' : 'index')}
let m0 = tileM * ${plan.rows}; let n0 = ${first};
${directStart('a', p.a, 'm0', 'u.M', plan.rows)}
${shares ? sharedStart(p.a, plan) : ''}
${directStart('b', p.b, 'n0', 'u.N', width)}
${accumulators(plan)}
var k = 0;
${plan.levels === 1 ? steps('depth') : inBlocks}
${finish(p, plan)}`;
}

/** Places of the operand's outer indices, those past the end at the last one (their results are dropped). */
function directStart(name: string, operand: Operand, origin: string, extent: string, count: number): string {
  const clamped = (i: number): string => `min(${origin} + ${i}, ${extent} - 1)`;
  switch (operand.form) {
    case 'across':
      return range(Math.ceil(count / 4))
        .map((q) => `let ${name}O${q} = min(${origin} / 4 + ${q}, (${extent} - 1) / 4);`)
        .join(' ');
    case 'along':
      return range(count)
        .map((i) => `let ${name}O${i} = ${clamped(i)} * u.${name}Outer;`)
        .join(' ');
    case 'scattered':
      return range(Math.ceil(count / 4))
        .map((q) => {
          const places = `let ${name}Outers${q} = ${name}OutersAt(${origin} + ${4 * q}, ${extent} - 1);`;
          const each = components
            .slice(0, count - 4 * q)
            .map((lane, i) => `let ${name}O${4 * q + i} = ${name}Outers${q}.${lane};`);
          return [places, ...each].join(' ');
        })
        .join(' ');
  }
}

/** Loads and multiplies `depth` (4 or 1) values of k from `k` on. */
function directStep(p: Product, plan: Plan, depth: 1 | 4): string {
  const shared = plan.lanes > 1 && depth === 4;
  const loadA = shared ? sharedLoads(p.a, plan) : directLoads('a', p.a, plan.rows, depth);
  const loadB = directLoads('b', p.b, 4 * plan.halves, depth);
  const small = p.a.form === 'across' && plan.rows < 4;
  const scalarA = (t: number, i: number): string => {
    if (shared) return `s${t}_${i}`;
    if (p.a.form === 'along') return depth === 4 ? `a${i}.${components[t]}` : `a${i}[k % 4]`;
    if (p.a.form === 'scattered') return `a${t}_${i}`;
    return small ? `a${t}_0[m0 % 4 + ${i}]` : `a${t}_${Math.floor(i / 4)}.${components[i % 4]}`;
  };
  const vectorB = (t: number, h: number): string => {
    const columns = range(4).map((j) => 4 * h + j);
    if (p.b.form === 'across') return `b${t}_${h}`;
    if (p.b.form === 'scattered') return `vec4f(${columns.map((j) => `b${t}_${j}`).join(', ')})`;
    return `vec4f(${columns.map((j) => (depth === 4 ? `b${j}.${components[t]}` : `b${j}[k % 4]`)).join(', ')})`;
  };
  const vectors = range(depth).flatMap((t) =>
    range(plan.halves).map((h) => `let v${t}_${h} = ${vectorB(t, h)};`),
  );
  return [loadA, loadB, ...vectors, multiply(plan, depth, scalarA, (t, h) => `v${t}_${h}`)].join('\n');
}

/** Where a lane's slots of rows are: of every so many vec4s, along k or across it, the lane has one. */
function sharedStart({ form }: Operand, { rows, lanes }: Plan): string {
  return range(rows / lanes)
    .map((s) => {
      const slot = `(${s * lanes} + lane)`;
      if (form === 'along') return `let aS${s} = aBase + min(m0 + ${slot}, u.M - 1) * u.aOuter;`;
      const quad = `min(m0 / 4 + ${slot} % ${rows / 4}, (u.M - 1) / 4)`;
      return `let aS${s} = aBase + ${quad} + ${slot} / ${rows / 4} * u.aDepth;`;
    })
    .join(' ');
}

/** Loads a lane's slots for four values of k, and tells every lane all rows. */
function sharedLoads({ form }: Operand, { rows, lanes }: Plan): string {
  const at = form === 'along' ? 'k / 4' : 'k * u.aDepth';
  const loads = range(rows / lanes).map((s) => `let aV${s} = vec4f(a[aS${s} + ${at}]);`);
  const told = range(4).flatMap((t) =>
    range(rows).map((i) => {
      const [slot, part] = form === 'along' ? [i, t] : [t * (rows / 4) + Math.floor(i / 4), i % 4];
      const from = `aV${Math.floor(slot / lanes)}.${components[part]}`;
      return `let s${t}_${i} = subgroupBroadcast(${from}, ${slot % lanes}u);`;
    }),
  );
  return [...loads, ...told].join('\n');
}

function directLoads(name: string, operand: Operand, count: number, depth: 1 | 4): string {
  if (operand.form === 'along') {
    return range(count)
      .map((i) => `let ${name}${i} = vec4f(${name}[${name}Base + ${name}O${i} + k / 4]);`)
      .join(' ');
  }
  const outers = operand.form === 'across' ? Math.ceil(count / 4) : count;
  return range(depth)
    .map((t) => {
      const at =
        operand.form === 'across' ? `(k + ${t}) * u.${name}Depth` : `${name}DepthAt(kFirst + k + ${t})`;
      const number = operand.form === 'across' ? 'vec4f' : 'f32';
      const loads = range(outers).map(
        (i) => `let ${name}${t}_${i} = ${number}(${name}[${name}D${t} + ${name}O${i}]);`,
      );
      return [`let ${name}D${t} = ${name}Base + ${at};`, ...loads].join(' ');
    })
    .join('\n');
}
