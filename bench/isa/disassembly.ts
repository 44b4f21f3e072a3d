/**
 * Reads what RADV prints of a compute shader with `RADV_DEBUG=asm,shaderstats`: instructions in blocks, loops, and the
 * compiler's figures.
 *
 *     BB14:
 *       v_fmac_f32_e32 v27, v81, v91      ; 5636b751
 *       s_cbranch_scc0 BB14               ; bf84ffac
 *
 * Blocks stand in the order of the source, so a branch upwards closes a loop: all from its target to itself.
 */

/** Instructions that run one after the other. */
export interface Block {
  readonly label: string | null;
  /** Names of the instructions: 'v_fmac_f32_e32', ..; two issued as one are joined: 'v_dual_fmac_f32::v_dual_mul_f32'. */
  readonly ops: readonly string[];
  /** Indices of the blocks that can follow. */
  readonly next: readonly number[];
  /** Whether the branch at its end only skips lanes that are off (`execz`): it must be counted as not taken. */
  readonly skips: boolean;
}

/** Blocks `first` to `last`, run again and again; `inner` are the loops within. */
export interface Loop {
  readonly first: number;
  readonly last: number;
  readonly inner: readonly Loop[];
}

/** A compiled shader. */
export interface Shader {
  readonly blocks: readonly Block[];
  /** The outermost loops. */
  readonly loops: readonly Loop[];
  /** The compiler's figures by name: 'VGPRs', 'Spilled VGPRs', 'LDS size', 'Subgroups per SIMD', .. */
  readonly figures: ReadonlyMap<string, number>;
}

/** The shaders printed after each line `MARK name`. */
export function readShaders(text: string): Map<string, Shader> {
  const shaders = new Map<string, Shader>();
  for (const part of text.split(/^MARK /m).slice(1)) {
    const name = part.slice(0, part.indexOf('\n'));
    const match = /disasm:\n(.*?)\*\*\* SHADER STATS \*\*\*(.*?)\*{20}/s.exec(part);
    if (match) shaders.set(name, readShader(match[1]!, match[2]!));
  }
  return shaders;
}

function readShader(code: string, stats: string): Shader {
  const blocks = readBlocks(code);
  const figures = new Map<string, number>();
  for (const [, name, value] of stats.matchAll(/^([\w ]+): (\d+)$/gm)) figures.set(name!, Number(value));
  return { blocks, loops: findLoops(blocks), figures };
}

interface Draft {
  readonly label: string | null;
  readonly ops: string[];
  branch: { readonly target: string; readonly always: boolean; readonly skips: boolean } | null;
  ends: boolean;
}

function readBlocks(code: string): Block[] {
  const drafts: Draft[] = [];
  let open: Draft | null = null;
  const begin = (label: string | null): Draft => {
    open = { label, ops: [], branch: null, ends: false };
    drafts.push(open);
    return open;
  };
  for (const line of code.split('\n')) {
    const label = /^(BB\d+):/.exec(line)?.[1];
    if (label !== undefined) {
      begin(label);
      continue;
    }
    const again = /^\t\(then repeated (\d+) times\)/.exec(line)?.[1];
    const current: Draft = open ?? begin(null);
    if (again !== undefined) {
      const last = current.ops.at(-1) ?? drafts.at(-2)?.ops.at(-1) ?? 's_nop';
      for (let i = 0; i < Number(again); i++) current.ops.push(last);
      continue;
    }
    const instruction = /^\t([a-z]\w*)\s*([^;]*)/.exec(line);
    if (!instruction) continue;
    const [, op = '', operands = ''] = instruction;
    const second = /:: (\w+)/.exec(operands)?.[1];
    current.ops.push(second === undefined ? op : `${op}::${second}`);
    const target = /\bBB\d+\b/.exec(operands)?.[0];
    if (op === 's_endpgm') current.ends = true;
    else if (target !== undefined && /^s_c?branch/.test(op)) {
      current.branch = { target, always: op === 's_branch', skips: op === 's_cbranch_execz' };
    } else continue;
    open = null;
  }
  const places = new Map(drafts.map(({ label }, i) => [label, i]));
  return drafts.map(({ label, ops, branch, ends }, i): Block => {
    const next: number[] = [];
    if (!ends && !branch?.always && i + 1 < drafts.length) next.push(i + 1);
    const target = branch && places.get(branch.target);
    if (target != null) next.push(target);
    return { label, ops, next, skips: branch?.skips ?? false };
  });
}

function findLoops(blocks: readonly Block[]): Loop[] {
  const ends = new Map<number, number>();
  blocks.forEach(({ next }, from) => {
    for (const to of next) if (to <= from) ends.set(to, Math.max(from, ends.get(to) ?? 0));
  });
  const flat = [...ends].map(([first, last]) => ({ first, last }));
  const within = (first: number, last: number, outer: { first: number; last: number } | null): Loop[] =>
    flat
      .filter((loop) => loop !== outer && loop.first >= first && loop.last <= last)
      .filter((loop, _, all) =>
        all.every((o) => o === loop || o.first > loop.first || o.last < loop.last || !contains(o, loop)),
      )
      .map((loop) => ({ ...loop, inner: within(loop.first, loop.last, loop) }));
  return within(0, blocks.length, null);
}

const contains = (
  outer: { readonly first: number; readonly last: number },
  inner: { readonly first: number; readonly last: number },
): boolean => outer.first <= inner.first && outer.last >= inner.last;
