/**
 * Rows of the table: what the dispatches of one work issue on a card, all invocations together.
 */
import { list, number, object, parseJson, text, whole } from '../../src/formats/json.js';
import type { Shader } from './disassembly.js';
import { likelyTurns, type Tally, tally } from './tally.js';
import type { Dispatched } from './watch.js';

/** A work, and what was dispatched for it. */
export interface CompiledWork {
  readonly name: string;
  /** By arithmetic from the shapes. */
  readonly multiplyAdds: number;
  /** `turns` of the main nest's loops, outermost first; none where they aren't known, and `likelyTurns` does. */
  readonly dispatches: readonly (Dispatched & { readonly turns: readonly number[] })[];
}

const schema = object<CompiledWork>({
  name: text,
  multiplyAdds: number(0),
  dispatches: list(
    object<CompiledWork['dispatches'][number]>({
      pipeline: whole(1),
      label: text,
      invocations: whole(0),
      turns: list(number(0)),
    }),
  ),
});

/** Reads what a compiling process prints. */
export function readWorks(printed: string): CompiledWork[] {
  return printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => parseJson(line, 'the compiling process', schema));
}

/** One row. */
export interface IsaRow {
  readonly name: string;
  /** Multiply-adds of all instructions of the main loop nests, and of all dispatches whole. */
  readonly nest: number;
  readonly whole: number;
  /** Multiply-adds that were asked for, of those issued: the rest fell beyond the matrices' edges. */
  readonly useful: number;
  /** Of the shader with the most multiply-adds. */
  readonly registers: number;
  readonly spills: number;
  readonly localMemory: number;
  readonly waves: number;
  /** Bytes for each multiply-add through workgroup memory, and from and to device memory or its caches. */
  readonly localBytes: number;
  readonly memoryBytes: number;
}

/** @throws where the driver printed nothing of a pipeline */
export function rowOf(work: CompiledWork, shaders: ReadonlyMap<string, Shader>): IsaRow {
  const none = { instructions: 0, multiplyAdds: 0, localBytes: 0, memoryBytes: 0 };
  const [nests, wholes] = [{ ...none }, { ...none }];
  const add = (to: typeof none, from: Tally, times: number): void => {
    to.instructions += times * from.instructions;
    to.multiplyAdds += times * from.multiplyAdds;
    to.localBytes += times * from.localBytes;
    to.memoryBytes += times * from.memoryBytes;
  };
  let main: Shader | undefined;
  let most = 0;
  for (const { pipeline, label, invocations, turns } of work.dispatches) {
    const shader = shaders.get(String(pipeline));
    if (!shader) throw new Error(`${work.name}: the driver printed nothing of pipeline '${label}'`);
    const shares = work.dispatches.filter((other) => other.pipeline === pipeline).length;
    const known = turns.length > 0 ? turns : likelyTurns(shader, work.multiplyAdds / shares / invocations);
    const { nest, whole } = tally(shader, known);
    add(wholes, whole, invocations);
    if (nest.multiplyAdds === 0) continue;
    add(nests, nest, invocations);
    if (nest.multiplyAdds * invocations <= most) continue;
    most = nest.multiplyAdds * invocations;
    main = shader;
  }
  const figure = (name: string): number => main?.figures.get(name) ?? Number.NaN;
  return {
    name: work.name,
    nest: nests.multiplyAdds / nests.instructions,
    whole: wholes.multiplyAdds / wholes.instructions,
    useful: work.multiplyAdds / wholes.multiplyAdds,
    registers: figure('VGPRs'),
    spills: figure('Spilled VGPRs') + figure('Spilled SGPRs'),
    localMemory: figure('LDS size'),
    waves: figure('Subgroups per SIMD'),
    localBytes: wholes.localBytes / wholes.multiplyAdds,
    memoryBytes: wholes.memoryBytes / wholes.multiplyAdds,
  };
}
