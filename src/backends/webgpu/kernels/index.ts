/** Every kernel of the contract, recorded as WGSL dispatches. */
import type { KernelName, Kernels } from '../../../core/backend.js';
import type { Recorder } from '../runtime/recorder.js';
import { conv2d, conv2dWeightGrad } from './conv/conv.js';
import { conv2dInputGrad } from './conv/inputGrad.js';
import { crossEntropy, crossEntropyGrad } from './crossEntropy/crossEntropy.js';
import { foldMap } from './foldMap/foldMap.js';
import { lrn, lrnGrad } from './lrn/lrn.js';
import { map } from './map/map.js';
import { matmul } from './matmul/matmul.js';
import { pool2d, pool2dGrad } from './pool/pool.js';
import { reduce } from './reduce/reduce.js';
import { gather, scatterAdd, topk } from './select/select.js';

/** Kernels by name. */
export const kernels: { readonly [K in KernelName]: (recorder: Recorder, args: Kernels[K]) => void } = {
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
