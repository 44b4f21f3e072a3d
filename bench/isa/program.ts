/**
 * The process that compiles Tandem's kernels for a card: prints a `CompiledWork` as a line of JSON for each work, while the
 * driver prints what it compiles on standard error. Arguments: a pattern of works' names.
 */
import { globals } from 'webgpu';
import { openDevice } from '../../src/backends/open.js';
import { blockDepth } from '../../src/backends/webgpu/kernels/matmul/forms.js';
import { sectionTurns } from '../../src/backends/webgpu/kernels/matmul/tileShared.js';
import { Recorder } from '../../src/backends/webgpu/runtime/recorder.js';
import { kernelRows } from '../kernels.js';
import { radvDriver } from './layer.js';
import type { CompiledWork } from './report.js';
import { Watch } from './watch.js';

const [pattern = ''] = process.argv.slice(2);
Object.assign(globalThis, globals);
const watch = new Watch();

/** Turns of the main loop of each product recorded, by the beginning of its pipeline's label. */
const turns = new Map<string, number[]>();
const { dispatch } = Recorder.prototype;
Recorder.prototype.dispatch = function (spec) {
  const { K, depth } = spec.i32 ?? {};
  if (spec.key.startsWith('product') && K !== undefined && depth !== undefined) {
    const all = Math.ceil(Math.min(K, depth) / (2 * blockDepth));
    // Long sums: sections of turns.
    turns.set(spec.key, / in \d/.test(spec.key) ? [Math.ceil(all / sectionTurns), sectionTurns] : [all]);
  }
  dispatch.call(this, spec);
};

const device = await openDevice('webgpu:0', { driver: radvDriver() });
for (const work of kernelRows({ batch: 128, squares: [1024, 2048, 4096], fcBatches: [128] })) {
  if (!/^(matmul|conv|fc)/.test(work.name) || !new RegExp(pattern).test(work.name)) continue;
  const ready = work.prepare([device], 1);
  await device.compile();
  watch.take();
  turns.clear();
  await ready.run();
  await device.compile();
  const dispatches = watch.take().map((one) => {
    const key = [...turns.keys()].find((start) => one.label.startsWith(start));
    return { ...one, turns: (key === undefined ? undefined : turns.get(key)) ?? [] };
  });
  const compiled: CompiledWork = { name: work.name, multiplyAdds: ready.cost.flops / 2, dispatches };
  process.stdout.write(`${JSON.stringify(compiled)}\n`);
  ready.dispose();
}
await device.close();
