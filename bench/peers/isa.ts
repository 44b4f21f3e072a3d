/**
 * The process that compiles another library's kernels for a card (../isa/run.ts, `npm run isa` here): prints a
 * `CompiledWork` for each row. Arguments: a pattern of rows' names, and 'tfjs webgpu' or 'jax-js webgpu'.
 *
 * A gradient's row leaves out what the row of the value ran as well: both libraries compute the value too.
 */
import { radvDriver } from '../isa/layer.js';
import type { CompiledWork } from '../isa/report.js';
import { Watch } from '../isa/watch.js';
import { installWebGpu } from './globals.js';
import { openJax } from './jax.js';
import { openTfjs } from './tfjs.js';
import { works } from './work.js';

const [pattern = '', library = ''] = process.argv.slice(2);
await installWebGpu(radvDriver());
const watch = new Watch();
const peer = await (library.startsWith('jax') ? openJax('webgpu') : openTfjs('webgpu'));

let forward = new Set<number>();
for (const { name, make } of works({
  matmuls: [1024, 2048, 4096],
  convBatch: 128,
  inference: [],
  training: [],
})) {
  if (!new RegExp(pattern).test(name)) continue;
  const work = make();
  try {
    const ready = await peer.prepare(work);
    await ready.run();
    watch.take();
    await ready.run();
    const all = watch.take();
    await ready.dispose();
    if (work.kind === 'conv' && work.direction === 'forward') {
      forward = new Set(all.map(({ pipeline }) => pipeline));
    }
    const gradient = work.kind === 'conv' && work.direction !== 'forward';
    const dispatches = all
      .filter(({ pipeline }) => !gradient || !forward.has(pipeline))
      .map((one) => ({ ...one, turns: [] }));
    const compiled: CompiledWork = { name, multiplyAdds: work.flops / 2, dispatches };
    process.stdout.write(`${JSON.stringify(compiled)}\n`);
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
process.exit(0);
