/**
 * Tiles 'shared': a workgroup computes a tile of one of the forms of forms.ts. Blocks of both operands go through
 * workgroup memory, zero past the last k, in two places by turns:
 *
 *     load block 1 into registers; multiply block 0; store block 1; barrier
 *     load block 2 into registers; multiply block 1; store block 2 over block 0; barrier; and so on
 *
 * All k of a block are unrolled. A block lies there in one of two ways (tileLoads.ts):
 * - by k, `[k][outer]` in vec4s of four outer indices: an invocation has quads of neighbours, `4 * down` apart;
 * - in pairs, `[k / 2][outer]` in vec2s of two k, for operands 'along': an invocation has pairs of neighbours, `2 * down`
 *   apart, and reads two k of both at once.
 *
 * What is read last from workgroup memory is multiplied first: then one wait does for all reads of a k.
 */
import { blockDepth, slotsOf, type TileForm } from './forms.js';
import {
  type Block,
  declareLoads,
  declareWalk,
  gatherFunction,
  loadBlock,
  loadFirst,
  loadWholeBlock,
  storeBlock,
} from './tileLoads.js';
import {
  accumulators,
  fold,
  lanes,
  lineAt,
  type Operand,
  type Plan,
  type Product,
  place,
  range,
} from './tileParts.js';

/** Declarations of the blocks, and functions that fill them. */
export function blockDeclarations({ a, b }: Product, { rows, columns, workgroup }: TileForm): string {
  const variables = (name: string, { form }: Operand, outer: number): string => {
    const slots = slotsOf(outer, workgroup);
    const type = form === 'along' ? `array<vec2f, ${2 * slots}>` : `array<vec4f, ${slots}>`;
    return range(2)
      .map((i) => `var<workgroup> ${name}${i}: ${type};`)
      .join(' ');
  };
  const gathers = [gatherFunction('a', a), gatherFunction('b', b)];
  return [variables('blockA', a, rows), variables('blockB', b, columns), ...gathers].join('\n');
}

/** Turns, of two blocks each, after which long sums are added to the next level's. */
export const sectionTurns = 8;

/** Compilers that guard loops against never ending leave one alone that ends at a constant. */
const manyTurns = 2 ** 27;

/** The statements of `main`. */
export function sharedBody(p: Product, plan: Plan, form: TileForm): string {
  const a: Block = { name: 'a', operand: p.a, tile: 'tileM', extent: 'u.M', outer: form.rows, form };
  const b: Block = { name: 'b', operand: p.b, tile: 'tileN', extent: 'u.N', outer: form.columns, form };
  const both = (part: (block: Block) => string): string => `${part(a)}\n${part(b)}`;
  const half = (read: 0 | 1, first: string): string => `  workgroupBarrier();
  {
${plan.whole ? both((block) => loadWholeBlock(block, read === 1)) : `let k0 = ${first};\n${both(loadBlock)}`}
${multiplyBlock(p, form, read)}
${both((block) => storeBlock(block, 1 - read))}
  }`;
  const turns = (turn: string, limit: number): string => `for (var i = 0; i < ${limit}; i++) {
  let turn = ${turn};
${half(0, `turn * ${2 * blockDepth} + ${blockDepth}`)}
${half(1, `turn * ${2 * blockDepth} + ${2 * blockDepth}`)}
  if (turn + 1 >= turns) { break; }
}`;
  const inSections = `for (var section = 0; section < ${manyTurns}; section++) {
  let before = section * ${sectionTurns};
${turns('before + i', sectionTurns)}
${fold(plan)}
  if (before + ${sectionTurns} >= turns) { break; }
}`;
  return `${place('workgroup')}
let over = local % ${form.over}; let down = local / ${form.over};
${both(declareLoads)}
${plan.whole ? both(declareWalk) : ''}
${accumulators(plan)}
{
${both(loadFirst)}
${both((block) => storeBlock(block, 0))}
}
let turns = (depth + ${2 * blockDepth - 1}) / ${2 * blockDepth};
${plan.levels === 1 ? turns('i', manyTurns) : inSections}
${storeTile(p, plan, form)}`;
}

/** How an invocation reads an operand's block: statements, and the name of what it read. */
interface Reads {
  /** Reads of the q-th quad, or pair of pairs, of outer indices for k; none where they were read with the k before. */
  read(q: number, k: number): string;
  /** The scalar of outer index 4 * q + i. */
  scalar(q: number, i: number, k: number): string;
  /** The vec4 of outer indices from 4 * q on. */
  vector(q: number, k: number): string;
}

