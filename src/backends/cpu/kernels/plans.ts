/**
 * The fast kernels there are: for each a plan (plan.ts) over emitted WebAssembly. A kernel without a plan, and
 * arguments that its plan declines, run as plain loops.
 */
import type { PlanTable } from '../plan.js';
import { planConv2dInputGrad } from './conv/inputGradPlan.js';
import { planConv2d, planConv2dWeightGrad } from './conv/plan.js';
import { planCrossEntropy, planCrossEntropyGrad } from './crossEntropy/plan.js';
import { planFoldMap } from './foldMap/plan.js';
import { planLrn, planLrnGrad } from './lrn/plan.js';
import { planMap } from './map/plan.js';
import { planMatmul } from './matmul/plan.js';
import { planPool, planPoolGrad } from './pool/plan.js';
import { planReduce } from './reduce/plan.js';
import { planGather, planScatterAdd } from './select/plan.js';

/** A plan for each kernel that has one. */
export const plans: PlanTable = {
  map: planMap,
  reduce: planReduce,
  foldMap: planFoldMap,
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
