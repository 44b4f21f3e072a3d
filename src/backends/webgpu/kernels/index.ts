/** Every kernel of the contract, recorded as WGSL dispatches. */
import type { KernelName, Kernels } from '../../../core/backend.js';
import type { Recorder } from '../recorder.js';
import { conv2d, conv2dInputGrad, conv2dWeightGrad } from './conv.js';
import { crossEntropy, crossEntropyGrad } from './crossEntropy.js';
import { lrn, lrnGrad } from './lrn.js';
import { map } from './map.js';
import { matmul } from './matmul.js';
import { pool2d, pool2dGrad } from './pool.js';
import { reduce } from './reduce.js';
import { gather, scatterAdd, topk } from './select.js';

/** Kernels by name. */
export const kernels: { readonly [K in KernelName]: (recorder: Recorder, args: Kernels[K]) => void } = {
  map,
  reduce,
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
