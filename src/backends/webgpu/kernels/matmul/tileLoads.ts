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
      const row = `${name}Row${s}`;
      const within = `${name}K${s} / 2 * ${outer} + ${row}`;
      const filled = (s + 1) * form.workgroup > outer * each;
      lines.push(
        `let ${name}K${s} = ${slot} % ${each} * 4; let ${row} = ${slot} / ${each};`,
        `let ${name}At${s} = ${name}Base + min(${tile} * ${outer} + ${row}, ${extent} - 1) * u.${name}Outer + ${slot} % ${each};`,
        `let ${name}To${s} = ${filled ? `select(2 * ${slot}, ${within}, ${row} < ${outer})` : within};`,
        `let ${name}Next${s} = ${filled ? `select(1, ${outer}, ${row} < ${outer})` : outer};`,
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
    lines.push(`var ${name}Place${s}: i32; let ${name}Ahead${s} = kFirst + ${name}K${s};`);
  }
  return lines.join('\n');
}

/** Where `loadWholeBlock` is, how far it goes each time, and the last place. */
export function declareWalk({ name, operand: { form } }: Block): string {
  const at = (k: string): string =>
    form === 'across' ? `(${k}) * u.${name}Depth` : form === 'along' ? `(${k}) >> 2u` : k;
  const first = form === 'scattered' ? blockDepth : 0;
  return `var ${name}From = ${first}; let ${name}Step = ${at(String(blockDepth))}; let ${name}Last = ${at(`depth - ${blockDepth}`)};`;
}

/**
 * Loads the next block; past the end, where nothing will be multiplied, the last again.
 * @param end whether the end may have been reached (there is an even number of blocks)
 */
export function loadWholeBlock(block: Block, end: boolean): string {
  const { name, operand } = block;
  const from = `${name}From`;
  const step = (clamped: boolean): string =>
    clamped ? `${from} = min(${from} + ${name}Step, ${name}Last);` : `${from} += ${name}Step;`;
  const loads = `${declareValues(block)}\n${wholeBlock(block, from)}`;
  return operand.form === 'scattered'
    ? `${loads}\n${step(true)}\n${nextPlaces(block, from)}`
    : `${step(end)}\n${loads}`;
}

/** Loads the block of `k0`, and zeros past the end. */
export function loadBlock(block: Block): string {
  const { name, operand } = block;
  return `${declareValues(block)}
if (k0 + ${blockDepth} <= depth) {
${wholeBlock(block, operand.form === 'along' ? '(k0 >> 2u)' : `k0 * u.${name}Depth`)}
} else {
${raggedBlock(block, 'k0')}
}
${nextPlaces(block, `k0 + ${blockDepth}`)}`;
}

/** Loads the block of k = 0, in a way that does for any depth. */
export function loadFirst(block: Block): string {
  return `${declareValues(block)}
${raggedBlock(block, '0')}
${nextPlaces(block, String(blockDepth))}`;
}

const valueName = ({ name }: Block, s: number): string => `${name}Value${s}`;

function declareValues(block: Block): string {
  return slots(block)
    .map((s) => `var ${valueName(block, s)}: vec4f;`)
    .join(' ');
}

/** Loads a block all of whose k are there. @param from WGSL of its distance from the first */
function wholeBlock(block: Block, from: string): string {
  const { name, operand } = block;
  const slot = (s: number): string =>
    operand.form === 'scattered'
      ? gathered(block, s, `${name}Place${s}`)
      : `vec4f(${name}[${name}At${s} + ${from}])`;
  return slots(block)
    .map((s) => `${valueName(block, s)} = ${slot(s)};`)
    .join('\n');
}

/** Loads what there is of the block of `k0`, and zeros. */
function raggedBlock(block: Block, k0: string): string {
  return slots(block)
    .map((s) => raggedSlot(block, s, `${k0} + ${block.name}K${s}`))
    .join('\n');
}

function raggedSlot(block: Block, s: number, k: string): string {
  const { name, operand } = block;
  const value = valueName(block, s);
  const last = `min(${k}, depth - 1)`;
  if (operand.form === 'along') {
    const at = `${name}At${s} + ((${last} - ${name}K${s}) >> 2u)`;
    return `${value} = select(vec4f(0.0), vec4f(${name}[${at}]), vec4i(${k}) + vec4i(0, 1, 2, 3) < vec4i(depth));`;
  }
  const loaded =
    operand.form === 'across'
      ? `vec4f(${name}[${name}Outer${s} + ${last} * u.${name}Depth])`
      : gathered(block, s, `${name}DepthAt(kFirst + ${last})`);
  return `${value} = select(vec4f(0.0), ${loaded}, ${k} < depth);`;
}

function gathered({ name, outer, form }: Block, s: number, place: string): string {
  const at = `${name}At${form.workgroup % (outer / 4) === 0 ? 0 : s}`;
  return `gather_${name}(${place} + ${at})`;
}

/** A function that gathers a vec4 of a 'scattered' operand. */
export function gatherFunction(name: 'a' | 'b', { form }: Operand): string {
  if (form !== 'scattered') return '';
  const parts = lanes.map((lane) => `f32(${name}[at.${lane}])`).join(', ');
  return `fn gather_${name}(at: vec4i) -> vec4f { return vec4f(${parts}); }`;
}

/** Looks up the places that the block of `k0` will be gathered from. Tables go on a little past the last k. */
function nextPlaces(block: Block, k0: string): string {
  const { name, operand } = block;
  if (operand.form !== 'scattered') return '';
  return slots(block)
    .map((s) => `${name}Place${s} = ${name}DepthAt(${k0} + ${name}Ahead${s});`)
    .join('\n');
}

/** Stores what was loaded in one of the two places. */
export function storeBlock(block: Block, place: number): string {
  const { name, operand } = block;
  const array = `block${name.toUpperCase()}${place}`;
  return slots(block)
    .map((s) => {
      const value = valueName(block, s);
      if (operand.form !== 'along') return `${array}[${name}Slot${s}] = ${value};`;
      const to = `${name}To${s}`;
      return `${array}[${to}] = ${value}.xy; ${array}[${to} + ${name}Next${s}] = ${value}.zw;`;
    })
    .join('\n');
}
