/**
 * The plain loops: for each kernel a short loop over typed arrays that computes the contract's formula
 * (core/backend.ts) and nothing else. They are the specification in code, the oracle that the fast kernels are
 * tested against, the path of float64 tensors, and what runs where a fast kernel doesn't cover the arguments.
 */
import type { KernelName } from '../../../core/backend.js';
import { conv2d, conv2dInputGrad, conv2dWeightGrad } from './conv/loop.js';
import { crossEntropy, crossEntropyGrad } from './crossEntropy/loop.js';
import { foldMap } from './foldMap/loop.js';
import { lrn, lrnGrad } from './lrn/loop.js';
import { map } from './map/loop.js';
import { matmul } from './matmul/loop.js';
import { pool2d, pool2dGrad } from './pool/loop.js';
import { reduce } from './reduce/loop.js';
import { gather, scatterAdd, topk } from './select/loop.js';
import type { LoopArgs } from './view.js';

export type { LoopArgs, LoopView } from './view.js';

/** Every kernel as a plain loop. */
export const loops: { readonly [K in KernelName]: (args: LoopArgs<K>) => void } = {
  map,
  reduce,
  foldMap,
  matmul,
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  pool2d,
  pool2dGrad,
  lrn,
  lrnGrad,
  crossEntropy,
  crossEntropyGrad,
  gather,
  scatterAdd,
  topk,
};
