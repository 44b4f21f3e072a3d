/**
 * conv1's kernels of both towers: each kernel's weights from its largest negative (black) to its largest positive
 * (white), and the share of it that is colour.
 */
import { colourfulness } from 'tandem-ts/alexnet';
import type { Kernels } from '../../engine/session.js';
import { setText } from '../../page/dom.js';
import { percent, say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';

/** Where a tower's kernels are drawn. */
export interface KernelPlace {
  readonly canvas: HTMLCanvasElement;
  readonly caption: HTMLElement;
}

/** Draws all towers' kernels. */
export function drawKernels(places: readonly KernelPlace[], { side, towers, weights }: Kernels): void {
  const size = 3 * side * side;
  let start = 0;
  for (const [t, { canvas, caption }] of places.entries()) {
    const count = towers[t] ?? 0;
    const kernels = Array.from({ length: count }, (_, i) =>
      weights.subarray((start + i) * size, (start + i + 1) * size),
    );
    start += count;
    canvas.parentElement?.toggleAttribute('hidden', count === 0);
    if (count === 0) continue;
    drawTiles(canvas, kernels.map(shades), side, 6);
    const colours = kernels.map(colourfulness).sort((a, b) => a - b);
    setText(caption, say('kernelColour', { tower: t + 1, share: percent(colours[count >> 1] ?? 0, 0) }));
  }
}

/** Weights of a kernel as bytes: 0 is the middle grey, the largest black or white. */
export function shades(kernel: Float32Array): Uint8Array {
  const most = kernel.reduce((largest, w) => Math.max(largest, Math.abs(w)), 0) || 1;
  return Uint8Array.from(kernel, (w) => Math.round(127.5 + (127.5 * w) / most));
}
