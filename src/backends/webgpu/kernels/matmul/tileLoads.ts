/**
 * How a workgroup brings blocks of an operand into workgroup memory: each invocation loads the same number of vec4s
 * (slots), `slot = local + workgroup * s`, into registers first.
 *
 * - 'across': slot `k * outer / 4 + quad` is a vec4 of the operand.
 * - 'along': slot of row r and four k is a vec4 of the operand; neighbours in k are loaded by neighbours in the workgroup.
 * - 'scattered': slot `k * outer / 4 + quad` is gathered from four places. Places of k come out of memory where a table has
 *   them, so those of the next block are asked for one block ahead.
 *
 * Slots past the block's end load what they like; rows and columns past the operand's end load its last.
 */
import { blockDepth, slotsOf, type TileForm } from './forms.js';
import { lanes, type Operand, range } from './tileParts.js';

/** An operand's part in a tile. */
export interface Block {
  readonly name: 'a' | 'b';
  readonly operand: Operand;
  /** WGSL of the tile's number along the operand's outer indices, and of how many of these there are. */
  readonly tile: string;
  readonly extent: string;
  /** Outer indices of a tile. */
  readonly outer: number;
  readonly form: TileForm;
}

const slots = ({ outer, form }: Block): number[] => range(slotsOf(outer, form.workgroup) / form.workgroup);

/** Variables that loads need, before the first. */
export function declareLoads(block: Block): string {
  const { name, operand, tile, extent, outer, form } = block;
  const quads = outer / 4;
  const lines: string[] = [];
  for (const s of slots(block)) {
    const slot = `${name}Slot${s}`;
    lines.push(`let ${slot} = local + ${s * form.workgroup};`);
    if (operand.form === 'along') {
      const each = blockDepth / 4;
      const within = `${name}K${s} / 4 * ${outer} + ${name}Row${s}`;
      const last = (s + 1) * form.workgroup > outer * each;
      const to = last ? `select(${slot}, ${within}, ${slot} < ${outer * each})` : within;
      lines.push(
        `let ${name}K${s} = ${slot} % ${each} * 4; let ${name}Row${s} = ${slot} / ${each};`,
        `let ${name}At${s} = ${name}Base + min(${tile} * ${outer} + ${name}Row${s}, ${extent} - 1) * u.${name}Outer + ${name}K${s} / 4;`,
        `let ${name}To${s} = ${to};`,
      );
      continue;
    }
    lines.push(`let ${name}K${s} = min(${slot} / ${quads}, ${blockDepth - 1});`);
    const quad = `${tile} * ${quads} + ${slot} % ${quads}`;
    if (operand.form === 'across') {
      lines.push(
        `let ${name}Outer${s} = ${name}Base + min(${quad}, (${extent} - 1) / 4);`,
        `let ${name}At${s} = ${name}Outer${s} + ${name}K${s} * u.${name}Depth;`,
      );
      continue;
    }
    // The same four places for all slots where the workgroup takes whole rows of them.
    if (s === 0 || form.workgroup % quads !== 0) {
      lines.push(`let ${name}At${s} = ${name}Base + ${name}OutersAt((${quad}) * 4, ${extent} - 1);`);
    }
    lines.push(`var ${name}Place${s} = ${name}DepthAt(min(${name}K${s}, depth - 1));`);
  }
  return lines.join('\n');
}

/** Loads the block of `k0`. */
export function loadBlock(block: Block): string {
  const { name, operand, outer, form } = block;
  const all = slots(block);
  const value = (s: number): string => `${name}Value${s}`;
  const declared = all.map((s) => `var ${value(s)}: vec4f;`).join(' ');
  const whole: string[] = [];
  const ragged: string[] = [];
  for (const s of all) {
    const k = `k0 + ${name}K${s}`;
    switch (operand.form) {
      case 'across':
        whole.push(`${value(s)} = ${name}[${name}At${s} + k0 * u.${name}Depth];`);
        ragged.push(
          `${value(s)} = select(vec4f(0.0), ${name}[${name}Outer${s} + min(${k}, depth - 1) * u.${name}Depth], ${k} < depth);`,
        );
        break;
      case 'along':
        whole.push(`${value(s)} = ${name}[${name}At${s} + k0 / 4];`);
        ragged.push(
          `${value(s)} = select(vec4f(0.0), ${name}[${name}At${s} - ${name}K${s} / 4 + min(${k}, depth - 1) / 4], vec4i(${k}) + vec4i(0, 1, 2, 3) < vec4i(depth));`,
        );
        break;
      case 'scattered': {
        const at = `${name}At${form.workgroup % (outer / 4) === 0 ? 0 : s}`;
        const parts = lanes.map((lane) => `${name}[${name}Place${s} + ${at}.${lane}]`).join(', ');
        whole.push(`${value(s)} = vec4f(${parts});`);
        ragged.push(`${value(s)} = select(vec4f(0.0), vec4f(${parts}), ${k} < depth);`);
      }
    }
  }
  const next =
    operand.form === 'scattered'
      ? all.map(
          (s) => `${name}Place${s} = ${name}DepthAt(min(k0 + ${blockDepth} + ${name}K${s}, depth - 1));`,
        )
      : [];
  return `${declared}
if (k0 + ${blockDepth} <= depth) {
${whole.join('\n')}
} else {
${ragged.join('\n')}
}
${next.join('\n')}`;
}

/** Stores what was loaded in one of the two places. */
export function storeBlock(block: Block, place: number): string {
  const { name, operand } = block;
  const to = operand.form === 'along' ? 'To' : 'Slot';
  const array = `block${name.toUpperCase()}${place}`;
  return slots(block)
    .map((s) => `${array}[${name}${to}${s}] = ${name}Value${s};`)
    .join('\n');
}
