/**
 * Copies planes into a frame of zeros: `[planes, height, width]` to `[planes, paddedHeight, paddedWidth]`, the image
 * starting at row `top`, column `left`. Threads share the planes.
 */
import type { KernelModule } from '../plan.js';
import { ModuleBuilder } from './assembler.js';
import { f32, forRange, i32, memory, v128 } from './instructions.js';
import { WordLayout } from './words.js';

/** Words of `pad`: addresses, sizes in elements. */
export const padWords = new WordLayout(
  'from',
  'to',
  'planes',
  'height',
  'width',
  'top',
  'left',
  'paddedHeight',
  'paddedWidth',
);

export const padModule: KernelModule = { key: 'pad', emit };

function emit(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const f = module.func('pad');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { from, to, plane, endPlane, end } = f.locals('i32', 'from', 'to', 'plane', 'endPlane', 'end');
  const { rowBytes, vectorBytes, left, right } = f.locals('i32', 'rowBytes', 'vectorBytes', 'left', 'right');
  const { planeBytes, x, paddedBytes, row } = f.locals('i32', 'planeBytes', 'x', 'paddedBytes', 'row');
  const { above } = f.locals('i32', 'above');
  const word = (name: Parameters<typeof padWords.read>[1]) => padWords.read(words, name);
  const zeros = (bytes: typeof left) => [
    forRange(x, 0, bytes, 4, f32.store(i32.add(to, x), 0)),
    to.set(i32.add(to, bytes)),
  ];
  const copyRow = [
    forRange(x, 0, vectorBytes, 16, v128.store(i32.add(to, x), v128.load(i32.add(from, x)))),
    forRange(x, vectorBytes, rowBytes, 4, f32.store(i32.add(to, x), f32.load(i32.add(from, x)))),
    to.set(i32.add(to, rowBytes)),
    from.set(i32.add(from, rowBytes)),
  ];
  f.body(
    rowBytes.set(i32.shl(word('width'), 2)),
    vectorBytes.set(i32.and(rowBytes, -16)),
    left.set(i32.shl(word('left'), 2)),
    right.set(i32.sub(i32.shl(i32.sub(word('paddedWidth'), word('left')), 2), rowBytes)),
    above.set(i32.shl(i32.mul(word('top'), word('paddedWidth')), 2)),
    planeBytes.set(i32.mul(word('height'), rowBytes)),
    paddedBytes.set(i32.mul(i32.mul(word('paddedHeight'), word('paddedWidth')), 4)),
    plane.set(i32.divU(i32.mul(word('planes'), thread), threads)),
    endPlane.set(i32.divU(i32.mul(word('planes'), i32.add(thread, 1)), threads)),
    from.set(i32.add(word('from'), i32.mul(plane, planeBytes))),
    to.set(i32.add(word('to'), i32.mul(plane, paddedBytes))),
    forRange(plane, plane, endPlane, 1, [
      end.set(i32.add(to, paddedBytes)),
      memory.fill(to, 0, above),
      to.set(i32.add(to, above)),
      forRange(row, 0, word('height'), 1, [zeros(left), copyRow, zeros(right)]),
      memory.fill(to, 0, i32.sub(end, to)),
      to.set(end),
    ]),
  );
  return module.finish();
}
