/**
 * Copies planes into a frame of zeros: `[planes, height, width]` to `[planes, paddedHeight, paddedWidth]`, the image
 * starting at row `top`, column `left`. Threads share the planes.
 */

import { forRange } from '../../asm/flow.js';
import { f32, i32, type Local, memory, v128 } from '../../asm/instructions.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout } from '../../asm/words.js';
import type { KernelModule } from '../../plan.js';

/** Words of `pad`: addresses, the number of planes (`units`), sizes in elements. */
export const padWords = new WordLayout(
  'from',
  'to',
  'units',
  'height',
  'width',
  'top',
  'left',
  'paddedHeight',
  'paddedWidth',
);

/** The module of `pad`. */
export const padModule: KernelModule = {
  key: 'pad',
  emit: (features) =>
    emitUnits('pad', padWords, features, ({ l, w }) => {
      const rowBytes = l.let(i32.shl(w.width, 2));
      const vectorBytes = l.let(i32.and(rowBytes, -16));
      const left = l.let(i32.shl(w.left, 2));
      const right = l.let(i32.sub(i32.shl(i32.sub(w.paddedWidth, w.left), 2), rowBytes));
      const above = l.let(i32.shl(i32.mul(w.top, w.paddedWidth), 2));
      const planeBytes = l.let(i32.mul(rowBytes, w.height));
      const paddedBytes = l.let(i32.shl(i32.mul(w.paddedHeight, w.paddedWidth), 2));
      const from = l.variable('i32');
      const to = l.variable('i32');
      const x = l.variable('i32');
      const row = l.variable('i32');
      const zeros = (bytes: Local<'i32'>) => [
        forRange(x, 0, bytes, 4, f32.store(i32.add(to, x), 0)),
        to.set(i32.add(to, bytes)),
      ];
      const copyRow = [
        forRange(x, 0, vectorBytes, 16, v128.store(i32.add(to, x), v128.load(i32.add(from, x)))),
        forRange(x, vectorBytes, rowBytes, 4, f32.store(i32.add(to, x), f32.load(i32.add(from, x)))),
        to.set(i32.add(to, rowBytes)),
        from.set(i32.add(from, rowBytes)),
      ];
      return (plane) => {
        l.do(
          from.set(i32.add(w.from, i32.mul(plane, planeBytes))),
          to.set(i32.add(w.to, i32.mul(plane, paddedBytes))),
        );
        const end = l.let(i32.add(to, paddedBytes));
        l.do(
          memory.fill(to, 0, above),
          to.set(i32.add(to, above)),
          forRange(row, 0, w.height, 1, [zeros(left), copyRow, zeros(right)]),
          memory.fill(to, 0, i32.sub(end, to)),
        );
      };
    }),
};