/** @param count invocations along the outer index @param at WGSL of this one's number among them */
function reads(
  operand: Operand,
  name: string,
  block: string,
  outer: number,
  count: number,
  at: string,
): Reads {
  if (operand.form !== 'along') {
    const quad = (q: number, k: number): string => `${name}${k}_${q}`;
    return {
      read: (q, k) => `let ${quad(q, k)} = ${block}[${(k * outer) / 4 + q * count} + ${at}];`,
      scalar: (q, i, k) => `${quad(q, k)}.${lanes[i]}`,
      vector: quad,
    };
  }
  const one = (q: number, i: number, k: number): string =>
    `${name}${k - (k % 2)}_${4 * q + i}.${lanes[k % 2]}`;
  return {
    read: (q, k) =>
      k % 2 === 1
        ? ''
        : range(4)
            .map((i) => {
              const pair = 2 * (2 * q + Math.floor(i / 2)) * count + (i % 2);
              return `let ${name}${k}_${4 * q + i} = ${block}[${(k * outer) / 2 + pair} + 2 * ${at}];`;
            })
            .join(' '),
    scalar: one,
    vector: (q, k) =>
      `vec4f(${range(4)
        .map((i) => one(q, i, k))
        .join(', ')})`,
  };
}

/** Multiplies the blocks of one place, every k of them. */
function multiplyBlock(p: Product, form: TileForm, place: 0 | 1): string {
  const { rows, columns, down, over, rowQuads, columnQuads } = form;
  const a = reads(p.a, 'a', `blockA${place}`, rows, down, 'down');
  const b = reads(p.b, 'b', `blockB${place}`, columns, over, 'over');
  const lines: string[] = [];
  for (const k of range(blockDepth)) {
    for (const q of range(rowQuads)) lines.push(a.read(q, k));
    for (const h of range(columnQuads)) lines.push(b.read(h, k));
    for (const q of range(rowQuads).reverse())
      for (const h of range(columnQuads).reverse())
        for (const i of range(4)) {
          const sum = `c${4 * q + i}_${h}`;
          lines.push(`${sum} = fma(vec4f(${a.scalar(q, i, k)}), ${b.vector(h, k)}, ${sum});`);
        }
  }
  return lines.join('\n');
}

/** WGSL of the i-th outer index of an invocation's q-th quad, from the tile's first on. */
function outerOf({ form }: Operand, q: number, i: number, count: number, at: string): string {
  if (form !== 'along') return `${4 * q * count + i} + 4 * ${at}`;
  return `${2 * (2 * q + Math.floor(i / 2)) * count + (i % 2)} + 2 * ${at}`;
}

/** Adds the bias, clips, and stores what lies inside the result. */
function storeTile(p: Product, plan: Plan, form: TileForm): string {
  const { rows, columns, down, over, rowQuads, columnQuads } = form;
  const lines: string[] = [
    `let start = u.outAt + (g * u.outGroup + c * u.outChunk)${plan.wideOut ? ' / 4' : ''};`,
  ];
  for (const h of range(columnQuads)) {
    for (const j of range(4))
      lines.push(`let n${h}_${j} = tileN * ${columns} + ${outerOf(p.b, h, j, over, 'over')};`);
    const columnsOf = range(4).map((j) => `n${h}_${j}`);
    if (plan.wideOut) lines.push(`let place${h} = start + n${h}_0 / 4;`);
    else if (!p.columnsAt) lines.push(`let place${h} = start + vec4i(${columnsOf.join(', ')});`);
    else if (p.b.form !== 'along') lines.push(`let place${h} = start + columnsAt(n${h}_0, u.N - 1);`);
    else {
      const places = columnsOf.map((column) => `columnsAt(${column}, u.N - 1).x`);
      lines.push(`let place${h} = start + vec4i(${places.join(', ')});`);
    }
    if (p.bias?.along === 'columns') {
      const parts = columnsOf.map((column) => `bias[u.biasAt + min(${column}, u.N - 1)]`);
      lines.push(`let bias${h} = vec4f(${parts.join(', ')});`);
    }
  }
  for (const i of range(4 * rowQuads)) {
    const row = `m${i}`;
    const offset = outerOf(p.a, Math.floor(i / 4), i % 4, down, 'down');
    lines.push(`let ${row} = tileM * ${rows} + ${offset};`, `if (${row} < u.M) {`);
    lines.push(`let line = ${lineAt(p, plan, row)};`);
    if (p.bias?.along === 'rows') lines.push(`let bias = bias[u.biasAt + g * u.M + ${row}];`);
    for (const h of range(columnQuads)) {
      const levels = ['c', 'd', 'e'].slice(0, plan.levels).map((level) => `${level}${i}_${h}`);
      const bias = p.bias == null ? '' : p.bias.along === 'rows' ? ' + bias' : ` + bias${h}`;
      lines.push(`var sum${h} = ${levels.join(' + ')}${bias};`);
      if (p.relu) lines.push(`sum${h} = select(sum${h}, vec4f(0.0), sum${h} < vec4f(0.0));`);
      if (plan.wideOut) lines.push(`if (n${h}_0 < u.N) { out[place${h} + line] = sum${h}; }`);
      else {
        for (const j of range(4)) {
          lines.push(`if (n${h}_${j} < u.N) { out[place${h}.${lanes[j]} + line] = sum${h}.${lanes[j]}; }`);
        }
      }
    }
    lines.push('}');
  }
  return lines.join('\n');
}
