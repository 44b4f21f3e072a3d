/**
 * The fast kernels there are: for each a plan (plan.ts) over emitted WebAssembly. A kernel without a plan, and
 * arguments that its plan declines, run as plain loops.
 */
import type { PlanTable } from '../plan.js';
import { planConv2d, planConv2dWeightGrad } from './conv.js';
import { planConv2dInputGrad } from './convInputGrad.js';
import { planLrn, planLrnGrad } from './lrn.js';
import { planMap } from './map.js';
import { planMatmul } from './matmul.js';
import { planPool, planPoolGrad } from './pool.js';
import { planReduce } from './reduce.js';
import { planGather, planScatterAdd } from './select.js';
import { planCrossEntropy, planCrossEntropyGrad } from './softmax.js';

/** A plan for each kernel that has one. */
export const plans: PlanTable = {
  map: planMap,
  reduce: planReduce,
  matmul: planMatmul,
  conv2d: planConv2d,
  conv2dInputGrad: planConv2dInputGrad,
  conv2dWeightGrad: planConv2dWeightGrad,
  pool2d: planPool,
  pool2dGrad: planPoolGrad,
  lrn: planLrn,
  lrnGrad: planLrnGrad,
  crossEntropy: planCrossEntropy,
  crossEntropyGrad: planCrossEntropyGrad,
  gather: planGather,
  scatterAdd: planScatterAdd,
};
