/**
 * Tiles 'shared': a workgroup computes a tile of one of the forms of forms.ts. Blocks of both operands go through
 * workgroup memory, zero past the last k, in two places by turns:
 *
 *     load block 1 into registers; multiply block 0; store block 1; barrier
 *     load block 2 into registers; multiply block 1; store block 2 over block 0; barrier; and so on
 *
 * All k of a block are unrolled. A block lies there in one of two ways (tileLoads.ts):
 * - by k, `[k][outer]` in vec4s of four outer indices: an invocation has quads of neighbours, `4 * down` apart;
 * - by outer index, `[k / 4][outer]` in vec4s of four k, as operands 'along' are loaded, without turning anything: an
 *   invocation has indices `down` apart, so that neighbours read neighbours.
 *
 * What is read last from workgroup memory is multiplied first: then one wait does for all reads of a k.
 */
import { blockDepth, slotsOf, type TileForm } from './forms.js';
import { type Block, declareLoads, loadBlock, storeBlock } from './tileLoads.js';
import { accumulators, fold, lanes, type Plan, type Product, place, range } from './tileParts.js';

/** Declarations of the blocks. */
export function blockVariables({ rows, columns, workgroup }: TileForm): string {
  const variable = (name: string, outer: number): string =>
    range(2)
      .map((i) => `var<workgroup> ${name}${i}: array<vec4f, ${slotsOf(outer, workgroup)}>;`)
      .join(' ');
  return `${variable('blockA', rows)}\n${variable('blockB', columns)}`;
}

/** The statements of `main`. */
export function sharedBody(p: Product, plan: Plan, form: TileForm): string {
  const a: Block = { name: 'a', operand: p.a, tile: 'tileM', extent: 'u.M', outer: form.rows, form };
  const b: Block = { name: 'b', operand: p.b, tile: 'tileN', extent: 'u.N', outer: form.columns, form };
  const both = (part: (block: Block) => string): string => `${part(a)}\n${part(b)}`;
  const half = (read: 0 | 1, first: string): string => `  workgroupBarrier();
  {
    let k0 = ${first};
${both(loadBlock)}
${multiplyBlock(p, form, read)}
${both((block) => storeBlock(block, 1 - read))}
  }`;
  return `${place('workgroup')}
let over = local % ${form.over}; let down = local / ${form.over};
${both(declareLoads)}
${accumulators(plan)}
{
  let k0 = 0;
${both(loadBlock)}
${both((block) => storeBlock(block, 0))}
}
let turns = (depth + ${2 * blockDepth - 1}) / ${2 * blockDepth};
for (var turn = 0; turn < turns; turn++) {
${half(0, `turn * ${2 * blockDepth} + ${blockDepth}`)}
${half(1, `turn * ${2 * blockDepth} + ${2 * blockDepth}`)}
${fold(plan, 8 * blockDepth, String(2 * blockDepth))}
}
${storeTile(p, plan, form)}`;
}

/** Multiplies the blocks of one place, every k of them. */
function multiplyBlock(p: Product, form: TileForm, place: 0 | 1): string {
  const { rows, columns, down, over, rowQuads, columnQuads } = form;
  const [aByK, bByK] = [p.a.form !== 'along', p.b.form !== 'along'];
  const lines: string[] = [];
  const read = (name: string, block: string, at: string): void => {
    lines.push(`let ${name} = ${block}${place}[${at}];`);
  };
  for (const q of range(blockDepth / 4)) {
    if (!aByK)
      for (const i of range(4 * rowQuads)) read(`a${q}_${i}`, 'blockA', `${q * rows + i * down} + down`);
    if (!bByK)
      for (const j of range(4 * columnQuads))
        read(`b${q}_${j}`, 'blockB', `${q * columns + j * over} + over`);
    for (const t of range(4)) {
      const k = 4 * q + t;
      const readA = (i: number): void => read(`a${k}_${i}`, 'blockA', `${(k * rows) / 4 + i * down} + down`);
      if (aByK) range(rowQuads - 1).forEach(readA);
      if (bByK)
        for (const h of range(columnQuads))
          read(`b${k}_${h}`, 'blockB', `${(k * columns) / 4 + h * over} + over`);
      if (aByK) readA(rowQuads - 1);
      const scalar = (i: number): string =>
        aByK ? `a${k}_${Math.floor(i / 4)}.${lanes[i % 4]}` : `a${q}_${i}.${lanes[t]}`;
      const vector = (h: number): string =>
        bByK
          ? `b${k}_${h}`
          : `vec4f(${range(4)
              .map((j) => `b${q}_${4 * h + j}.${lanes[t]}`)
              .join(', ')})`;
      for (const quad of range(rowQuads).reverse())
        for (const h of range(columnQuads).reverse())
          for (const i of range(4)) {
            const sum = `c${4 * quad + i}_${h}`;
            lines.push(`${sum} = fma(vec4f(${scalar(4 * quad + i)}), ${vector(h)}, ${sum});`);
          }
    }
  }
  return lines.join('\n');
}

/** Adds the bias, clips, and stores what lies inside the result. */
function storeTile(p: Product, plan: Plan, form: TileForm): string {
  const { rows, columns, down, over, rowQuads, columnQuads } = form;
  const [aByK, bByK] = [p.a.form !== 'along', p.b.form !== 'along'];
  const lines: string[] = [
    `let start = u.outAt + (g * u.outGroup + c * u.outChunk)${plan.wideOut ? ' / 4' : ''};`,
  ];
  const at = (h: number, j: number): string =>
    bByK
      ? `tileN * ${columns} + ${4 * h * over + j} + 4 * over`
      : `tileN * ${columns} + ${(4 * h + j) * over} + over`;
  for (const h of range(columnQuads)) {
    for (const j of range(4)) lines.push(`let n${h}_${j} = ${at(h, j)};`);
    const columnsOf = range(4).map((j) => `n${h}_${j}`);
    if (plan.wideOut) lines.push(`let place${h} = start + n${h}_0 / 4;`);
    else if (!p.columnsAt) lines.push(`let place${h} = start + vec4i(${columnsOf.join(', ')});`);
    else if (bByK) lines.push(`let place${h} = start + columnsAt(n${h}_0, u.N - 1);`);
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
    const offset = aByK ? `${4 * Math.floor(i / 4) * down + (i % 4)} + 4 * down` : `${i * down} + down`;
    const row = `m${i}`;
    lines.push(`let ${row} = tileM * ${rows} + ${offset};`, `if (${row} < u.M) {`);
    lines.push(`let line = ${row} * ${plan.wideOut ? '(u.outRow / 4)' : 'u.outRow'};`);
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
