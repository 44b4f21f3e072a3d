/**
 * Convolutions along one axis: those along two, of images one pixel high.
 */
import { readOptions, requireWhole } from '../arguments.js';
import type { ConvGeometry } from '../backend.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type ConvWindow, conv2d, convTranspose2d, type PairLike, toPair, windowDefaults } from './conv.js';
import { requireRank, requireTensor } from './launch.js';
import type { FusedOptions } from './matmul.js';
import { squeeze, unsqueeze } from './views.js';

/** How the window of a convolution along one axis moves. */
interface ConvWindow1d extends Pick<ConvWindow, 'groups'> {
  /** Step of the window. Default 1. */
  readonly stride?: number | undefined;
  /** Zeros at both ends, or before and after. Default 0. */
  readonly padding?: PairLike | undefined;
  /** Elements from one tap of the kernel to the next. Default 1. */
  readonly dilation?: number | undefined;
}

/** Options of `conv1d`. */
export interface Conv1dOptions extends FusedOptions, ConvWindow1d {}

/** Options of `convTranspose1d`. `padding` is what is cut off the ends of the result. */
export interface ConvTranspose1dOptions extends ConvWindow1d, Pick<FusedOptions, 'bias'> {
  /** Elements more at the end, less than the stride or the dilation. Default 0. */
  readonly outputPadding?: number | undefined;
}

/**
 * Convolution (cross-correlation): x `[N, C, L]`, weight `[O, C / groups, K]`, bias `[O]`, result `[N, O, OL]`, where
 * `OL = floor((L + before + after - (K - 1) * dilation - 1) / stride) + 1`.
 * @throws {ArgumentError} for shapes that don't fit
 */
export function conv1d(x: Tensor, weight: Tensor, options: Conv1dOptions = {}): Tensor {
  const op = 'conv1d';
  const { bias, relu, ...window } = readOptions(op, options, { bias: null, relu: false, ...windowDefaults });
  requireLines(op, x, weight, '[O, C / groups, K]');
  const wide = { ...windowAlong(op, window), bias, relu };
  return scope(() => squeeze(conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), wide), 2));
}

/**
 * Transposed convolution: x `[N, C, L]`, weight `[C, O / groups, K]`, bias `[O]`, result `[N, O, OL]`, where
 * `OL = (L - 1) * stride - before - after + (K - 1) * dilation + outputPadding + 1`.
 * @throws {ArgumentError} for shapes that don't fit
 */
export function convTranspose1d(x: Tensor, weight: Tensor, options: ConvTranspose1dOptions = {}): Tensor {
  const op = 'convTranspose1d';
  const defaults = { bias: null, outputPadding: 0, ...windowDefaults };
  const { bias, outputPadding, ...window } = readOptions(op, options, defaults);
  requireLines(op, x, weight, '[C, O / groups, K]');
  requireWhole(op, 'outputPadding', outputPadding, 0);
  const wide = { ...windowAlong(op, window), bias, outputPadding: [0, outputPadding] as const };
  return scope(() => squeeze(convTranspose2d(unsqueeze(x, 2), unsqueeze(weight, 2), wide), 2));
}

function requireLines(op: string, x: Tensor, weight: Tensor, layout: string): void {
  requireTensor(op, 'x', x);
  requireTensor(op, 'weight', weight);
  requireRank(op, 'x', x, 3, '[N, C, L]');
  requireRank(op, 'weight', weight, 3, layout);
}

function windowAlong(op: string, window: Required<ConvWindow1d>): ConvGeometry {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = window;
  requireWhole(op, 'stride', stride, 1);
  requireWhole(op, 'dilation', dilation, 1);
  const [before, after] = toPair(op, 'padding', padding, 0);
  return { stride: [1, stride], padding: [0, before, 0, after], dilation: [1, dilation], groups };
}
