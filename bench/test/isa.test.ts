/**
 * bench/isa on a stored sample of what the driver prints: loops, paths, and what is counted along them.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readShaders } from '../isa/disassembly.js';
import { MissingError, nullHardware } from '../isa/layer.js';
import { type CompiledWork, readWorks, rowOf } from '../isa/report.js';
import { likelyTurns, mainNest, tally } from '../isa/tally.js';
import { sample } from './isaSample.js';

const shaders = readShaders(sample);
const shader = shaders.get('7')!;

test('blocks end at branches, loops are nested, figures are read', () => {
  assert.is(shader.figures.get('VGPRs'), 96);
  assert.equal(shader.blocks[0]?.ops, ['v_mbcnt_lo_u32_b32', 's_nop', 's_nop', 's_nop']);
  const labels = mainNest(shader).map(({ first }) => shader.blocks[first]?.label);
  assert.equal(labels, ['BB16', 'BB20']);
  assert.is(shader.loops.length, 2);
});

test('a nest is weighted by its turns, its ragged end counted once', () => {
  const { nest, whole } = tally(shader, [10, 16]);
  // A turn of the inner loop: 9 instructions, 4 multiply-adds (one line issues two). Around it 4 + 2 + 3 + 2 instructions
  // by the quick way, one more by the other.
  assert.is(nest.multiplyAdds, 10 * 16 * 4);
  assert.is(nest.instructions, 10 * (16 * 9 + 11) + 1);
  assert.is(nest.localBytes, 10 * (16 * (16 + 8) + 16));
  assert.is(nest.memoryBytes, 10 * 16);
  // Outside: 4, the first loop once, 2; the branch out of the nest belongs to a turn that ends it; 3, and the end.
  assert.is(whole.multiplyAdds, nest.multiplyAdds);
  assert.is(whole.memoryBytes, nest.memoryBytes + 4);
  assert.is(whole.instructions, nest.instructions + 4 + 4 + 2 + 3 + 1);
});

test('a row adds up the dispatches of a work', () => {
  const dispatch = { pipeline: 7, label: 'product', invocations: 64, turns: [10, 16] };
  const work: CompiledWork = { name: 'matmul', multiplyAdds: 64 * 600, dispatches: [dispatch, dispatch] };
  const row = rowOf(readWorks(`noise\n${JSON.stringify(work)}\n`)[0]!, shaders);
  assert.is(row.nest, 640 / 1551);
  assert.is(row.useful, 600 / 1280);
  assert.equal([row.registers, row.spills, row.localMemory, row.waves], [96, 3, 8192, 8]);
});

test('turns that are not known are worked out from the multiply-adds', () => {
  assert.equal(likelyTurns(shader, 4 * 12 * 12), [12, 12]);
});

test('a pipeline that the driver did not print is named', () => {
  const dispatches = [{ pipeline: 8, label: 'product 8x8', invocations: 64, turns: [] }];
  assert.throws(() => rowOf({ name: 'matmul', multiplyAdds: 1, dispatches }, shaders), /product 8x8/);
});

test('works that share a program, of which the driver prints one, each have their row', async () => {
  const missing = await nullHardware('navi21').then(
    () => null,
    (error: unknown) => {
      if (error instanceof MissingError) return error.message;
      throw error;
    },
  );
  if (missing !== null) return console.log(`SKIPPED: instructions for cards that are not there: ${missing}`);
  const works = ['fc8 weight gradient', 'conv3 forward'];
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL('../isa/run.js', import.meta.url)),
    ...['--cards', 'navi21', '--only', works.join('|')],
  ]);
  for (const work of works) {
    const row = stdout.split('\n').find((line) => line.startsWith(work));
    assert.ok(Number(/ ([\d.]+) %/.exec(row ?? '')?.[1]) > 80, `${work}: ${row}`);
  }
});

test.run();
