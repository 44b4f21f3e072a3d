/**
 * Kernels made for testing the device itself: each shows whether order, barriers and memory are kept.
 */

import { ModuleBuilder } from '../../../src/backends/cpu/asm/assembler.js';
import { forRange, if_, while_ } from '../../../src/backends/cpu/asm/flow.js';
import { i32, memory } from '../../../src/backends/cpu/asm/instructions.js';
import type { KernelModule } from '../../../src/backends/cpu/plan.js';

/** The address of each word of a command. */
const word = (index: number) => index * 4;

/** The functions below; thread t of n takes elements t, t + n, t + 2n, ... */
export const kernels: KernelModule = {
  key: 'test kernels',
  emit() {
    const module = new ModuleBuilder();

    // affine [x, y, count, a, b]: y[i] = a * x[i] + b on int32. Doesn't commute, so order shows.
    const affine = module.func('affine');
    {
      const { words, t, n } = affine.params('i32', 'words', 't', 'n');
      const { i, at } = affine.locals('i32', 'i', 'at');
      affine.body(
        forRange(i, t, i32.load(words, word(2)), n, [
          at.set(i32.shl(i, 2)),
          i32.store(
            i32.add(i32.load(words, word(1)), at),
            i32.add(
              i32.mul(i32.load(i32.add(i32.load(words, word(0)), at)), i32.load(words, word(3))),
              i32.load(words, word(4)),
            ),
          ),
        ]),
      );
    }

    // rotate [x, y, count]: y[i] = x[(i + 1) % count]. Reads what other threads wrote, so a missing barrier shows.
    const rotate = module.func('rotate');
    {
      const { words, t, n } = rotate.params('i32', 'words', 't', 'n');
      const { i, from } = rotate.locals('i32', 'i', 'from');
      rotate.body(
        forRange(i, t, i32.load(words, word(2)), n, [
          from.set(i32.remU(i32.add(i, 1), i32.load(words, word(2)))),
          i32.store(
            i32.add(i32.load(words, word(1)), i32.shl(i, 2)),
            i32.load(i32.add(i32.load(words, word(0)), i32.shl(from, 2))),
          ),
        ]),
      );
    }

    // waitFor [flag]: runs until the int32 at `flag` isn't 0.
    const waitFor = module.func('waitFor');
    {
      const { words } = waitFor.params('i32', 'words', 't', 'n');
      waitFor.body(while_(i32.eqz(i32.load(i32.load(words, word(0)))), []));
    }

    // delay [turns]: takes a while.
    const delay = module.func('delay');
    {
      const { words } = delay.params('i32', 'words', 't', 'n');
      const { i, x } = delay.locals('i32', 'i', 'x');
      delay.body(forRange(i, 0, i32.load(words, word(0)), 1, x.set(i32.mul(i32.add(x, i), 3))));
    }

    // fault [thread]: that thread reads outside the memory.
    const fault = module.func('fault');
    {
      const { words, t } = fault.params('i32', 'words', 't', 'n');
      const { x } = fault.locals('i32', 'x');
      fault.body(if_(i32.eq(t, i32.load(words, word(0))), x.set(i32.load(-4, 3))));
    }

    // fill [x, bytes, value], by thread 0.
    const fill = module.func('fill');
    {
      const { words, t } = fill.params('i32', 'words', 't', 'n');
      fill.body(
        if_(
          i32.eqz(t),
          memory.fill(i32.load(words, word(0)), i32.load(words, word(2)), i32.load(words, word(1))),
        ),
      );
    }
    return module.finish();
  },
};
